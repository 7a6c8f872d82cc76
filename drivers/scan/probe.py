"""The words of a scan: what is asked, what was heard, and what a protocol has to offer to be scanned for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Protocol

from drivers.profile import LineSettings, Parity


class Manner(Enum):
    """How a probe is meant."""

    EXACT = "exact"
    """A request that any device of the protocol understands, sent with the settings that are looked for."""
    BLIND = "blind"
    """A request whose characters are right for two parities at once; silence proves nothing."""


class Verdict(Enum):
    """What a probe met."""

    SILENCE = "silence"
    ANSWER = "answer"
    """A whole reply of the one who was asked; a refusal is as good as data."""
    DAMAGED = "damaged"
    """A reply of the right shape with a wrong checksum."""
    STRANGER = "stranger"
    """A whole frame that answers something else: a late reply, or a second client on the line."""
    GLITCH = "glitch"
    """Only 00, FE and FF: an unbiased line, or a character of another speed."""
    GARBAGE = "garbage"
    """Bytes that make no sense at these settings: somebody, at others."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Probe:
    """One request to send and how long to wait.

    Attributes:
        protocol: name of the ``ProbeMaker``.
        address: who is asked, as the protocol numbers them.
        request: the whole frame.
        line: what the port is set to.
        parities: parities of devices that take this request for a good one.
        window_s: silence after the request, t3.5 not counted, that means nobody answers.
        step: stage and number of the ask in it, None for a question in between.
    """

    protocol: str
    address: int
    request: bytes
    line: LineSettings
    parities: tuple[Parity, ...]
    manner: Manner
    window_s: float
    step: tuple[str, int] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Heard:
    """What came after a probe.

    Attributes:
        echo: our own request came first.
        raw: all that came after the echo.
        frame: the reply of an ANSWER or the frame of a STRANGER, without its checksum; empty otherwise.
        speaker: address in the frame, None if there is no frame.
        answered_s: from the end of the request to the first byte after the echo, None for silence.
        took_s: the whole exchange, silence before it and a change of speed included.
    """

    verdict: Verdict
    echo: bool = False
    raw: bytes = b""
    frame: bytes = b""
    speaker: int | None = None
    answered_s: float | None = None
    took_s: float = 0.0


class ProbeMaker(Protocol):
    """What a protocol has to offer to be scanned for."""

    @property
    def protocol(self) -> str:
        """Its name, as profiles write it."""
        ...

    @property
    def addresses(self) -> Sequence[int]:
        """Every address there is, likely ones first."""
        ...

    def exact(self, address: int) -> bytes:
        """Give the frame of the request that every device should answer, if only with a refusal."""
        ...

    def blind(self, address: int) -> tuple[bytes, Parity] | None:
        """Give a frame that is good without parity and with that other parity too; None if there is none."""
        ...

    def hear(self, request: bytes, data: bytes) -> Heard:
        """Tell what ``data``, all that came after ``request``, is; never raises."""
        ...

    def is_whole(self, request: bytes, data: bytes) -> bool:
        """Tell whether ``data`` is all that will come, so that nobody has to wait on."""
        ...
