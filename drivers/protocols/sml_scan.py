"""Finding meters that speak SML: those that send by themselves are heard, the others are asked for their list.

Nothing is asked that changes a meter. A list counts as an answer if it carries the number of the request, so a meter
that happens to send by itself is not taken for one that answers.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from drivers.codec.framing import Noise
from drivers.codec.sml import SmlFrame, stream_decoder
from drivers.codec.sml_list import SmlList, read_list
from drivers.codec.sml_request import list_request
from drivers.codec.sml_value import SmlError
from drivers.profile import LineSettings
from drivers.protocols.sml_place import ANY
from drivers.protocols.sml_told import meter_number
from drivers.scan.everybody import Trial, open_stages
from drivers.scan.listen import listen
from drivers.scan.probe import Ask, Heard, Verdict
from drivers.scan.stage import Rank, Stage, Wanted
from drivers.scan.unasked import Introduced, Unasked, Window

_LINE: Final = LineSettings(baud=9600)
_RHYTHM_S: Final = 5.0  # a list every 1 to 4 s, and the time that it takes
_ANSWER_S: Final = 1.0
_GAP_S: Final = 0.3
_TRANSACTION: Final = 0x71D60000
_FAMILY: Final = "electricity"


def introduce(frames: bytes) -> Introduced | None:
    """Tell whose list was heard."""
    decoder = stream_decoder()
    for event in (*decoder.feed(frames), *decoder.flush()):
        found = None if isinstance(event, Noise) else _list(event)
        if found is not None and found.entries:
            own = (found.server_id.hex().upper(),) if any(found.server_id) else ()
            return Introduced(addresses=(ANY, *own), who=_who(found), family=_FAMILY)
    return None


UNASKED: Final = Unasked(
    listener="sml",
    windows=(Window(line=_LINE, seconds=_RHYTHM_S, rank=Rank.LISTEN),),
    introduce=introduce,
)


class SmlPullProber:
    """A ``Prober``."""

    protocol: Final = "sml-pull"

    def stages(self, wanted: Wanted) -> Iterator[Stage]:
        """Give the questions of the plan."""
        trials = [Trial(rank=Rank.WILD_RARE, line=_LINE, asks=(_ask(ANY),))]
        known = [(place.line, _ask(str(place.address))) for place in wanted.known_of(self.protocol)]
        return open_stages(self.protocol, trials, wanted, known)

    def hear(self, ask: Ask, data: bytes) -> Heard:
        """Sort what came."""
        came = listen(stream_decoder(), ask.request, data)
        for frame in came.frames:
            found = _list(frame)
            if found is not None and _answers(found):
                return Heard(
                    verdict=Verdict.ANSWER,
                    echo=came.echo,
                    raw=came.raw,
                    frame=frame.raw,
                    speaker=ask.address,
                    who=_who(found),
                    family=_FAMILY,
                )
        verdict = Verdict.STRANGER if any(frame.raw != ask.request for frame in came.frames) else came.noise
        verdict = Verdict.GARBAGE if verdict is Verdict.DAMAGED else verdict  # it may have been sent by itself
        return Heard(verdict=verdict, echo=came.echo, raw=came.raw)

    def is_whole(self, ask: Ask, data: bytes) -> bool:
        """Tell whether the list is there."""
        found = (_list(frame) for frame in listen(stream_decoder(), ask.request, data).frames)
        return any(one is not None and _answers(one) for one in found)


def _ask(address: str) -> Ask:
    server_id = b"" if address == ANY else bytes.fromhex(address)
    request = list_request(_TRANSACTION, server_id)
    return Ask(address=address, request=request, window_s=_ANSWER_S, gap_s=_GAP_S)


def _list(frame: SmlFrame) -> SmlList | None:
    try:
        return read_list(frame.payload)
    except SmlError:
        return None


def _answers(found: SmlList) -> bool:
    numbers = [(_TRANSACTION + step).to_bytes(4, "big") for step in range(3)]
    return bool(found.entries) and found.transaction in numbers


def _who(found: SmlList) -> str:
    return f"SML {meter_number(found.server_id)}" if any(found.server_id) else "SML"
