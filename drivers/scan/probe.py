"""The words of a scan: what is asked, what was heard, and what a protocol has to offer to be scanned for."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum
from typing import Protocol, TypeAlias

from drivers.profile import LineSettings, Parity
from drivers.scan.stage import Stage, Wanted

Address: TypeAlias = int | str
"""A Modbus unit, or a text as the site file writes it."""


class Manner(Enum):
    """How a question is meant."""

    OPEN = "open"
    """Whoever answers says who it is; may be asked of a pattern that several fit."""
    EXACT = "exact"
    """A Modbus request that any device understands, sent with the settings that are looked for."""
    BLIND = "blind"
    """A Modbus request whose characters are right for two parities at once; silence proves nothing."""


class Verdict(Enum):
    """What a probe met."""

    SILENCE = "silence"
    ANSWER = "answer"
    """A whole reply of the one who was asked; a refusal is as good as data."""
    DAMAGED = "damaged"
    """A reply of the right shape with a wrong checksum, or replies of several at once."""
    STRANGER = "stranger"
    """A whole frame that answers something else: a late reply, or a second client on the line."""
    GLITCH = "glitch"
    """Only 00, FE and FF: an unbiased line, or a character of another speed."""
    GARBAGE = "garbage"
    """Bytes that make no sense at these settings: somebody, at others."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ask:
    """One question.

    Attributes:
        address: who is asked, as the site file writes it; a pattern where several may be meant.
        request: the whole frame; empty to listen for as long as ``window_s`` says.
        aim: what the protocol is after with it, in a word of its own that it finds again in ``hear``.
        parities: parities of devices that take the request for a good one; empty for that of the line.
        pinned: of a BLIND question, the request that one parity alone takes.
        window_s: longest wait for the first byte; None to learn it from the devices of the protocol.
        gap_s: silence that ends what came, where ``is_whole`` does not; 0 for that of the line.
        hasty: wait no longer than a few times what the slowest device of the protocol took so far.
        thorough: what is asked because of it is not to be ``hasty``.
        parting: begins to tell several apart; done once for a protocol at a setting, unless ``thorough``.
        narrowing: the pattern to which several seem to have answered at once, if this is one of many questions that
            look behind it; empty for others, and where everybody was meant.
        binding: follows the one before without a break, since a device waits for it, or says more by itself.
        reply_line: settings at which the answer comes, where a device changes them by itself.
        answer_bytes: how many are heard out where somebody speaks at length, for the reckoning.
        rouse: settings at which a character 00 is sent first, so slowly that it is a break and wakes who sleeps.
        tries: how often one that answered is asked, to see whether all its answers are whole.
    """

    address: Address
    request: bytes
    manner: Manner = Manner.OPEN
    aim: str = ""
    parities: tuple[Parity, ...] = ()
    pinned: bytes = b""
    window_s: float | None = None
    gap_s: float = 0.0
    hasty: bool = False
    thorough: bool = False
    parting: bool = False
    narrowing: str = ""
    binding: bool = False
    reply_line: LineSettings | None = None
    answer_bytes: int = 0
    rouse: LineSettings | None = None
    tries: int = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Probe:
    """One question at its setting and how long to wait.

    Attributes:
        protocol: name of the ``Prober``.
        line: what the port is set to.
        window_s: silence after the request, t3.5 not counted, that means nobody answers.
        step: stage and number of the question in it, None for one in between.
    """

    protocol: str
    ask: Ask
    line: LineSettings
    window_s: float
    step: tuple[str, int] | None = None

    @property
    def address(self) -> Address:
        """Who is asked."""
        return self.ask.address


@dataclass(frozen=True, slots=True, kw_only=True)
class Heard:
    """What came after a probe.

    Attributes:
        echo: our own request came first.
        raw: all that came after the echo.
        frame: the reply of an ANSWER or the frame of a STRANGER; empty otherwise.
        speaker: who sent the frame, None if that is not known.
        protocol: of the speaker, if it is not that of the question.
        then: what to ask next because of it, in this order, before all else.
        who: what the speaker says of itself; the same text for the same device, however it was asked.
        family: what it measures, as profiles say it (``class``): water, heat, gas, electricity; empty if unknown.
        seven_bits: the speaker has seven bits and even parity, whatever the setting of the question.
        answered_s: from the end of the request to the first byte after the echo, None for silence.
        took_s: the whole exchange, silence before it and a change of speed included.
    """

    verdict: Verdict
    echo: bool = False
    raw: bytes = b""
    frame: bytes = b""
    speaker: Address | None = None
    protocol: str = ""
    then: tuple[Ask, ...] = ()
    who: str = ""
    family: str = ""
    seven_bits: bool = False
    answered_s: float | None = None
    took_s: float = 0.0


class Prober(Protocol):
    """What a protocol offers to be scanned for (``WireProtocol.prober``). Pure: no port, no time, no memory.

    ``drivers/README.md``, 'Add a protocol to the scan', shows how little one needs.
    """

    @property
    def protocol(self) -> str:
        """Its name, as profiles write it."""
        ...

    def stages(self, wanted: Wanted) -> Iterable[Stage]:
        """Give every question of the plan, grouped by setting, each with its rank."""
        ...

    def hear(self, ask: Ask, data: bytes) -> Heard:
        """Tell what ``data``, all that came after ``ask``, is, and what to ask next because of it; never raises."""
        ...

    def is_whole(self, ask: Ask, data: bytes) -> bool:
        """Tell whether ``data`` is all that will come, so that nobody has to wait on."""
        ...
