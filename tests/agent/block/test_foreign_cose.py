"""Interoperability with a COSE implementation that nobody here wrote: it reads ours, we read its."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from agent.block.cose import ED25519, ES256, Aad, PublicKey, parse_sign1, sign1
from agent.block.form import read_form
from agent.block.messages import make_receipt, read_receipt
from agent.block.verify import Verdict
from tests.agent.block.chains import UTC, Gateway, SoftKey, payload_of, read_up_to, sealed

pytestmark = pytest.mark.peers
ROOT = Path(__file__).parents[3]
SCRIPT = Path(__file__).with_name("foreign_cose.py")
BOTH = pytest.mark.parametrize("alg", [ED25519, ES256])


class Foreigner:
    """The foreign implementation in a process of its own."""

    def __init__(self, python: Path) -> None:
        self._process = subprocess.Popen(
            [python, "-I", SCRIPT], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=SCRIPT.parent
        )

    def ask(self, **request: Any) -> dict[str, Any]:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        hexed = {key: value.hex() if isinstance(value, bytes) else value for key, value in request.items()}
        self._process.stdin.write(json.dumps(hexed) + "\n")
        self._process.stdin.flush()
        answer = json.loads(self._process.stdout.readline())
        assert isinstance(answer, dict)
        return answer

    def close(self) -> None:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        assert self._process.wait(timeout=30) == 0
        self._process.stdout.close()


@pytest.fixture(scope="module")
def foreigner() -> Iterator[Foreigner]:
    python = Path(os.environ.get("TIDEGATE_FOREIGN_COSE", ROOT / ".venv-cose/bin/python"))
    if not python.exists():
        sentence = f"{python} is missing; type: deploy/foreign-cose"
        if os.environ.get("TIDEGATE_RIGS") == "required" or os.environ.get("CI"):
            pytest.fail(sentence, pytrace=False)
        pytest.skip(sentence)
    started = Foreigner(python)
    yield started
    started.close()


@BOTH
def test_the_foreigner_verifies_our_blocks(foreigner: Foreigner, alg: int) -> None:
    gateway = Gateway(alg=alg)
    gateway.seal()
    gateway.seal(100)
    for message in gateway.messages:
        judged = foreigner.ask(do="verify", message=message, aad=b"tidegate/1/block", spki=gateway.session.spki)
        assert judged["valid"] is True
        assert (judged["alg"], judged["kid"], judged["unprotected"]) == (alg, gateway.session.kid.hex(), 0)
        assert judged["payload"] == parse_sign1(message).payload.hex()
        for aad in (b"", b"tidegate/1/receipt"):
            wrong = foreigner.ask(do="verify", message=message, aad=aad, spki=gateway.session.spki)
            assert wrong["valid"] is False
        stranger = foreigner.ask(
            do="verify", message=message, aad=b"tidegate/1/block", spki=SoftKey("stranger", alg).spki
        )
        assert stranger["valid"] is False


@BOTH
def test_the_foreigner_verifies_our_delegation_and_receipt(foreigner: Foreigner, alg: int) -> None:
    gateway = Gateway(alg=alg)
    delegation = cbor_of_event_5(gateway.seal().message)
    judged = foreigner.ask(do="verify", message=delegation, aad=b"tidegate/1/delegation", spki=gateway.identity.spki)
    assert judged["valid"] is True
    key = SoftKey("platform", alg)
    receipt = make_receipt(key, gateway.identity.kid, 0, 0, bytes(32), UTC)
    assert foreigner.ask(do="verify", message=receipt, aad=b"tidegate/1/receipt", spki=key.spki)["valid"] is True


@BOTH
def test_we_verify_what_the_foreigner_signs(foreigner: Foreigner, alg: int) -> None:
    gateway = Gateway(alg=alg)
    gateway.seal()
    reader = read_up_to(gateway)
    ours = gateway.seal(20).message
    theirs = signed_by_foreigner(foreigner, gateway.session, parse_sign1(ours).payload, Aad.BLOCK)
    assert read_form(theirs).head == read_form(ours).head
    assert reader.judge(theirs).verdict is Verdict.CHAINED
    if alg == ED25519:
        assert theirs == ours, "the same bytes, to the last"
    other_kind = signed_by_foreigner(foreigner, gateway.session, parse_sign1(ours).payload, Aad.RECEIPT)
    assert reader.judge(other_kind).reason == "bad-signature"


@BOTH
def test_we_read_a_receipt_of_a_foreign_platform(foreigner: Foreigner, alg: int) -> None:
    key = SoftKey("platform", alg)
    head = sealed(1).sealed[0].head
    payload = parse_sign1(make_receipt(key, b"gateway1", 0, 0, head, UTC)).payload
    message = signed_by_foreigner(foreigner, key, payload, Aad.RECEIPT)
    assert read_receipt(message, PublicKey.from_spki(key.spki)).head == head
    if alg == ED25519:
        assert message == sign1(payload, key, Aad.RECEIPT)


def signed_by_foreigner(foreigner: Foreigner, key: SoftKey, payload: bytes, aad: Aad) -> bytes:
    curve = "ED25519" if key.alg == ED25519 else "P_256"
    answer = foreigner.ask(do="sign", curve=curve, private=key.private, kid=key.kid, payload=payload, aad=aad.value)
    return bytes.fromhex(answer["message"])


def cbor_of_event_5(message: bytes) -> bytes:
    """The delegation as its bytes stand in the block."""
    tag = payload_of(message)[9][0][2]
    start = message.index(b"\xd2\x84\x4d" + tag.value[0], 1)
    end = message.index(tag.value[3], start) + 64
    return message[start:end]
