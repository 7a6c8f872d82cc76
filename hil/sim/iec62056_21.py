"""A meter of IEC 62056-21 mode C, written from the standard's text (6.3 to 6.5). Shares no code with the drivers."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from hil.characters import Characters
from hil.faults import Fault, Injector
from hil.sim.motion import load, wander
from hil.sim.simulated import Simulated
from hil.sim.wall import Wall
from hil.wire import Reply

LINE: Final = Characters(baud=300, parity="E", data_bits=7)
"""How every session begins: 300 Bd, seven bits, even parity."""
BREAK: Final = b"\x01B0\x03q"
"""Sign-off: SOH B0 ETX and its BCC (6.3.4)."""
_SPEEDS: Final = {"0": 300, "1": 600, "2": 1200, "3": 2400, "4": 4800, "5": 9600, "6": 19200}


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """One data set.

    Attributes:
        name: quantity, as tests compare it.
        code: its id.
        digits: in front of the decimal point.
        decimals: behind it.
        unit: as the meter writes it.
        value: of a time in seconds.
    """

    name: str
    code: str
    digits: int
    decimals: int
    unit: str
    value: Callable[[float], float]

    def shown(self, t: float) -> str:
        """Give the number as the display has it."""
        return f"{self.value(t):.{self.decimals}f}"

    def sent(self, t: float) -> str:
        """Give the line."""
        width = self.digits + (1 + self.decimals if self.decimals else 0)
        return f"{self.code}({self.value(t):0{width}.{self.decimals}f}*{self.unit})\r\n"


def checked(body: str) -> bytes:
    """Give STX, ``body``, ETX and the character that makes the XOR of all behind STX zero."""
    data = body.encode("ascii") + b"\x03"
    check = 0
    for byte in data:
        check ^= byte
    return b"\x02" + data + bytes([check])


class IecMeter(Simulated):
    """A meter on a ``hil.wire.Line``.

    Attributes:
        address: what a sign-on has to name, if it names one.
        offered: the speed that it offers, as the character of its identification.
        cells: what it holds.
        texts: data sets that never change, in front of the others.
        wall: what its clock shows, sent as 0.9.1 and 0.9.2; None for a meter without one.
        alive: False plays dead.
        deaf_at: speeds at which its head cannot send; it answers there with nothing.
        sessions: sign-ons heard; readouts given, at which speeds.
        breaks: how often it was told that the session is over.
    """

    def __init__(
        self,
        cells: Sequence[Cell],
        *,
        address: str = "12345678",
        offered: str = "5",
        texts: str = "",
        began_ns: int = 0,
        turnaround_ns: int = 200_000_000,
        settings: Characters = LINE,
        rates: Mapping[Fault, float] | None = None,
        seed: int = 0,
        wall: Wall | None = None,
    ) -> None:
        """Take the content and the time at which the content's own time is 0."""
        super().__init__(settings=settings, injector=Injector(seed, rates), began_ns=began_ns)
        self.address = address
        self.offered = offered
        self.cells = cells
        self.texts = texts or f"F.F(00000000)\r\n0.0.0({address})\r\n"
        self.wall = wall
        self.alive = True
        self.deaf_at: frozenset[int] = frozenset()
        self.sessions = 0
        self.breaks = 0
        self.readouts: list[int] = []
        self._turnaround_ns = turnaround_ns
        self._waits_until_ns = -1

    @property
    def heard(self) -> int:
        """Good requests addressed to it."""
        return self.sessions + len(self.readouts)

    def hear(self, frame: bytes, now_ns: int) -> Reply | None:
        """Answer a sign-on with the identification and, within 1.5 s of that, an option with the readout."""
        if not self.alive:
            return None
        text = frame.decode("latin-1")
        if text.startswith("/?") and text.endswith("!\r\n"):
            return self._identify(text[2:-3], now_ns)
        if frame == BREAK:
            self.breaks += 1
            self._waits_until_ns = -1
            return None
        if len(text) == 6 and text[0] == "\x06" and text.endswith("\r\n") and now_ns <= self._waits_until_ns:
            return self._read_out(text[1:4], now_ns)
        return None

    def stray(self, frame: bytes, now_ns: int) -> bytes | None:  # noqa: ARG002 - a head sits on one meter
        """Give nothing: nobody else is on an optical head."""
        return None

    def _identify(self, asked: str, now_ns: int) -> Reply | None:
        if asked and asked.lstrip("0") != self.address.lstrip("0"):
            return None
        self.sessions += 1
        data = f"/TID{self.offered}SIM-1\r\n".encode("ascii")
        self._waits_until_ns = now_ns + self._turnaround_ns + self._settings.duration_ns(len(data)) + 1_500_000_000
        return self._reply(data, (), self._settings)

    def _read_out(self, option: str, now_ns: int) -> Reply | None:
        self._waits_until_ns = -1
        baud = _SPEEDS.get(option[1])
        if option[0] != "0" or option[2] != "0" or baud is None or baud in self.deaf_at:
            return None
        self.readouts.append(baud)
        t = self.time_s(now_ns)
        clock = "" if self.wall is None else self.wall(now_ns).strftime("0.9.1(%H%M%S)\r\n0.9.2(%y%m%d)\r\n")
        body = self.texts + clock + "".join(cell.sent(t) for cell in self.cells) + "!\r\n"
        held = tuple((cell.name, cell.shown(t)) for cell in self.cells)
        return self._reply(checked(body), held, replace(self._settings, baud=baud))

    def _reply(self, data: bytes, held: tuple[tuple[str, str], ...], settings: Characters) -> Reply:
        fault = self._injector.pick(self.heard)
        return Reply(data=data, delay_ns=self._turnaround_ns, fault=fault, held=held, settings=settings)


def electricity(seed: str) -> list[Cell]:
    """Give the data sets of a meter of three phases with two tariffs."""
    _, energy = load(f"{seed}:e", 2.0, 0.5, 1800)
    power = wander(f"{seed}:p", 90, 400, 300)
    cells = [
        _energy("energy.import", "1.8.0", _rising(4.5, energy)),
        _energy("energy.import.tariff1", "1.8.1", lambda _t: 4.4),
        _energy("energy.export", "2.8.0", _rising(0.5, energy)),
        Cell(name="power", code="1-0:16.7.0*255", digits=6, decimals=2, unit="W", value=power),
    ]
    for number, (voltage, current) in enumerate((("32", "31"), ("52", "51"), ("72", "71")), 1):
        value = wander(f"{seed}:u{number}", 230, 5, 300)
        amount = wander(f"{seed}:i{number}", 8, 7, 300)
        cells += [
            Cell(
                name=f"voltage.l{number}", code=f"1-0:{voltage}.7.0*255", digits=3, decimals=1, unit="V", value=value
            ),
            Cell(
                name=f"current.l{number}", code=f"1-0:{current}.7.0*255", digits=3, decimals=2, unit="A", value=amount
            ),
        ]
    return cells


def _energy(name: str, code: str, value: Callable[[float], float]) -> Cell:
    return Cell(name=name, code=f"1-0:{code}*255", digits=6, decimals=3, unit="kWh", value=value)


def _rising(base: float, seconds: Callable[[float], float]) -> Callable[[float], float]:
    return lambda t: base + seconds(t) / 3600
