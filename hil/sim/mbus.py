"""Wired M-Bus meters, written from the text of EN 13757-2 (frames) and EN 13757-3 (application layer).

Shares no code with the drivers: an own sum, own digits, own records. What a meter holds are functions of time.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from hil.characters import Characters
from hil.faults import Fault, Injector
from hil.sim.motion import load, wander
from hil.sim.simulated import Simulated
from hil.sim.wall import Wall
from hil.wire import Reply

LINE: Final = Characters(baud=2400, parity="E")
ACK: Final = b"\xe5"
_SELECTED, _EVERY, _BROADCAST = 253, 254, 255
_MORE: Final = b"\x1f"


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """One record of a meter.

    Attributes:
        name: quantity, as tests compare it.
        head: DIF, DIFE, VIF and VIFE in hex.
        size: bytes of its BCD number.
        step: what one count is worth in the unit that tests compare in.
        decimals: of the number as it is shown.
        value: of a time in seconds, in that unit; None while the meter has no value, which FF tells.
    """

    name: str
    head: str
    size: int
    step: float
    decimals: int
    value: Callable[[float], float | None]

    def shown(self, t: float) -> str | None:
        """Give the number as the display has it, exactly what the bytes mean."""
        value = self.value(t)
        return None if value is None else f"{round(value / self.step) * self.step:.{self.decimals}f}"

    def sent(self, t: float) -> bytes:
        """Give the record."""
        value = self.value(t)
        head = bytes.fromhex(self.head)
        if value is None:
            return head + b"\xff" * self.size
        count = round(value / self.step)
        digits = f"{abs(count):0{2 * self.size}d}"[-2 * self.size :]
        if count < 0:
            digits = "F" + digits[1:]  # the top digit of a negative number is F
        return head + bytes.fromhex(digits)[::-1]


def short(control: int, address: int) -> bytes:
    """Give a frame of five characters."""
    return bytes([0x10, control, address, (control + address) % 256, 0x16])


def long(control: int, address: int, ci: int, data: bytes) -> bytes:
    """Give a frame of variable length."""
    body = bytes([control, address, ci]) + data
    return bytes([0x68, len(body), len(body), 0x68]) + body + bytes([sum(body) % 256, 0x16])


def taken_apart(wire: bytes) -> tuple[int, int, bytes] | None:
    """Give C, A and what follows of a whole frame; None if it is damaged."""
    if len(wire) == 5 and wire[0] == 0x10 and wire[4] == 0x16 and (wire[1] + wire[2]) % 256 == wire[3]:
        return wire[1], wire[2], b""
    if len(wire) < 9 or wire[0] != 0x68 or wire[3] != 0x68 or wire[1] != wire[2] or len(wire) != wire[1] + 6:
        return None
    if wire[-1] != 0x16 or sum(wire[4:-2]) % 256 != wire[-2]:
        return None
    return wire[4], wire[5], wire[6:-2]


class MbusMeter(Simulated):
    """A meter on a ``hil.wire.Line``.

    Attributes:
        primary: its primary address.
        identity: ID, manufacturer, version and medium, as the eight bytes of its header.
        telegrams: what it sends, one list of records for each telegram.
        wall: what its clock shows, sent as type F in the first telegram; None for a meter without one.
        selected: whether it has been selected by its secondary address.
        alive: False plays dead.
        error: application error that it answers with instead of data; None to answer.
        heard: good requests addressed to it.
        resets: SND_NKE among them.
    """

    def __init__(
        self,
        primary: int,
        identity: bytes,
        telegrams: Sequence[Sequence[Cell]],
        *,
        began_ns: int = 0,
        turnaround_ns: int = 60_000_000,
        settings: Characters = LINE,
        rates: Mapping[Fault, float] | None = None,
        seed: int = 0,
        wall: Wall | None = None,
    ) -> None:
        """Take addresses, content and the time at which the content's own time is 0."""
        super().__init__(settings=settings, injector=Injector(seed, rates), began_ns=began_ns)
        self.primary = primary
        self.identity = identity
        self.telegrams = telegrams
        self.wall = wall
        self.selected = False
        self.alive = True
        self.error: int | None = None
        self.heard = 0
        self.resets = 0
        self._turnaround_ns = turnaround_ns
        self._access = 0
        self._at = 0
        self._last_bit: bool | None = None
        self._last: tuple[bytes, tuple[tuple[str, str], ...]] = (b"", ())

    def hear(self, frame: bytes, now_ns: int) -> Reply | None:
        """Answer a frame; None if it is damaged, for another meter, a broadcast, or the meter is dead."""
        parts = taken_apart(frame)
        if parts is None or not self.alive:
            return None
        control, address, rest = parts
        if control & 0x5F == 0x53 and address == _SELECTED and rest[:1] == b"\x52":
            self.selected = self._is_meant(rest[1:9])
            return self._reply(ACK) if self.selected else None
        if address != _BROADCAST and not self._is_addressed(address):
            return None
        answer, held = self._serve(control, address, rest, now_ns)
        return None if address == _BROADCAST or not answer else self._reply(answer, held)

    def stray(self, frame: bytes, now_ns: int) -> bytes | None:
        """Give this meter's own, valid answer to a request for data that was meant for another."""
        parts = taken_apart(frame)
        if parts is None or not self.alive or parts[0] & 0x5F != 0x5B:
            return None
        return self._telegram(0, now_ns)[0]

    def _is_addressed(self, address: int) -> bool:
        return address in (self.primary, _EVERY) or (address == _SELECTED and self.selected)

    def _is_meant(self, pattern: bytes) -> bool:
        if len(pattern) < 8:
            return False
        mine, asked = self.identity[3::-1].hex(), pattern[3::-1].hex()
        digits = all(one in ("f", other) for one, other in zip(asked, mine, strict=True))
        maker = pattern[4:6] in (b"\xff\xff", self.identity[4:6])
        return digits and maker and all(pattern[i] in (0xFF, self.identity[i]) for i in (6, 7))

    def _reply(self, data: bytes, held: tuple[tuple[str, str], ...] = ()) -> Reply:
        self.heard += 1
        return Reply(data=data, delay_ns=self._turnaround_ns, fault=self._injector.pick(self.heard), held=held)

    def _serve(
        self, control: int, address: int, rest: bytes, now_ns: int
    ) -> tuple[bytes, tuple[tuple[str, str], ...]]:
        if control == 0x40:
            self.resets += 1
            self._at, self._last_bit = 0, None
            if address == _SELECTED:
                self.selected = False
            return ACK, ()
        if control & 0x5F == 0x5B:
            return self._data(bool(control & 0x20), now_ns)
        return (ACK, ()) if control & 0x5F == 0x53 and rest else (b"", ())

    def _data(self, bit: bool, now_ns: int) -> tuple[bytes, tuple[tuple[str, str], ...]]:
        """Answer REQ_UD2: the last telegram again while the frame count bit stays as it was, else the next one."""
        if self.error is not None:
            return long(0x08, self.primary, 0x70, bytes([self.error])), ()
        if bit != self._last_bit or not self._last[0]:
            self._last = self._telegram(self._at, now_ns)
            self._at = (self._at + 1) % len(self.telegrams)
            self._last_bit = bit
            return self._last
        return self._last[0], ()  # said before: nothing that it holds now

    def _telegram(self, at: int, now_ns: int) -> tuple[bytes, tuple[tuple[str, str], ...]]:
        cells = self.telegrams[at]
        self._access = (self._access + 1) % 256
        t = self.time_s(now_ns)
        clock = b"\x04\x6d" + type_f(self.wall(now_ns)) if self.wall is not None and not at else b""
        records = b"".join(cell.sent(t) for cell in cells) + clock + (_MORE if at + 1 < len(self.telegrams) else b"")
        header = self.identity + bytes([self._access, 0x00, 0x00, 0x00])
        held = tuple((cell.name, shown) for cell in cells if (shown := cell.shown(t)) is not None)
        return long(0x08, self.primary, 0x72, header + records), held


def type_f(moment: datetime) -> bytes:
    """Give four bytes of date and time to the minute (EN 13757-3, annex A, type F)."""
    year = moment.year % 100
    return bytes([moment.minute, moment.hour, moment.day | (year & 7) << 5, moment.month | (year & 0x78) << 1])


def identity(number: str, manufacturer: str, version: int, medium: int) -> bytes:
    """Give the eight bytes that tell who a meter is."""
    letters = [ord(letter) - 64 for letter in manufacturer]
    code = letters[0] * 1024 + letters[1] * 32 + letters[2]
    return bytes.fromhex(number)[::-1] + bytes([code % 256, code // 256, version, medium])


def heat(seed: str) -> list[list[Cell]]:
    """Give the telegram of a heat meter: kWh, litres, watts (negative at times), hundredths of degrees."""
    flow = wander(f"{seed}:q", 0.6, 0.5, 600)
    _, energy = load(f"{seed}:e", 6.0, 2.0, 1800)
    supply, back = wander(f"{seed}:s", 75, 8, 900), wander(f"{seed}:r", 45, 6, 900)
    return [
        [
            Cell(name="energy", head="0C06", size=4, step=1, decimals=0, value=_rising(37351, energy)),
            Cell(name="volume", head="0C14", size=4, step=0.01, decimals=2, value=lambda t: 561.08 + t / 3600),
            Cell(name="power", head="0C2B", size=4, step=1, decimals=0, value=wander(f"{seed}:p", 100, 400, 300)),
            Cell(name="flow", head="0B3B", size=3, step=0.001, decimals=3, value=flow),
            Cell(name="temperature.supply", head="0A5A", size=2, step=0.1, decimals=1, value=supply),
            Cell(name="temperature.return", head="0A5E", size=2, step=0.1, decimals=1, value=back),
            Cell(
                name="temperature.difference", head="0A62", size=2, step=0.1, decimals=1,
                value=lambda t: supply(t) - back(t),
            ),
            Cell(name="energy.due_date", head="4C06", size=4, step=1, decimals=0, value=lambda _t: 33361),
        ]
    ]  # fmt: skip


def water(seed: str) -> list[list[Cell]]:
    """Give two telegrams of a water meter: the second carries on with the due date."""
    flow = wander(f"{seed}:q", 0.4, 0.4, 300)
    now = [
        Cell(name="volume", head="0C13", size=4, step=0.001, decimals=3, value=lambda t: 332.0 + t / 7200),
        Cell(name="flow", head="0B3B", size=3, step=0.001, decimals=3, value=flow),
    ]
    due = [Cell(name="volume.due_date", head="4C13", size=4, step=0.001, decimals=3, value=lambda _t: 331.25)]
    return [now, due]


def _rising(base: float, seconds: Callable[[float], float]) -> Callable[[float], float]:
    return lambda t: base + seconds(t) / 3600
