"""tidegate export: blocks that verify elsewhere, and tables that a spreadsheet opens unharmed."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest

from agent.block.record import Columns, Event
from agent.cli.export_write import COLUMNS, guarded
from agent.keys import key_line
from agent.outbox import Commit, Outbox
from agent.storing.stored import seq_of
from tests.agent.block.chains import EVENT, GAUGE, STATE, Gateway, no_utc
from tests.agent.cli.commands import Command, Said


@pytest.fixture
def gateway(tmp_path: Path) -> Gateway:
    """Two epochs of three blocks, 10 readings each, in an outbox."""
    made = Gateway()
    for _ in range(3):
        made.seal(10)
    made.open()
    for _ in range(3):
        made.seal(10)
    store(tmp_path, made)
    return made


def store(folder: Path, gateway: Gateway, removed: tuple[tuple[int, int], ...] = ()) -> None:
    (folder / "trust.txt").write_text(key_line(gateway.identity.spki, "haimen-07") + "\n")
    (folder / "outbox.db").unlink(missing_ok=True)
    box = Outbox(folder / "outbox.db")
    box.commit(Commit(blocks=tuple(gateway.sealed)))
    box.commit(Commit(removed=tuple(seq_of(*place) for place in removed)))
    box.close()


def export(tidegate: Command, *words: str, lang: str = "en") -> Said:
    return tidegate("export", "--db", "outbox.db", "--trust", "trust.txt", *words, lang=lang)


def table(file: Path, encoding: str = "utf-8") -> list[dict[str, str]]:
    with file.open(encoding=encoding, newline="") as stream:
        return list(csv.DictReader(stream))


def test_the_blocks_are_the_bytes_that_were_signed(tidegate: Command, gateway: Gateway) -> None:
    said = export(tidegate, "x.cbseq", "--json")
    assert said.envelope["result"] == {
        "file": "x.cbseq", "verdict": "proven", "blocks": 6, "first_epoch": 0, "dictionary": None,
    }  # fmt: skip
    assert (tidegate.folder / "x.cbseq").read_bytes() == b"".join(gateway.messages)
    assert tidegate("verify", "x.cbseq", "--trust", "trust.txt").code == 0


def test_a_pruned_start_is_made_good_by_the_dictionary(tidegate: Command, gateway: Gateway) -> None:
    store(tidegate.folder, gateway, removed=((0, 1), (0, 2)))
    said = export(tidegate, "x.cbseq")
    assert said.code == 0
    assert "x.cbdict" in said.out
    assert (tidegate.folder / "x.cbseq").read_bytes() == b"".join(gateway.messages[3:])
    found = tidegate("verify", "x.cbseq", "--trust", "trust.txt", "--json").envelope["result"]
    assert (found["verdict"], found["gateways"][0]["proven_from_epoch"]) == ("proven", 1)
    (tidegate.folder / "x.cbdict").unlink()
    assert tidegate("verify", "x.cbseq", "--trust", "trust.txt").code == 3
    (tidegate.folder / "x.cbdict").write_bytes(b"\x80")
    assert tidegate("verify", "x.cbseq", "--trust", "trust.txt").code in (1, 3)
    (tidegate.folder / "x.cbdict").write_bytes(b"\xff")
    assert "x.cbdict" in tidegate("verify", "x.cbseq", "--trust", "trust.txt").err


def test_a_period_of_blocks_begins_where_it_can_be_judged(tidegate: Command, gateway: Gateway) -> None:
    assert export(tidegate, "x.cbseq", "--from", "2026-09-21T14:30:05Z", "--to", "2026-09-21T14:30:05Z").code == 0
    assert (tidegate.folder / "x.cbseq").read_bytes() == b"".join(gateway.messages[3:5])
    assert tidegate("verify", "x.cbseq", "--trust", "trust.txt").code == 0


@pytest.mark.usefixtures("gateway")
def test_a_table_holds_every_reading_with_exact_value_and_time(tidegate: Command) -> None:
    assert "x.csv: 60 rows" in export(tidegate, "x.csv").out
    rows = table(tidegate.folder / "x.csv")
    assert tuple(rows[0]) == COLUMNS
    assert rows[0] == {
        "kind": "reading", "utc": "2026-09-21T14:30:00.960Z", "local": "2026-09-21T14:30:00.960Z", "error_ms": "21",
        "device": "meter-1", "quantity": "quantity_0", "value": "230.0", "unit": "V", "quality": "good",
        "block": "0/0", "reading": "0", "device_utc": "", "device_sequence": "", "device_flags": "", "raw": "",
    }  # fmt: skip
    assert [row["reading"] for row in rows] == [str(number) for number in range(60)]


@pytest.mark.usefixtures("gateway")
def test_a_line_of_json_a_reading(tidegate: Command) -> None:
    assert export(tidegate, "--to", "x.jsonl").code == 0
    rows = [json.loads(line) for line in (tidegate.folder / "x.jsonl").read_text().splitlines()]
    assert len(rows) == 60
    assert (rows[59]["value"], rows[59]["unit"], rows[59]["reading"]) == ("231.3", "V", 59)


@pytest.mark.usefixtures("gateway")
def test_a_period_takes_its_start_and_leaves_its_end(tidegate: Command) -> None:
    words = ("x.csv", "--from", "2026-09-21T14:30:01.960Z", "--to", "2026-09-21T14:30:02.960Z")
    assert export(tidegate, *words).code == 0
    assert {row["block"] for row in table(tidegate.folder / "x.csv")} == {"0/1"}


@pytest.mark.usefixtures("gateway")
def test_times_without_a_zone_are_the_sites(tidegate: Command) -> None:
    assert tidegate("--site", "site.toml", "init", "--name", "a", "--state-dir", "state").code == 0
    text = (tidegate.folder / "site.toml").read_text()
    lines = ['timezone = "Asia/Shanghai"' if line.startswith("timezone") else line for line in text.splitlines()]
    (tidegate.folder / "site.toml").write_text("\n".join(lines))
    words = ("--site", "site.toml", "export", "x.csv", "--db", "outbox.db", "--trust", "trust.txt")
    assert tidegate(*words).code == 0  # trust and source given: the site file is not even read
    assert table(tidegate.folder / "x.csv")[0]["local"].endswith("Z")
    (tidegate.folder / "outbox.db").rename(tidegate.folder / "state" / "outbox.db")
    since = ("--from", "2026-09-21T22:30:04")
    assert tidegate("--site", "site.toml", "export", "x.csv", "--trust", "trust.txt", "--yes", *since).code == 0
    rows = table(tidegate.folder / "x.csv")
    assert rows[0]["local"] == "2026-09-21T22:30:04.000+08:00"
    assert len(rows) == 22


@pytest.mark.usefixtures("gateway")
def test_a_byte_order_mark_is_for_excel(tidegate: Command) -> None:
    for words, lang, marked in (
        ((), "en", False), ((), "zh", True), (("--bom",), "en", True), (("--no-bom",), "zh", False),
    ):  # fmt: skip
        export(tidegate, "x.csv", "--yes", *words, lang=lang)
        assert (tidegate.folder / "x.csv").read_bytes().startswith(b"\xef\xbb\xbf") is marked
    export(tidegate, "x.jsonl", "--bom")
    assert (tidegate.folder / "x.jsonl").read_bytes().startswith(b"{")


@pytest.mark.usefixtures("gateway")
def test_another_separator(tidegate: Command) -> None:
    export(tidegate, "x.csv", "--sep", ";")
    assert (tidegate.folder / "x.csv").read_text().startswith("kind;utc;")
    assert export(tidegate, "y.csv", "--sep", ";;").code == 2


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@x", "\tx", "\rx"])
def test_a_text_that_looks_like_a_formula_is_made_harmless(text: str) -> None:
    assert guarded(text) == f"'{text}"


def test_texts_are_guarded_and_numbers_are_not(tidegate: Command, tmp_path: Path) -> None:
    gateway = Gateway(kinds=(GAUGE, EVENT, STATE))
    values = (-5, '=HYPERLINK("http://x")', True)
    columns = Columns(
        mono_ms=(1_000_900,) * 4, points=(0, 1, 2, 0), values=(*values, None), statuses=((3, 0x800A0000),)
    )
    gateway.seal(columns=columns)
    store(tmp_path, gateway)
    assert export(tidegate, "x.csv").code == 0
    rows = table(tmp_path / "x.csv")
    assert [row["value"] for row in rows] == ["-0.5", '\'=HYPERLINK("http://x")', "true", ""]
    assert [row["quality"] for row in rows] == ["good", "good", "good", "bad-timeout"]
    assert [row["unit"] for row in rows] == ["V", "", "", "V"]


def test_the_device_s_own_time_and_bytes_are_told(tidegate: Command, tmp_path: Path) -> None:
    gateway = Gateway()
    columns = Columns(
        mono_ms=(1_000_900,) * 3,
        points=(0, 0, 0),
        values=(1, 2, 3),
        raws=((1, b"\x77\x01"),),
        device_times=((1, 1_790_000_000_123, 9, 1), (2, None, None, 7)),
    )
    gateway.seal(columns=columns)
    store(tmp_path, gateway)
    assert export(tidegate, "x.csv").code == 0
    names = ("device_utc", "device_sequence", "device_flags", "raw")
    assert [tuple(row[name] for name in names) for row in table(tmp_path / "x.csv")] == [
        ("", "", "", ""),
        ("2026-09-21T14:13:20.123Z", "9", "historical", "7701"),
        ("", "", "historical device-clock-unset substituted", ""),
    ]
    assert export(tidegate, "x.jsonl").code == 0
    lines = [json.loads(line) for line in (tmp_path / "x.jsonl").read_text().splitlines()]
    assert [[line[name] for name in names] for line in lines][:2] == [
        [None, None, None, None],
        ["2026-09-21T14:13:20.123Z", 9, "historical", "7701"],
    ]


def test_exchanged_devices_and_broken_counters_stand_among_the_readings(tidegate: Command, tmp_path: Path) -> None:
    gateway = Gateway()
    broke = [(0, 2_000, 3, "reset"), (0, 9, 1), (77, 2, 1, "reset"), ("x", 2, 1)]
    gateway.seal(1, events=[Event(kind=18, mono_ms=1_000_900, fields=fields) for fields in broke])
    gateway.seal(1, events=[Event(kind=17, mono_ms=1_000_900, fields=fields) for fields in ((0, 0), (0, 5), (1,))])
    store(tmp_path, gateway)
    assert export(tidegate, "x.csv").code == 0
    names = ("kind", "device", "quantity", "value", "unit", "quality")
    rows = [tuple(row[name] for name in names) for row in table(tmp_path / "x.csv") if row["kind"] != "reading"]
    assert rows == [
        ("discontinuity", "meter-1", "quantity_0", "200.0 -> 0.3", "V", "reset"),
        ("discontinuity", "meter-1", "quantity_0", "0.9 -> 0.1", "V", ""),
        ("exchange", "meter-1", "identity", " -> ", "", "exchanged"),
    ]


def test_readings_taken_before_the_clock_was_known_get_their_time_later(tidegate: Command, tmp_path: Path) -> None:
    gateway = Gateway()
    gateway.seal(2, clock=no_utc(1_001_000))
    gateway.seal(2, clock=no_utc(1_002_000))
    gateway.seal(2)
    store(tmp_path, gateway)
    export(tidegate, "x.csv")
    rows = table(tmp_path / "x.csv")
    assert [row["utc"][11:23] for row in rows[::2]] == ["14:30:01.000", "14:30:02.000", "14:30:03.000"]
    assert [int(row["error_ms"]) for row in rows[::2]] == [21, 21, 20]


def test_readings_without_any_time_are_never_left_out(tidegate: Command, tmp_path: Path) -> None:
    gateway = Gateway()
    gateway.seal(2, clock=no_utc(1_001_000))
    store(tmp_path, gateway)
    assert export(tidegate, "x.csv", "--from", "2026-01-01").code == 0
    assert [(row["utc"], row["error_ms"]) for row in table(tmp_path / "x.csv")] == [("", ""), ("", "")]


def test_a_gap_is_a_row_of_its_own(tidegate: Command, tmp_path: Path) -> None:
    gateway = Gateway()
    gateway.seal(2)
    gateway.mono_ms += 600_000
    gateway.seal(2)
    store(tmp_path, gateway)
    export(tidegate, "x.csv")
    rows = table(tmp_path / "x.csv")
    assert [row["kind"] for row in rows] == ["reading", "reading", "gap", "reading", "reading"]
    assert (rows[2]["quantity"], rows[2]["value"], rows[2]["unit"]) == ("silence", "601.000", "s")


def test_what_is_not_proven_is_written_and_does_not_pass_for_proven(tidegate: Command, gateway: Gateway) -> None:
    messages = gateway.messages
    messages[1] = messages[1][:-1] + bytes([messages[1][-1] ^ 1])
    (tidegate.folder / "bad.cbseq").write_bytes(b"".join(messages))
    said = tidegate("export", "x.csv", "--db", "bad.cbseq", "--trust", "trust.txt", "--json")
    assert said.envelope["code"] == 1
    assert {row["block"] for row in table(tidegate.folder / "x.csv")} == {"0/0"}
    assert tidegate("export", "y.cbseq", "--db", "bad.cbseq", "--trust", "trust.txt").code == 1
    assert (tidegate.folder / "y.cbseq").read_bytes() == b"".join(messages)  # evidence leaves nothing out


@pytest.mark.usefixtures("gateway")
def test_a_file_that_is_there_is_not_written_over(tidegate: Command) -> None:
    (tidegate.folder / "x.csv").write_text("mine")
    said = export(tidegate, "x.csv")
    assert said.code == 2
    assert "x.csv is there already" in said.err
    assert (tidegate.folder / "x.csv").read_text() == "mine"
    assert export(tidegate, "x.csv", "--yes").code == 0


@pytest.mark.usefixtures("gateway")
def test_a_place_that_refuses_is_named_and_nothing_is_left(tidegate: Command) -> None:
    said = export(tidegate, "no/such/x.csv")
    assert said.code == 74
    assert "no/such/x.csv.part" in said.err
    assert not list(tidegate.folder.glob("*.part"))


@pytest.mark.parametrize(
    "words",
    [(), ("x.xls",), ("x.csv", "--to", "y.csv"), ("x.csv", "--from", "soon"), ("x.csv", "--to", "1", "--to", "2")],
)
@pytest.mark.usefixtures("gateway")
def test_what_is_typed_wrongly_is_a_usage_error(tidegate: Command, words: tuple[str, ...]) -> None:
    assert export(tidegate, *words).code == 2
