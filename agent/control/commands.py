"""What goes over the control socket when a device is to be set: prepare, which only reads, then carry out."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum


class Outcome(Enum):
    """What became of a command; the value is the code of event 10."""

    DONE = "done"
    NOT_DONE = "not-done"
    REFUSED = "refused"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """Why nothing is written; ``code`` is a row of ``agent.messages``, ``params`` the fields of its sentence."""

    code: str
    params: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class AskPrepare:
    """What would be written? Reads the device, writes nothing. Answer: ``PreparedAnswer``.

    Attributes:
        device: its name.
        control: name of one of its profile's controls, empty for its clock.
        word: what the control is to be set to.
        with_password: whether a password can be given.
        rehearsal: nothing will come of it: no ticket, and a refusal is not recorded.
    """

    device: str
    control: str = ""
    word: str = ""
    with_password: bool = False
    rehearsal: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class PreparedAnswer:
    """What a person is shown before they say yes.

    Attributes:
        ticket: to carry it out, within two minutes; empty where it is refused or rehearsed.
        shown: what the device's clock shows, ISO 8601 in its own zone.
        ours: our time at that moment, in the same zone.
        zone: of the device's clock.
        quality: of our clock, a number of the block format; ``error_ms`` bounds its error.
        difference_ms: device less ours.
        way: how its clock is set; ``telegram`` in the words of the standard, ``why`` the reason: ``password``,
            ``no-password`` or ``only-way``.
        needs_password: it has to come along with ``AskCarryOut``.
        hearers: other devices of the line that do the same.
        state: raw number that the control shows now.
    """

    device: str
    bus: str
    ticket: str = ""
    refusal: Refusal | None = None
    shown: str | None = None
    ours: str = ""
    zone: str = ""
    quality: int = 0
    error_ms: int = 0
    difference_ms: int | None = None
    way: str = ""
    telegram: str = ""
    why: str = ""
    needs_password: bool = False
    hearers: tuple[str, ...] = ()
    state: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class AskCarryOut:
    """Write what was prepared, once. Answer: ``CarriedOutAnswer``.

    Attributes:
        ticket: of ``PreparedAnswer``.
        password: as the protocol reads it; goes to the device and nowhere else.
        operator: who does it, for the device's own log.
    """

    ticket: str
    password: str = field(default="", repr=False)
    operator: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class CarriedOutAnswer:
    """What became of it.

    Attributes:
        acknowledged: whether the device said that it did; None where its way has no answer.
        refusal: why not, if it was not even tried, or the device said no.
        written: local time that was sent.
        shown: what its clock showed afterwards; ``difference_ms`` device less ours.
        state: raw number that the control showed afterwards.
        command: id under which the chain has it, hex.
    """

    device: str
    outcome: Outcome
    acknowledged: bool | None = None
    refusal: Refusal | None = None
    written: str = ""
    shown: str | None = None
    difference_ms: int | None = None
    state: int | None = None
    command: str = ""
