"""CJ/T 188 water, gas and heat meters, written from the standard's text (2004 edition, 5 to 7, annexes).

Besides reading it takes the time (A015) and, if it has a valve, 55 to open and 99 to close it (A017).

Shares no code with the drivers. The identifier goes out in the order of the meter's own taste, as in the field.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from hil.characters import Characters
from hil.faults import Fault, Injector
from hil.sim.motion import load, wander
from hil.sim.simulated import Simulated
from hil.sim.wall import Wall, digits_of, showing
from hil.wire import Reply

_ANY: Final = 0xAA
LINE: Final = Characters(baud=2400, parity="E")
_UNITS: Final = {"kW.h": 0x05, "MW.h": 0x08, "GJ": 0x11, "W": 0x14, "kW": 0x17, "L": 0x29, "m3": 0x2C, "m3/h": 0x35}


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """One number of a meter.

    Attributes:
        name: quantity, as tests compare it.
        size: bytes of digits.
        decimals: of the number.
        unit: a unit byte follows the digits; None for none.
        value: of a time in seconds; None while the meter has none, which FF tells.
    """

    name: str
    size: int
    decimals: int
    unit: str | None
    value: Callable[[float], float | None]

    def shown(self, t: float) -> str | None:
        """Give the number as the display has it."""
        value = self.value(t)
        return None if value is None else f"{round(value * 10**self.decimals) / 10**self.decimals:.{self.decimals}f}"

    def sent(self, t: float) -> bytes:
        """Give its bytes, low one first, and its unit."""
        value = self.value(t)
        unit = b"" if self.unit is None else bytes([_UNITS[self.unit]])
        if value is None:
            return b"\xff" * self.size + unit
        digits = f"{round(value * 10**self.decimals):0{2 * self.size}d}"[-2 * self.size :]
        return bytes(int(digits[i : i + 2], 16) for i in range(2 * self.size - 2, -1, -2)) + unit


def frame(type_: int, address: bytes, control: int, data: bytes) -> bytes:
    """Give a whole frame; ``address`` low byte first."""
    body = b"\x68" + bytes([type_]) + address + bytes([control, len(data)]) + data
    return body + bytes([sum(body) % 256, 0x16])


def taken_apart(wire: bytes) -> tuple[int, bytes, int, bytes] | None:
    """Give type, address, control and data of a whole frame behind any number of FE; None if it is damaged."""
    body = wire.lstrip(b"\xfe")
    if len(body) < 13 or body[0] != 0x68 or len(body) != 13 + body[10]:
        return None
    if body[-1] != 0x16 or sum(body[:-2]) % 256 != body[-2]:
        return None
    return body[1], body[2:9], body[9], body[11:-2]


class Cjt188Meter(Simulated):
    """A meter on a ``hil.wire.Line``.

    Attributes:
        address: fourteen digits, the maker's code in front.
        type: 0x10 cold water, 0x20 heat, 0x30 gas and so on.
        cells: what ``901F`` tells, in order, before clock and status.
        status: two bytes behind the clock.
        low_first: the order in which its identifiers go out, whatever the request had.
        own_serial: it answers with a serial number of its own.
        alive: False plays dead.
        heard: good requests addressed to it.
        damaged: frames that it could not read.
        written: identifier, high byte first, and data of every write, obeyed or not.
        mute: it does what is written and does not say so.
        locked: it refuses every write.
        stuck: its valve does not move.
        moves_ns: how long its valve takes.
    """

    def __init__(
        self,
        address: str,
        type_: int,
        cells: tuple[Cell, ...],
        *,
        began_ns: int = 0,
        turnaround_ns: int = 60_000_000,
        settings: Characters = LINE,
        wakes: int = 3,
        low_first: bool = False,
        own_serial: bool = False,
        clock: bytes = bytes.fromhex("31012211051520"),
        status: bytes = b"\x00\x00",
        rates: Mapping[Fault, float] | None = None,
        seed: int = 0,
        wall: Wall | None = None,
        valve: bool = False,
    ) -> None:
        """Take address, type, numbers and the time at which their own time is 0.

        ``clock`` is what it shows, as on the wire, ``wall`` one that goes, and can be set. ``valve``: it has one.
        """
        super().__init__(settings=settings, injector=Injector(seed, rates), began_ns=began_ns)
        self.address = address
        self.type = type_
        self.cells = cells
        self.status = status
        self.low_first = low_first
        self.own_serial = own_serial
        self.alive = True
        self.heard = 0
        self.damaged = 0
        self._wire_address = bytes.fromhex(address)[::-1]
        self._turnaround_ns = turnaround_ns
        self._wakes = wakes
        self._clock = clock
        self.wall = wall
        self.written: list[tuple[str, bytes]] = []
        self.mute = self.locked = self.stuck = False
        self.moves_ns = 0
        self._valve = valve
        self._moved_ns, self._becomes = 0, status

    def hear(self, frame_: bytes, now_ns: int) -> Reply | None:
        """Answer a frame; None if it is damaged, for another meter, or the meter is dead."""
        parts = taken_apart(frame_)
        if parts is None:
            self.damaged += 1
            return None
        type_, address, control, data = parts
        if not self.alive or control & 0x80 or type_ not in (_ANY, self.type, self.type & 0xF0):
            return None
        if any(theirs not in (_ANY, mine) for theirs, mine in zip(address, self._wire_address, strict=True)):
            return None
        self.heard += 1
        t = self.time_s(now_ns)
        answer = self._answer(control, data, now_ns)
        if control == 0x04 and self.mute:
            return None
        held = tuple((cell.name, shown) for cell in self.cells if (shown := cell.shown(t)) is not None)
        tells = answer[9 + self._wakes] == 0x81
        fault = self._injector.pick(self.heard)
        return Reply(data=answer, delay_ns=self._turnaround_ns, fault=fault, held=held if tells else ())

    def stray(self, frame_: bytes, now_ns: int) -> bytes | None:
        """Give this meter's own, valid answer to a request that was meant for another."""
        parts = taken_apart(frame_)
        return self._answer(parts[2], parts[3], now_ns) if parts is not None and self.alive else None

    def _shown(self, now_ns: int) -> bytes:
        return self._clock if self.wall is None else digits_of(self.wall(now_ns), "%Y%m%d%H%M%S")

    def _answer(self, control: int, data: bytes, now_ns: int) -> bytes:
        serial = bytes([(self.heard + 100) % 256]) if self.own_serial else data[2:3]
        if self._becomes != self.status and now_ns >= self._moved_ns:
            self.status = self._becomes
        if control == 0x01 and data[:2] in (b"\x90\x1f", b"\x1f\x90"):
            t = self.time_s(now_ns)
            numbers = b"".join(cell.sent(t) for cell in self.cells)
            name = b"\x1f\x90" if self.low_first else b"\x90\x1f"
            control, reply = 0x81, name + serial + numbers + self._shown(now_ns) + self.status
        elif control == 0x03:
            control, reply = 0x83, data[:2] + serial
        elif control == 0x04 and not self.locked and (done := self._write(data, now_ns)) is not None:
            control, reply = 0x84, data[:2] + serial + done
        else:
            control, reply = control | 0xC0, serial + self.status
        return b"\xfe" * self._wakes + frame(self.type, self._wire_address, control, reply)

    def _write(self, data: bytes, now_ns: int) -> bytes | None:
        """Do what a write wants; give what stands behind identifier and serial in the answer, None to refuse it."""
        name = (data[:2] if data[0] == 0xA0 else data[1::-1]).hex().upper()
        self.written.append((name, data[3:]))
        if name == "A015" and self.wall is not None and len(data) == 10:
            digits = data[:2:-1].hex()
            try:
                self.wall = showing(datetime.strptime(digits, "%Y%m%d%H%M%S"), now_ns)  # noqa: DTZ007 - it knows no zone
            except ValueError:
                return None
            return b""
        bits = {b"\x55": 0, b"\x99": 1}.get(data[3:])
        if name != "A017" or not self._valve or bits is None:
            return None
        before = self.status
        if not self.stuck:
            self._becomes = bytes([before[0] & 0xFC | bits, before[1]])
            self._moved_ns = now_ns + self.moves_ns
        return before


def water(seed: str) -> tuple[Cell, ...]:
    """Give what a cold water meter tells; its settlement day has not come yet."""
    _, used = load(f"{seed}:w", 2.4, 0.9, 1200)
    return (
        Cell(name="volume", size=4, decimals=2, unit="m3", value=lambda t: 5959 + used(t) / 60),
        Cell(name="volume.settlement", size=4, decimals=2, unit="m3", value=lambda _t: None),
    )


def gas(seed: str) -> tuple[Cell, ...]:
    """Give what a gas meter tells."""
    _, used = load(f"{seed}:g", 3.1, 0.7, 1800)
    return (
        Cell(name="volume", size=4, decimals=2, unit="m3", value=lambda t: 811.5 + used(t) / 60),
        Cell(name="volume.settlement", size=4, decimals=2, unit="m3", value=lambda _t: 811.5),
    )


def heat(seed: str) -> tuple[Cell, ...]:
    """Give what a heat meter tells: energy in MW.h, power in kW."""
    power, energy = load(f"{seed}:h", 42, 0.6, 1800)
    supply, back = wander(f"{seed}:s", 58, 6, 900), wander(f"{seed}:r", 37, 4, 900)
    return (
        Cell(name="energy.settlement", size=4, decimals=2, unit="MW.h", value=lambda _t: 0.0),
        Cell(name="energy", size=4, decimals=2, unit="MW.h", value=lambda t: 1.27 + energy(t) / 36_000),
        Cell(name="power", size=4, decimals=2, unit="kW", value=power),
        Cell(name="flow", size=4, decimals=4, unit="m3/h", value=wander(f"{seed}:f", 1.6, 0.5, 600)),
        Cell(name="volume", size=4, decimals=2, unit="m3", value=lambda t: 19.07 + t / 2000),
        Cell(name="temperature.supply", size=3, decimals=2, unit=None, value=supply),
        Cell(name="temperature.return", size=3, decimals=2, unit=None, value=back),
        Cell(name="operating_time", size=3, decimals=0, unit=None, value=lambda t: 166 + int(t) // 3600),
    )
