"""Finding CJ/T 188 meters by the wildcard address. The standard knows no partial one, but a meter has a type.

So several meters of different types on a line are told apart by asking type by type; several of one type spoil each
other's answers, which is said. Identifiers are asked for in either order of their bytes, as both are in use.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Final

from drivers.codec.cjt188 import (
    ANY,
    ANY_TYPE,
    WAKE_UP,
    Cjt188Frame,
    address_request,
    read_request,
    stream_decoder,
)
from drivers.codec.cjt188_layout import METERING
from drivers.profile import LineSettings, Parity
from drivers.scan.everybody import Trial, open_stages
from drivers.scan.listen import Listened, listen
from drivers.scan.probe import Ask, Heard, Verdict
from drivers.scan.stage import Rank, Stage, Wanted

_WINDOW_S: Final = 0.8
_SERIAL: Final = 1
_NOBODY: Final = "99999999999998"
_TYPES: Final = (0x10, 0x11, 0x12, 0x13, 0x20, 0x21, 0x22, 0x30, 0x40)
_FAMILIES: Final = {0x1: "water", 0x2: "heat", 0x3: "gas", 0x4: "electricity"}
_AGAIN, _CONTROL, _OWN = "again", "control", "own"
_SPEEDS: Final = ((2400, Rank.WILD), (9600, Rank.WILD_RARE), (1200, Rank.WILD_RARE), (4800, Rank.WILD_RARE))


class Cjt188Prober:
    """A ``Prober``."""

    protocol: Final = "cjt188"

    def stages(self, wanted: Wanted) -> Iterator[Stage]:
        """Give the questions of the plan."""
        first, second = _read(ANY_TYPE, low_first=False), _read(ANY_TYPE, low_first=True)
        by_address = [_ask(ANY, address_request(_SERIAL, low_first=low)) for low in (True, False)]
        by_type = tuple(_read(type_, low_first=False) for type_ in (0x10, 0x20, 0x30))
        trials = []
        for baud, rank in _SPEEDS:
            trials.append(Trial(rank=rank, line=_line(baud), asks=(by_address[0], first)))
            trials.append(Trial(rank=Rank.WILD_RARE, line=_line(baud), asks=(by_address[1], second)))
            trials.append(Trial(rank=Rank.DEEP, line=_line(baud), asks=by_type))  # a meter that knows no wild type
        known = [
            (place.line, _ask(str(place.address), _request(ANY_TYPE, str(place.address), low_first=False), _OWN))
            for place in wanted.known_of(self.protocol)
        ]
        return open_stages(self.protocol, trials, wanted, known)

    def hear(self, ask: Ask, data: bytes) -> Heard:
        """Sort what came; a wildcard's answer is followed up."""
        came = listen(stream_decoder(), ask.request, data)
        told = {frame.address: frame for frame in came.frames if frame.is_reply and not frame.is_refusal}
        if ask.aim == _CONTROL:
            return _judged(ask, came)
        if ask.aim == _OWN:
            return _own_heard(came, told.get(str(ask.address)))
        several = came.spoilt or len(told) > 1
        then = tuple(_own(frame, ask) for frame in told.values())
        if several:
            then += _closer(ask)
        spoilt = Verdict.STRANGER if then else Verdict.DAMAGED
        verdict = spoilt if several else Verdict.ANSWER if told else came.noise
        return Heard(verdict=verdict, echo=came.echo, raw=came.raw, then=then)

    def is_whole(self, ask: Ask, data: bytes) -> bool:
        """Tell whether the one that was asked has answered; after a wildcard a second one may follow."""
        return ask.aim == _OWN and self.hear(ask, data).verdict is Verdict.ANSWER


def _own_heard(came: Listened[Cjt188Frame], mine: Cjt188Frame | None) -> Heard:
    if mine is None or came.spoilt:
        verdict = Verdict.DAMAGED if came.spoilt else Verdict.STRANGER if came.frames else came.noise
        return Heard(verdict=verdict, echo=came.echo, raw=came.raw)
    return Heard(
        verdict=Verdict.ANSWER,
        echo=came.echo,
        raw=came.raw,
        frame=mine.raw,
        speaker=mine.address,
        who=f"CJ/T 188 {mine.address}, type {mine.type:02X}",
        family=_FAMILIES.get(mine.type >> 4, ""),
    )


def _judged(ask: Ask, came: Listened[Cjt188Frame]) -> Heard:
    """Several meters are silent when nobody is asked; what is not silent then is something else."""
    if came.raw and came.noise is not Verdict.GLITCH:
        return Heard(verdict=Verdict.GARBAGE, echo=came.echo, raw=came.raw)
    both = [_read(type_, low_first=low_first) for type_ in _TYPES for low_first in (False, True)]
    asks = [replace(one, aim=_AGAIN, hasty=not ask.thorough, thorough=ask.thorough) for one in both]
    return Heard(verdict=Verdict.SILENCE, echo=came.echo, raw=came.raw, then=tuple(asks))


def _closer(ask: Ask) -> tuple[Ask, ...]:
    """Give what to ask after a spoilt answer: the same once more, then nobody, then type by type, then no more."""
    if ask.aim != _AGAIN:
        return (replace(ask, aim=_AGAIN),)
    if ask.request[len(WAKE_UP) + 1] in _TYPES:
        return ()
    control = _ask(ANY, _request(ANY_TYPE, _NOBODY, low_first=False), _CONTROL)
    return (replace(control, thorough=ask.thorough, parting=True),)


def _own(frame: Cjt188Frame, ask: Ask) -> Ask:
    """Ask the one that answered once more, in the same order of bytes where it was asked for its reading."""
    low_first = ask.request[len(WAKE_UP) + 11 :][:1] == b"\x1f"
    request = _request(frame.type, frame.address, low_first=low_first)
    return replace(_ask(frame.address, request, _OWN), thorough=ask.thorough)


def _read(type_: int, *, low_first: bool) -> Ask:
    return _ask(ANY, _request(type_, ANY, low_first=low_first))


def _request(type_: int, address: str, *, low_first: bool) -> bytes:
    return read_request(type_, address, METERING, _SERIAL, low_first=low_first)


def _ask(address: str, request: bytes, aim: str = "") -> Ask:
    gap_s = 0.0 if aim == _OWN else _WINDOW_S
    return Ask(address=address, request=WAKE_UP + request, aim=aim, window_s=_WINDOW_S, gap_s=gap_s)


def _line(baud: int) -> LineSettings:
    return LineSettings(baud=baud, parity=Parity.EVEN)
