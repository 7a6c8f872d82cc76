"""The vector files: our verifier says what they say, and they are what the generator writes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from agent.block.cbor import decode_strict
from agent.block.cose import PublicKey
from agent.block.errors import BlockError, FormError
from agent.block.form import read_form
from agent.block.messages import read_receipt, read_resend
from agent.block.readings import decimal_text, own_anchor, rows, utc_at
from agent.block.sequence import FileVerifier, verify_sequence
from agent.block.verify import Trust
from tests.agent.block.make_vectors import FOLDER, files


def load(name: str) -> Any:
    return json.loads((FOLDER / f"{name}.json").read_text(encoding="utf-8"))


def trust_of(document: Any) -> Trust:
    return Trust.of(bytes.fromhex(spki) for spki in document["trust"])


CASES = [
    pytest.param(name, case["name"], id=f"{name}: {case['name']}")
    for name in ("form", "signer", "place", "loss", "content")
    for case in load(name)["cases"]
]


@pytest.mark.parametrize(("document", "name"), CASES)
def test_each_message_meets_its_verdict(document: str, name: str) -> None:
    vectors = load(document)
    case = next(case for case in vectors["cases"] if case["name"] == name)
    verifier = FileVerifier(trust_of(vectors))
    for message in vectors["before"]:
        (outcome,) = verifier.take(bytes.fromhex(message))
        assert outcome.verdict.value == "chained"
    assert len(case["messages"]) == len(case["verdicts"])
    for message, (verdict, reason) in zip(case["messages"], case["verdicts"], strict=True):
        encoded = bytes.fromhex(message)
        outcomes = list(verifier.take(encoded))
        first = (outcomes[0].verdict.value, outcomes[0].reason) if outcomes else ("refused", form_reason(encoded))
        assert first == (verdict, reason)
    assert verifier.finish().proven == case["proven"]


def form_reason(message: bytes) -> str:
    with pytest.raises(FormError) as refused:
        read_form(message)
    return refused.value.reason


@pytest.mark.parametrize("name", ["chain-ed25519", "chain-p256"])
def test_an_intact_chain_is_proven_and_read(name: str) -> None:
    vectors = load(name)
    messages = [bytes.fromhex(message) for message in vectors["messages"]]
    assert [read_form(message).head.hex() for message in messages] == vectors["heads"]
    verifier = FileVerifier(trust_of(vectors))
    readings: list[list[Any]] = []
    for message in messages:
        for outcome in verifier.take(message):
            assert outcome.block is not None, outcome.reason
            read, anchor = rows(outcome.block, outcome.state.tables), own_anchor(outcome.block)
            if read is None or anchor is None:
                continue
            for row, value in enumerate(read.values):
                utc = utc_at(anchor, read.mono_ms[row])
                shown: Any = value
                if type(value) is int:
                    shown = decimal_text(value, read.exponents[row])
                elif isinstance(value, str):
                    shown = f"text:{value}"
                readings.append(
                    [
                        read.first_number + row,
                        read.devices[row],
                        read.quantities[row],
                        read.units[row],
                        shown,
                        read.mono_ms[row],
                        read.statuses[row],
                        utc.utc_ms,
                        utc.error_ms,
                    ]
                )
    assert readings == vectors["readings"]
    verdict = verifier.finish()
    assert verdict.proven
    assert sorted({finding.code.value for finding in verdict.chains[0].findings}) == sorted(vectors["findings"])


@pytest.mark.parametrize("name", ["chain-ed25519", "chain-p256"])
def test_a_vector_chain_without_any_one_block_is_not_proven(name: str) -> None:
    vectors = load(name)
    messages = [bytes.fromhex(message) for message in vectors["messages"]]
    for gone in range(len(messages) - 1):
        assert not verify_sequence(messages[:gone] + messages[gone + 1 :], trust_of(vectors)).proven


def test_statements_are_read_by_their_key_alone() -> None:
    vectors = load("statements")
    public = PublicKey.from_spki(bytes.fromhex(vectors["destination"]))
    receipt = read_receipt(bytes.fromhex(vectors["receipt"]["message"]), public)
    assert (receipt.gateway.hex(), receipt.epoch, receipt.number, receipt.head.hex(), receipt.utc_ms) == tuple(
        vectors["receipt"][key] for key in ("gateway", "epoch", "number", "head", "utc_ms")
    )
    resend = read_resend(bytes.fromhex(vectors["resend"]["message"]), public)
    assert (resend.gateway.hex(), resend.epoch, resend.first, resend.last) == tuple(
        vectors["resend"][key] for key in ("gateway", "epoch", "first", "last")
    )
    for wrong in vectors["no_receipts"]:
        with pytest.raises(BlockError):
            read_receipt(bytes.fromhex(wrong["message"]), public)


def test_encodings_are_told_apart() -> None:
    vectors = load("cbor")
    for data in vectors["well_formed"]:
        decode_strict(bytes.fromhex(data))
    for data, reason in vectors["malformed"]:
        with pytest.raises(FormError) as refused:
            decode_strict(bytes.fromhex(data))
        assert refused.value.reason == reason


@pytest.mark.parametrize(("path", "text"), [pytest.param(path, text, id=path.stem) for path, text in files()])
def test_the_files_are_what_the_generator_writes(path: Path, text: str) -> None:
    assert path.read_text(encoding="utf-8") == text
