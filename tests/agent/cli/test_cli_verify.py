"""tidegate verify: files, an outbox, a collector's database; proven, not proven, cannot be judged."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest

from agent.block.record import Event, EventKind
from agent.cli.verdict_findings import CONTENT, row_of
from agent.keys import key_line
from agent.messages import knows
from agent.outbox import Commit, Outbox
from agent.storing.stored import seq_of
from tests.agent.block.chains import Gateway, clock_at
from tests.agent.cli.commands import ROOT, Command


@pytest.fixture
def gateway() -> Gateway:
    """Two epochs of five blocks with ten readings each."""
    made = Gateway()
    for _ in range(5):
        made.seal(10)
    made.open()
    for _ in range(5):
        made.seal(10)
    return made


def write(folder: Path, gateway: Gateway, messages: Iterable[bytes] | None = None) -> Path:
    (folder / "trust.txt").write_text(f"# ours\n\n{key_line(gateway.identity.spki, 'haimen-07')}\n")
    file = folder / "chain.cbseq"
    file.write_bytes(b"".join(gateway.messages if messages is None else messages))
    return file


def verdict(tidegate: Command, file: Path, code: int) -> dict[str, Any]:
    said = tidegate("verify", file, "--trust", "trust.txt", "--json")
    envelope = said.envelope
    assert envelope["code"] == code, envelope
    assert envelope["result"]["proven"] is (code == 0)
    return envelope


def codes(envelope: dict[str, Any]) -> list[str]:
    return [finding["code"] for finding in envelope["findings"]]


def test_an_untouched_chain_is_proven(tidegate: Command, gateway: Gateway) -> None:
    found = verdict(tidegate, write(tidegate.folder, gateway), 0)["result"]
    assert (found["verdict"], found["messages"], found["bad"]) == ("proven", 10, 0)
    (chain,) = found["gateways"]
    assert chain["gateway"] == gateway.identity.kid.hex()
    assert (chain["name"], chain["trusted"], chain["blocks"], chain["readings"]) == ("haimen-07", True, 10, 100)
    assert chain["epochs"] == [{"epoch": 0, "blocks": 5}, {"epoch": 1, "blocks": 5}]
    assert (chain["last"], chain["head"]) == ([1, 4], gateway.sealed[-1].head.hex())


def test_the_verdict_can_be_read_aloud(tidegate: Command, gateway: Gateway) -> None:
    said = tidegate("verify", write(tidegate.folder, gateway), "--trust", "trust.txt")
    for line in (
        f'gateway     {gateway.identity.kid.hex()}   trusted as "haimen-07"',
        "epochs      2, from 0 to 1",
        "blocks      10, from 0/0 to 1/4, signatures and links good",
        "readings    100",
        "time        2026-09-21 14:30:00 to 2026-09-21 14:30:10 UTC",
        "gaps        none",
        "forks       none",
        "bad blocks  none",
        "VERDICT  proven: nothing was altered, reordered or left out",
    ):
        assert line in said.out.splitlines()
    chinese = tidegate("verify", "chain.cbseq", "--trust", "trust.txt", lang="zh")
    assert "结论  已证明：没有任何改动、调换或遗漏" in chinese.out
    assert not re.search(r"\b(blocks|readings|trusted|none)\b", chinese.out)


def test_order_in_the_file_does_not_matter_and_repetition_neither(tidegate: Command, gateway: Gateway) -> None:
    shuffled = [*gateway.messages[5:], *gateway.messages[2::-1], *gateway.messages]
    found = verdict(tidegate, write(tidegate.folder, gateway, shuffled), 0)
    assert found["result"]["gateways"][0]["blocks"] == 10


def test_several_files_are_one_chain(tidegate: Command, gateway: Gateway) -> None:
    write(tidegate.folder, gateway)
    (tidegate.folder / "a.cbseq").write_bytes(b"".join(gateway.messages[:4]))
    (tidegate.folder / "b.cbseq").write_bytes(b"".join(gateway.messages[4:]))
    assert tidegate("verify", "a.cbseq", "b.cbseq", "--trust", "trust.txt").code == 0
    assert tidegate("verify", "a.cbseq", "--trust", "trust.txt").code == 0  # no file shows that its end is missing


def test_a_flipped_bit_is_named_with_its_block(tidegate: Command, gateway: Gateway) -> None:
    messages = gateway.messages
    messages[3] = messages[3][:-1] + bytes([messages[3][-1] ^ 1])
    file = write(tidegate.folder, gateway, messages)
    found = verdict(tidegate, file, 1)
    assert "bad-signature" in codes(found)
    assert found["result"]["gateways"][0]["bad"][0]["block"] == [0, 3]
    said = tidegate("verify", file, "--trust", "trust.txt")
    assert "block 0/3: The signature is wrong" in said.out
    assert "TG-8101" in said.out
    assert "VERDICT  NOT proven" in said.out


def test_a_missing_block_is_a_gap(tidegate: Command, gateway: Gateway) -> None:
    found = verdict(tidegate, write(tidegate.folder, gateway, gateway.messages[:3] + gateway.messages[4:]), 1)
    assert codes(found) == ["undeclared-loss", "detached"]
    assert found["result"]["gateways"][0]["missing"] == [{"first": [0, 3], "until": [0, 4]}]


def test_the_end_of_an_epoch_is_missing_only_if_the_next_one_does_not_link(
    tidegate: Command, gateway: Gateway
) -> None:
    messages = gateway.messages
    found = verdict(tidegate, write(tidegate.folder, gateway, messages[:2] + messages[4:]), 1)
    assert found["result"]["gateways"][0]["missing"] == [{"first": [0, 2], "until": [0, 4]}]
    found = verdict(tidegate, write(tidegate.folder, gateway, messages[:4] + messages[5:]), 1)
    assert found["result"]["gateways"][0]["missing"] == [{"first": [0, 4], "until": [1, 0]}]


def test_bytes_between_blocks_are_named(tidegate: Command, gateway: Gateway) -> None:
    file = write(tidegate.folder, gateway, [*gateway.messages[:3], b"junk", *gateway.messages[3:]])
    found = verdict(tidegate, file, 1)
    assert codes(found) == ["bad-stretch"]
    assert found["result"]["gateways"][0]["proven"]


def test_a_second_history_is_a_fork(tidegate: Command, gateway: Gateway) -> None:
    twin = gateway.forge(lambda payload: payload.update({9: [[64, 1]]}))
    gateway.seal(3)
    found = verdict(tidegate, write(tidegate.folder, gateway, [*gateway.messages, twin]), 1)
    assert "fork" in codes(found)
    assert found["result"]["gateways"][0]["forks"] == 1


def test_a_block_that_breaks_the_format_is_unreadable(tidegate: Command, gateway: Gateway) -> None:
    bad = gateway.forge(lambda payload: payload.update({5: 7}))
    found = verdict(tidegate, write(tidegate.folder, gateway, [*gateway.messages, bad]), 1)
    assert "unreadable-block" in codes(found)
    assert found["result"]["gateways"][0]["unreadable"] == 1


def test_what_is_only_noteworthy_does_not_hinder_the_proof(tidegate: Command, gateway: Gateway) -> None:
    fields = (0, 1, 3, 0, 100, 1)
    gateway.seal(1, events=[Event(kind=EventKind.MISSED_POLLS, mono_ms=gateway.mono_ms, fields=fields)])
    gateway.mono_ms += 300_000
    gateway.seal(1)
    found = verdict(tidegate, write(tidegate.folder, gateway), 0)
    assert codes(found) == ["missed-polls", "silence"]
    assert {finding["severity"] for finding in found["findings"]} == {"warning"}
    assert "No records for 301 s" in tidegate("verify", "chain.cbseq", "--trust", "trust.txt").out


def test_a_stranger_cannot_be_judged(tidegate: Command, gateway: Gateway) -> None:
    file = write(tidegate.folder, gateway)
    (tidegate.folder / "trust.txt").write_text(key_line(Gateway(name="other").identity.spki, "other") + "\n")
    found = verdict(tidegate, file, 3)
    assert codes(found) == ["unknown-gateway"]
    assert "NOT in the trust file" in tidegate("verify", file, "--trust", "trust.txt").out


def test_without_a_key_nothing_can_be_judged(tidegate: Command, gateway: Gateway) -> None:
    envelope = tidegate("verify", write(tidegate.folder, gateway), "--json").envelope
    assert envelope["code"] == 3
    assert codes(envelope) == ["no-trust"]


def test_without_the_start_nothing_can_be_judged(tidegate: Command, gateway: Gateway) -> None:
    assert codes(verdict(tidegate, write(tidegate.folder, gateway, gateway.messages[5:]), 3)) == ["start-unknown"]
    assert codes(verdict(tidegate, write(tidegate.folder, gateway, gateway.messages[7:]), 3)) == ["parked"]
    assert codes(verdict(tidegate, write(tidegate.folder, gateway, []), 3)) == ["nothing-to-judge"]


def test_a_file_that_is_not_there_is_named(tidegate: Command, gateway: Gateway) -> None:
    write(tidegate.folder, gateway)
    said = tidegate("verify", "no.cbseq", "--trust", "trust.txt")
    assert said.code == 74
    assert "no.cbseq is not there" in said.err
    said = tidegate("verify", "chain.cbseq", "--trust", "no.txt")
    assert said.code == 78
    assert "no.txt" in said.err


def test_a_wrong_trust_file_is_named_with_its_line(tidegate: Command, gateway: Gateway) -> None:
    file = write(tidegate.folder, gateway)
    (tidegate.folder / "trust.txt").write_text("\ned25519 AAAA me\n")
    said = tidegate("verify", file, "--trust", "trust.txt")
    assert said.code == 78
    assert "trust.txt:2:1" in said.err


def outbox(folder: Path, gateway: Gateway, *, without: Iterable[tuple[int, int]] = ()) -> Path:
    write(folder, gateway)
    file = folder / "outbox.db"
    box = Outbox(file)
    box.commit(Commit(blocks=tuple(gateway.sealed)))
    box.commit(Commit(removed=tuple(seq_of(*place) for place in without)))
    box.close()
    return file


def test_an_outbox_is_judged_as_a_file_is(tidegate: Command, gateway: Gateway) -> None:
    found = verdict(tidegate, outbox(tidegate.folder, gateway), 0)
    assert found["result"]["gateways"][0]["readings"] == 100


def test_a_pruned_outbox_is_proven_from_the_first_whole_epoch(tidegate: Command, gateway: Gateway) -> None:
    file = outbox(tidegate.folder, gateway, without=[(0, number) for number in range(5)])
    found = verdict(tidegate, file, 0)
    assert codes(found) == ["start-missing"]
    assert found["result"]["gateways"][0]["proven_from_epoch"] == 1
    assert "proven from epoch 1 on" in tidegate("verify", file, "--trust", "trust.txt").out


def test_an_outbox_pruned_into_its_newest_epoch_cannot_be_judged(tidegate: Command, gateway: Gateway) -> None:
    gone = [(0, number) for number in range(5)] + [(1, 1), (1, 2)]
    assert "start-unknown" in codes(verdict(tidegate, outbox(tidegate.folder, gateway, without=gone), 3))


def test_without_a_file_the_gateway_judges_its_own_outbox(tidegate: Command) -> None:
    assert tidegate("--site", "site.toml", "init", "--name", "a", "--state-dir", "state").code == 0
    said = tidegate("--site", "site.toml", "verify")
    assert said.code == 74
    assert "outbox.db is not there" in said.err


def test_a_database_of_a_collector_is_judged(tidegate: Command, gateway: Gateway) -> None:
    file = write(tidegate.folder, gateway)
    said = tidegate("collect", "--db", "city.db", "--trust", "trust.txt", "--input", file, "--json")
    assert said.envelope["result"]["blocks"] == 10
    found = verdict(tidegate, tidegate.folder / "city.db", 0)
    assert found["result"]["gateways"][0]["readings"] == 100


def test_evidence_in_a_collectors_database_is_judged_too(tidegate: Command, gateway: Gateway) -> None:
    twin = gateway.forge(lambda payload: payload.update({9: [[64, 1]]}))
    gateway.seal(3)
    file = write(tidegate.folder, gateway, [*gateway.messages, twin])
    assert tidegate("collect", "--db", "city.db", "--trust", "trust.txt", "--input", file).code == 1
    assert "fork" in codes(verdict(tidegate, tidegate.folder / "city.db", 1))


def test_another_database_is_no_store_of_blocks(tidegate: Command, gateway: Gateway) -> None:
    write(tidegate.folder, gateway)
    (tidegate.folder / "x.db").write_bytes(b"SQLite format 3\0" + bytes(100))
    said = tidegate("verify", "x.db", "--trust", "trust.txt")
    assert said.code in (65, 74)
    assert "x.db" in said.err


def test_every_reason_of_the_verifier_has_its_row() -> None:
    source = "\n".join(path.read_text(encoding="utf-8") for path in (ROOT / "agent" / "block").glob("*.py"))
    content = set(re.findall(r'ContentError\("([a-z0-9-]+)"', source))
    assert content == CONTENT
    reasons = content | set(re.findall(r'(?:FormError|SignatureError)\("([a-z0-9-]+)"', source))
    reasons |= set(re.findall(r'FORK, reason="([a-z-]+)"|_forked\(form, state, "([a-z-]+)"', source)[0])
    assert all(knows(row_of(reason)) for reason in reasons)
    expected = {
        "bad-signature": "bad-signature", "wrong-signer": "wrong-signer", "not-minimal": "bad-form",
        "same-number": "fork", "epoch-closed": "misplaced", "sparse-row": "unreadable-block",
    }  # fmt: skip
    assert {reason: row_of(reason) for reason in expected} == expected


def test_a_year_that_no_calendar_has_is_a_dash(tidegate: Command, gateway: Gateway) -> None:
    gateway.mono_ms += 1000
    gateway.seal(2, clock=clock_at(gateway.mono_ms, utc_ms=2**53 - 1))
    file = write(tidegate.folder, gateway)
    assert verdict(tidegate, file, 0)["result"]["proven"]
    said = tidegate("verify", file, "--trust", "trust.txt")
    assert said.code == 0
    assert "to - UTC" in said.out
    for name in ("x.csv", "x.jsonl"):
        assert tidegate("export", name, "--db", file, "--trust", "trust.txt").code == 0
        assert (tidegate.folder / name).read_text().count("\n") == 102 + name.endswith(".csv")


def test_a_copy_of_an_outbox_in_use_without_its_log_is_named(tidegate: Command, gateway: Gateway) -> None:
    write(tidegate.folder, gateway)
    box = Outbox(tidegate.folder / "outbox.db")
    box.commit(Commit(blocks=tuple(gateway.sealed)))
    (tidegate.folder / "copy.db").write_bytes((tidegate.folder / "outbox.db").read_bytes())
    said = tidegate("verify", "copy.db", "--trust", "trust.txt")
    box.close()
    assert said.code == 65
    assert "copy.db-wal" in said.err


@pytest.mark.parametrize("line", ["ed25519 AAAA x", "-----BEGIN PUBLIC KEY-----"])
def test_a_wrong_trust_file_is_named_as_one(tidegate: Command, gateway: Gateway, line: str) -> None:
    file = write(tidegate.folder, gateway)
    (tidegate.folder / "trust.txt").write_text(f"# ours\n{line}\n")
    said = tidegate("verify", file, "--trust", "trust.txt")
    assert said.code == 78
    assert "trust.txt:2:1: error: The trust file is wrong" in said.err
    assert "site file" not in said.err
