"""A meter that sends SML, written from the text of SML 1.04 (BSI TR-03109-1, annex). Shares no code with the drivers.

It sends its list by itself, as meters with an optical eye do, or when a list is asked for, or both.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from hil.characters import Characters
from hil.faults import Injector
from hil.sim.crc16 import x25
from hil.sim.motion import load, wander
from hil.sim.simulated import Simulated
from hil.wire import Reply

_NS: Final = 1_000_000_000
LINE: Final = Characters(baud=9600)
_ESCAPE: Final = b"\x1b\x1b\x1b\x1b"
_NEVER_NS: Final = 1 << 62
ABSENT: Final = b"\x01"
_OPEN, _CLOSE, _LIST, _ATTENTION = 0x0101, 0x0201, 0x0701, 0xFF01
_LIST_REQUEST: Final = bytes.fromhex("630700")


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """One entry of the list.

    Attributes:
        name: quantity, as tests compare it.
        code: six bytes of its OBIS code in hex.
        unit: its number in the table of units.
        scaler: power of ten of one count.
        size: bytes of the number.
        signed: whether its type has a sign.
        factor: what one unit of the list is worth in the unit that tests compare in, as power of ten.
        value: of a time in seconds, in the unit of the list; None while the meter has none.
    """

    name: str
    code: str
    unit: int
    scaler: int
    size: int
    value: Callable[[float], float | None]
    signed: bool = False
    factor: int = 0

    def count(self, t: float) -> int | None:
        """Give the number as it is sent."""
        value = self.value(t)
        return None if value is None else round(value / 10**self.scaler)

    def shown(self, t: float) -> str | None:
        """Give the number as tests compare it."""
        count = self.count(t)
        return None if count is None else f"{count}E{self.scaler + self.factor}"


def octets(data: bytes) -> bytes:
    """Encode an octet string; none is an empty one."""
    size = len(data) + 1
    if size <= 15:
        return bytes([size]) + data
    size += 1
    return bytes([0x80 | size >> 4, size & 15]) + data


def number(value: int, size: int, *, signed: bool = False) -> bytes:
    """Encode a number of ``size`` bytes."""
    return bytes([(0x50 if signed else 0x60) | size + 1]) + value.to_bytes(size, "big", signed=signed)


def listed(*items: bytes) -> bytes:
    """Encode a list."""
    count = len(items)
    head = bytes([0x70 | count]) if count <= 15 else bytes([0xF0 | count >> 4, count & 15])
    return head + b"".join(items)


def message(crc: Callable[[bytes], bytes], transaction: int, group: int, tag: int, body: bytes) -> bytes:
    """Encode one message with its own CRC."""
    inner = listed(number(tag, 2), body)
    start = octets(transaction.to_bytes(4, "big")) + number(group, 1) + number(0, 1) + inner
    data = b"\x76" + start
    return data + b"\x63" + crc(data) + b"\x00"


def transported(crc: Callable[[bytes], bytes], payload: bytes) -> bytes:
    """Put messages between escapes, with padding and CRC."""
    padding = -len(payload) % 4
    body = payload.replace(_ESCAPE, 2 * _ESCAPE) + bytes(padding)
    wire = _ESCAPE + b"\x01\x01\x01\x01" + body + _ESCAPE + bytes([0x1A, padding])
    return wire + crc(wire)


class SmlMeter(Simulated):
    """A meter on a ``hil.wire.Line``; a ``Speaker``.

    Attributes:
        server_id: its identity.
        cells: what it holds.
        alive: False plays dead.
        signs: ``value`` puts a signature beside each energy, ``list`` one under the list.
        refuses: answers requests with an attention message.
        utc_s: UTC seconds at its own time 0, put beside each entry; None counts seconds only.
        key: its public key, empty without one.
        sent: lists sent by itself and on request.
    """

    def __init__(
        self,
        cells: Sequence[Cell],
        *,
        server_id: bytes = bytes.fromhex("0A0149534B00047A5544"),
        every_s: float | None = 2.0,
        crc: Callable[[bytes], bytes] = x25,
        began_ns: int = 0,
        first_s: float = 0.5,
        turnaround_ns: int = 100_000_000,
        settings: Characters = LINE,
    ) -> None:
        """Take the content, how often it sends (None: only when asked) and when its own time is 0."""
        super().__init__(settings=settings, injector=Injector(0), began_ns=began_ns)
        self.server_id = server_id
        self.cells = cells
        self.alive = True
        self.signs = ""
        self.refuses = False
        self.utc_s: int | None = None
        self.key = b""
        self.sent = 0
        self._crc = crc
        self._turnaround_ns = turnaround_ns
        self._every_ns = None if every_s is None else round(every_s * _NS)
        self._due_ns = _NEVER_NS if every_s is None else began_ns + round(first_s * _NS)

    @property
    def heard(self) -> int:
        """Lists that it has sent."""
        return self.sent

    @property
    def due_ns(self) -> int:
        """When it sends the next time."""
        return self._due_ns

    def speak(self, now_ns: int) -> Reply:
        """Give the list of now."""
        assert self._every_ns is not None
        self._due_ns += self._every_ns
        return self._reply(now_ns, 0) if self.alive else Reply(data=b"")

    def hear(self, frame: bytes, now_ns: int) -> Reply | None:
        """Answer the request for a list, if its CRC is right and it names this meter or none."""
        if not self.alive or not frame.startswith(_ESCAPE) or len(frame) < 16 or x25(frame[:-2]) != frame[-2:]:
            return None
        at = frame.find(_LIST_REQUEST)
        if at < 0:
            return None
        asked = frame[at + len(_LIST_REQUEST) :]  # 75, client id, server id ...
        client = asked[1]
        server = asked[1 + client :]
        if asked[:1] != b"\x75" or server[1 : server[0]] not in (b"", self.server_id):
            return None
        if self.refuses:
            body = listed(octets(self.server_id), octets(bytes.fromhex("8181C7C7FE03")), ABSENT, ABSENT)
            payload = message(self._crc, int.from_bytes(frame[at - 9 : at - 5], "big"), 0, _ATTENTION, body)
            return Reply(data=transported(self._crc, payload), delay_ns=self._turnaround_ns)
        return self._reply(now_ns, self._turnaround_ns, int.from_bytes(frame[at - 9 : at - 5], "big"))

    def stray(self, frame: bytes, now_ns: int) -> bytes | None:  # noqa: ARG002 - a head sits on one meter
        """Give nothing: nobody else is on an optical head."""
        return None

    def _reply(self, now_ns: int, delay_ns: int, asked: int | None = None) -> Reply:
        self.sent += 1
        t = self.time_s(now_ns)
        held = tuple((cell.name, shown) for cell in self.cells if (shown := cell.shown(t)) is not None)
        data = transported(self._crc, self.messages(t, 3 * self.sent + 1 if asked is None else asked))
        return Reply(data=data, delay_ns=delay_ns, fault=self._injector.pick(self.sent), held=held)

    def messages(self, t: float, number: int) -> bytes:
        """Give the three messages of a list, which has this number; in a response it is that of the request."""
        file_id = octets(self.sent.to_bytes(4, "big"))
        opened = listed(ABSENT, ABSENT, file_id, octets(self.server_id), ABSENT, ABSENT)
        name = octets(bytes.fromhex("0100620AFFFF"))
        signature = octets(bytes(range(48))) if self.signs == "list" else ABSENT
        body = listed(ABSENT, octets(self.server_id), name, self._time(t, 0), self._entries(t), signature, ABSENT)
        return (
            message(self._crc, number - 1, 0, _OPEN, opened)
            + message(self._crc, number, 0, _LIST, body)
            + message(self._crc, number + 1, 0, _CLOSE, listed(ABSENT))
        )

    def _entries(self, t: float) -> bytes:
        """Give the list of entries: maker, server id, numbers and, where it has one, the public key."""
        plain = [("8181C78203FF", b"SIM"), ("0100000009FF", self.server_id)]
        if self.key:
            plain.append(("8181C78205FF", self.key))
        entries = [listed(octets(bytes.fromhex(code)), *(ABSENT,) * 4, octets(data), ABSENT) for code, data in plain]
        return listed(*entries, *(self._entry(cell, t) for cell in self.cells))

    def _entry(self, cell: Cell, t: float) -> bytes:
        count = cell.count(t)
        is_energy = cell.unit == 30
        return listed(
            octets(bytes.fromhex(cell.code)),
            number(0x1C0104, 4) if is_energy else ABSENT,
            self._time(t, self.utc_s) if self.utc_s is not None else ABSENT,
            number(cell.unit, 1),
            number(cell.scaler, 1, signed=True),
            ABSENT if count is None else number(count, cell.size, signed=cell.signed),
            octets(bytes(range(24))) if is_energy and self.signs == "value" else ABSENT,
        )

    def _time(self, t: float, since_s: int | None) -> bytes:
        choice = 2 if since_s else 1
        return listed(number(choice, 1), number((since_s or 0) + int(t), 4))


def electricity(seed: str) -> list[Cell]:
    """Give the entries of a meter of three phases that feeds in at times."""
    _, energy = load(f"{seed}:e", 2.0, 0.5, 1800)
    power = wander(f"{seed}:p", 50, 400, 300)
    cells = [
        _energy("energy.import", "0100010800FF", lambda t: 4_500_000 + energy(t) / 3.6),
        _energy("energy.import.tariff1", "0100010801FF", lambda _t: 4_400_000.5),
        _energy("energy.export", "0100020800FF", lambda t: 300_000 + t / 10),
        Cell(name="power", code="0100100700FF", unit=27, scaler=-2, size=3, value=power, signed=True),
    ]
    for number_, phase in enumerate((0, 20, 40), 1):
        volts = wander(f"{seed}:u{number_}", 230, 5, 300)
        amps = wander(f"{seed}:i{number_}", 8, 7, 300)
        cells += [
            Cell(name=f"voltage.l{number_}", code=f"0100{32 + phase:02X}0700FF", unit=35, scaler=-1, size=2,
                 value=volts),
            Cell(name=f"current.l{number_}", code=f"0100{31 + phase:02X}0700FF", unit=33, scaler=-2, size=2,
                 value=amps),
        ]  # fmt: skip
    return [*cells, Cell(name="frequency", code="01000E0700FF", unit=44, scaler=-1, size=2, value=lambda _t: None)]


def charging(seed: str) -> list[Cell]:
    """Give the entry of a meter of a charging point."""
    _, energy = load(f"{seed}:e", 2.0, 0.5, 1800)
    return [_energy("energy.signed", "0100011100FF", lambda t: 4050 + energy(t) / 3.6)]


def _energy(name: str, code: str, value: Callable[[float], float]) -> Cell:
    return Cell(name=name, code=code, unit=30, scaler=-1, size=8, value=value, factor=-3)
