"""Ports between the layers of the driver side: what a transport, a line and a device have to offer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum, auto
from typing import Protocol, runtime_checkable

from drivers.batch import Batch
from drivers.profile import LineSettings, Point
from drivers.setting import ClockShown, ClockWay, Credentials


class ByteStream(Protocol):
    """A transport: bytes to and from one port or connection. Every failure is a LinkDownError."""

    async def read(self) -> bytes:
        """Wait for at least one byte and give all that are there."""
        ...

    def write(self, data: bytes) -> None:
        """Hand all of ``data`` over for sending, at once and in order; never blocks."""
        ...

    def discard_input(self) -> bytes:
        """Drop what came in and was not read; give it, for the counters and the tap."""
        ...

    async def set_line(self, settings: LineSettings) -> None:
        """Change speed, parity and stop bits; a transport without them ignores it."""
        ...

    async def aclose(self) -> None:
        """Release the port; a pending read ends with LinkDownError."""
        ...


class Line(Protocol):
    """Request and reply, Modbus PDUs; whatever carries them. Made by ``drivers.registry``."""

    @property
    def name(self) -> str:
        """Port or address, for sentences."""
        ...

    async def ask(
        self,
        unit: int,
        pdu: bytes,
        *,
        timeout_s: float,
        line: LineSettings | None = None,
        reply_bytes: int | None = None,
    ) -> bytes:
        """Send ``pdu`` to ``unit`` when it is its turn and give the PDU of the reply, matched to it.

        Args:
            unit: Modbus address, 1 to 247 on a serial line.
            pdu: function code and what follows.
            timeout_s: the longest time that the device may take before it answers; time on the wire comes on top.
            line: speed and parity of this device, if the line carries several.
            reply_bytes: length of the good reply PDU, for a vendor's function whose replies do not tell it.

        Raises:
            LinkDownError: the port or connection is gone; open a new one.
            NoReplyError: silence, or only bytes that answer nothing.
            FrameError: a damaged reply, ChecksumError if it was its checksum.
        """
        ...

    async def aclose(self) -> None:
        """Close the port or connection."""
        ...


class Urgency(Enum):
    """Order of claims on a bus, first first."""

    COMMAND = auto()
    TECHNICIAN = auto()
    OVERDUE = auto()
    REGULAR = auto()
    PROBE = auto()


@dataclass(frozen=True, slots=True, kw_only=True)
class Read:
    """One exchange planned ahead: these points are read together.

    Attributes:
        points: indexes into the profile's points, ascending.
        period_s: how often.
        request_bytes: length of the request on the wire.
        reply_bytes: length of the good reply on the wire.
    """

    points: tuple[int, ...]
    period_s: float
    request_bytes: int
    reply_bytes: int


class Device(Protocol):
    """A device that answers when asked; made by ``drivers.registry``."""

    @property
    def reads(self) -> Sequence[Read]:
        """The exchanges that read every point once per period. May change after a refusal (a block is split)."""
        ...

    async def read(self, read: Read) -> Batch:
        """Do one exchange.

        Raises:
            LinkDownError: the port is gone.
            NoReplyError: silence, or only bytes that answer nothing.
            FrameError: a damaged reply.
            RefusedError: the device said no; ``reads`` has been re-planned where splitting can help.
            OtherDeviceError: since the port was opened again another model answers.
        """
        ...

    async def probe(self) -> None:
        """Ask the shortest thing the device can answer; a refusal counts as life. Raises like ``read``."""
        ...


@runtime_checkable
class IdentifiedDevice(Protocol):
    """A device that says who it is: a serial number, a firmware. Optional beside ``Device``."""

    @property
    def identity(self) -> str | None:
        """What it told of itself last, at most 255 bytes of text, one way to write it; None before it told anything.

        It is told along with readings, never by exchanges that cost the bus time again and again. A change under the
        same name in the site is another device: the agent says so in the chain and raises an alarm.
        """
        ...


@runtime_checkable
class SettableClock(Protocol):
    """A device with a clock that a command may set, as far as its profile allows. Optional beside ``Device``."""

    @property
    def clock_ways(self) -> Sequence[ClockWay]:
        """The ways that the profile allows and this device can go, the preferred one first; empty: it is not set."""
        ...

    def check_credentials(self, credentials: Credentials) -> None:
        """Raise ValueError, in a sentence that does not show them, if they can be none of this protocol's."""
        ...

    async def show_clock(self) -> ClockShown:
        """Read what its clock shows. Raises like ``Device.read``."""
        ...

    async def set_clock(self, way: ClockWay, credentials: Credentials) -> str:
        """Set it to our UTC in its own zone, once, and never again by itself; give the local time that was sent.

        Returns when the device said that it did, or at once where ``way`` has no answer.

        Raises:
            RefusedError: it said no, and has changed nothing.
            NoReplyError, FrameError, LinkDownError: nobody knows whether it did.
        """
        ...


@runtime_checkable
class SessionDevice(Protocol):
    """A device that keeps a session with us from read to read."""

    async def release(self) -> None:
        """End the session, if there is one; whatever the device answers. LinkDownError if the line is gone."""
        ...


@runtime_checkable
class Controllable(Protocol):
    """A device with outputs that a command may switch, as far as its profile allows. Optional beside ``Device``."""

    async def operate(self, control: Point, word: str) -> None:
        """Send what ``word`` of ``control.write.values`` stands for, once, and never again by itself.

        Args:
            control: one of the profile's controls.
            word: names a state, never a change of it.

        Raises:
            RefusedError: it said no, and has changed nothing.
            NoReplyError, FrameError, LinkDownError: nobody knows whether it did.
        """
        ...
