"""A small site for the tests of storage: two devices, a clock that tests move, readings made on the spot."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from decimal import Decimal
from pathlib import Path

from agent.block.events import read_events
from agent.block.file_verdict import FileVerdict
from agent.block.form import EVENTS, read_form
from agent.block.messages import Receipt
from agent.block.record import ClockQuality, ClockSample, Event
from agent.block.sequence import verify_sequence
from agent.block.verify import Trust
from agent.config import BlockRules, OutboxLimits, SiteDevice
from agent.keys import FileKeyStore
from agent.killpoint import Reached, no_kill
from agent.outbox import read_blocks
from agent.storing.chain import StorageSettings
from agent.storing.desk import Desk
from agent.storing.stored import StoredBlock
from drivers.batch import Batch
from drivers.profile import (
    Kind,
    Label,
    Limits,
    LineSettings,
    ModbusLocation,
    Point,
    PointClass,
    Profile,
    Table,
)

BOOT = b"boot-one"
UTC_MS = 1_790_000_000_000


@dataclass(slots=True)
class ManualClock:
    """Time as tests want it; starts 100 s after boot, synchronised."""

    mono_ms: int = 100_000
    utc_offset_ms: int = UTC_MS
    boot: bytes = BOOT
    quality: ClockQuality = ClockQuality.NTP
    max_error_ms: int = 5

    def mono_ns(self) -> int:
        return self.mono_ms * 1_000_000

    def utc_ns(self) -> int:
        return (self.utc_offset_ms + self.mono_ms) * 1_000_000

    def sample(self) -> ClockSample:
        known = self.quality is not ClockQuality.NONE
        return ClockSample(
            boot=self.boot,
            mono_ms=self.mono_ms,
            utc_ms=self.utc_offset_ms + self.mono_ms if known else None,
            quality=self.quality,
            max_error_ms=self.max_error_ms if known else 0,
        )


def point(name: str, klass: PointClass = PointClass.TELEMETRY, kind: Kind = Kind.GAUGE) -> Point:
    return Point(
        name=name,
        label=Label(en=name, zh=name),
        place=ModbusLocation(table=Table.INPUT_REGISTER, address=0),
        unit="V",
        scale=Decimal("0.1"),
        exponent=-1,
        kind=kind,
        klass=klass,
    )


def profile(points: tuple[Point, ...], digest: bytes = bytes(16), name: str = "acme/meter") -> Profile:
    return Profile(
        id=name,
        vendor="acme",
        model="meter",
        label=Label(en="meter", zh="meter"),
        protocol="modbus",
        digest=digest,
        source="test",
        proof="nothing",
        line=LineSettings(),
        unit=1,
        limits=Limits(),
        points=points,
    )


METER = profile((point("voltage"), point("current"), point("energy", PointClass.BILLING, Kind.COUNTER)))
DEVICES = (
    SiteDevice(name="meter-1", bus="b", unit=1, profile=METER),
    SiteDevice(name="meter-2", bus="b", unit=2, profile=METER),
)


def batch(
    mono_ms: int, device: int = 0, values: tuple[int | None, ...] = (2300, 17, 90_000), **more: object
) -> Batch:
    made = Batch(
        device=device,
        mono_ns=mono_ms * 1_000_000,
        points=tuple(range(len(values))),
        values=values,
        statuses=tuple(0 if value is not None else 0x800A0000 for value in values),
    )
    return replace(made, **more)  # type: ignore[arg-type]


@dataclass(slots=True)
class Bench:
    """A folder that a gateway can be opened in again and again."""

    folder: Path
    clock: ManualClock = field(default_factory=ManualClock)
    rules: BlockRules = field(default_factory=BlockRules)
    limits: OutboxLimits = field(default_factory=OutboxLimits)
    destinations: tuple[bytes, ...] = ()
    devices: tuple[SiteDevice, ...] = DEVICES
    written_bytes: int | None = 0
    reached: Reached = no_kill
    ids: int = 0

    def __post_init__(self) -> None:
        if not self.keys.has_identity():
            self.keys.create_identity()

    @property
    def keys(self) -> FileKeyStore:
        return FileKeyStore(self.folder / "keys")

    @property
    def settings(self) -> StorageSettings:
        return StorageSettings(
            folder=self.folder,
            rules=self.rules,
            limits=self.limits,
            destinations=self.destinations,
            software_version="1.2.3",
        )

    def random(self, count: int) -> bytes:
        self.ids += 1
        return self.ids.to_bytes(count, "big")

    def desk(self) -> Desk:
        desk = Desk(
            self.settings,
            self.keys,
            self.clock,
            random=self.random,
            written=lambda: self.written_bytes,
            reached=self.reached,
        )
        desk.intake.register(self.devices, self.clock.mono_ms)
        return desk

    def messages(self) -> list[bytes]:
        return [block.message for block in read_blocks(self.folder / "outbox.db")]

    def verdict(self) -> FileVerdict:
        return verify_sequence(self.messages(), Trust.of([self.keys.identity().spki]))


def events_of(message: bytes) -> tuple[Event, ...]:
    """The events of a stored block, in order."""
    payload = read_form(message).payload
    return read_events(payload[EVENTS]) if EVENTS in payload else ()


def kinds_of(message: bytes) -> list[int]:
    return [event.kind for event in events_of(message)]


def receipt(block: StoredBlock, **more: object) -> Receipt:
    made = Receipt(gateway=bytes(8), epoch=block.epoch, number=block.number, head=block.head, utc_ms=UTC_MS)
    return replace(made, **more)  # type: ignore[arg-type]


def stop(desk: Desk) -> tuple[StoredBlock, ...]:
    """Stop in order."""
    stored = desk.finish()
    desk.close()
    return stored


def seal(bench: Bench, desk: Desk, count: int = 1, step_ms: int = 10_000) -> list[StoredBlock]:
    """Seal ``count`` blocks of one exchange each."""
    blocks: list[StoredBlock] = []
    for _ in range(count):
        bench.clock.mono_ms += step_ms
        desk.intake.take(batch(bench.clock.mono_ms))
        blocks += desk.turn(flush=True)
    return blocks


def here(desk: Desk) -> list[tuple[int, int]]:
    """The places of all blocks that are stored."""
    return [(block.epoch, block.number) for block in desk.fetch(0, 0, None, 10_000)]


def numbers(blocks: tuple[StoredBlock, ...]) -> list[int]:
    return [block.number for block in blocks]
