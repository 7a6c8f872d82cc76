"""Finding SDI-12 sensors: ``?!``, which whoever is there answers with its address, then ``aI!`` to each.

An answer of three characters has no checksum, and of two that are sent at once one may be what is heard. So whoever
answers, the ten digits are asked one by one, since sensors are numbered from 0; where nothing whole comes all
addresses are. Sensors on the line itself sleep until a break comes; an adapter makes it by itself.
"""

from __future__ import annotations

import string
from collections.abc import Iterator
from dataclasses import replace
from typing import Final

from drivers.codec.sdi12 import Sdi12Decoder, Sdi12Frame, command
from drivers.codec.sdi12_reply import Form
from drivers.codec.seven_bit import with_parity
from drivers.profile import LineSettings, Parity
from drivers.protocols.sdi12_talk import BREAK_BAUD, LINE_BAUD
from drivers.scan.everybody import Trial, open_stages
from drivers.scan.listen import Listened, listen
from drivers.scan.probe import Ask, Heard, Verdict
from drivers.scan.stage import Rank, Stage, Wanted

_ANY: Final = "?"
_NOBODY: Final = b"~!"
"""No sensor has such an address."""
_WINDOW_S: Final = 0.2  # an answer begins within 15 ms (7), and 16 of its characters may be gathered first
_GAP_S: Final = 0.05
_EIGHT: Final = 8
_AGAIN, _CONTROL, _OWN = "again", "control", "own"
_DIGITS: Final = string.digits
_LETTERS: Final = string.ascii_uppercase + string.ascii_lowercase
_LINE: Final = LineSettings(baud=LINE_BAUD, parity=Parity.EVEN, data_bits=7)
_TRIALS: Final = (
    (_LINE, Rank.WILD),
    (LineSettings(baud=9600), Rank.WILD_RARE),
    (LineSettings(baud=19200), Rank.DEEP),
    (LineSettings(baud=115200), Rank.DEEP),
)


class Sdi12Prober:
    """A ``Prober``."""

    protocol: Final = "sdi12"

    def stages(self, wanted: Wanted) -> Iterator[Stage]:
        """Give the questions of the plan."""
        trials = [Trial(rank=rank, line=line, asks=(_ask(_ANY, line),)) for line, rank in _TRIALS]
        known = [(place.line, _ask(str(place.address), place.line, _OWN)) for place in wanted.known_of(self.protocol)]
        return open_stages(self.protocol, trials, wanted, known)

    def hear(self, ask: Ask, data: bytes) -> Heard:
        """Sort what came; everybody's answer is followed up."""
        came = listen(Sdi12Decoder(command=ask.request), ask.request, data)
        if ask.aim == _OWN:
            return _own_heard(ask, came)
        if ask.aim == _CONTROL:
            return _judged(ask, came)
        told = tuple(dict.fromkeys(frame.address for frame in came.frames if Form.ACK.fits(frame)))
        if not told and not came.spoilt:
            verdict = Verdict.STRANGER if came.frames else came.noise
            return Heard(verdict=verdict, echo=came.echo, raw=came.raw)
        if not told and ask.aim != _AGAIN:
            return Heard(verdict=Verdict.STRANGER, echo=came.echo, raw=came.raw, then=(replace(ask, aim=_AGAIN),))
        if not told:
            control = replace(ask, request=_sent(_NOBODY, ask.rouse), aim=_CONTROL, parting=True)
            return Heard(verdict=Verdict.STRANGER, echo=came.echo, raw=came.raw, then=(control,))
        then = [_own(one, ask) for one in told]
        then += [_own(one, ask, parting=True) for one in _DIGITS if one not in told]
        then += [_own(one, ask, parting=True) for one in _LETTERS if one not in told and ask.thorough]
        return Heard(verdict=Verdict.STRANGER, echo=came.echo, raw=came.raw, then=tuple(then))

    def is_whole(self, ask: Ask, data: bytes) -> bool:
        """Tell whether the one that was asked has answered; after everybody's question a second one may follow."""
        return ask.aim == _OWN and self.hear(ask, data).verdict is Verdict.ANSWER


def _own_heard(ask: Ask, came: Listened[Sdi12Frame]) -> Heard:
    mine = [frame for frame in came.frames if frame.address == ask.address and Form.TEXT.fits(frame)]
    if len(mine) != 1 or came.spoilt:
        verdict = Verdict.DAMAGED if came.spoilt else Verdict.STRANGER if came.frames else came.noise
        return Heard(verdict=verdict, echo=came.echo, raw=came.raw)
    (one,) = mine
    return Heard(
        verdict=Verdict.ANSWER,
        echo=came.echo,
        raw=came.raw,
        frame=one.raw,
        speaker=one.address,
        who=f"SDI-12 {one.address}: {' '.join(one.body[2:].split())}",
    )


def _judged(ask: Ask, came: Listened[Sdi12Frame]) -> Heard:
    """Sensors are silent when nobody is asked; what is not silent then is something else."""
    if came.raw and came.noise is not Verdict.GLITCH:
        return Heard(verdict=Verdict.GARBAGE, echo=came.echo, raw=came.raw)
    then = tuple(_own(one, ask) for one in _DIGITS + _LETTERS)
    return Heard(verdict=Verdict.SILENCE, echo=came.echo, raw=came.raw, then=then)


def _own(address: str, ask: Ask, *, parting: bool = False) -> Ask:
    request = _sent(command(address, "I"), ask.rouse)
    return replace(ask, address=address, request=request, aim=_OWN, gap_s=_GAP_S, parting=parting)


def _ask(address: str, line: LineSettings, aim: str = "") -> Ask:
    rouse = replace(line, baud=BREAK_BAUD) if line.baud == LINE_BAUD else None
    return Ask(
        address=address,
        request=_sent(command(address, "I" if aim == _OWN else ""), rouse),
        aim=aim,
        window_s=_WINDOW_S,
        gap_s=_GAP_S if aim == _OWN else _WINDOW_S,
        rouse=rouse,
    )


def _sent(request: bytes, rouse: LineSettings | None) -> bytes:
    """Give a request with parity bits where it goes to the line itself and the port does not make them."""
    bare = rouse is not None and rouse.data_bits == _EIGHT and rouse.parity is Parity.NONE
    return with_parity(request) if bare else request
