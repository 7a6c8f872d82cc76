"""Lines that are only listened to: what is said on them, and what a protocol offers to hear its own frames there.

Pure: bytes come in with the time at which they came, everything else is ``drivers.overhear``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import tzinfo
from enum import Enum
from typing import Any, Final, Generic, Protocol, Self, TypeVar

from drivers.batch import DeviceTime, Value, in_columns
from drivers.codec.framing import Decoder, Frame, NoiseReason
from drivers.profile import Profile

SECOND_NS: Final = 1_000_000_000
WEAK: Final = 8
"""Proof in bits below which a frame counts only where nothing else stands around it."""


class Kind(Enum):
    """What was heard; the value is the word of JSON lines."""

    REQUEST = "request"
    REPLY = "reply"
    UNASKED = "unasked"
    """A device tells something by itself."""
    NO_REPLY = "no-reply"
    NOISE = "noise"


class Act(Enum):
    """What a frame is for, whatever its protocol; the value is the word of JSON lines."""

    READ = "read"
    WRITE = "write"
    ASK = "ask"
    """Any other request: to select, to begin a session, for an address."""
    DATA = "data"
    CONFIRM = "confirm"
    REFUSE = "refuse"


@dataclass(frozen=True, slots=True, kw_only=True)
class Meaning:
    """What a protocol makes of one of its frames.

    Attributes:
        kind: REQUEST, REPLY or UNASKED.
        address: who is asked or speaks, as the site file writes it; empty if the frame does not tell.
        act: what it is for.
        what: what is read, written or refused, in the protocol's own words.
        data_bytes: how much a reply carries.
        answers: of a REPLY: it belongs to the request that was open.
        sure: of a REPLY: it belongs to no older request of the same likeness.
        quiet: of a REQUEST: nobody answers it.
        secret: where a password stands in the frame as it was on the wire: first byte and the one behind its last.
    """

    kind: Kind
    address: str
    act: Act
    what: str = ""
    data_bytes: int = 0
    answers: bool = False
    sure: bool = True
    quiet: bool = False
    secret: tuple[int, int] = (0, 0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """One thing that was said.

    Attributes:
        at_ns: when it ended; of the clock of whoever feeds.
        raw: the bytes, checksum and all; empty for NO_REPLY.
        protocol: name for ``tidegate decode``; empty for noise.
        address, act, what, data_bytes, sure, secret: see ``Meaning``; for NO_REPLY those of the request.
        request: the request that a REPLY or NO_REPLY belongs to, checksum and all; empty otherwise.
        after_ns: from request to reply, or how long was waited.
        reason: of noise.
        frame: the frame as its codec has it; asked: the same of ``request``.
    """

    kind: Kind
    at_ns: int
    raw: bytes = b""
    protocol: str = ""
    address: str = ""
    act: Act | None = None
    what: str = ""
    data_bytes: int = 0
    sure: bool = True
    secret: tuple[int, int] = (0, 0)
    request: bytes = b""
    after_ns: int | None = None
    reason: NoiseReason | None = None
    frame: Any = field(default=None, compare=False, repr=False)
    asked: Any = field(default=None, compare=False, repr=False)


F = TypeVar("F", bound=Frame)


class FrameListener(Generic[F]):
    """How one protocol hears its frames on one line; holds what it has to remember of that line.

    Attributes:
        strictest: the largest ``proof`` that any frame can have.
        patience_ns: how long a reply may be away, counted from the last byte on the line.
    """

    strictest: int = 0
    patience_ns: int = SECOND_NS

    def decoder(self) -> Decoder[F]:
        """Make an empty decoder for frames of both directions."""
        raise NotImplementedError

    def proof(self, frame: F) -> int:
        """Tell how many bits had to be right for random bytes to pass for ``frame``; below WEAK: none to speak of.

        Where frames of two protocols claim the same bytes, the one with more proof gets them.
        """
        raise NotImplementedError

    def meaning(self, frame: F, asked: F | None) -> Meaning | None:
        """Tell what ``frame`` is; None if it is none in this place.

        Args:
            frame: what was heard.
            asked: the open request, if it is of this protocol.
        """
        raise NotImplementedError

    def asked(self, request: F, at_ns: int) -> None:
        """Note that ``request`` is open from ``at_ns`` on."""

    def unanswered(self, asked: F, at_ns: int, now_ns: int, noise_bytes: int) -> None:
        """Note that the request of ``at_ns`` got no reply until ``now_ns``, but so many bytes of noise."""

    def reply_decoder(self, asked: F) -> Decoder[F] | None:  # noqa: ARG002
        """Make a decoder for the reply to a request of our own; None: ``decoder`` finds it as well."""
        return None


@dataclass(frozen=True, slots=True, kw_only=True)
class Taken:
    """What one reply says of the points of a device, in columns as in a ``Batch``.

    Attributes:
        plate: parts of ``Nameplate`` that the reply names, whoever asked for it.
    """

    points: tuple[int, ...]
    values: tuple[Value, ...]
    statuses: tuple[int, ...]
    device_times: tuple[DeviceTime, ...] = ()
    raws: tuple[tuple[int, bytes], ...] = ()
    plate: Mapping[str, str | None] = field(default_factory=dict)

    @classmethod
    def of(cls, rows: Sequence[tuple[int, tuple[Value, int]]], plate: Mapping[str, str | None] | None = None) -> Self:
        """Put rows of point, value and status into columns."""
        values, statuses = in_columns([both for _, both in rows])
        points = tuple([index for index, _ in rows])
        return cls(points=points, values=values, statuses=statuses, plate=plate or {})


class Overheard(Protocol):
    """What exchanges of others say of the points of one device; compiled once."""

    def take(self, said: Said) -> Taken | None:
        """Give the points that lie whole inside ``said``; None if it is not from this device or holds none of them.

        Is given all that is said on the line, in order. Uses the code that polls.
        """
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Listening:
    """What a protocol offers for lines that are only listened to: a row of ``LISTENING`` of the module it names.

    Attributes:
        listeners: name for ``tidegate decode`` -> what hears such frames, a new one for each line.
        overheard: makes what takes values for a device; None if what is heard is only shown. Is given its profile,
            its address as the site file has it (a unit as decimal number), and the zone of its wall clock.
    """

    listeners: Mapping[str, Callable[[], FrameListener[Any]]]
    overheard: Callable[[Profile, str, tzinfo], Overheard] | None = None
