"""Finding stations that speak HJ 212: they push what is measured, so they are listened for and never asked.

The time between two real-time uploads is set (CN 1062) to 30 s at least; one who keeps more than a minute is missed.
"""

from __future__ import annotations

from typing import Final

from drivers.codec.framing import Noise
from drivers.codec.hj212 import Rules, stream_decoder
from drivers.codec.hj212_segment import parse
from drivers.profile import LineSettings
from drivers.protocols.hj212_place import ANY
from drivers.sanitize import sanitize
from drivers.scan.stage import Rank
from drivers.scan.unasked import Introduced, Unasked, Window

_LINE: Final = LineSettings(baud=9600)
_MOMENT_S: Final = 5.0
_MINUTE_S: Final = 65.0
_OTHERS: Final = (4800, 19200, 115200)
_LONGEST: Final = 9999
_TIME: Final = "DataTime"
_FAMILIES: Final = {"21": "water", "22": "air", "31": "air", "32": "water"}
"""``ST`` of HJ 212-2017: surface water, ambient air, flue gas and waste water of a source."""


def introduce(frames: bytes) -> Introduced | None:
    """Tell which station uploads."""
    decoder = stream_decoder(Rules(longest=_LONGEST))
    for event in (*decoder.feed(frames), *decoder.flush()):
        said = None if isinstance(event, Noise) else parse(event.segment)
        if said is None or not any(field[0] == _TIME for item in said.items for field in item):
            continue
        name, system = sanitize(said.head("MN")), said.head("ST")
        return Introduced(
            addresses=(name, ANY) if name else (ANY,), who=f"HJ 212 {name}", family=_FAMILIES.get(system, "")
        )
    return None


UNASKED: Final = Unasked(
    listener="hj212",
    windows=(
        Window(line=_LINE, seconds=_MOMENT_S, rank=Rank.LISTEN),
        Window(line=_LINE, seconds=_MINUTE_S, rank=Rank.LISTEN_LONG),
        *(Window(line=LineSettings(baud=baud), seconds=_MINUTE_S, rank=Rank.DEEP) for baud in _OTHERS),
    ),
    introduce=introduce,
)
