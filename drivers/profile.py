"""Profile: a device model as data. Types and their invariants; ``profile_load`` reads the files."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from enum import Enum, IntEnum
from typing import TypeAlias

from drivers.errors import ProfileError
from drivers.profile_about import Access, Doubt, Evidence, Ratio, WriteRule
from drivers.profile_about import Label as Label  # noqa: PLC0414 - callers find it here
from drivers.profile_clock import ClockRule
from drivers.profile_location import Encoding as Encoding  # noqa: PLC0414
from drivers.profile_location import ModbusLocation as ModbusLocation  # noqa: PLC0414
from drivers.profile_location import NumberType as NumberType  # noqa: PLC0414
from drivers.profile_location import RawRead as RawRead  # noqa: PLC0414
from drivers.profile_location import Table as Table  # noqa: PLC0414
from drivers.profile_location import WordOrder as WordOrder  # noqa: PLC0414
from drivers.profile_named import NamedLocation as NamedLocation  # noqa: PLC0414

Location: TypeAlias = ModbusLocation | NamedLocation
"""Where a point stands: in registers, or under a name that its protocol knows."""


class Kind(IntEnum):
    """How a point may be aggregated (block format: point kind)."""

    GAUGE = 0
    COUNTER = 1
    STATE = 2
    EVENT = 3


class PointClass(IntEnum):
    """What may be shed when storage runs full (block format: point class)."""

    TELEMETRY = 0
    BILLING = 1
    ALARM = 2


class Framing(Enum):
    """How a Modbus PDU travels: with unit and CRC or as hex digits on a serial line, with an MBAP header over TCP."""

    RTU = "rtu"
    ASCII = "ascii"
    TCP = "tcp"


@dataclass(frozen=True, slots=True, kw_only=True)
class Point:
    """One quantity of a device model.

    Attributes:
        name: dotted quantity, such as ``voltage.l1``; unique in the profile.
        place: where it stands in the device.
        unit: UCUM code from ``drivers.units``, None for a state or event.
        scale: what one count of the raw number is worth in ``unit``.
        exponent: the sealed value is an integer times ``10 ** exponent``.
        low: smallest plausible value in ``unit``, None for no bound.
        high: largest plausible value in ``unit``, None for no bound.
        sentinels: raw numbers (before scale, behind the mask) that mean 'no value'.
        saturated: raw numbers that mean 'beyond what the device can measure'.
        states: what a raw number means, for screens; the number is sealed, one that is not listed too.
        side_effect: reading it changes the device: never read along with others, in a hole or to probe.
        digits: decimal digits of the device's register, counts of ``scale`` each, after which it begins at 0 again; 0
            where the type says it or nobody knows.
        keep_raw: the bytes that it was read from are kept with it.
        nameplate: its value says who the device is: the part of ``drivers.nameplate``; empty if it does not.
        period_s: how often it is read, seconds.
        urgent: whether a change is to be sealed at once.
        access: read, written, or both.
        write: what may be written; None if nothing may.
    """

    name: str
    label: Label
    place: Location
    unit: str | None
    scale: Decimal
    exponent: int
    kind: Kind = Kind.GAUGE
    klass: PointClass = PointClass.TELEMETRY
    low: Decimal | None = None
    high: Decimal | None = None
    sentinels: tuple[int, ...] = ()
    period_s: float = 10.0
    urgent: bool = False
    access: Access = Access.READ
    write: WriteRule | None = None
    saturated: tuple[int, ...] = ()
    states: tuple[tuple[int, Label], ...] = ()
    side_effect: bool = False
    digits: int = 0
    keep_raw: bool = False
    nameplate: str = ""

    @property
    def location(self) -> ModbusLocation:
        """Where it stands in a Modbus device; only for a point of such a one."""
        assert isinstance(self.place, ModbusLocation)  # who asks is Modbus code
        return self.place

    def state_of(self, raw: int) -> Label | None:
        """Give the name of the state ``raw``; None if the profile lists none."""
        return next((label for number, label in self.states if number == raw), None)


class Parity(Enum):
    """Parity of a character on a serial line; the value is pyserial's letter."""

    NONE = "N"
    EVEN = "E"
    ODD = "O"


@dataclass(frozen=True, slots=True, kw_only=True)
class LineSettings:
    """How characters travel on a serial line."""

    baud: int = 9600
    parity: Parity = Parity.NONE
    stop_bits: int = 1
    data_bits: int = 8

    @property
    def character_s(self) -> float:
        """Seconds that one character takes: start, data, parity and stop bits."""
        bits = 1 + self.data_bits + (self.parity is not Parity.NONE) + self.stop_bits
        return bits / self.baud

    @property
    def silence_s(self) -> float:
        """t3.5 (Modbus over serial line V1.02, 2.5.1.1): 3.5 characters of 11 bits, 1.75 ms above 19,200 Bd."""
        return 0.00175 if self.baud > 19200 else 3.5 * 11 / self.baud


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What the device bears in one read.

    Attributes:
        block_registers: most registers in one read, 1 to 125.
        block_bits: most coils or inputs in one read, 1 to 2000.
        gap_registers: largest hole that may be read along with its neighbours.
        forbidden: (table, first, last) address ranges that must never be touched.
        turnaround_ms: longest time the device takes before it answers.
        pipeline: requests that may be open at once over TCP.
    """

    block_registers: int = 125
    block_bits: int = 2000
    gap_registers: int = 8
    forbidden: tuple[tuple[Table, int, int], ...] = ()
    turnaround_ms: int = 200
    pipeline: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Expected:
    """What one point of an example has to give."""

    point: str
    value: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Example:
    """Frames from a real device or its manual, and what they mean; checked by ``profile check``."""

    source: str
    request: bytes
    reply: bytes
    expect: tuple[Expected, ...]
    framing: Framing = Framing.RTU
    evidence: Evidence = Evidence.CONSTRUCTED


@dataclass(frozen=True, slots=True, kw_only=True)
class Fingerprint:
    """How the model is recognised on a line.

    Attributes:
        location: register to read; None if the device offers none.
        values: raw numbers that it may hold there, under ``mask``; empty with ``own_unit``.
        mask: bits that count.
        own_unit: the register holds the device's own address.
        alike: ids of profiles that cannot be told apart by this.
        told: of a protocol whose devices say who they are, what this model says: name of the quantity, as
            ``tidegate decode`` gives it, and the texts that it may be; one that ends in ``*`` fits all that begin so.
    """

    location: ModbusLocation | None
    values: tuple[int, ...] = ()
    mask: int | None = None
    own_unit: bool = False
    alike: tuple[str, ...] = ()
    told: tuple[tuple[str, tuple[str, ...]], ...] = ()

    def fits(self, said: Mapping[str, str]) -> bool:
        """Tell whether a device that says ``said`` of itself may be this model; False if ``told`` is empty."""
        return bool(self.told) and all(
            any(_fits(said.get(name), text) for text in texts) for name, texts in self.told
        )


def _fits(said: str | None, text: str) -> bool:
    if said is None:
        return False
    return said.startswith(text[:-1]) if text.endswith("*") else said == text


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    """A device model.

    Attributes:
        id: ``vendor/model`` as the file's path below ``profiles/``.
        protocol: name in ``drivers.registry``, such as ``modbus``.
        digest: first 16 bytes of SHA-256 over the file as stored (block format: profile-hash).
        source: manual or map the addresses come from, with revision or page.
        proof: what proves the profile, computed from its evidence: a word of ``profile_about.Proof``.
        points: what is polled.
        controls: settings and outputs that are described and never polled; what a command may write of them says
            ``Point.write``.
        confirmed_by: independent sources that give the same map.
        ratios: answers that the site has to give.
        family: class of device, such as ``soil``; empty if not said.
        clock: how its clock may be set; None if it must not.
    """

    id: str
    vendor: str
    model: str
    label: Label
    protocol: str
    digest: bytes
    source: str
    proof: str
    line: LineSettings
    unit: int
    limits: Limits
    points: tuple[Point, ...]
    examples: tuple[Example, ...] = ()
    controls: tuple[Point, ...] = ()
    confirmed_by: tuple[str, ...] = ()
    doubts: tuple[Doubt, ...] = ()
    ratios: tuple[Ratio, ...] = ()
    fingerprint: Fingerprint | None = None
    family: str = ""
    clock: ClockRule | None = None

    @property
    def readable(self) -> tuple[Point, ...]:
        """Everything that can be read: the points, then the controls that are not only written."""
        return (*self.points, *(point for point in self.controls if point.access is not Access.WRITE))

    def index_of(self, name: str) -> int:
        """Give the index of the point called ``name``; ProfileError if there is none."""
        for index, point in enumerate(self.points):
            if point.name == name:
                return index
        raise ProfileError(self.id, f"no point {name!r}")
