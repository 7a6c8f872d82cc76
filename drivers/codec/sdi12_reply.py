"""The answer to one SDI-12 command, as ``Link.exchange`` takes it, and the break in front of a command."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum
from typing import Final

from drivers.codec.framing import Noise, NoiseReason, noise_of
from drivers.codec.sdi12 import Sdi12Decoder, Sdi12Frame

_TIMING: Final = re.compile(r"(\d{3})(\d{1,3})")
BREAK: Final = b"\x00"
"""Low from its start bit to its stop bit: nine bits of 7E1 or 8N1, which at 600 Bd are 15 ms (7: at least 12)."""


class Form(Enum):
    """What an answer looks like. Nothing else in one tells which command it answers."""

    ACK = "ack"
    """The address alone: to ``a!``, and the service request."""
    TIMING = "timing"
    """``tttn`` to ``tttnnn``, to what starts a measurement."""
    VALUES = "values"
    """Values, or none, to D and R."""
    TEXT = "text"
    """Anything else: the identification."""

    def fits(self, frame: Sdi12Frame) -> bool:
        """Tell whether an answer looks like that."""
        match self:
            case Form.ACK:
                return not frame.body and not frame.crc
            case Form.TIMING:
                return timing(frame) is not None
            case Form.VALUES:
                return not frame.body or bool(frame.values)
        return bool(frame.body) and not frame.values and timing(frame) is None


def timing(frame: Sdi12Frame) -> tuple[int, int] | None:
    """Give seconds until the measurement is ready and how many values it has; None if the answer is no such one."""
    found = _TIMING.fullmatch(frame.body)
    return None if found is None or frame.crc else (int(found[1]), int(found[2]))


class Sdi12ReplyDecoder:
    """Finds the answer of one sensor, of the form that the command asks for.

    Args:
        address: the sensor.
        form: of the answer.
        crc: whether it has to have a CRC.
        command: what was sent, to know its echo; empty for the service request.
    """

    def __init__(self, address: str, form: Form, *, crc: bool = False, command: bytes = b"") -> None:
        self._address = address
        self._form = form
        self._crc = crc
        self._command = command
        self._decoder = Sdi12Decoder(address, crc=crc, command=command)

    @property
    def asked(self) -> str:
        """The sensor, for a sentence."""
        return self._decoder.asked

    @property
    def peer(self) -> bytes:
        """The sensor that was asked."""
        return b"sdi12" + self._decoder.peer

    @property
    def likeness(self) -> bytes:
        """The form of the answer."""
        return self._form.value.encode("ascii")

    @property
    def buffered(self) -> int:
        """Bytes held back."""
        return self._decoder.buffered

    @property
    def missing(self) -> int:
        """An answer does not tell its length."""
        return self._decoder.missing

    def fresh(self) -> Sdi12ReplyDecoder:
        """Make an empty decoder for the same command."""
        return Sdi12ReplyDecoder(self._address, self._form, crc=self._crc, command=self._command)

    def feed(self, data: bytes) -> Iterator[Sdi12Frame | Noise]:
        """Give all that ``data`` completes. Never raises on any input."""
        yield from map(self._sorted, self._decoder.feed(data))

    def flush(self) -> Iterator[Sdi12Frame | Noise]:
        """Give what is held back: it never ended."""
        yield from map(self._sorted, self._decoder.flush())

    def _sorted(self, event: Sdi12Frame | Noise) -> Sdi12Frame | Noise:
        if isinstance(event, Noise) or self._form.fits(event):
            return event
        return Noise(raw=event.raw, reason=NoiseReason.OTHER_REPLY)


@dataclass(frozen=True, slots=True, kw_only=True)
class Marking:
    """The line was left alone: what follows a break."""

    raw: bytes = b""


class BreakDecoder:
    """Takes silence for the answer; nobody answers a break.

    Args:
        number: of the break, so that no memory takes it for one that was sent before.
    """

    def __init__(self, number: int) -> None:
        self._number = number

    @property
    def asked(self) -> str:
        """Everybody, for a sentence."""
        return "the break"

    @property
    def peer(self) -> bytes:
        """Everybody."""
        return b"sdi12-break"

    @property
    def likeness(self) -> bytes:
        """No break is missed."""
        return str(self._number).encode("ascii")

    @property
    def buffered(self) -> int:
        """Nothing is held back."""
        return 0

    @property
    def missing(self) -> int:
        """Nothing is waited for."""
        return 0

    def fresh(self) -> BreakDecoder:
        """Make the same."""
        return BreakDecoder(self._number)

    def feed(self, data: bytes) -> Iterator[Marking | Noise]:
        """Give whatever comes as noise; an adapter may hear the break itself."""
        if data:
            yield noise_of(data)

    def flush(self) -> Iterator[Marking | Noise]:
        """Give the silence."""
        yield Marking()
