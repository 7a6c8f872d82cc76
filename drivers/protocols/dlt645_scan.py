"""Finding DL/T 645 meters whose addresses nobody knows, by wildcards: first whoever is there, then digit by digit.

Two meters that answer at once spoil each other's bytes: that is what tells that there are several, and the search
goes on with the low digits, two at a time, 100 questions for each spoilt answer. Before that whoever's address
stands whole in a spoilt answer is asked by it, twice: whose own answers are spoilt too is one address of several
meters, or of one on a bad line, and what lies behind it can wait. A meter that was found is asked once more by its
own address, since eight bits of sum let one spoilt answer in 256 through. A refusal does not count: so answers a
meter of the other edition. Before digits are tried an address that nobody has is asked for: what answers that too
is no crowd of meters.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from typing import Final

from drivers.codec.dlt645 import (
    ANY,
    WAKE_UP,
    Dlt645Frame,
    Edition,
    address_request,
    read_request,
    stream_decoder,
)
from drivers.profile import LineSettings, Parity
from drivers.scan.everybody import Trial, open_stages
from drivers.scan.listen import Listened, listen
from drivers.scan.probe import Ask, Heard, Verdict
from drivers.scan.stage import Rank, Stage, Wanted

_QUESTIONS: Final = {Edition.V2007: "00010000", Edition.V1997: "9010"}
"""What every meter of the edition has: its energy."""
_WINDOW_S: Final = 0.6  # the standard allows half a second
_PAIRS: Final = 6
_NOBODY: Final = "999999999998"
_AGAIN, _CONTROL, _OWN, _OWN_AGAIN = "again", "control", "own", "own-again"
_HEAD: Final = re.compile(
    rb"\x68(?=((?:[\x00-\x09\x10-\x19\x20-\x29\x30-\x39\x40-\x49\x50-\x59\x60-\x69\x70-\x79"
    rb"\x80-\x89\x90-\x99]){6})\x68)"
)
_MOST_SUSPECTS: Final = 3
_WILD: Final = "A"
_SPEEDS: Final = {
    Edition.V2007: ((2400, Rank.WILD), (9600, Rank.WILD), (1200, Rank.WILD_RARE), (4800, Rank.WILD_RARE)),
    Edition.V1997: ((1200, Rank.WILD), (2400, Rank.WILD), (9600, Rank.WILD_RARE), (4800, Rank.WILD_RARE)),
}


class Dlt645Prober:
    """A ``Prober``."""

    def __init__(self, edition: Edition) -> None:
        self.protocol: Final = edition.value
        self._edition = edition

    def stages(self, wanted: Wanted) -> Iterator[Stage]:
        """Give the questions of the plan."""
        later = self._edition is Edition.V2007
        trials = []
        for baud, rank in _SPEEDS[self._edition]:
            asks = (self._ask(ANY),)
            if later:  # not every meter knows how to tell its address
                trials.append(Trial(rank=Rank.WILD_RARE, line=_line(baud), asks=asks))
                asks = (replace(asks[0], request=WAKE_UP + address_request()),)
            trials.append(Trial(rank=rank, line=_line(baud), asks=asks))
        trials += [Trial(rank=Rank.DEEP, line=_line(baud), asks=(self._ask(ANY),)) for baud in (600, 19200)]
        known = [(place.line, self._own(str(place.address))) for place in wanted.known_of(self.protocol)]
        return open_stages(self.protocol, trials, wanted, known)

    def hear(self, ask: Ask, data: bytes) -> Heard:
        """Sort what came; a wildcard's answer is followed up."""
        came = listen(stream_decoder(), ask.request, data)
        told = [frame for frame in came.frames if frame.is_reply and not frame.is_refusal]
        addresses = tuple(dict.fromkeys(frame.address for frame in told))
        if ask.aim == _CONTROL:
            return self._judged(ask, came)
        if ask.aim in (_OWN, _OWN_AGAIN):
            return self._own_heard(ask, came, told)
        several = came.spoilt or len(addresses) > 1
        then = [self._own(address, thorough=ask.thorough) for address in addresses if self._is_one(address)]
        if several:
            then += self._closer(ask, came.raw)
        spoilt = Verdict.STRANGER if then else Verdict.DAMAGED
        verdict = spoilt if several else Verdict.ANSWER if told else came.noise
        who = "" if _WILD in str(ask.address) else _who(ask)
        return Heard(verdict=verdict, echo=came.echo, raw=came.raw, then=tuple(then), who=who)

    def is_whole(self, ask: Ask, data: bytes) -> bool:
        """Tell whether the one that was asked has answered; after a wildcard a second one may follow."""
        return ask.aim in (_OWN, _OWN_AGAIN) and self.hear(ask, data).verdict is Verdict.ANSWER

    def _own_heard(self, ask: Ask, came: Listened[Dlt645Frame], told: list[Dlt645Frame]) -> Heard:
        mine = next((frame for frame in told if frame.address == ask.address), None)
        if mine is None or came.spoilt:
            verdict = Verdict.DAMAGED if came.spoilt else Verdict.STRANGER if came.frames else came.noise
            again = (replace(ask, aim=_OWN_AGAIN),) if came.spoilt and ask.aim == _OWN else ()
            return Heard(verdict=verdict, echo=came.echo, raw=came.raw, then=again, who=_who(ask))
        return Heard(
            verdict=Verdict.ANSWER,
            echo=came.echo,
            raw=came.raw,
            frame=mine.raw,
            speaker=mine.address,
            who=_who(ask),
            family="electricity" if self._edition is Edition.V2007 else "",  # water meters speak 1997 too
        )

    def _judged(self, ask: Ask, came: Listened[Dlt645Frame]) -> Heard:
        """Several meters are silent when nobody is asked; what is not silent then is something else."""
        if came.raw and came.noise is not Verdict.GLITCH:
            return Heard(verdict=Verdict.GARBAGE, echo=came.echo, raw=came.raw)
        return Heard(verdict=Verdict.SILENCE, echo=came.echo, raw=came.raw, then=self._narrower(ask, ""))

    def _closer(self, ask: Ask, raw: bytes) -> tuple[Ask, ...]:
        """Give what to ask after a spoilt answer: the same once more, then whom it names, nobody, part by part."""
        if ask.aim != _AGAIN:
            return (replace(ask, aim=_AGAIN),)
        tail = str(ask.address).lstrip(_WILD)
        if tail:
            return self._narrower(ask, tail)
        control = replace(self._ask(_NOBODY, aim=_CONTROL, thorough=ask.thorough), parting=True)
        named = dict.fromkeys(found[1][::-1].hex() for found in _HEAD.finditer(raw))
        suspects = tuple(self._own(one, thorough=ask.thorough) for one in tuple(named)[:_MOST_SUSPECTS])
        return (*suspects, control)

    def _narrower(self, ask: Ask, tail: str) -> tuple[Ask, ...]:
        """Give every ending that is two digits longer; nothing behind a whole address."""
        if len(tail) >= 2 * _PAIRS:
            return ()
        tails = (f"{pair:02d}{tail}" for pair in range(100))
        hasty, behind = not ask.thorough, str(ask.address) if tail else ""
        return tuple(
            replace(
                self._ask(_WILD * (2 * _PAIRS - len(t)) + t, thorough=ask.thorough), hasty=hasty, narrowing=behind
            )
            for t in tails
        )

    def _is_one(self, address: str) -> bool:
        return address != ANY or self._edition is Edition.V1997  # old meters answer a wildcard with the wildcard

    def _own(self, address: str, *, thorough: bool = False) -> Ask:
        return self._ask(address, aim=_OWN, thorough=thorough)

    def _ask(self, address: str, *, aim: str = "", thorough: bool = False) -> Ask:
        return Ask(
            address=address,
            request=WAKE_UP + read_request(self._edition, address, _QUESTIONS[self._edition]),
            aim=aim,
            window_s=_WINDOW_S,
            gap_s=0.0 if aim == _OWN else _WINDOW_S,
            thorough=thorough,
        )


def _who(ask: Ask) -> str:
    return f"DL/T 645 {ask.address}"


def _line(baud: int) -> LineSettings:
    return LineSettings(baud=baud, parity=Parity.EVEN)
