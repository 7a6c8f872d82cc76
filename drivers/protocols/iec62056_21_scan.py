"""Finding IEC 62056-21 meters: a sign-on without address, which whoever is there answers with its identification.

A session that was begun is ended. To a meter of mode C the break ``SOH B0 ETX`` is said at once. One of mode A or B
sends its readout without being asked, the latter at the speed that its identification names, and hears no break
meanwhile: so it is heard to its end (6.4.2, 6.4.3). Then the head is free for the next question. The identification
names no address; the only meter of a line needs none.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Final

from drivers.codec.iec62056_21 import STX, IecDecoder, IecFrame, Kind, encode
from drivers.codec.iec62056_21_baud import Mode, parse_identification
from drivers.codec.seven_bit import EVEN, with_parity
from drivers.profile import LineSettings, Parity
from drivers.protocols.iec62056_21_place import ANY
from drivers.scan.everybody import Trial, open_stages
from drivers.scan.listen import Listened, listen
from drivers.scan.probe import Ask, Heard, Verdict
from drivers.scan.stage import Rank, Stage, Wanted

_WINDOW_S: Final = 1.6  # 6.3.14: the longest between a message and its answer is 1.5 s
_GAP_S: Final = 0.3
_READOUT_BYTES: Final = 1024
_NOBODY: Final = "99999999999999999999999999999998"
_AGAIN, _CONTROL, _BYE, _READOUT = "again", "control", "bye", "readout"
_KINDS: Final = frozenset((Kind.IDENTIFICATION,))
_DATA: Final = frozenset((Kind.BLOCK,))
_EIGHT: Final = 8
_TRIALS: Final = ((300, 7, Rank.WILD), (9600, 7, Rank.WILD_RARE), (300, 8, Rank.WILD_RARE), (9600, 8, Rank.WILD_RARE))
"""Eight bits without parity stand for a port that cannot do seven: the parity bit is then made here."""


class IecProber:
    """A ``Prober``."""

    protocol: Final = "iec62056-21"

    def stages(self, wanted: Wanted) -> Iterator[Stage]:
        """Give the questions of the plan."""
        lines = [(rank, _line(baud, bits)) for baud, bits, rank in _TRIALS]
        lines += [(Rank.DEEP, _line(baud, 7)) for baud in (2400, 4800, 19200)]
        trials = [Trial(rank=rank, line=line, asks=(_sign_on(ANY, line),)) for rank, line in lines]
        known = [(place.line, _sign_on(str(place.address), place.line)) for place in wanted.known_of(self.protocol)]
        return open_stages(self.protocol, trials, wanted, known)

    def hear(self, ask: Ask, data: bytes) -> Heard:
        """Sort what came; whoever said something is told that this was all."""
        came = listen(IecDecoder(_KINDS), ask.request, data)
        if ask.aim in (_BYE, _READOUT):
            return Heard(verdict=Verdict.STRANGER if came.raw else Verdict.SILENCE, echo=came.echo, raw=came.raw)
        somebody = bool(came.frames) or came.spoilt
        bye = (_parting(ask, came),) if somebody else ()
        if ask.aim == _CONTROL:
            verdict = Verdict.GARBAGE if somebody else Verdict.DAMAGED  # silent: those who answered are several
            return Heard(verdict=verdict, echo=came.echo, raw=came.raw, then=bye if somebody else ())
        if len(came.frames) == 1 and (not came.spoilt or _goes_on(came)):
            return _identified(ask, came, bye)
        if not somebody:
            return Heard(verdict=came.noise, echo=came.echo, raw=came.raw)
        control = replace(ask, request=_hello(_NOBODY, with_bit=_has_bit(ask)), aim=_CONTROL)
        once_more = replace(ask, aim=_AGAIN) if ask.aim != _AGAIN else control
        return Heard(verdict=Verdict.DAMAGED, echo=came.echo, raw=came.raw, then=(*bye, once_more))

    def is_whole(self, ask: Ask, data: bytes) -> bool:
        """Tell whether the identification is there, or the readout that follows it."""
        if ask.aim == _READOUT:
            return any(not frame.more for frame in listen(IecDecoder(_DATA), b"", data).frames)
        return ask.aim != _BYE and any(listen(IecDecoder(_KINDS), ask.request, data).frames)


def _identified(ask: Ask, came: Listened[IecFrame], bye: tuple[Ask, ...]) -> Heard:
    hello = came.frames[0]
    return Heard(
        verdict=Verdict.ANSWER,
        echo=came.echo,
        raw=came.raw,
        frame=hello.raw,
        speaker=ask.address,
        then=bye,
        who=f"IEC 62056-21 /{hello.text}",
    )


def _sign_on(address: str, line: LineSettings) -> Ask:
    request = _hello("" if address == ANY else address, with_bit=line.data_bits == _EIGHT)
    return Ask(address=address, request=request, window_s=_WINDOW_S, gap_s=_GAP_S)


def _hello(address: str, *, with_bit: bool) -> bytes:
    text = encode(IecFrame(kind=Kind.SIGN_ON, text=address, raw=b""))
    return with_parity(text) if with_bit else text


def _goes_on(came: Listened[IecFrame]) -> bool:
    """Tell whether what stands behind the identification is the beginning of a readout, handed over with it."""
    (hello,) = came.frames
    rest = came.raw[len(hello.raw) :].translate(EVEN if hello.parity_bits else None)
    return came.raw.startswith(hello.raw) and rest[:1] == bytes((STX,)) and _mode(hello) is Mode.A


def _parting(ask: Ask, came: Listened[IecFrame]) -> Ask:
    """Give how the session ends: heard out, if the only one who answered goes on by himself; else by a break."""
    modes = {_mode(hello) for hello in came.frames}
    if modes != {Mode.A} and modes != {Mode.B}:
        return _bye(ask)
    eight = _has_bit(ask)
    baud = max(parse_identification(hello.text).baud for hello in came.frames)
    then = _line(baud, _EIGHT if eight else 7) if modes == {Mode.B} else None
    return replace(ask, request=b"", aim=_READOUT, reply_line=then, answer_bytes=_READOUT_BYTES, binding=True)


def _mode(hello: IecFrame) -> Mode:
    return parse_identification(hello.text).mode


def _bye(ask: Ask) -> Ask:
    """End the session; the meter needs a moment to see that it is over."""
    text = encode(IecFrame(kind=Kind.COMMAND, command="B0", raw=b""))
    return replace(ask, request=with_parity(text) if _has_bit(ask) else text, aim=_BYE, binding=True)


def _has_bit(ask: Ask) -> bool:
    return ask.request[0] > 0x7F


def _line(baud: int, bits: int) -> LineSettings:
    parity = Parity.EVEN if bits != _EIGHT else Parity.NONE
    return LineSettings(baud=baud, parity=parity, data_bits=bits)
