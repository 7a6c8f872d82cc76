"""What a protocol offers to the rest: everything that ``drivers.registry`` needs to know of it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, tzinfo
from typing import TYPE_CHECKING, Protocol, TypeAlias, TypeVar, runtime_checkable

from drivers.batch import Value
from drivers.clock import Clock
from drivers.codec.framing import Frame, ReplyDecoder
from drivers.decoded import FrameReader, RequestReader
from drivers.errors import LinkDownError, ProfileError
from drivers.link_counters import LinkCounters
from drivers.profile import Example, Framing, LineSettings, NamedLocation, Point, Profile
from drivers.profile_fields import hint
from drivers.sources import Device, Line

if TYPE_CHECKING:  # a gateway that polls does not search
    from drivers.scan.probe import Prober
    from drivers.scan.unasked import Unasked


class AnyLink(Line, Protocol):
    """An open line with its counters, whatever carries it."""

    @property
    def counters(self) -> LinkCounters:
        """What has happened since it was opened."""
        ...


F = TypeVar("F", bound=Frame)
Secret: TypeAlias = Callable[[], Awaitable[str]]
"""Gives a password anew each time that it is needed; raises SecretError. Nobody keeps, shows or logs it."""


@runtime_checkable
class FrameLine(Protocol):
    """A half-duplex line for protocols that bring their own frames; shared with Modbus on the same pair."""

    @property
    def name(self) -> str:
        """What a person calls the port."""
        ...

    async def exchange(
        self,
        request: bytes,
        decoder: ReplyDecoder[F],
        accept: Callable[[F], bool] | None = None,
        *,
        reply_bytes: int,
        timeout_s: float,
        settings: LineSettings | None = None,
        reply_settings: LineSettings | None = None,
        goes_on: bool = False,
    ) -> F:
        """Do one exchange; see ``Link.exchange``."""
        ...


@runtime_checkable
class AttendedLine(Protocol):
    """A line with one on it who speaks by himself and waits for answers."""

    async def attend(
        self, hear: Callable[[bytes], tuple[bytes, bool]], *, timeout_s: float, settings: LineSettings | None = None
    ) -> None:
        """Hear what comes and answer it; see ``Link.attend``."""
        ...


def attended(line: AnyLink) -> AttendedLine:
    """Give the line as one that is listened to.

    Raises:
        LinkDownError: it is not open yet, or carries Modbus alone.
    """
    if isinstance(line, AttendedLine):
        return line
    raise LinkDownError(f"{line.name} is not open, or carries Modbus alone: this protocol needs a port of bytes")


def frames_on(line: AnyLink) -> FrameLine:
    """Give the line as one that takes whole frames.

    Raises:
        LinkDownError: it is not open yet, or carries Modbus TCP alone.
    """
    if isinstance(line, FrameLine):
        return line
    raise LinkDownError(f"{line.name} is not open, or carries Modbus TCP alone: this protocol needs a serial line")


class LinkedDevice(Device, Protocol):
    """A device that outlives its line."""

    def use(self, line: AnyLink) -> None:
        """Talk over ``line`` from now on, since the one before is gone; what was learnt of the device stays."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Placed:
    """One device at its place.

    Attributes:
        index: its place in the site's device list; goes into its batches.
        unit: Modbus address; 0 where ``address`` counts.
        address: of a protocol whose addresses are texts; as the site file says, see ``WireProtocol.address``.
        link: how it is asked at first; ``use`` gives it another.
        framing: how Modbus PDUs travel; None to see it from the link.
        settings: speed and parity of this device, if the line carries several.
        zone: of the wall clock that the device shows.
        password: of a device that lets nobody read without; None for none.
    """

    index: int
    unit: int
    address: str
    profile: Profile
    link: AnyLink
    clock: Clock
    framing: Framing | None = None
    settings: LineSettings | None = None
    zone: tzinfo = UTC
    password: Secret | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class WireProtocol:
    """One protocol.

    Attributes:
        build: makes the device; raises ProfileError if the profile cannot be used.
        check: raises ProfileError for the first place (``at``) that this protocol does not know.
        covered: the mantissa of each readable point that an example's reply holds, by its index; DecodeError if
            the frames cannot be read. Uses the code that polls.
        decoders: name for ``tidegate decode`` -> what reads a reply.
        request_decoders: the same for requests that say something without a reply.
        address: gives the one way to write an address, or raises ValueError with what is wrong about it in one
            sentence; None where devices have a number (``unit``).
        takes_password: whether its devices may want a password to be read.
        prober: how ``tidegate scan`` finds its devices; None if it does not ask for them.
        unasked: how it hears its devices, if they speak by themselves.
        clock_ways: words that ``[clock]`` of its profiles may name; none where it cannot set a clock.
        check_control: raises ProfileError for a control that it cannot write; None where it writes none.
        listening: module with ``LISTENING`` (``drivers.listening``), loaded when a line is listened to; may be empty.
    """

    build: Callable[[Placed], LinkedDevice]
    check: Callable[[Profile], None]
    covered: Callable[[Profile, Example], dict[int, Value]]
    decoders: Mapping[str, FrameReader]
    request_decoders: Mapping[str, RequestReader] = field(default_factory=dict)
    address: Callable[[str], str] | None = None
    takes_password: bool = False
    prober: Prober | None = None
    unasked: Unasked | None = None
    clock_ways: frozenset[str] = frozenset()
    check_control: Callable[[Point, Profile], None] | None = None
    listening: str = ""

    def check_writes(self, profile: Profile) -> None:
        """Raise ProfileError for the first thing that the profile lets be written and this protocol cannot write.

        Registers are described, whether or not anything writes them.
        """
        for way in () if profile.clock is None else profile.clock.ways:
            if way not in self.clock_ways:
                known = hint(way, self.clock_ways) if self.clock_ways else f"{profile.protocol} cannot set a clock"
                raise ProfileError(f"{profile.id}: clock.ways", f"is {way!r}; {known}")
        for control in profile.controls:
            if not isinstance(control.place, NamedLocation):
                continue
            if self.check_control is None:
                raise ProfileError(f"{profile.id}: point[{control.name}].access", "nothing can be written there")
            self.check_control(control, profile)
