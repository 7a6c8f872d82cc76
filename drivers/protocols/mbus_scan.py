"""Finding wired M-Bus meters: one question to everybody, digits of the secondary address where several answer.

Everybody acknowledges a link reset to address 254 (EN 13757-2, 5.7.5); who is alone there then gives its data. Where
several spoil each other's, meters are selected by patterns of their eight digits (EN 13757-3, 11.3), digit by digit
where somebody answers. Before that a meter that cannot be is selected: what acknowledges that too is no meter. A
meter that has no primary address, or shares one, is told by its secondary one.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Final

from drivers.codec.mbus import (
    EVERY,
    LAST_PRIMARY,
    SELECTED,
    UNCONFIGURED,
    Function,
    MbusFrame,
    MbusStreamDecoder,
    short,
    with_count_bit,
)
from drivers.codec.mbus_header import Ci, SecondaryAddress, parse_fixed, split_header
from drivers.codec.mbus_search import ANYBODY, deselect_request, narrower, select_request
from drivers.errors import FrameError
from drivers.profile import LineSettings, Parity
from drivers.protocols.mbus_place import secondary_address
from drivers.scan.everybody import Trial, open_stages
from drivers.scan.listen import Listened, listen
from drivers.scan.probe import Ask, Heard, Verdict
from drivers.scan.stage import Rank, Stage, Wanted

_ANSWER_BITS, _ANSWER_S = 330, 0.05  # EN 13757-2, 5.7.2: the meter answers within this
_SWEEP_BAUD: Final = 2400
_SPEEDS: Final = (
    (2400, Rank.WILD),
    (300, Rank.WILD_RARE),
    (9600, Rank.WILD_RARE),
    (1200, Rank.DEEP),
    (4800, Rank.DEEP),
)
_NOBODY: Final = "EEEEEEEE"  # no digits, and no wildcard
_HELLO, _ANY, _AGAIN, _CONTROL = "hello", "any", "again", "control"
_PICK, _LOOK, _OWN_PICK, _OWN, _BYE = "pick", "look", "own-pick", "own", "bye"
_FAMILIES: Final = {
    0x02: "electricity", 0x03: "gas", 0x04: "heat", 0x0C: "heat", 0x0D: "heat", 0x06: "water", 0x07: "water",
    0x15: "water", 0x16: "water", 0x17: "water",
}  # fmt: skip
"""Device types of EN 13757-3, table 3; others are told by their number alone."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Told:
    """What a telegram says of its meter; all of it may be unknown but the primary address."""

    primary: int
    id: str = ""
    who: str = ""
    family: str = ""

    @property
    def address(self) -> str:
        """How the site file names it: by the primary address if it has one of its own."""
        own = UNCONFIGURED < self.primary <= LAST_PRIMARY
        return str(self.primary) if own or not self.id else self.id


class MbusProber:
    """A ``Prober``."""

    protocol: Final = "mbus"

    def stages(self, wanted: Wanted) -> Iterator[Stage]:
        """Give the questions of the plan."""
        trials = []
        for baud, rank in _SPEEDS:
            line = LineSettings(baud=baud, parity=Parity.EVEN)
            start = _start(baud)
            hello = replace(start, request=short(Function.SND_NKE, EVERY), aim=_HELLO)
            each = tuple(_data(start, unit) for unit in range(UNCONFIGURED, LAST_PRIMARY + 1))
            later = Rank.DEEP if rank is Rank.DEEP else Rank.WILD_RARE
            trials.append(Trial(rank=rank, line=line, asks=(hello,)))
            trials.append(Trial(rank=later, line=line, asks=(_data(start, EVERY),)))
            trials.append(Trial(rank=Rank.SWEEP if baud == _SWEEP_BAUD else Rank.DEEP, line=line, asks=each))
        known = [
            (place.line, _own(_start(place.line.baud), str(place.address)))
            for place in wanted.known_of(self.protocol)
        ]
        return open_stages(self.protocol, trials, wanted, known)

    def hear(self, ask: Ask, data: bytes) -> Heard:
        """Sort what came, and follow it up."""
        came = listen(MbusStreamDecoder(), ask.request, data)
        somebody = bool(came.frames) or came.spoilt
        if ask.aim in (_ANY, _AGAIN):
            return _everybody_heard(ask, came)
        if ask.aim == _LOOK:
            return _picked_heard(ask, came)
        if ask.aim == _OWN:
            return _own_heard(ask, came)
        then: tuple[Ask, ...] = ()
        if ask.aim == _HELLO and somebody:
            then = (_data(ask, EVERY),)
        elif ask.aim in (_PICK, _OWN_PICK) and somebody:
            then = (_data(ask, SELECTED),)
        elif ask.aim == _CONTROL and not somebody:
            then = (_pick(ask, ANYBODY), replace(ask, parting=False, request=deselect_request(), aim=_BYE))
        elif ask.aim == _CONTROL:
            return Heard(verdict=Verdict.GARBAGE, echo=came.echo, raw=came.raw)
        verdict = Verdict.STRANGER if somebody else came.noise
        return Heard(verdict=verdict, echo=came.echo, raw=came.raw, then=then)

    def is_whole(self, ask: Ask, data: bytes) -> bool:
        """Tell whether the one that was asked has answered; after a question to everybody a second one may follow."""
        if ask.gap_s:
            return False
        came = listen(MbusStreamDecoder(), ask.request, data)
        return bool(came.frames) and not came.spoilt


def _everybody_heard(ask: Ask, came: Listened[MbusFrame]) -> Heard:
    """Sort what came to a request for data to a primary address or to everybody."""
    one = _only(came)
    if one is not None:
        then: tuple[Ask, ...] = (_own(ask, _told(one).address),)
        return Heard(verdict=Verdict.ANSWER, echo=came.echo, raw=came.raw, then=then)
    if not (came.frames or came.spoilt):
        return Heard(verdict=came.noise, echo=came.echo, raw=came.raw)
    if ask.aim == _ANY:
        then = (replace(ask, aim=_AGAIN),)
    else:
        then = (replace(ask, request=select_request(SecondaryAddress(id=_NOBODY)), aim=_CONTROL, parting=True),)
    verdict = Verdict.STRANGER if ask.address == str(EVERY) else Verdict.DAMAGED
    return Heard(verdict=verdict, echo=came.echo, raw=came.raw, then=then)


def _picked_heard(ask: Ask, came: Listened[MbusFrame]) -> Heard:
    """Sort what came to a request for data after a selection that was acknowledged: silence too means several."""
    pattern = str(ask.address)
    one = _only(came)
    if one is not None:
        meter = _told(one).id
        then: tuple[Ask, ...] = (_own(ask, meter),) if meter else ()
        return Heard(verdict=Verdict.ANSWER, echo=came.echo, raw=came.raw, then=then)
    then = tuple(_pick(ask, closer) for closer in narrower(pattern))
    return Heard(verdict=Verdict.STRANGER if then else Verdict.DAMAGED, echo=came.echo, raw=came.raw, then=then)


def _own_heard(ask: Ask, came: Listened[MbusFrame]) -> Heard:
    one = _only(came)
    if one is None:
        somebody = came.frames or came.spoilt
        return Heard(verdict=Verdict.DAMAGED if somebody else came.noise, echo=came.echo, raw=came.raw)
    told = _told(one)
    return Heard(
        verdict=Verdict.ANSWER,
        echo=came.echo,
        raw=came.raw,
        frame=one.raw,
        speaker=ask.address,
        who=told.who,
        family=told.family,
    )


def _only(came: Listened[MbusFrame]) -> MbusFrame | None:
    """Give the telegram if one whole one is all that came."""
    replies = [frame for frame in came.frames if frame.function is Function.RSP_UD]
    return replies[0] if len(replies) == 1 and not came.spoilt else None


def _start(baud: int) -> Ask:
    window_s = _ANSWER_BITS / baud + _ANSWER_S
    return Ask(address=str(EVERY), request=b"", aim=_ANY, window_s=window_s, gap_s=window_s)


def _data(ask: Ask, unit: int) -> Ask:
    """Ask for data: of a primary address, of everybody, or of whoever was just selected."""
    request = short(with_count_bit(Function.REQ_UD2, on=True), unit)
    if unit == SELECTED:
        own = ask.aim == _OWN_PICK
        return replace(ask, request=request, aim=_OWN if own else _LOOK, gap_s=0.0 if own else ask.gap_s)
    gap_s = ask.gap_s if unit == EVERY else 0.0
    return replace(ask, address=str(unit), request=request, aim=_ANY, gap_s=gap_s)


def _pick(ask: Ask, pattern: str) -> Ask:
    """Select everybody who fits."""
    request = select_request(SecondaryAddress(id=pattern))
    return replace(ask, address=pattern, request=request, aim=_PICK, parting=False, gap_s=ask.window_s or 0.0)


def _own(ask: Ask, address: str) -> Ask:
    """Ask the meter of an address, which is no pattern."""
    meter = secondary_address(address)
    if meter is None:
        request = short(with_count_bit(Function.REQ_UD2, on=True), int(address))
        return replace(ask, address=address, request=request, aim=_OWN, gap_s=0.0)
    return replace(ask, address=address, request=select_request(meter), aim=_OWN_PICK, gap_s=0.0)


def _told(frame: MbusFrame) -> _Told:
    """Read who sent a telegram; never raises."""
    primary = frame.address if frame.address is not None else UNCONFIGURED
    try:
        if frame.ci == Ci.FIXED:
            return _Told(primary=primary, id=(one := parse_fixed(frame.data).id), who=f"M-Bus {one}")
        meter = split_header(frame.ci or 0, frame.data)[0].meter
    except FrameError:
        meter = None
    if meter is None:
        return _Told(primary=primary, who=f"M-Bus {primary}")
    medium = meter.medium or 0
    who = f"M-Bus {meter.id}.{meter.manufacturer}.{meter.version or 0:02X}.{medium:02X}"
    return _Told(primary=primary, id=meter.id, who=who, family=_FAMILIES.get(medium, ""))
