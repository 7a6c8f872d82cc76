"""An SDI-12 sensor, written from the text of version 1.4. Shares no code with the drivers: an own CRC, own numbers.

It sleeps until a break, measures in its own time, and calls when it has done so (``Line(speakers=...)``).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from hil.characters import Characters
from hil.faults import Fault, Injector
from hil.sim.motion import wander
from hil.sim.simulated import Simulated
from hil.wire import Reply

_NS: Final = 1_000_000_000
LINE: Final = Characters(baud=1200, parity="E", data_bits=7)
ADAPTER: Final = Characters(baud=9600)
"""What a transparent adapter speaks to us; it makes the break itself."""
_BREAK: Final = b"\x00"
_SEEN_NS: Final = Characters(baud=600).silence_ns
"""So long after its end the line gives a character of 600 Bd to its stations."""
_AWAKE_NS: Final = 100_000_000
_NEVER_NS: Final = 1 << 62
_SHORT, _LONG = 35, 75
_START: Final = re.compile(r"([MC])(C?)([1-9]?)|(V)")
_DATA: Final = re.compile(r"D([0-9])")
_AT_ONCE: Final = re.compile(r"R(C?)([0-9])")


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """One value.

    Attributes:
        name: quantity, as tests compare it.
        decimals: behind the point.
        value: of a time in seconds.
    """

    name: str
    decimals: int
    value: Callable[[float], float]

    def shown(self, t: float) -> str:
        """Give the number with its sign, as it is sent."""
        return f"{self.value(t):+.{self.decimals}f}"


def checked(data: str) -> str:
    """Give ``data`` with the three characters of its CRC behind it (4.4.12)."""
    crc = 0
    for byte in data.encode("ascii"):
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ 0xA001 if crc & 1 else crc >> 1
    return data + "".join(chr(0x40 | crc >> shift & 0x3F) for shift in (12, 6, 0))


@dataclass(slots=True)
class _Measurement:
    """What was begun last.

    Attributes:
        lines: the answers to D0, D1, ... and what each holds; none until it has ended, or once it was broken off.
    """

    begun_ns: int
    done_ns: int
    concurrent: bool
    crc: bool
    lines: list[tuple[str, tuple[tuple[str, str], ...]]]


class Sdi12Sensor(Simulated):
    """A sensor on a ``hil.wire.Line``; a ``Speaker`` too, for its service request.

    Attributes:
        address: its own.
        identity: what it says of itself behind the address.
        cells: what it measures at M and C (""), at M1 and C1 ("1") and so on; R0 gives "".
        alive: False plays dead.
        sleeps: it hears nothing without a break; behind an adapter there is no need of one.
        takes_s: how long a measurement takes.
        says_s: how long it says that one takes.
        calls: it sends a service request.
        guards: it has CRCs.
        wakes_s: how long it takes to wake up.
        heard: commands that were meant for it.
        aborted: measurements that were broken off.
    """

    def __init__(
        self,
        address: str,
        cells: Mapping[str, Sequence[Cell]],
        *,
        identity: str = "14TIDEGATESIM12 1000012345",
        takes_s: float = 0.8,
        says_s: int = 1,
        began_ns: int = 0,
        turnaround_ns: int = 9_000_000,
        settings: Characters = LINE,
        rates: Mapping[Fault, float] | None = None,
        seed: int = 0,
    ) -> None:
        """Take the content and the time at which the content's own time is 0."""
        super().__init__(settings=settings, injector=Injector(seed, rates), began_ns=began_ns)
        self.address = address
        self.identity = identity
        self.cells = cells
        self.alive = True
        self.sleeps = settings.baud == LINE.baud
        self.takes_s = takes_s
        self.says_s = says_s
        self.calls = True
        self.guards = True
        self.wakes_s = 0.0
        self.heard = 0
        self.aborted = 0
        self._turnaround_ns = turnaround_ns
        self._wakes_ns = -_NEVER_NS
        self._awake_ns = -_NEVER_NS
        self._due_ns = _NEVER_NS
        self._last: _Measurement | None = None

    @property
    def due_ns(self) -> int:
        """When it sends its service request."""
        return self._due_ns

    def speak(self, now_ns: int) -> Reply:
        """Give the service request."""
        self._due_ns = _NEVER_NS
        self._awake_ns = now_ns + _AWAKE_NS
        return self._reply(self.address) if self.alive else Reply(data=b"")

    def hear(self, frame: bytes, now_ns: int) -> Reply | None:
        """Answer a command for this sensor; a break wakes it, and ends a measurement of M or V."""
        if not self.alive:
            return None
        if frame == _BREAK:
            over_ns = now_ns - _SEEN_NS
            if over_ns > self._awake_ns:
                self._wakes_ns = over_ns + round(self.wakes_s * _NS)
            self._awake_ns = over_ns + _AWAKE_NS
            self._break_off(now_ns, by_command=False)
            return None
        text = frame.lstrip(b"\x00\xfe\xff").decode("latin-1")
        began_ns = now_ns - self._settings.silence_ns - self._settings.duration_ns(len(frame))
        if self.sleeps and not self._wakes_ns <= began_ns <= self._awake_ns:
            return None
        if len(text) < 2 or not text.endswith("!") or "!" in text[:-1] or text[0] not in ("?", self.address):
            return None
        if text[0] == "?" and text != "?!":
            return None
        told = self._answer(text[1:-1], now_ns)
        if told is None:
            return None
        self.heard += 1
        reply = self._reply(*told)
        self._awake_ns = now_ns + reply.delay_ns + self._settings.duration_ns(len(reply.data)) + _AWAKE_NS
        return reply

    def stray(self, frame: bytes, now_ns: int) -> bytes | None:
        """Give what it would answer if the command were its own; it does not measure because of it."""
        text = frame.lstrip(b"\x00\xfe\xff").decode("latin-1")
        if len(text) < 2 or not self.alive:
            return None
        before = self._last, self._due_ns, self.aborted
        told = self._answer(text[1:-1], now_ns)
        self._last, self._due_ns, self.aborted = before
        return None if told is None else self._reply(*told).data

    def _answer(self, body: str, now_ns: int) -> tuple[str, tuple[tuple[str, str], ...]] | None:
        if (data := _DATA.fullmatch(body)) is not None:
            return self._data(int(data[1]), now_ns)
        if body in ("", "I"):
            self._break_off(now_ns)
            return self.address + (self.identity if body else ""), ()
        if (begin := _START.fullmatch(body)) is not None:
            return self._begin(begin[1] or "V", begin[3] or "", now_ns, crc=bool(begin[2]))
        if (at_once := _AT_ONCE.fullmatch(body)) is not None:
            lines = self._lines(self.cells.get(at_once[2].replace("0", ""), ()), now_ns, _LONG)
            text, held = lines[0] if lines else ("", ())
            return self._guarded(text, crc=bool(at_once[1])), held
        return None

    def _begin(self, kind: str, group: str, now_ns: int, *, crc: bool) -> tuple[str, tuple[tuple[str, str], ...]]:
        cells = self.cells.get(group, ())
        concurrent = kind == "C"
        self._break_off(now_ns)
        seconds = self.says_s if cells else 0
        answered_ns = now_ns + self._turnaround_ns + self._settings.duration_ns(7)
        done_ns = answered_ns + (round(self.takes_s * _NS) if seconds else 0)
        lines = self._lines(cells, done_ns, _LONG if concurrent else _SHORT)
        self._last = _Measurement(now_ns, done_ns, concurrent, crc, lines)
        if seconds and self.calls and not concurrent:
            self._due_ns = done_ns
        return f"{self.address}{seconds:03d}{len(cells):0{2 if concurrent else 1}d}", ()

    def _data(self, number: int, now_ns: int) -> tuple[str, tuple[tuple[str, str], ...]]:
        self._break_off(now_ns)
        last = self._last
        lines = last.lines if last is not None else []
        text, held = lines[number] if number < len(lines) else ("", ())
        return self._guarded(text, crc=last is not None and last.crc), held

    def _guarded(self, text: str, *, crc: bool) -> str:
        return checked(self.address + text) if crc and self.guards else self.address + text

    def _break_off(self, now_ns: int, *, by_command: bool = True) -> None:
        """End a measurement that has not ended: a command to the sensor every one, a break those of M and V."""
        last = self._last
        if last is None or now_ns >= last.done_ns or not last.lines or (last.concurrent and not by_command):
            return
        self.aborted += 1
        last.lines = []
        self._due_ns = _NEVER_NS

    def _lines(
        self, cells: Sequence[Cell], at_ns: int, longest: int
    ) -> list[tuple[str, tuple[tuple[str, str], ...]]]:
        """Give the answers to D0, D1, ...: as many values in each as fit (4.4)."""
        t = self.time_s(at_ns)
        lines: list[tuple[str, tuple[tuple[str, str], ...]]] = []
        text = ""
        held: tuple[tuple[str, str], ...] = ()
        for cell in cells:
            shown = cell.shown(t)
            if text and len(text) + len(shown) > longest:
                lines.append((text, held))
                text, held = "", ()
            text, held = text + shown, (*held, (cell.name, shown))
        return [*lines, (text, held)] if text else lines

    def _reply(self, text: str, held: tuple[tuple[str, str], ...] = ()) -> Reply:
        fault = self._injector.pick(self.heard)
        return Reply(data=f"{text}\r\n".encode("ascii"), delay_ns=self._turnaround_ns, fault=fault, held=held)


def soil(seed: str) -> dict[str, tuple[Cell, ...]]:
    """Give the six values of a probe of water content, conductivity and temperature; three of them at M."""
    cells = (
        Cell(name="soil.moisture", decimals=3, value=wander(f"{seed}:w", 0.28, 0.08, 3600)),
        Cell(name="soil.conductivity", decimals=3, value=wander(f"{seed}:c", 0.9, 0.3, 3600)),
        Cell(name="soil.temperature", decimals=2, value=wander(f"{seed}:t", 1.5, 4, 3600)),
        Cell(name="permittivity", decimals=2, value=wander(f"{seed}:k", 16, 4, 3600)),
        Cell(name="period", decimals=3, value=wander(f"{seed}:p", 2.4, 0.4, 3600)),
        Cell(name="voltage.ratio", decimals=3, value=wander(f"{seed}:v", 1.1, 0.05, 3600)),
    )
    return {"": cells[:3], "3": cells, "4": cells}
