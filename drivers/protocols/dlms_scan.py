"""Finding DLMS meters: lists that they push are heard; others are asked for a connection, which is ended at once.

There is no question that everybody answers, so the usual addresses are tried. Whoever takes the connection (UA), or
has none to give (DM), is there. ``DISC`` follows each connection without a break: the meter is free for the next one.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC
from typing import Final

from drivers.codec.framing import Noise
from drivers.codec.hdlc import FrameKind, HdlcFrame, encode, stream_decoder
from drivers.codec.hdlc_message import HdlcMessage, MessageDecoder
from drivers.codec.hdlc_reply import disc, snrm
from drivers.errors import FrameError, RefusedError
from drivers.profile import LineSettings, Parity
from drivers.protocols.dlms_place import meter_of
from drivers.protocols.dlms_push_place import ANY
from drivers.protocols.dlms_push_told import understand
from drivers.scan.everybody import Trial, open_stages
from drivers.scan.listen import Listened, listen
from drivers.scan.probe import Ask, Heard, Verdict
from drivers.scan.stage import Rank, Stage, Wanted
from drivers.scan.unasked import Introduced, Unasked, Window

_LISTS_S: Final = 12.0  # the list of ten seconds, and the time that it takes at 2400 Bd
_HAN: Final = (LineSettings(baud=2400, parity=Parity.EVEN), LineSettings(baud=2400))
_USUAL: Final = ("1@16", "1.16@16", "1.17@16", "1.1@16", "1.16/4@16", "1.17/4@16", "1.1/4@16")
"""Management logical device and public client; physical addresses that makers set."""
_SPEEDS: Final = ((9600, Rank.WILD_RARE), (2400, Rank.DEEP), (19200, Rank.DEEP), (115200, Rank.DEEP))
_ANSWER_S: Final = 0.5
_GAP_S: Final = 0.1
_BYE: Final = "bye"
_HERE: Final = (FrameKind.UA, FrameKind.DM)


def introduce(frames: bytes) -> Introduced | None:
    """Tell whether a list was pushed; nothing in it says whose in one way for all makers."""
    decoder = MessageDecoder()
    for event in (*decoder.feed(frames), *decoder.flush()):
        if not isinstance(event, Noise) and _is_list(event):
            return Introduced(addresses=(ANY,), who=f"DLMS push {event.first.source.hex().upper()}")
    return None


def _is_list(message: HdlcMessage) -> bool:
    """Tell whether a message is a notification; one that is encrypted is one too."""
    try:
        return understand(message, 0, "", UTC) is not None
    except RefusedError:
        return message.first.kind is FrameKind.UI
    except FrameError:
        return False


UNASKED: Final = Unasked(
    listener="dlms-hdlc",
    windows=tuple(Window(line=line, seconds=_LISTS_S, rank=Rank.LISTEN_RARE) for line in _HAN),
    introduce=introduce,
    lists_s=_LISTS_S,
)


class DlmsProber:
    """A ``Prober``."""

    protocol: Final = "dlms"

    def stages(self, wanted: Wanted) -> Iterator[Stage]:
        """Give the questions of the plan."""
        asks = tuple(_connect(address) for address in _USUAL)
        trials = [Trial(rank=rank, line=LineSettings(baud=baud), asks=asks) for baud, rank in _SPEEDS]
        known = [(place.line, _connect(str(place.address))) for place in wanted.known_of(self.protocol)]
        return open_stages(self.protocol, trials, wanted, known)

    def hear(self, ask: Ask, data: bytes) -> Heard:
        """Sort what came; whoever may hold a connection now is told that it is over."""
        came = listen(stream_decoder(), ask.request, data)
        if ask.aim == _BYE:
            return Heard(verdict=Verdict.STRANGER if came.raw else Verdict.SILENCE, echo=came.echo, raw=came.raw)
        reply = _reply(ask, came)
        if reply is None:
            then = (_end(ask),) if came.spoilt else ()
            verdict = Verdict.GARBAGE if came.spoilt else Verdict.STRANGER if came.frames else came.noise
            return Heard(verdict=verdict, echo=came.echo, raw=came.raw, then=then)
        return Heard(
            verdict=Verdict.ANSWER,
            echo=came.echo,
            raw=came.raw,
            frame=reply.raw,
            speaker=ask.address,
            then=(_end(ask),) if reply.kind is FrameKind.UA else (),
            who=f"DLMS {meter_of(str(ask.address)).name}",
        )

    def is_whole(self, ask: Ask, data: bytes) -> bool:
        """Tell whether the meter has answered."""
        return _reply(ask, listen(stream_decoder(), ask.request, data)) is not None


def _reply(ask: Ask, came: Listened[HdlcFrame]) -> HdlcFrame | None:
    """Give the answer of the one who was asked, if it is the only one."""
    ends = meter_of(str(ask.address)).ends
    mine = [
        frame
        for frame in came.frames
        if (frame.source, frame.destination) == (ends.server, ends.client) and frame.kind in _HERE
    ]
    return mine[0] if len(mine) == 1 else None


def _connect(address: str) -> Ask:
    ends = meter_of(address).ends
    request = encode(ends.server, ends.client, snrm())
    return Ask(address=address, request=request, window_s=_ANSWER_S, gap_s=_GAP_S)


def _end(ask: Ask) -> Ask:
    ends = meter_of(str(ask.address)).ends
    return replace(ask, request=encode(ends.server, ends.client, disc()), aim=_BYE, binding=True)
