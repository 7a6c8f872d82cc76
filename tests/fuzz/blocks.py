"""Target: sealed messages, files of them, and the verifier's verdict."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Callable
from dataclasses import dataclass
from random import Random
from typing import Any, Final

import cbor2
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from agent.block import intake
from agent.block.cbseq import BadStretch, read_cbseq
from agent.block.chain import ChainState
from agent.block.cose import message_end, parse_sign1
from agent.block.errors import FormError
from agent.block.form import read_form
from agent.block.memory import MemoryShelf
from agent.block.readings import own_anchor, rows
from agent.block.verify import Trust, Verdict, Verifier
from tests.fuzz.target import Tally, Target, law
from tests.fuzz.vectors import document

_LONGEST: Final = 1000
_HEAD: Final = 17  # d2 84 4d, 13 protected, a0
_SIGNED: Final = frozenset((Verdict.CHAINED, Verdict.UNREADABLE, Verdict.DUPLICATE, Verdict.DETACHED, Verdict.FORK))


def _key() -> Ed25519PrivateKey:
    """The session key of the vectors: it follows from its label."""
    return Ed25519PrivateKey.from_private_bytes(hashlib.sha256(b"tidegate test key vector session 0").digest())


def _bytes(data: bytes) -> bytes:
    return cbor2.dumps(data)


def _to_sign(protected: bytes, payload: bytes) -> bytes:
    """Sig_structure (RFC 9052, 4.4)."""
    return cbor2.dumps(["Signature1", protected, b"tidegate/1/block", payload])


def _parts(message: bytes) -> tuple[bytes, bytes, bytes] | None:
    """Protected header, payload and signature, if the layers are those of a message."""
    try:
        tag = cbor2.loads(message)
    except (cbor2.CBORDecodeError, ValueError, RecursionError):
        return None
    parts = getattr(tag, "value", None)
    if (
        not isinstance(parts, list | tuple)
        or len(parts) != 4
        or not all(isinstance(parts[at], bytes) for at in (0, 2, 3))
    ):
        return None
    return parts[0], parts[2], parts[3]


def _resealed(key: Ed25519PrivateKey) -> Callable[[bytes, Random], bytes]:
    """Change the payload as CBOR or as bytes, and sign it."""
    protected = bytes.fromhex(document("block/form.json")["before"][0])[3:16]

    def mend(wire: bytes, dice: Random) -> bytes:
        parts = _parts(wire)
        payload = parts[1] if parts is not None else wire[_HEAD + 3 : -66]
        if dice.randrange(4):
            payload = _another(payload, dice)
        signature = key.sign(_to_sign(protected, payload))
        return b"\xd2\x84" + _bytes(protected) + b"\xa0" + _bytes(payload) + _bytes(signature)

    return mend


def _another(payload: bytes, dice: Random) -> bytes:
    """The same map with a few values changed."""
    try:
        content = _loose(cbor2.loads(payload))
    except (cbor2.CBORDecodeError, ValueError, RecursionError):
        return payload
    for _ in range(dice.randint(1, 3)):
        _change(content, dice)
    try:
        return cbor2.dumps(content, canonical=True)
    except (cbor2.CBOREncodeError, ValueError, TypeError, RecursionError):
        return payload


def _loose(value: Any) -> Any:
    if isinstance(value, list | tuple):
        return [_loose(item) for item in value]
    if isinstance(value, dict):
        return {key: _loose(item) for key, item in value.items()}
    return value


def _change(value: Any, dice: Random) -> None:
    """Go down to some place and put something else there, double it or take it away."""
    while isinstance(value, list | dict) and value:
        place = dice.choice(list(value) if isinstance(value, dict) else range(len(value)))
        if isinstance(value[place], list | dict) and value[place] and dice.randrange(4):
            value = value[place]
            continue
        old = value[place]
        match dice.randrange(8):
            case 0 | 1 if isinstance(old, int):
                value[place] = old + dice.choice((-1, 1, -old, 1 << 31, 1 << 62, -(1 << 63)))
            case 2:
                del value[place]
            case 3 if isinstance(value, list):
                value.insert(place, old)
            case 4:
                value[place] = [old]
            case 5 if isinstance(old, bytes):
                value[place] = old[: dice.randrange(len(old) + 1)]
            case _:
                value[place] = dice.choice((0, 1, -1, None, True, False, "", "x", b"", b"x", [], {}, 1 << 63))
        return


@dataclass(frozen=True, slots=True, kw_only=True)
class Desk:
    """Three judges: of the layers of a message, of a file, and of the verdict behind the first blocks of a chain."""

    key: Ed25519PrivateKey
    verifier: Verifier
    state: ChainState
    shelf: MemoryShelf
    tally: Tally

    def layers(self, cutting: int, wire: bytes) -> None:
        """What is taken apart is written in the one form."""
        del cutting
        try:
            signed = parse_sign1(wire)
        except FormError:
            return
        self.tally.frames += 1
        told = b"\xd2\x84" + _bytes(signed.protected) + b"\xa0" + _bytes(signed.payload) + _bytes(signed.signature)
        law(told == wire and len(signed.signature) == 64, "a message that is not written in its one form")
        if signed.payload:  # without one it is nobody's message, and in a file a bad stretch
            law(message_end(wire, 0) == len(wire), "the end of a message is told wrong")

    def file(self, cutting: int, wire: bytes) -> None:
        """Messages and bad stretches are the whole file."""
        del cutting
        at = 0
        for part in read_cbseq(io.BytesIO(wire)):
            if isinstance(part, BadStretch):
                law(part.offset == at and part.length > 0, f"a stretch at {part.offset} that begins at {at}")
                at += part.length
            else:
                law(wire[at : at + len(part)] == part, f"a message that is not what stands at {at}")
                law(_parts(part) is not None, f"no message at {at}")
                at += len(part)
        law(at == len(wire), f"{len(wire) - at} bytes of the file are lost")

    def verdict(self, cutting: int, wire: bytes) -> None:
        """No verdict but refusal and parking without a right signature."""
        del cutting
        outcome = self.verifier.take(wire, self.state, self.shelf)
        if outcome.verdict not in _SIGNED:
            law(outcome.state is self.state, "a refused message moved the chain")
            return
        self.tally.frames += 1
        parts = _parts(wire)
        law(parts is not None and _is_signed(self.key, *parts), f"{outcome.verdict.value} without a right signature")
        if outcome.block is not None:
            self.tally.values += 1
            read = rows(outcome.block, outcome.state.tables)
            own_anchor(outcome.block)
            law(read is None or len(read.values) == len(read.mono_ms), "columns of different lengths")


def block() -> Target:
    """Messages of one gateway of the vectors, behind those that it sealed before."""
    vectors = document("block/form.json")
    verifier = Verifier(Trust.of(bytes.fromhex(spki) for spki in vectors["trust"]))
    before = [bytes.fromhex(message) for message in vectors["before"]]
    key = _key()
    state = verifier.begin(read_form(before[0]).gateway)
    law(state is not None, "the vectors' gateway is not the one they trust")
    assert state is not None
    shelf = MemoryShelf()
    for message in before:
        for outcome in intake.take(verifier, message, state, shelf):
            state = outcome.state
    desk = Desk(key=key, verifier=verifier, state=state, shelf=shelf, tally=Tally())
    seeds = [*before]
    for file_name in ("form", "content"):
        for case in document(f"block/{file_name}.json")["cases"]:
            seeds += [bytes.fromhex(message) for message in case["messages"]]
    return Target(
        name="block",
        judges=[desk.layers, desk.file, desk.verdict, desk.verdict],
        seeds=[seed for seed in seeds if len(seed) < _LONGEST],
        mend=_resealed(key),
        longest_bytes=_LONGEST,
        tally=desk.tally,
    )


def _is_signed(key: Ed25519PrivateKey, protected: bytes, payload: bytes, signature: bytes) -> bool:
    try:
        key.public_key().verify(signature, _to_sign(protected, payload))
    except InvalidSignature:
        return False
    return True
