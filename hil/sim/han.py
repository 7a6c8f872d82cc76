"""A meter that pushes lists through its HAN port, as those of Norway and Sweden do (data notification).

Three makers, three ways to write a list: with code, value, scaler and unit (Aidon), with code and value (Kamstrup),
by place alone (Kaifa). A short list comes often, a longer one every 10 s, the one with the energies once an hour.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Final

from hil.characters import Characters
from hil.sim.hdlc import array, date_time, i16, octets, scaled, segments, structure, u16, u32, visible
from hil.sim.motion import load, wander
from hil.wire import Reply

_NS: Final = 1_000_000_000
EIGHT_EVEN: Final = Characters(baud=2400, parity="E")
EIGHT_NONE: Final = Characters(baud=2400)
_NOTIFICATION: Final = b"\xe6\xe7\x00\x0f\x40\x00\x00\x00"
_HOUR: Final = 3600


class Way(Enum):
    """How a maker writes a list."""

    AIDON = "aidon"
    KAMSTRUP = "kamstrup"
    KAIFA = "kaifa"


ENDS: Final = {
    Way.AIDON: (b"\x41", b"\x08\x83", 0x13),
    Way.KAMSTRUP: (b"\x2b", b"\x21", 0x13),
    Way.KAIFA: (b"\x01", b"\x02\x01", 0x10),
}
"""Receiver, sender and control byte of each, as in published frames."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """One number of a list.

    Attributes:
        name: quantity, as tests compare it.
        code: C, D and E of its OBIS code.
        unit: its number in the table of units.
        scaler: power of ten of one count.
        wrap: puts the count into a value.
        value: of a time in seconds, in the unit that tests compare in.
        factor: what that unit is in the one of the table, as power of ten.
    """

    name: str
    code: tuple[int, int, int]
    unit: int
    scaler: int
    wrap: Callable[[int], bytes]
    value: Callable[[float], float]
    factor: int = 0

    def count(self, t: float) -> int:
        """Give the number as it is sent."""
        return round(self.value(t) * 10.0 ** (self.factor - self.scaler))

    def shown(self, t: float) -> str:
        """Give the number as tests compare it."""
        return f"{self.count(t)}E{self.scaler - self.factor}"


class HanMeter:
    """A meter on a ``hil.wire.Line``; a ``Speaker``.

    Attributes:
        lists: how often, and which numbers; where several are due at once the last one is sent.
        alive: False plays dead.
        ciphered: it sends what only a key could open.
        most: bytes of information in one frame; what is longer comes in segments.
        sent: how many of each list.
    """

    def __init__(
        self,
        way: Way,
        lists: Sequence[tuple[float, Sequence[Cell]]],
        *,
        serial: str = "7359992891237028",
        began_ns: int = 0,
        first_s: float = 0.5,
        settings: Characters = EIGHT_EVEN,
        most: int = 1024,
    ) -> None:
        """Take the lists, shortest first, and when its own time is 0."""
        self.lists = lists
        self.serial = serial
        self.alive = True
        self.ciphered = False
        self.most = most
        self.sent = [0] * len(lists)
        self._way = way
        self._began_ns = began_ns
        self._first_ns = began_ns + round(first_s * _NS)
        self._due_s = min(every_s for every_s, _ in lists)
        self._settings = settings

    @property
    def settings(self) -> Characters:
        """How its characters look."""
        return self._settings

    @property
    def due_ns(self) -> int:
        """When it sends the next list."""
        return self._first_ns + round(self._due_s * _NS)

    def hear(self, frame: bytes, now_ns: int) -> Reply | None:  # noqa: ARG002 - the port has no way back
        """Hear nothing."""
        return None

    def stray(self, frame: bytes, now_ns: int) -> bytes | None:  # noqa: ARG002
        """Give nothing."""
        return None

    def speak(self, now_ns: int) -> Reply:
        """Give the longest list that is due."""
        at_s, t = self._due_s, max(0, now_ns - self._began_ns) / _NS
        number = max(index for index, (every_s, _) in enumerate(self.lists) if _is_due(at_s, every_s))
        self._due_s = min((int(at_s / every_s + 1e-6) + 1) * every_s for every_s, _ in self.lists)
        if not self.alive:
            return Reply(data=b"")
        self.sent[number] += 1
        cells = self.lists[number][1]
        to, sender, control = ENDS[self._way]
        information = b"\xe6\xe7\x00\xdb\x08" + bytes(40) if self.ciphered else self.information(number, t)
        held = tuple((cell.name, cell.shown(t)) for cell in cells) if not self.ciphered else ()
        return Reply(data=segments(to, sender, control, information, self.most), held=held)

    def information(self, number: int, t: float) -> bytes:
        """Give the notification of list ``number``."""
        cells, hourly = self.lists[number][1], number == len(self.lists) - 1 and number > 1
        clock = date_time(int(t), 0 if self._way is Way.AIDON else None)
        if self._way is Way.AIDON:
            return _NOTIFICATION + b"\x00" + self._aidon(cells, t, clock if hourly else b"", named=number > 0)
        if self._way is Way.KAMSTRUP:
            return _NOTIFICATION[:4] + bytes(4) + b"\x0c" + clock + self._kamstrup(cells, t, clock if hourly else b"")
        return _NOTIFICATION + octets(clock) + self._kaifa(cells, t, clock if hourly else b"", named=number > 0)

    def _aidon(self, cells: Sequence[Cell], t: float, clock: bytes, *, named: bool) -> bytes:
        items = [
            structure(octets(bytes((1, 1, 0, 2, 129, 255))), visible("AIDON_V0001")),
            structure(octets(bytes((0, 0, 96, 1, 0, 255))), visible(self.serial)),
            structure(octets(bytes((0, 0, 96, 1, 7, 255))), visible("6534")),
        ] * named
        power, energies = _split(cells)
        items += [self._measured(cell, t) for cell in power]
        if clock:
            items.append(structure(octets(bytes((0, 0, 1, 0, 0, 255))), octets(clock)))
        return array(*items, *(self._measured(cell, t) for cell in energies))

    def _measured(self, cell: Cell, t: float) -> bytes:
        code = octets(bytes((1, 0, *cell.code, 255)))
        return structure(code, cell.wrap(cell.count(t)), scaled(cell.scaler, cell.unit))

    def _kamstrup(self, cells: Sequence[Cell], t: float, clock: bytes) -> bytes:
        items = [visible("Kamstrup_V0001")]
        items += [octets(bytes((1, 1, 0, 0, 5, 255))), visible(self.serial)]
        items += [octets(bytes((1, 1, 96, 1, 1, 255))), visible("6841138BN245101090")]
        power, energies = _split(cells)
        for cell in power:
            items += [octets(bytes((1, 1, *cell.code, 255))), cell.wrap(cell.count(t))]
        if clock:
            items += [octets(bytes((0, 1, 1, 0, 0, 255))), octets(clock)]
        for cell in energies:
            items += [octets(bytes((1, 1, *cell.code, 255))), cell.wrap(cell.count(t))]
        return structure(*items)

    def _kaifa(self, cells: Sequence[Cell], t: float, clock: bytes, *, named: bool) -> bytes:
        names = [octets(text.encode("ascii")) for text in ("KFM_001", self.serial, "MA304H3E")] * named
        power, energies = _split(cells)
        values = [cell.wrap(cell.count(t)) for cell in power] + [octets(clock)] * bool(clock)
        return structure(*names, *values, *(cell.wrap(cell.count(t)) for cell in energies))


def aidon(seed: str) -> list[tuple[float, Sequence[Cell]]]:
    """Give the lists of a three-phase Aidon meter."""
    return _lists(seed, energy=(1, u32), amps=(-1, i16), volts=(-1, u16), rhythm=(2.5, 10, _HOUR))


def kamstrup(seed: str) -> list[tuple[float, Sequence[Cell]]]:
    """Give the lists of a three-phase Kamstrup meter: no short one, energies in tens of watt hours."""
    return _lists(seed, energy=(1, u32), amps=(-2, u32), volts=(0, u16), rhythm=(10, 10, _HOUR))


def kaifa(seed: str) -> list[tuple[float, Sequence[Cell]]]:
    """Give the lists of a three-phase Kaifa meter."""
    return _lists(seed, energy=(0, u32), amps=(-3, u32), volts=(-1, u32), rhythm=(2, 10, _HOUR))


def _lists(
    seed: str,
    *,
    energy: tuple[int, Callable[[int], bytes]],
    amps: tuple[int, Callable[[int], bytes]],
    volts: tuple[int, Callable[[int], bytes]],
    rhythm: tuple[float, float, float],
) -> list[tuple[float, Sequence[Cell]]]:
    power = Cell(
        name="power.import", code=(1, 7, 0), unit=27, scaler=0, wrap=u32, value=wander(f"{seed}:p", 2000, 900, 300)
    )
    others = [power] + [
        Cell(name=name, code=(c, 7, 0), unit=unit, scaler=0, wrap=u32, value=wander(f"{seed}:{name}", 200, 150, 300))
        for name, c, unit in (
            ("power.export", 2, 27),
            ("power.reactive.import", 3, 29),
            ("power.reactive.export", 4, 29),
        )
    ]
    for c, name, unit, (scaler, wrap), centre, swing in (
        (31, "current", 33, amps, 8, 5), (32, "voltage", 35, volts, 230, 5),
    ):  # fmt: skip
        others += [
            Cell(name=f"{name}.l{phase + 1}", code=(c + 20 * phase, 7, 0), unit=unit, scaler=scaler, wrap=wrap,
                 value=wander(f"{seed}:{name}{phase}", centre, swing, 300))
            for phase in range(3)
        ]  # fmt: skip
    _, total = load(f"{seed}:e", 2.0, 0.5, 1800)
    scaler, wrap = energy
    energies = [
        Cell(name=name, code=(c, 8, 0), unit=unit, scaler=scaler, wrap=wrap, factor=3,
             value=_rising(base, total))
        for name, c, unit, base in (
            ("energy.import", 1, 30, 82840.5), ("energy.export", 2, 30, 12.25),
            ("energy.reactive.import", 3, 32, 2143.0), ("energy.reactive.export", 4, 32, 872.5),
        )
    ]  # fmt: skip
    short, middle, long_ = rhythm
    return [(short, [power]), (middle, others), (long_, [*others, *energies])]


def _split(cells: Sequence[Cell]) -> tuple[list[Cell], list[Cell]]:
    """Give what is told at the moment, and what has been counted up."""
    return [cell for cell in cells if cell.code[1] != 8], [cell for cell in cells if cell.code[1] == 8]


def _is_due(at_s: float, every_s: float) -> bool:
    return abs(at_s / every_s - round(at_s / every_s)) < 1e-6


def _rising(base: float, seconds: Callable[[float], float]) -> Callable[[float], float]:
    return lambda t: base + seconds(t) / 3600
