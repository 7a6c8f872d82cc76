"""What the bureau asks and orders, and what it is answered (6.5.1, 6.5.3, tables C.1 to C.24). Pure.

Only what concerns the telling itself may be ordered from there: time-outs and intervals, real-time packets on and
off, and what is kept of the past. The clock of the gateway, its password and its instruments are not the bureau's to
set: such a request is refused (``QnRtn=2``), one that is not known is answered with ``QnRtn=8``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from enum import IntEnum
from typing import Final

from agent.outputs.hj212_packets import Identity
from agent.outputs.hj212_settings import REALTIME_S, STANDARD_MINUTES, BureauSettings, Report
from drivers.codec.hj212 import Edition
from drivers.codec.hj212_segment import EXECUTED, NOTICE_ANSWER, REQUEST_ANSWER, Field, Segment, answer

_REFUSED: Final = frozenset(
    {"1012", "1014", "1072", "2021", "2022", "2041", *(str(number) for number in range(3011, 3025))}
)
"""What we know of and do not do."""
_LONGEST_S: Final = 99
_QN_DIGITS: Final = 17
_LONGEST_ECHO: Final = 64
_STAMP_DIGITS: Final = 14


class Taken(IntEnum):
    """``QnRtn``, table 7."""

    READY = 1
    REFUSED = 2
    PASSWORD = 3
    IDENTITY = 4
    SYSTEM = 5
    FLAG = 6
    NUMBER = 7
    COMMAND = 8


class Done(IntEnum):
    """``ExeRtn``, table 6."""

    DONE = 1
    FAILED = 2
    CONDITION = 3
    BUSY = 5
    NO_DATA = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class Past:
    """A question about the past.

    Attributes:
        first, last: ``DataTime`` of the periods that are wanted, both included.
    """

    report: Report
    first: str
    last: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Reaction:
    """What follows from one packet of the bureau.

    Attributes:
        say: packets to send at once, in order.
        settings: what is to be in force from now on, None if nothing changed.
        done: what to send when ``settings`` is on disk; failed: what if it is not.
        past: what is to be sent, before ``end`` is.
        asked: the request that ``past`` answers.
    """

    say: tuple[Segment, ...] = ()
    settings: BureauSettings | None = None
    done: tuple[Segment, ...] = ()
    failed: tuple[Segment, ...] = ()
    past: Past | None = None
    asked: Segment | None = None


Action = Callable[[Segment, BureauSettings, datetime], "_Outcome"]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Outcome:
    done: Done = Done.DONE
    items: tuple[tuple[Field, ...], ...] = ()
    settings: BureauSettings | None = None
    past: Past | None = None


def react(said: Segment, identity: Identity, settings: BureauSettings, local: datetime) -> Reaction:
    """Answer a request or notice of the bureau; what is neither gets no answer."""
    command, edition = said.head("CN"), identity.edition
    if any(len(said.head(name)) > _LONGEST_ECHO for name in ("QN", "PW", "MN")):
        return Reaction()  # an answer would carry it back
    if command == "2012":  # a notice: two steps, table C.11
        if _fault(said, identity) is not None:
            return Reaction()
        off = replace(settings, realtime_on=False)
        return Reaction(settings=off, done=(answer(said, NOTICE_ANSWER, edition),))
    if not command.isdecimal() or command.startswith("9"):
        return Reaction()
    action = _ACTIONS.get(command)
    fault = _fault(said, identity) or (None if action else Taken.REFUSED if command in _REFUSED else Taken.COMMAND)
    if fault is not None or action is None:
        return Reaction(say=(_taken(said, edition, fault or Taken.COMMAND),))
    outcome = action(said, settings, local)
    say = [_taken(said, edition, Taken.READY)]
    if outcome.items:
        say.append(_reply(said, identity, outcome.items))
    if outcome.past is not None:
        return Reaction(say=tuple(say), past=outcome.past, asked=said)
    last = ended(said, edition, outcome.done)
    if outcome.settings is None:
        return Reaction(say=(*say, last))
    failed = ended(said, edition, Done.FAILED)
    return Reaction(say=tuple(say), settings=outcome.settings, done=(last,), failed=(failed,))


def ended(asked: Segment, edition: Edition, how: Done) -> Segment:
    """Make the last packet of an answer."""
    return answer(asked, EXECUTED, edition, ((("ExeRtn", str(how.value)),),))


def _taken(said: Segment, edition: Edition, how: Taken) -> Segment:
    return answer(said, REQUEST_ANSWER, edition, ((("QnRtn", str(how.value)),),))


def _reply(said: Segment, identity: Identity, items: tuple[tuple[Field, ...], ...]) -> Segment:
    """Make the packet with what was asked for: under the request's own number and command (table C.2)."""
    header = (
        ("QN", said.head("QN")),
        ("ST", identity.system),
        ("CN", said.head("CN")),
        ("PW", identity.password),
        ("MN", identity.mn),
        ("Flag", str(identity.edition.value << 2)),
    )
    return Segment(header=header, items=items)


def _fault(said: Segment, identity: Identity) -> Taken | None:
    qn = said.head("QN")
    if len(qn) != _QN_DIGITS or not qn.isdecimal():
        return Taken.NUMBER
    if said.head("MN") != identity.mn:
        return Taken.IDENTITY
    if said.head("PW") != identity.password:
        return Taken.PASSWORD
    if said.head("ST") not in (identity.system, "91"):
        return Taken.SYSTEM
    return None if said.head("Flag").isdecimal() else Taken.FLAG


def _number(said: Segment, name: str) -> int | None:
    text = dict(field for item in said.items for field in item).get(name, "")
    return int(text) if text.isascii() and text.isdecimal() and len(text) <= 6 else None


def _words(said: Segment) -> Mapping[str, str]:
    return dict(field for item in said.items for field in item)


def _time_outs(said: Segment, settings: BureauSettings, _local: datetime) -> _Outcome:
    overtime, recount = _number(said, "OverTime"), _number(said, "ReCount")
    if overtime is None or recount is None or not (0 < overtime <= _LONGEST_S and 0 < recount <= _LONGEST_S):
        return _Outcome(done=Done.CONDITION)
    return _Outcome(settings=replace(settings, overtime_s=float(overtime), recount=recount))


def _time(said: Segment, _settings: BureauSettings, local: datetime) -> _Outcome:
    if "PolId" in _words(said):  # the clock of an instrument: not known here
        return _Outcome(done=Done.NO_DATA)
    return _Outcome(items=((("SystemTime", f"{local:%Y%m%d%H%M%S}"),),))


def _realtime_interval(_said: Segment, settings: BureauSettings, _local: datetime) -> _Outcome:
    return _Outcome(items=((("RtdInterval", f"{settings.realtime_s:.0f}"),),))


def _set_realtime_interval(said: Segment, settings: BureauSettings, _local: datetime) -> _Outcome:
    seconds = _number(said, "RtdInterval")
    if seconds is None or not REALTIME_S[0] <= seconds <= REALTIME_S[1]:
        return _Outcome(done=Done.CONDITION)
    return _Outcome(settings=replace(settings, realtime_s=float(seconds)))


def _minute_interval(_said: Segment, settings: BureauSettings, _local: datetime) -> _Outcome:
    return _Outcome(items=((("MinInterval", f"{settings.minute_s / 60:g}"),),))


def _set_minute_interval(said: Segment, settings: BureauSettings, _local: datetime) -> _Outcome:
    minutes = _number(said, "MinInterval")
    if minutes not in STANDARD_MINUTES:
        return _Outcome(done=Done.CONDITION)
    return _Outcome(settings=replace(settings, minute_s=60 * minutes))


def _realtime_on(_said: Segment, settings: BureauSettings, _local: datetime) -> _Outcome:
    return _Outcome(settings=replace(settings, realtime_on=True))


def _past(report: Report) -> Action:
    def ask(said: Segment, _settings: BureauSettings, _local: datetime) -> _Outcome:
        words = _words(said)
        first, last = words.get("BeginTime", ""), words.get("EndTime", "")
        stamps = all(len(stamp) == _STAMP_DIGITS and stamp.isdecimal() for stamp in (first, last))
        if not stamps or first > last:
            return _Outcome(done=Done.CONDITION)
        return _Outcome(past=Past(report=report, first=first, last=last))

    return ask


_ACTIONS: Final[Mapping[str, Action]] = {
    "1000": _time_outs,
    "1011": _time,
    "1061": _realtime_interval,
    "1062": _set_realtime_interval,
    "1063": _minute_interval,
    "1064": _set_minute_interval,
    "2011": _realtime_on,
    "2031": _past(Report.DAY),
    "2051": _past(Report.MINUTE),
    "2061": _past(Report.HOUR),
}
