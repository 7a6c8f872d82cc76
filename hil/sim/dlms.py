"""A DLMS meter that is asked over HDLC, written from IEC 62056-46 and -5-3. Shares no code with the drivers.

It holds registers, a maximum demand, texts and a clock. Connection and association have to be there before it
answers, and it ends them after a pause. Frames with other numbers than it expects are met with silence.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from hil.characters import Characters
from hil.faults import Fault, Injector
from hil.sim.hdlc import Parts, date_time, frame, i32, octets, scaled, sized, taken_apart, u16, u32, visible
from hil.sim.motion import load, wander
from hil.sim.simulated import Simulated
from hil.wire import Reply

_NS: Final = 1_000_000_000
LINE: Final = Characters(baud=9600)
_LLC_REQUEST: Final = b"\xe6\xe6\x00"
_LLC_REPLY: Final = b"\xe6\xe7\x00"
_CONTEXT: Final = bytes.fromhex("A109060760857405080101")
_ACCEPTED, _WRONG_PASSWORD = (0, 0), (1, 13)
_UNDEFINED, _DENIED = 4, 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """One object.

    Attributes:
        name: quantity, as tests compare it; empty for what they do not.
        class_id: of the object.
        code: its logical name in hex.
        attributes: number -> value in A-XDR at a time in seconds.
        shown: what attribute 2 is, as tests compare it.
    """

    name: str
    class_id: int
    code: str
    attributes: Mapping[int, Callable[[float], bytes]]
    shown: Callable[[float], str] | None = None


class DlmsMeter(Simulated):
    """A meter on a ``hil.wire.Line``.

    Attributes:
        address, client: as on the wire; whom it is, and whom alone it answers.
        password: of low level security, empty for none.
        cells: what it holds.
        alive: False plays dead.
        denied: objects (hex) that it keeps from everybody.
        ciphers: it answers requests with what only a key could open.
        most: bytes of information in one of its frames.
        block: bytes of a value in one block of the application; 0 for no blocks.
        patience_s: pause after which it has ended the connection; it then answers with DM, or not at all.
        mute: it does not even say DM.
        busy: it takes no connection, and says so.
        connections, ends, associations, gets: good ones so far.
    """

    def __init__(
        self,
        cells: Sequence[Cell],
        *,
        address: bytes = b"\x02\x23",
        client: bytes = b"\x21",
        password: bytes = b"",
        began_ns: int = 0,
        turnaround_ns: int = 40_000_000,
        settings: Characters = LINE,
        rates: Mapping[Fault, float] | None = None,
        seed: int = 0,
    ) -> None:
        """Take the content, its addresses and when its own time is 0."""
        super().__init__(settings=settings, injector=Injector(seed, rates), began_ns=began_ns)
        self.address, self.client, self.password = address, client, password
        self.cells = {(cell.class_id, cell.code): cell for cell in cells}
        self.alive = True
        self.denied: set[str] = set()
        self.ciphers = False
        self.most = 128
        self.block = 0
        self.patience_s = 120.0
        self.mute = False
        self.busy = False
        self.ends = 0
        self.connections = self.associations = self.gets = 0
        self._turnaround_ns = turnaround_ns
        self._frames = 0
        self._until_ns = -1
        self._associated = False
        self._sent = self._received = 0
        self._segments: list[bytes] = []
        self._value = b""
        self._given = 0

    @property
    def heard(self) -> int:
        """Good frames addressed to it."""
        return self._frames

    def hear(self, wire: bytes, now_ns: int) -> Reply | None:
        """Answer a frame; None if it is damaged, for another meter, from a stranger, or the meter is dead."""
        parts = taken_apart(wire)
        if parts is None or not self.alive or (parts.to, parts.sender) != (self.address, self.client):
            return None
        self._frames += 1
        connected = now_ns <= self._until_ns
        answer, held = self._serve(parts, connected, self.time_s(now_ns))
        if not answer:
            return None
        if connected or parts.control == 0x93:
            self._until_ns = now_ns + round(self.patience_s * _NS)
        return Reply(data=answer, delay_ns=self._turnaround_ns, fault=self._injector.pick(self._frames), held=held)

    def stray(self, wire: bytes, now_ns: int) -> bytes | None:  # noqa: ARG002 - the same whenever
        """Give the answer to what was meant for another, from this meter's own address."""
        parts = taken_apart(wire)
        if parts is None or not self.alive:
            return None
        if parts.control & 1:
            return frame(parts.sender, self.address, 0x73)
        control = (parts.control >> 1 & 7) + 1 & 7
        reply = _LLC_REPLY + bytes.fromhex("C401C100") + u32(4711)
        return frame(parts.sender, self.address, control << 5 | 0x10 | (parts.control >> 5 & 7) << 1, reply)

    def _serve(self, parts: Parts, connected: bool, t: float) -> tuple[bytes, tuple[tuple[str, str], ...]]:
        if parts.control == 0x93 and not self.busy:  # SNRM
            self.connections += 1
            self._sent = self._received = 0
            self._associated = False
            self._segments = []
            return self._frame(0x73, bytes.fromhex("8180120501800601800704000000010804 00000001")), ()
        if parts.control == 0x53 and connected:  # DISC
            self._until_ns = -1
            self.ends += 1
            return self._frame(0x73), ()
        if not connected:
            return (b"" if self.mute else self._frame(0x1F)), ()
        if parts.control & 0x1F == 0x11:  # RR
            return (self._segment(), ()) if parts.control >> 5 == self._sent and self._segments else (b"", ())
        if parts.control & 1 or parts.control >> 1 & 7 != self._received or parts.control >> 5 != self._sent:
            return b"", ()
        self._received = self._received + 1 & 7
        reply, held = self._apdu(parts.information.removeprefix(_LLC_REQUEST), t)
        whole = _LLC_REPLY + reply
        self._segments = [whole[at : at + self.most] for at in range(0, len(whole), self.most)]
        return self._segment(), held

    def _segment(self) -> bytes:
        """Give the next piece of the reply in a numbered frame."""
        piece = self._segments.pop(0)
        control = self._received << 5 | 0x10 | self._sent << 1
        self._sent = self._sent + 1 & 7
        return frame(self.client, self.address, control, piece, segmented=bool(self._segments))

    def _frame(self, control: int, information: bytes = b"") -> bytes:
        return frame(self.client, self.address, control, information)

    def _apdu(self, apdu: bytes, t: float) -> tuple[bytes, tuple[tuple[str, str], ...]]:
        if apdu[:1] == b"\x60":
            return self._associate(apdu), ()
        if not self._associated:
            return b"\xd8\x01\x01", ()
        if apdu[:2] == b"\xc0\x01" and len(apdu) == 13:
            return self._get(apdu, t)
        if apdu[:2] == b"\xc0\x02" and len(apdu) == 7 and self._value:
            return self._block(apdu[2]), ()
        return b"\xd8\x02\x02", ()

    def _associate(self, apdu: bytes) -> bytes:
        given = b""
        at = apdu.find(b"\x8b\x07\x60\x85\x74\x05\x08\x02\x01\xac")
        if at >= 0:
            given = apdu[at + 12 : at + 13 + apdu[at + 12]][1:]
        result, diagnostic = _ACCEPTED if given == self.password and _CONTEXT in apdu else _WRONG_PASSWORD
        self._associated = result == 0
        self.associations += self._associated
        body = _CONTEXT + bytes((0xA2, 3, 2, 1, result, 0xA3, 5, 0xA1, 3, 2, 1, diagnostic))
        if self._associated:
            body += bytes.fromhex("BE10040E0800065F1F0400001010") + b"\x04\xc8\x00\x07"
        return b"\x61" + sized(body)

    def _get(self, apdu: bytes, t: float) -> tuple[bytes, tuple[tuple[str, str], ...]]:
        invoke, class_id, code, attribute = apdu[2], apdu[3] << 8 | apdu[4], apdu[5:11].hex().upper(), apdu[11]
        cell = self.cells.get((class_id, code))
        if self.ciphers:
            return b"\xcc\x08" + bytes(40), ()
        if cell is None or attribute not in cell.attributes:
            return bytes((0xC4, 1, invoke, 1, _UNDEFINED)), ()
        if code in self.denied:
            return bytes((0xC4, 1, invoke, 1, _DENIED)), ()
        self.gets += 1
        value = cell.attributes[attribute](t)
        held = ((cell.name, cell.shown(t)),) if cell.shown is not None and attribute == 2 else ()
        if self.block and len(value) > self.block:
            self._value, self._given = value, 0
            return self._block(invoke), held
        return bytes((0xC4, 1, invoke, 0)) + value, held

    def _block(self, invoke: int) -> bytes:
        """Give the next block of the value that is being sent."""
        start = self._given * self.block
        piece = self._value[start : start + self.block]
        self._given += 1
        last = start + self.block >= len(self._value)
        return bytes((0xC4, 2, invoke, last)) + self._given.to_bytes(4, "big") + b"\x00" + sized(piece)


def electricity(seed: str) -> list[Cell]:
    """Give the objects of a meter of three phases, with a maximum demand and a clock."""
    _, energy = load(f"{seed}:e", 2.0, 0.5, 1800)
    cells = [
        register("energy.import", "0100010800FF", 30, 1, u32, lambda t: 82_840_530 + energy(t) / 3.6, 3),
        register("energy.export", "0100020800FF", 30, 0, u32, lambda t: 12_250 + t / 10, 3),
        register("power", "0100100700FF", 27, -1, i32, wander(f"{seed}:p", 50, 400, 300), 0),
        register("frequency", "01000E0700FF", 44, -2, u16, wander(f"{seed}:f", 50, 0.1, 300), 0),
    ]
    for phase in range(3):
        volts, amps = wander(f"{seed}:u{phase}", 230, 5, 300), wander(f"{seed}:i{phase}", 8, 5, 300)
        cells += [
            register(f"voltage.l{phase + 1}", f"0100{32 + 20 * phase:02X}0700FF", 35, -1, u16, volts, 0),
            register(f"current.l{phase + 1}", f"0100{31 + 20 * phase:02X}0700FF", 33, -2, u16, amps, 0),
        ]
    demand = Cell(
        name="demand.import.max", class_id=4, code="0100010600FF", shown=lambda _t: "4250",
        attributes={2: lambda _t: u32(4250), 3: lambda _t: scaled(0, 27), 4: lambda _t: b"\x00",
                    5: lambda _t: octets(date_time(3600, -60))},
    )  # fmt: skip
    others = [
        Cell(name="", class_id=8, code="0000010000FF", attributes={2: lambda t: octets(date_time(int(t), -60))}),
        Cell(name="", class_id=1, code="0000600100FF", attributes={2: lambda _t: octets(b"36765667")}),
        Cell(name="", class_id=1, code="00002A0000FF", attributes={2: lambda _t: octets(b"SIM0000036765667")}),
        Cell(name="", class_id=1, code="0100000200FF", attributes={2: lambda _t: visible("1.02.007 " + "x" * 190)}),
    ]
    return [*cells, demand, *others]


def register(
    name: str,
    code: str,
    unit: int,
    scaler: int,
    wrap: Callable[[int], bytes],
    value: Callable[[float], float],
    factor: int = 0,
) -> Cell:
    """Make a register; ``value`` is in its unit, tests compare in 10^factor of that."""

    def count(t: float) -> int:
        return round(value(t) / 10.0**scaler)

    return Cell(
        name=name,
        class_id=3,
        code=code,
        attributes={2: lambda t: wrap(count(t)), 3: lambda _t: scaled(scaler, unit)},
        shown=lambda t: f"{count(t)}E{scaler - factor}",
    )
