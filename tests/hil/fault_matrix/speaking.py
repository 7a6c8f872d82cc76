"""Those of the matrix that speak by themselves: SML, lists of a HAN port, and a station of HJ 212.

What is lost of one telegram comes with the next one, so most faults cost a reading only where they last.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Final, Protocol

from hil.characters import Characters
from hil.faults import Fault, FaultSizes
from hil.sim import han, hdlc, hj212, sml
from hil.wire import Reply, Speaker
from tests.hil.fault_matrix.meters import MeterWire, moves
from tests.hil.fault_matrix.units import Suffering


class Talker(Speaker, Protocol):
    """A speaker that can be turned off."""

    alive: bool


class SufferingSpeaker:
    """A meter whose telegrams suffer when it is their turn."""

    def __init__(self, meter: Talker) -> None:
        self.meter = meter
        self.armed: list[Fault] = []
        self.other: Characters | None = None

    @property
    def alive(self) -> bool:
        return self.meter.alive

    @alive.setter
    def alive(self, alive: bool) -> None:
        self.meter.alive = alive

    @property
    def settings(self) -> Characters:
        return self.other or self.meter.settings

    @property
    def due_ns(self) -> int:
        return self.meter.due_ns

    def speak(self, now_ns: int) -> Reply:
        reply = self.meter.speak(now_ns)
        if not self.armed or not reply.data:
            return reply
        return replace(reply, fault=self.armed.pop(0))

    def hear(self, frame: bytes, now_ns: int) -> Reply | None:
        return self.meter.hear(frame, now_ns)

    def stray(self, frame: bytes, now_ns: int) -> bytes | None:
        return self.meter.stray(frame, now_ns)


class SpeakingWire(MeterWire):
    """One that speaks, alone on its line."""

    members = (1,)
    unit_of_measure = "W"
    decimals = 1
    period_s = 4.0
    ceiling_s = 5.0
    request_bytes = 0
    every_s = 2.0
    stale_s = 8.0  # a read whose telegram came since the last one is not kept waiting
    sizes = FaultSizes(babble_bytes=80, stuck_ns=400_000_000, late_ns=(300_000_000, 900_000_000))
    late_sizes = sizes

    def __init__(
        self, rand: random.Random, sizes: FaultSizes, *, echo: bool = False, echo_told: bool = False
    ) -> None:
        super().__init__(rand, sizes, echo=echo, echo_told=echo_told)
        speaker = self.units[1]
        assert isinstance(speaker, SufferingSpeaker)
        self.line.speakers.append(speaker)
        self.line.stations.clear()
        self.line.step = 16

    def choose_settings(self, rand: random.Random) -> Characters:  # noqa: ARG002
        return Characters(baud=9600)

    def address(self, unit: int) -> str:  # noqa: ARG002
        return "ANY"

    def make_unit(self, unit: int, rand: random.Random) -> Suffering:  # noqa: ARG002
        return SufferingSpeaker(self.make_talker(rand.uniform(0.1, 2.0)))

    def make_talker(self, first_s: float) -> Talker:
        """Make the simulation."""
        raise NotImplementedError

    def whom(self, request: bytes) -> int:  # noqa: ARG002 - nobody else is there
        return 1


class SmlWire(SpeakingWire):
    """A meter with an optical eye."""

    protocol = "sml"
    places = tuple({"obis": f"1-0:{16 + 20 * index}.7.0"} for index in range(8))
    reply_bytes = 430
    splits = 20

    def make_talker(self, first_s: float) -> Talker:
        cells = [
            sml.Cell(
                name=f"p{index}", code=f"0100{16 + 20 * index:02X}0700FF", unit=27, scaler=-1, size=4,
                value=moves(1, index, 1), signed=True,
            )
            for index in range(len(self.places))
        ]  # fmt: skip
        return sml.SmlMeter(cells, every_s=self.every_s, first_s=first_s)


class HanWire(SpeakingWire):
    """A meter with a HAN port, its list in two segments."""

    protocol = "dlms-push"
    places = tuple({"obis": f"1-0:{1 + index}.7.0"} for index in range(6))
    decimals = 0
    reply_bytes = 200
    splits = 10

    def choose_settings(self, rand: random.Random) -> Characters:  # noqa: ARG002
        return han.EIGHT_EVEN

    def make_talker(self, first_s: float) -> Talker:
        cells = [
            han.Cell(
                name=f"p{index}", code=(1 + index, 7, 0), unit=27, scaler=0, wrap=hdlc.u32, value=moves(1, index, 0)
            )
            for index in range(len(self.places))
        ]
        return han.HanMeter(han.Way.AIDON, [(self.every_s, cells)], first_s=first_s - self.every_s, most=60)


class PushingStation:
    """A station of HJ 212 on a line; it wants no acknowledgement."""

    def __init__(self, values: tuple[Callable[[float], float], ...], every_s: float, first_s: float) -> None:
        self.alive = True
        self.settings = Characters(baud=9600)
        self._values = values
        self._every_ns = round(every_s * 1e9)
        self._due_ns = round(first_s * 1e9)
        self._station = hj212.Station(wants_answer=False)

    @property
    def due_ns(self) -> int:
        return self._due_ns

    def speak(self, now_ns: int) -> Reply:
        self._due_ns += self._every_ns
        if not self.alive:
            return Reply(data=b"")
        t = now_ns / 1e9
        stamp = f"{datetime(2026, 1, 1, tzinfo=UTC) + timedelta(seconds=int(t)):%Y%m%d%H%M%S}"
        shown = [format(value(t), ".1f") for value in self._values]
        items = tuple(f"w010{10 + place}-Rtd={text},w010{10 + place}-Flag=N" for place, text in enumerate(shown))
        ((_, packet),) = self._station.packets(hj212.Upload(command="2011", stamp=stamp, items=items))
        return Reply(data=packet, held=tuple((f"p{place}", text) for place, text in enumerate(shown)))

    def hear(self, frame: bytes, now_ns: int) -> Reply | None:  # noqa: ARG002 - nobody asks it
        return None

    def stray(self, frame: bytes, now_ns: int) -> bytes | None:  # noqa: ARG002
        return None


class Hj212Wire(SpeakingWire):
    """A station of HJ 212."""

    protocol = "hj212"
    places = tuple({"factor": f"w010{10 + index}"} for index in range(10))
    unit_of_measure = "mg/L"
    every_s = 4.0
    reply_bytes = 400
    splits = 20

    def make_talker(self, first_s: float) -> Talker:
        values = tuple(moves(1, index, 1) for index in range(len(self.places)))
        return PushingStation(values, self.every_s, first_s)


SPEAKING: Final[Mapping[str, type[SpeakingWire]]] = {"sml": SmlWire, "dlms-push": HanWire, "hj212": Hj212Wire}
