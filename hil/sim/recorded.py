"""Meters that send what real ones sent, byte by byte: captures on a ``hil.wire.Line``.

Only what surrounds a capture is made here: being selected, signing on, the turn of the speed, the next telegram that
was promised and not captured.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from hil.characters import Characters
from hil.sim import cjt188, iec62056_21, mbus
from hil.wire import Reply

_NS: Final = 1_000_000_000
_IDENTITY: Final = slice(7, 15)
_MORE: Final = 0x1F
_SPEEDS: Final = {"3": 2400, "4": 4800, "5": 9600, "6": 19200}


class RecordedMbus(mbus.MbusMeter):
    """Sends a captured telegram; asked by the secondary address that stands in it.

    A telegram that ends in 1F says that more records follow: a second one without records comes behind it.
    """

    def __init__(self, telegram: bytes, *, turnaround_ns: int = 40_000_000) -> None:
        """Take the whole frame."""
        more = telegram[-3] == _MORE
        super().__init__(telegram[5], telegram[_IDENTITY], [[], []] if more else [[]], turnaround_ns=turnaround_ns)
        self._captured = telegram

    @property
    def secondary(self) -> str:
        """The address as a person writes it."""
        code = int.from_bytes(self.identity[4:6], "little")
        maker = "".join(chr(64 + (code >> place & 31)) for place in (10, 5, 0))
        return f"{self.identity[3::-1].hex().upper()}.{maker}.{self.identity[6]:02X}.{self.identity[7]:02X}"

    def _telegram(self, at: int, now_ns: int) -> tuple[bytes, tuple[tuple[str, str], ...]]:
        if at == 0:
            return self._captured, ()
        return super()._telegram(at, now_ns)


class RecordedIec:
    """Identifies itself and sends a captured readout at the speed that it offers; mode C."""

    def __init__(self, identification: str, readout: bytes, *, turnaround_ns: int = 200_000_000) -> None:
        """Take the first line without its end, and the readout from STX to BCC."""
        self.settings: Characters = iec62056_21.LINE
        self._identification = identification
        self._readout = readout
        self._turnaround_ns = turnaround_ns

    def hear(self, frame: bytes, now_ns: int) -> Reply | None:  # noqa: ARG002 - it has no time of its own
        """Answer a sign-on that names nobody, and the option that takes up the offer."""
        offered = self._identification[4]
        if frame == b"/?!\r\n":
            return self._reply(self._identification.encode("ascii") + b"\r\n", self.settings)
        if frame == f"\x060{offered}0\r\n".encode("ascii"):
            return self._reply(self._readout, replace(self.settings, baud=_SPEEDS[offered]))
        return None

    def stray(self, frame: bytes, now_ns: int) -> bytes | None:  # noqa: ARG002 - nobody else is on its head
        """Give nothing."""
        return None

    def _reply(self, data: bytes, settings: Characters) -> Reply:
        return Reply(data=data, delay_ns=self._turnaround_ns, settings=settings)


class RecordedPush:
    """Sends a captured telegram by itself, again and again; a ``hil.wire.Speaker``."""

    def __init__(self, telegram: bytes, settings: Characters, *, began_ns: int, every_s: float = 2.0) -> None:
        """Take the telegram and when it is sent first."""
        self.settings = settings
        self._telegram = telegram
        self._every_ns = round(every_s * _NS)
        self._due_ns = began_ns

    @property
    def due_ns(self) -> int:
        """When it begins the next time."""
        return self._due_ns

    def speak(self, now_ns: int) -> Reply:  # noqa: ARG002
        """Give the telegram."""
        self._due_ns += self._every_ns
        return Reply(data=self._telegram)

    def hear(self, frame: bytes, now_ns: int) -> Reply | None:  # noqa: ARG002 - it has no ears
        """Answer nothing."""
        return None

    def stray(self, frame: bytes, now_ns: int) -> bytes | None:  # noqa: ARG002
        """Give nothing."""
        return None


class RecordedCjt188(cjt188.Cjt188Meter):
    """Answers a request for 901F, in either order, with a captured reply whose serial number is the request's."""

    def __init__(self, reply: bytes, *, turnaround_ns: int = 60_000_000) -> None:
        """Take the whole frame with its FE."""
        parts = cjt188.taken_apart(reply)
        assert parts is not None
        type_, address, _control, data = parts
        wakes = len(reply) - len(reply.lstrip(b"\xfe"))
        super().__init__(address[::-1].hex(), type_, (), turnaround_ns=turnaround_ns, wakes=wakes)
        self._captured = (*parts[:3], data)
        self._lead = b"\xfe" * wakes

    def hear(self, frame: bytes, now_ns: int) -> Reply | None:  # noqa: ARG002 - it has no time of its own
        """Answer what this meter is asked."""
        asked = cjt188.taken_apart(frame)
        type_, address, control, data = self._captured
        if asked is None or asked[1] != address or asked[2] != 0x01 or asked[3][:2] not in (b"\x90\x1f", b"\x1f\x90"):
            return None
        self.heard += 1
        told = data[:2] + asked[3][2:3] + data[3:]
        return Reply(data=self._lead + cjt188.frame(type_, address, control, told), delay_ns=60_000_000)
