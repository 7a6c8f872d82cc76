"""Finding meters that push readouts: mode D at 2400 Bd 7E1 (6.4.5), heads at 9600 7E1, ports (DSMR P1) at 115200 8N1.

Seven bits with even parity are heard as eight without one, and told by the eighth.
"""

from __future__ import annotations

from typing import Final

from drivers.codec.framing import Noise
from drivers.codec.iec62056_21 import IecDecoder, Kind
from drivers.codec.iec62056_21_baud import parse_identification
from drivers.profile import LineSettings
from drivers.protocols.iec62056_21_place import ANY
from drivers.sanitize import sanitize
from drivers.scan.stage import Rank
from drivers.scan.unasked import Introduced, Unasked, Window

_SHORTEST: Final = 4
_EIGHTH_BIT: Final = 0x80
_HEAD_S: Final = 5.0
_MODE_D_S: Final = 11.0
_PORT_S: Final = 11.0  # every 10 s before DSMR 5, every second since


def introduce(frames: bytes) -> Introduced | None:
    """Tell whose readout was heard, by its first line."""
    decoder = IecDecoder(frozenset((Kind.TELEGRAM,)))
    for event in (*decoder.feed(frames), *decoder.flush()):
        if isinstance(event, Noise) or len(event.command) < _SHORTEST:
            continue
        meter = parse_identification(event.command)
        text = meter.text[2:] if meter.enhanced else meter.text
        return Introduced(
            addresses=(ANY,),
            who=f"IEC 62056-21 /{sanitize(event.command)}",
            said={"manufacturer": sanitize(meter.manufacturer), "identification": sanitize(text)},
            seven_bits=any(byte >= _EIGHTH_BIT for byte in frames),
        )
    return None


UNASKED: Final = Unasked(
    listener="iec62056-21-push",
    windows=(
        Window(line=LineSettings(baud=9600), seconds=_HEAD_S, rank=Rank.LISTEN),
        Window(line=LineSettings(baud=2400), seconds=_MODE_D_S, rank=Rank.LISTEN_RARE),
        Window(line=LineSettings(baud=115200), seconds=_PORT_S, rank=Rank.LISTEN_RARE),
    ),
    introduce=introduce,
)
