"""The meters of the matrix, each on the line that Modbus RTU has.

No two meters, registers and moments hold the same number.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from dataclasses import replace
from decimal import Decimal
from typing import Final

from drivers.link import Link
from drivers.link_rtu import RtuLink
from drivers.profile import Fingerprint, Label, NamedLocation, Point, Profile
from drivers.profile_named import Word
from drivers.wire_protocol import AnyLink
from hil.characters import Characters
from hil.faults import Fault, FaultSizes
from hil.sim import cjt188, dlms, dlt645, hdlc, iec62056_21, mbus, sdi12
from hil.sim.meters import Device
from hil.wire import Exchange, Reply
from tests.hil.fault_matrix.polled_profile import line_settings, profile_with
from tests.hil.fault_matrix.units import Suffering
from tests.hil.fault_matrix.wires import RtuWire

NOT_OF_ONE_BYTE: Final = (Fault.SPLIT, Fault.TRUNCATE, Fault.OTHER_UNIT, Fault.TWO_AT_ONCE)
"""Faults that need more than one character, or another unit that would answer: an acknowledgement is everybody's."""
SHOWN_BY_A_CHECKSUM: Final = (Fault.FLIP, Fault.LOSE_BYTE)
"""Faults that nothing shows in a reply without a checksum, such as the identification of IEC 62056-21."""
WAKE: Final = b"\xfe"
"""In front of a frame, as many as the meter likes: one that is missing or damaged is no fault."""


def moves(unit: int, place: int, decimals: int) -> Callable[[float], float]:
    """A number that changes ten times a second."""
    base = (unit * 10 + place) * 1250
    return lambda t: (base + int(t * 10) % 1200) / 10**decimals


class SufferingMeter:
    """A meter whose replies suffer when it is their turn.

    Attributes:
        least: shorter replies are spared.
        proven: shorter replies are spared damage that nothing in them could show.
    """

    def __init__(self, meter: Device, least: int, proven: int) -> None:
        self.meter = meter
        self.armed: list[Fault] = []
        self.other: Characters | None = None
        self.least = least
        self.proven = proven

    @property
    def alive(self) -> bool:
        return self.meter.alive

    @alive.setter
    def alive(self, alive: bool) -> None:
        self.meter.alive = alive

    @property
    def settings(self) -> Characters:
        return self.other or self.meter.settings

    def hear(self, frame: bytes, now_ns: int) -> Reply | None:
        reply = self.meter.hear(frame, now_ns)
        if reply is None:
            return None
        if self.other is not None and reply.settings is not None:
            own = replace(self.other, baud=reply.settings.baud)
            reply = replace(reply, settings=own)
        if not self.armed or self._spared(self.armed[0], len(reply.data)):
            return reply
        fault = self.armed.pop(0)
        data = reply.data.lstrip(WAKE) if fault in SHOWN_BY_A_CHECKSUM else reply.data
        return replace(reply, data=data, fault=fault)

    def _spared(self, fault: Fault, size: int) -> bool:
        if size < self.least or (size == 1 and fault in NOT_OF_ONE_BYTE):
            return True
        return size < self.proven and fault in SHOWN_BY_A_CHECKSUM

    def stray(self, frame: bytes, now_ns: int) -> bytes | None:
        return self.meter.stray(frame, now_ns)


class MeterWire(RtuWire):
    """Meters on a line; the rest is as with Modbus.

    Attributes:
        protocol: as profiles name it.
        places: ``at`` of every point, their unit and decimals.
        proven_bytes: shorter replies have no checksum.
        long_bytes: shorter replies are no readings.
    """

    framing = None
    protocol: str
    places: tuple[dict[str, Word], ...]
    unit_of_measure: str
    decimals: int
    proven_bytes = 0
    long_bytes = 16
    ceiling_s = 0.5
    sizes = FaultSizes(late_ns=(520_000_000, 1_200_000_000), babble_bytes=80)
    late_sizes = FaultSizes(late_ns=(1_500_000_000, 2_500_000_000))

    def __init__(
        self, rand: random.Random, sizes: FaultSizes, *, echo: bool = False, echo_told: bool = False
    ) -> None:
        self._asked: dict[int, int] = {}
        super().__init__(rand, sizes, echo=echo, echo_told=echo_told)

    def choose_settings(self, rand: random.Random) -> Characters:
        return Characters(baud=rand.choice((2400, 4800, 9600)), parity="E")

    def make_unit(self, unit: int, rand: random.Random) -> Suffering:
        meter = self.make_meter(unit, rand.randint(0, 100_000_000))
        return SufferingMeter(meter, least=rand.choice((1, self.long_bytes)), proven=self.proven_bytes)

    def make_meter(self, unit: int, turnaround_ns: int) -> Device:
        """Make the simulation."""
        raise NotImplementedError

    def whom(self, request: bytes) -> int:
        """Give the unit that a request means, 0 if it is damaged."""
        raise NotImplementedError

    def note(self, exchange: Exchange) -> None:
        self._asked[exchange.number] = self.whom(exchange.request)
        super().note(exchange)

    def unit_of(self, exchange: Exchange) -> int:
        return self._asked[exchange.number]

    def profile(self, fingerprint: Fingerprint | None = None) -> Profile:
        points = tuple(
            Point(
                name=f"p{index}",
                label=Label(en="", zh=""),
                place=NamedLocation(words=tuple(words.items())),
                unit=self.unit_of_measure,
                scale=Decimal(1),
                exponent=-self.decimals,
                period_s=self.period_s,
            )
            for index, words in enumerate(self.places)
        )
        return profile_with(points, self.protocol, self.ceiling_s, line_settings(self.settings), fingerprint)

    def _face(self, link: Link) -> AnyLink:
        return RtuLink(link)


class Dlt645Wire(MeterWire):
    """DL/T 645-2007: two values of one length."""

    protocol = "dlt645-2007"
    places = ({"di": "00010000"}, {"di": "00020000"})
    unit_of_measure = "kW.h"
    decimals = 2
    period_s = 4.0
    request_bytes = 20
    reply_bytes = 24

    def address(self, unit: int) -> str:
        return f"{unit * 37:012d}"

    def make_meter(self, unit: int, turnaround_ns: int) -> Device:
        memory = {
            str(place["di"]): (dlt645.Cell(name=f"p{index}", size=4, decimals=2, value=moves(unit, index, 2)),)
            for index, place in enumerate(self.places)
        }
        return dlt645.Dlt645Meter(
            self.address(unit), memory, turnaround_ns=turnaround_ns, settings=self.settings
        )  # fmt: skip

    def whom(self, request: bytes) -> int:
        parts = dlt645.taken_apart(request)
        return 0 if parts is None else int(parts[0][::-1].hex()) // 37


class Cjt188Wire(MeterWire):
    """CJ/T 188 water meters."""

    protocol = "cjt188"
    places = ({"value": "volume_total"}, {"value": "volume_settlement"})
    unit_of_measure = "m3"
    decimals = 2
    period_s = 3.0
    request_bytes = 19
    reply_bytes = 38

    def address(self, unit: int) -> str:
        return f"{unit * 37:014d}"

    def profile(self, fingerprint: Fingerprint | None = None) -> Profile:
        return replace(super().profile(fingerprint), family="water")

    def make_meter(self, unit: int, turnaround_ns: int) -> Device:
        cells = tuple(
            cjt188.Cell(name=f"p{index}", size=4, decimals=2, unit="m3", value=moves(unit, index, 2))
            for index in range(len(self.places))
        )
        return cjt188.Cjt188Meter(
            self.address(unit), 0x10, cells, turnaround_ns=turnaround_ns, settings=self.settings
        )  # fmt: skip

    def whom(self, request: bytes) -> int:
        parts = cjt188.taken_apart(request)
        return 0 if parts is None else int(parts[1][::-1].hex()) // 37


class MbusWire(MeterWire):
    """M-Bus: two meters by primary address, one of them with two telegrams, and one by its secondary address."""

    protocol = "mbus"
    places = ({"record": "volume"}, {"record": "volume@s1"})
    unit_of_measure = "m3"
    decimals = 3
    period_s = 3.0
    request_bytes = 5
    reply_bytes = 33
    spans: Mapping[int, int] = {2: 2}
    sizes = FaultSizes(late_ns=(1_800_000_000, 2_600_000_000), babble_bytes=80)  # any telegram may be of 261 bytes
    late_sizes = FaultSizes(late_ns=(3_200_000_000, 4_500_000_000))

    def __init__(
        self, rand: random.Random, sizes: FaultSizes, *, echo: bool = False, echo_told: bool = False
    ) -> None:
        self._selected = 0
        super().__init__(rand, sizes, echo=echo, echo_told=echo_told)

    def address(self, unit: int) -> str:
        return str(unit) if unit < 3 else f"{unit * 37:08d}"

    def make_meter(self, unit: int, turnaround_ns: int) -> Device:
        cells = [
            mbus.Cell(name=f"p{index}", head=head, size=4, step=0.001, decimals=3, value=moves(unit, index, 3))
            for index, head in enumerate(("0C13", "4C13"))
        ]
        telegrams = [[cell] for cell in cells] if self.spans.get(unit) == 2 else [cells]
        identity = mbus.identity(f"{unit * 37:08d}", "ABC", 1, 7)
        return mbus.MbusMeter(unit, identity, telegrams, turnaround_ns=turnaround_ns, settings=self.settings)

    def whom(self, request: bytes) -> int:
        parts = mbus.taken_apart(request)
        if parts is None:
            return 0
        control, address, rest = parts
        if control & 0x5F == 0x53 and address == 253:
            self._selected = int(rest[1:5][::-1].hex()) // 37
        return self._selected if address == 253 else address


class IecWire(MeterWire):
    """IEC 62056-21 mode C at an optical head, which sits on one meter: 300 Bd 7E1, then the speed that it offers."""

    members: tuple[int, ...] = (1,)
    protocol = "iec62056-21"
    places = ({"obis": "1-0:1.8.0"}, {"obis": "1-0:2.8.0"})
    unit_of_measure = "kW.h"
    decimals = 3
    period_s = 12.0  # after two failures in a row the readout comes at 300 Bd
    ceiling_s = 1.7
    request_bytes = 11
    reply_bytes = 12 + 75
    reading_s = 4.5  # at 300 Bd
    splits = 4
    proven_bytes = 16
    sizes = FaultSizes(late_ns=(2_900_000_000, 4_000_000_000), babble_bytes=40)
    late_sizes = FaultSizes(late_ns=(6_000_000_000, 8_000_000_000))

    def choose_settings(self, rand: random.Random) -> Characters:
        self._offered = rand.choice("356")
        return iec62056_21.LINE

    def address(self, unit: int) -> str:
        return str(unit)

    def make_meter(self, unit: int, turnaround_ns: int) -> Device:
        cells = [
            iec62056_21.Cell(
                name=f"p{index}", code=f"{place['obis']}*255", digits=6, decimals=3, unit="kWh",
                value=moves(unit, index, 3),
            )
            for index, place in enumerate(self.places)
        ]  # fmt: skip
        return iec62056_21.IecMeter(
            cells, address=str(unit), offered=self._offered, texts=f"0.0.0({unit})\r\n",
            turnaround_ns=200_000_000 + turnaround_ns,
        )  # fmt: skip

    def whom(self, request: bytes) -> int:  # noqa: ARG002 - nobody else is there
        return 1


class DlmsWire(MeterWire):
    """DLMS over HDLC: two registers, one get each, over a connection that has to be opened again after a fault."""

    protocol = "dlms"
    places = ({"obis": "1-0:16.7.0"}, {"obis": "1-0:36.7.0"})
    unit_of_measure = "W"
    decimals = 1
    period_s = 3.0
    request_bytes = 27
    reply_bytes = 24

    def choose_settings(self, rand: random.Random) -> Characters:
        return Characters(baud=rand.choice((9600, 19200)))

    def address(self, unit: int) -> str:
        return f"1.{16 + unit}@16"

    def make_meter(self, unit: int, turnaround_ns: int) -> Device:
        cells = [
            dlms.register(f"p{index}", f"0100{16 + 20 * index:02X}0700FF", 27, -1, hdlc.u32, moves(unit, index, 1))
            for index in range(len(self.places))
        ]
        return dlms.DlmsMeter(
            cells, address=bytes((2, 16 + unit << 1 | 1)), turnaround_ns=turnaround_ns, settings=self.settings
        )

    def whom(self, request: bytes) -> int:
        parts = hdlc.taken_apart(request)
        return 0 if parts is None else (parts.to[-1] >> 1) - 16


class Sdi12Wire(MeterWire):
    """SDI-12 behind an adapter: two measurements with a CRC, whose values look alike."""

    protocol = "sdi12"
    places = ({"command": "MC", "value": 1}, {"command": "MC1", "value": 1})
    unit_of_measure = "1"
    decimals = 2
    period_s = 5.0
    request_bytes = 4
    reply_bytes = 13
    proven_bytes = long_bytes = 10

    def choose_settings(self, rand: random.Random) -> Characters:
        return Characters(baud=rand.choice((9600, 19200)))

    def address(self, unit: int) -> str:
        return str(2 ** (unit - 1))  # two of them at once are a third one

    def make_meter(self, unit: int, turnaround_ns: int) -> Device:
        cells = {
            group: (sdi12.Cell(name=f"p{index}", decimals=2, value=moves(unit, index, 2)),)
            for index, group in enumerate(("", "1"))
        }
        return sdi12.Sdi12Sensor(
            self.address(unit), cells, says_s=0, turnaround_ns=turnaround_ns, settings=self.settings
        )  # fmt: skip

    def whom(self, request: bytes) -> int:
        return {"1": 1, "2": 2, "4": 3}.get(request[:1].decode("latin-1"), 0)


METERS: Final[Mapping[str, type[RtuWire]]] = {
    "dlt645": Dlt645Wire,
    "cjt188": Cjt188Wire,
    "mbus": MbusWire,
    "iec62056-21": IecWire,
    "dlms": DlmsWire,
    "sdi12": Sdi12Wire,
}
