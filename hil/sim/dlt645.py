"""DL/T 645 meters, written from the standard's text (2007 edition: 5 frames, 6 functions, annex A; 1997 likewise).

Shares no code with the drivers: an own sum, own offset, own digits. What a meter holds are functions of time.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from hil.characters import Characters
from hil.faults import Fault, Injector
from hil.sim.dlt645_clock import MeterClock
from hil.sim.motion import load, wander
from hil.sim.simulated import Simulated
from hil.sim.wall import Wall, digits_of
from hil.wire import Reply

_ANY: Final = 0xAA
_EVERYBODY: Final = b"\x99" * 6
LINE: Final = Characters(baud=2400, parity="E")
"""What a meter leaves its factory with: 2400 Bd, even parity, one stop bit."""

_CLOCK: Final = {"04000101": "%y%m%d0%w", "04000102": "%H%M%S", "C010": "%y%m%d0%w", "C011": "%H%M%S"}
"""Date with weekday, and time (2007: annex A, table A.5; 1997: table A.4)."""

WRITE: Final = 0x14
NO_DATA: Final = 0x02
NOT_ALLOWED: Final = 0x04


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """One number of a meter.

    Attributes:
        name: quantity, as tests compare it.
        size: bytes on the wire.
        decimals: of the number as it is shown.
        value: of a time in seconds; None while the meter has no value, which FF tells.
        signed: whether the top bit of its top byte is a sign.
    """

    name: str
    size: int
    decimals: int
    value: Callable[[float], float | None]
    signed: bool = False

    def shown(self, t: float) -> str | None:
        """Give the number as the display has it, exactly what the bytes mean."""
        value = self.value(t)
        return None if value is None else f"{round(value * 10**self.decimals) / 10**self.decimals:.{self.decimals}f}"

    def sent(self, t: float) -> bytes:
        """Give its bytes, low one first."""
        value = self.value(t)
        if value is None:
            return b"\xff" * self.size
        count = round(value * 10**self.decimals)
        digits = f"{abs(count):0{2 * self.size}d}"[-2 * self.size :]
        data = bytearray(int(digits[i : i + 2], 16) for i in range(2 * self.size - 2, -1, -2))
        if count < 0 and self.signed:
            data[-1] |= 0x80
        return bytes(data)


Memory = Mapping[str, tuple[Cell, ...]]
"""Identifier, high byte first as in the tables -> what stands there, in order."""


def frame(address: bytes, control: int, data: bytes) -> bytes:
    """Give a whole frame; ``address`` low byte first, ``data`` before 33 is added."""
    body = b"\x68" + address + b"\x68" + bytes([control, len(data)]) + bytes((byte + 0x33) % 256 for byte in data)
    return body + bytes([sum(body) % 256, 0x16])


def taken_apart(wire: bytes) -> tuple[bytes, int, bytes] | None:
    """Give address, control and data of a whole frame behind any number of FE; None if it is damaged."""
    body = wire.lstrip(b"\xfe")
    if len(body) < 12 or body[0] != 0x68 or body[7] != 0x68 or len(body) != 12 + body[9]:
        return None
    if body[-1] != 0x16 or sum(body[:-2]) % 256 != body[-2]:
        return None
    return body[1:7], body[8], bytes((byte - 0x33) % 256 for byte in body[10:-2])


class Dlt645Meter(Simulated):
    """A meter on a ``hil.wire.Line``.

    Attributes:
        address: twelve digits as on its plate.
        later: whether it is of the 2007 edition.
        memory: what it holds.
        wakes: FE bytes in front of its replies.
        most_data: bytes of data in one frame; more is sent in following ones.
        answers_as_asked: as old meters do, answer a wildcard with the wildcard instead of the own address.
        alive: False plays dead.
        heard: good requests addressed to it.
        damaged: frames that it could not read.
        frozen: how often it was told to freeze.
        clock: what its clock shows, and who set it.
        mute: it does what is written and does not say so.
    """

    def __init__(
        self,
        address: str,
        memory: Memory,
        *,
        later: bool = True,
        began_ns: int = 0,
        turnaround_ns: int = 40_000_000,
        settings: Characters = LINE,
        wakes: int = 4,
        most_data: int = 200,
        answers_as_asked: bool = False,
        rates: Mapping[Fault, float] | None = None,
        seed: int = 0,
        wall: Wall | None = None,
    ) -> None:
        """Take the address, the memory and the time at which the memory's own time is 0."""
        super().__init__(settings=settings, injector=Injector(seed, rates), began_ns=began_ns)
        self.address = address
        self.memory = memory
        self.later = later
        self.wakes = wakes
        self.most_data = most_data
        self.answers_as_asked = answers_as_asked
        self.alive = True
        self.heard = 0
        self.damaged = 0
        self.frozen = 0
        self.clock = MeterClock(wall)
        self.mute = False
        self._wire_address = bytes.fromhex(address)[::-1]
        self._turnaround_ns = turnaround_ns
        self._rest: dict[str, list[bytes]] = {}

    def hear(self, frame_: bytes, now_ns: int) -> Reply | None:
        """Answer a frame; None if it is damaged, for everybody, for another meter, or the meter is dead."""
        parts = taken_apart(frame_)
        if parts is None:
            self.damaged += 1
            return None
        address, control, data = parts
        if not self.alive or control & 0x80:
            return None
        if address == _EVERYBODY:
            self._everybody(control, data, now_ns)
            return None
        if any(theirs not in (_ANY, mine) for theirs, mine in zip(address, self._wire_address, strict=True)):
            return None
        self.heard += 1
        answer, reply, held = self._serve(control, data, now_ns)
        if control == WRITE and self.mute:
            return None
        sender = address if self.answers_as_asked else self._wire_address
        return Reply(
            data=b"\xfe" * self.wakes + frame(sender, answer, reply),
            delay_ns=self._turnaround_ns,
            fault=self._injector.pick(self.heard),
            held=held,
        )

    def stray(self, frame_: bytes, now_ns: int) -> bytes | None:
        """Give this meter's own, valid answer to a request that was meant for another."""
        parts = taken_apart(frame_)
        if parts is None or not self.alive:
            return None
        answer, reply, _ = self._serve(parts[1], parts[2], now_ns)
        return b"\xfe" * self.wakes + frame(self._wire_address, answer, reply)

    def _everybody(self, control: int, data: bytes, now_ns: int) -> None:
        if control == 0x08:
            self.clock.told(data, now_ns)
        elif control == 0x16 and self.later:
            self.frozen += 1

    def _serve(self, control: int, data: bytes, now_ns: int) -> tuple[int, bytes, tuple[tuple[str, str], ...]]:
        """Give control byte and data of the answer, and (quantity, value) of everything it tells."""
        read, follow = (0x11, 0x12) if self.later else (0x01, 0x02)
        size = 4 if self.later else 2
        if control == 0x13 and self.later and not data:
            return 0x93, self._wire_address, ()
        if control == WRITE and self.later:
            error = self.clock.write(data, now_ns)
            return (0xD4, bytes([error]), ()) if error else (0x94, b"", ())
        if control == read and len(data) >= size:
            return self._read(control, data[:size], now_ns)
        if control == follow and len(data) >= size:
            return self._follow(control, data, size)
        return control | 0xC0, bytes([NOT_ALLOWED]), ()

    def _read(self, control: int, identifier: bytes, now_ns: int) -> tuple[int, bytes, tuple[tuple[str, str], ...]]:
        name, t = identifier[::-1].hex().upper(), self.time_s(now_ns)
        if self.clock.wall is not None and name in _CLOCK:
            return control | 0x80, identifier + digits_of(self.clock.wall(now_ns), _CLOCK[name]), ()
        cells = self.memory.get(name)
        if cells is None:
            return control | 0xC0, bytes([NO_DATA]), ()
        data = b"".join(cell.sent(t) for cell in cells)
        held = tuple((cell.name, shown) for cell in cells if (shown := cell.shown(t)) is not None)
        pieces = [data[at : at + self.most_data] for at in range(0, len(data), self.most_data)] or [b""]
        self._rest[name] = pieces[1:]
        more = 0x20 if pieces[1:] else 0
        return control | 0x80 | more, identifier + pieces[0], held

    def _follow(self, control: int, data: bytes, size: int) -> tuple[int, bytes, tuple[tuple[str, str], ...]]:
        identifier, number = data[:size], data[size:]
        rest = self._rest.get(identifier[::-1].hex().upper(), [])
        index = number[0] - 1 if self.later and number else 0
        if not 0 <= index < len(rest):
            return control | 0xC0, bytes([NO_DATA]), ()
        more = 0x20 if index + 1 < len(rest) else 0
        piece = rest[index]
        if not self.later:
            del rest[0]
            more = 0x20 if rest else 0
        return control | 0x80 | more, identifier + piece + number, ()


def _always(value: float) -> Callable[[float], float]:
    return lambda _t: value


def _never(_t: float) -> None:
    """Have no value."""


def single_phase(seed: str) -> Memory:
    """Give the memory of a 2007 meter of one phase."""
    voltage = wander(f"{seed}:u", 226, 6, 300)
    power, energy = load(f"{seed}:p", 0.8, 0.6, 900)
    cells = {
        "00000000": Cell(name="energy.active.combined", size=4, decimals=2, value=lambda t: 21.81 + energy(t) / 3600,
                         signed=True),
        "00010000": Cell(name="energy.active.import", size=4, decimals=2, value=lambda t: 23.67 + energy(t) / 3600),
        "00020000": Cell(name="energy.active.export", size=4, decimals=2, value=_always(1.86)),
        "02010100": Cell(name="voltage", size=2, decimals=1, value=voltage),
        "02020100": Cell(name="current", size=3, decimals=3, value=lambda t: 1000 * power(t) / voltage(t)),
        "02030000": Cell(name="power.active", size=3, decimals=4, value=lambda t: power(t) - 0.5, signed=True),
        "02060000": Cell(name="power.factor", size=2, decimals=3, value=_always(0.982), signed=True),
        "02800002": Cell(name="frequency", size=2, decimals=2, value=wander(f"{seed}:f", 50, 0.04, 60)),
    }  # fmt: skip
    return {identifier: (cell,) for identifier, cell in cells.items()}


def three_phases(seed: str) -> Memory:
    """Give the memory of a 2007 meter of three phases with four tariffs; phase C has no current transformer."""
    memory: dict[str, tuple[Cell, ...]] = {}
    energies = []
    for tariff in range(5):
        _, energy = load(f"{seed}:{tariff}", 1.5, 0.4, 1800)
        name = "energy.active.import" + (f".tariff{tariff}" if tariff else "")
        base = 1000.0 * (5 - tariff)
        energies.append(Cell(name=name, size=4, decimals=2, value=_rising(base, energy)))
    memory |= {f"0001{tariff:02X}00": (cell,) for tariff, cell in enumerate(energies)}
    memory["0001FF00"] = tuple(energies)
    memory["00020000"] = (Cell(name="energy.active.export", size=4, decimals=2, value=_always(12.5)),)
    for kind, name, size, decimals, centre, swing, signed in (
        (1, "voltage", 2, 1, 230.0, 5.0, False), (2, "current", 3, 3, 8.0, 7.5, True),
        (3, "power.active", 3, 4, 0.4, 1.6, True), (4, "power.reactive", 3, 4, 0.1, 0.3, True),
        (6, "power.factor", 2, 3, 0.5, 0.45, True),
    ):  # fmt: skip
        phases = [
            Cell(
                name=f"{name}.l{phase}", size=size, decimals=decimals, signed=signed,
                value=_never if (kind, phase) == (2, 3) else wander(f"{seed}:{kind}{phase}", centre, swing, 300),
            )
            for phase in (1, 2, 3)
        ]  # fmt: skip
        total = Cell(
            name=name, size=size, decimals=decimals, value=wander(f"{seed}:{kind}", centre, swing, 300), signed=signed
        )
        whole = phases if kind in (1, 2) else [total, *phases]
        memory |= {
            f"02{kind:02X}{place:02X}00": (cell,) for place, cell in enumerate([total, *phases]) if cell in whole
        }
        memory[f"02{kind:02X}FF00"] = tuple(whole)
    memory["02800002"] = (Cell(name="frequency", size=2, decimals=2, value=wander(f"{seed}:f", 50, 0.04, 60)),)
    return memory


def old(seed: str) -> Memory:
    """Give the memory of a 1997 meter: volts without decimals, two bytes of current."""
    _, energy = load(f"{seed}:p", 1.1, 0.5, 900)
    cells = {
        "9010": Cell(name="energy.active.import", size=4, decimals=2, value=_rising(2463.48, energy)),
        "9020": Cell(name="energy.active.export", size=4, decimals=2, value=_always(0.26)),
        "B611": Cell(name="voltage", size=2, decimals=0, value=wander(f"{seed}:u", 223, 6, 300)),
        "B621": Cell(name="current", size=2, decimals=2, value=wander(f"{seed}:i", 12, 9, 300)),
        "B630": Cell(name="power.active", size=3, decimals=4, value=wander(f"{seed}:w", 2.5, 2, 300)),
        "B650": Cell(name="power.factor", size=2, decimals=3, value=_always(0.95)),
    }
    return {identifier: (cell,) for identifier, cell in cells.items()}


def _rising(base: float, seconds: Callable[[float], float]) -> Callable[[float], float]:
    return lambda t: base + seconds(t) / 3600
