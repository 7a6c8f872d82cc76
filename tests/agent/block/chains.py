"""Chains for tests: keys made from labels, a gateway that seals, and messages forged beneath the writer's checks."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import cbor2
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from agent.block import intake
from agent.block.chain import ChainState
from agent.block.cose import ED25519, ES256, Aad, key_id, parse_sign1, sign1
from agent.block.memory import MemoryShelf
from agent.block.messages import make_delegation
from agent.block.record import (
    ClockQuality,
    ClockSample,
    Columns,
    DeviceEntry,
    Event,
    PointEntry,
    ReceiptMark,
    SealedBlock,
)
from agent.block.seal import Writer
from agent.block.verify import Outcome, Trust, Verdict, Verifier

BOOT = bytes.fromhex("b007b007b007b007")
UTC = 1_790_000_000_000
GAUGE, COUNTER, STATE, EVENT = range(4)


class SoftKey:
    """A signing key that follows from a label: the same in every run, no private key in the repository."""

    def __init__(self, label: str, alg: int = ED25519) -> None:
        seed = hashlib.sha256(b"tidegate test key " + label.encode()).digest()
        self._key: ed25519.Ed25519PrivateKey | ec.EllipticCurvePrivateKey
        if alg == ED25519:
            self.private = seed
            self._key = ed25519.Ed25519PrivateKey.from_private_bytes(seed)
        else:
            self.private = b"\0" + seed[1:]
            self._key = ec.derive_private_key(int.from_bytes(self.private, "big"), ec.SECP256R1())
        self.alg = alg
        self.spki = self._key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        self.kid = key_id(self.spki)

    def sign(self, data: bytes) -> bytes:
        if isinstance(self._key, ed25519.Ed25519PrivateKey):
            return self._key.sign(data)
        r, s = decode_dss_signature(self._key.sign(data, ec.ECDSA(hashes.SHA256(), deterministic_signing=True)))
        return r.to_bytes(32, "big") + s.to_bytes(32, "big")


def clock_at(mono_ms: int, *, utc_ms: int | None = None, boot: bytes = BOOT, error_ms: int = 20) -> ClockSample:
    """A sample of a clock in step: UTC runs with mono from ``UTC`` on unless said otherwise."""
    utc = UTC + mono_ms if utc_ms is None else utc_ms
    return ClockSample(boot=boot, mono_ms=mono_ms, utc_ms=utc, quality=ClockQuality.NTP, max_error_ms=error_ms)


def no_utc(mono_ms: int, boot: bytes = BOOT) -> ClockSample:
    return ClockSample(boot=boot, mono_ms=mono_ms, utc_ms=None, quality=ClockQuality.NONE, max_error_ms=0)


def meter(name: str = "meter-1") -> DeviceEntry:
    return DeviceEntry(
        id=hashlib.sha256(name.encode()).digest()[:8],
        name=name,
        profile="eastron/sdm120",
        profile_hash=hashlib.sha256(b"profile").digest()[:16],
    )


def points(kinds: Sequence[int]) -> list[PointEntry]:
    """A point of each kind given, on device 0."""
    return [
        PointEntry(
            device=0, quantity=f"quantity_{at}", unit="V" if kind < STATE else None, exponent=-1, kind=kind, klass=0
        )
        for at, kind in enumerate(kinds)
    ]


def rows(mono_ms: int, count: int, width: int = 4) -> Columns:
    """Plain readings: ``width`` points polled every 10 ms, ending at ``mono_ms``."""
    return Columns(
        mono_ms=tuple(mono_ms - 10 * ((count - 1 - at) // width) for at in range(count)),
        points=tuple(at % width for at in range(count)),
        values=tuple(2300 + at * 7 % 50 for at in range(count)),
    )


@dataclass
class Gateway:
    """A gateway that seals a block a second; ``messages`` are all it ever sealed, in order."""

    name: str = "gateway"
    kinds: Sequence[int] = (GAUGE, COUNTER, STATE, EVENT)
    alg: int = ED25519
    identity: SoftKey = field(init=False)
    session: SoftKey = field(init=False)
    writer: Writer = field(init=False)
    mono_ms: int = 1_000_000
    sealed: list[SealedBlock] = field(default_factory=list)
    blank: bytes | None = None

    def __post_init__(self) -> None:
        self.identity = SoftKey(f"{self.name} identity", self.alg)
        self.writer = Writer.resume(self.identity.kid, ())
        self.open()

    @property
    def messages(self) -> list[bytes]:
        return [sealed.message for sealed in self.sealed]

    @property
    def trust(self) -> Trust:
        return Trust.of([self.identity.spki])

    def open(self) -> None:
        """Open the next epoch; block 0 follows with the next ``seal``."""
        self.session = SoftKey(f"{self.name} session {self.writer.position.epoch + 1}", self.alg)
        self.writer.open_epoch(self.identity, self.session, clock_at(self.mono_ms))

    def seal(
        self,
        count: int = 0,
        *,
        columns: Columns | None = None,
        events: Sequence[Event] = (),
        receipts: Sequence[ReceiptMark] = (),
        clock: ClockSample | None = None,
    ) -> SealedBlock:
        self.mono_ms += 1000
        clock = clock or clock_at(self.mono_ms)
        given = list(events)
        if not self.sealed:
            given += self.writer.dictionary_add([meter()], points(self.kinds), self.mono_ms).events
        if count:
            columns = rows(clock.mono_ms, count, 2)
        block = self.writer.seal(clock=clock, columns=columns, events=given, receipts=receipts)
        self.writer.commit(block)
        self.sealed.append(block)
        return block

    def forge(self, change: Callable[[dict[int, Any]], None], message: bytes | None = None) -> bytes:
        """A block with a changed payload, signed by the session key as if the gateway had sealed it.

        Without ``message`` it is the next heartbeat, always the same one: what the gateway seals later does not link
        to it.
        """
        if message is None:
            if self.blank is None:
                self.blank = self.seal().message
                self.sealed.pop()
            message = self.blank
        return remake(message, change, self.session)


def thaw(value: object) -> Any:
    """Decoded CBOR with lists and dicts that can be changed."""
    if isinstance(value, cbor2.frozendict | dict):
        return {key: thaw(item) for key, item in value.items()}
    if isinstance(value, tuple | list):
        return [thaw(item) for item in value]
    if isinstance(value, cbor2.CBORTag):
        return cbor2.CBORTag(value.tag, thaw(value.value))
    return value


def payload_of(message: bytes) -> dict[int, Any]:
    payload = thaw(cbor2.loads(parse_sign1(message).payload))
    assert isinstance(payload, dict)
    return payload


def remake(message: bytes, change: Callable[[dict[int, Any]], None], signer: SoftKey) -> bytes:
    payload = payload_of(message)
    change(payload)
    return sign1(cbor2.dumps(payload, canonical=True), signer, Aad.BLOCK)


@dataclass
class Reader:
    """A verifier over memory, one gateway."""

    verifier: Verifier
    state: ChainState
    shelf: MemoryShelf = field(default_factory=MemoryShelf)

    @staticmethod
    def of(gateway: Gateway) -> Reader:
        verifier = Verifier(gateway.trust)
        state = verifier.begin(gateway.identity.kid)
        assert state is not None
        return Reader(verifier=verifier, state=state)

    def judge(self, message: bytes) -> Outcome:
        """The verdict without filing anything."""
        return self.verifier.take(message, self.state, self.shelf)

    def take(self, *messages: bytes) -> list[Outcome]:
        outcomes: list[Outcome] = []
        for message in messages:
            for outcome in intake.take(self.verifier, message, self.state, self.shelf):
                self.state = outcome.state
                outcomes.append(outcome)
        return outcomes

    def verdicts(self, *messages: bytes) -> list[Verdict]:
        return [outcome.verdict for outcome in self.take(*messages)]


def read_up_to(gateway: Gateway) -> Reader:
    """A reader that has chained everything the gateway sealed so far."""
    reader = Reader.of(gateway)
    verdicts = reader.verdicts(*gateway.messages)
    assert verdicts == [Verdict.CHAINED] * len(gateway.messages), verdicts
    return reader


def sealed(blocks: int, epochs: int = 1) -> Gateway:
    """``blocks`` blocks in each of ``epochs`` epochs, two readings in all but the first of each."""
    gateway = Gateway()
    for epoch in range(epochs):
        if epoch:
            gateway.open()
        gateway.seal()
        for _ in range(blocks - 1):
            gateway.seal(2)
    return gateway


def opening(
    gateway: Gateway,
    /,
    *,
    session: SoftKey,
    signer: SoftKey | None = None,
    identity: SoftKey | None = None,
    block: dict[int, Any] | None = None,
    event: list[Any] | None = None,
    **changed: Any,
) -> bytes:
    """A block 0 with a delegation that differs from the true one in some fields."""
    at = gateway.writer.position
    fields: dict[str, Any] = {
        "gateway": gateway.identity.kid,
        "epoch": at.epoch + 1,
        "session_spki": session.spki,
        "prev": at.head,
        "mono_ms": gateway.mono_ms,
        "utc_ms": None,
    } | changed
    delegation = make_delegation(identity or gateway.identity, **fields)
    payload = {
        0: 1,
        1: fields["gateway"],
        2: fields["epoch"],
        3: 0,
        4: fields["prev"],
        5: at.next_reading,
        6: [b"b" * 8, gateway.mono_ms, None, 0, 0],
        7: at.tables.short_hash,
        9: [event or [5, gateway.mono_ms, cbor2.loads(delegation)]],
    } | (block or {})
    return sign1(cbor2.dumps(payload, canonical=True), signer or session, Aad.BLOCK)


__all__ = [
    "BOOT",
    "COUNTER",
    "ES256",
    "EVENT",
    "GAUGE",
    "STATE",
    "UTC",
    "Gateway",
    "Reader",
    "SoftKey",
    "clock_at",
    "meter",
    "no_utc",
    "opening",
    "payload_of",
    "points",
    "read_up_to",
    "remake",
    "replace",
    "rows",
    "sealed",
    "thaw",
]
