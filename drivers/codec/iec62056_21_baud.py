"""Identification and baud rates of IEC 62056-21 (6.3.2, 6.3.3 and 6.4)."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Final

_MODE_B: Final = {"A": 600, "B": 1200, "C": 2400, "D": 4800, "E": 9600, "F": 19200}
_MODE_C: Final = {"0": 300, "1": 600, "2": 1200, "3": 2400, "4": 4800, "5": 9600, "6": 19200}
START_BAUD: Final = 300
PUSH_BAUD: Final = 2400
OPTIONS: Final = {"0": "data readout", "1": "programming", "2": "binary mode (HDLC)"}


class Mode(Enum):
    """Protocol mode, as the baud rate character of an identification shows it."""

    A = "A"
    """No switch: all is said at 300 Bd."""
    B = "B"
    """The meter switches by itself and sends its readout."""
    C = "C"
    """The client names speed and purpose, or the readout comes at 300 Bd."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Identification:
    r"""What a meter says of itself.

    Attributes:
        manufacturer: three letters; the third in lower case means that it answers within 20 ms.
        baud_char: Z.
        mode: what Z means.
        baud: the speed that it offers.
        text: the rest.
        enhanced: the character behind ``\`` at the start of the rest, such as ``2`` for HDLC; empty without one.
    """

    manufacturer: str
    baud_char: str
    mode: Mode
    baud: int
    text: str
    enhanced: str

    @property
    def reaction_s(self) -> float:
        """The least time between a message and its answer."""
        return 0.02 if self.manufacturer[2].islower() else 0.2


def parse_identification(line: str) -> Identification:
    """Read an identification without its ``/``; it has at least four characters, which the codec sees to."""
    baud_char, text = line[3], line[4:]
    mode = Mode.B if baud_char in _MODE_B else Mode.C if baud_char in _MODE_C else Mode.A
    return Identification(
        manufacturer=line[:3],
        baud_char=baud_char,
        mode=mode,
        baud=_MODE_B.get(baud_char) or _MODE_C.get(baud_char) or START_BAUD,
        text=text,
        enhanced=text[1] if text.startswith("\\") and len(text) > 1 else "",
    )


def option_baud(baud_char: str) -> int | None:
    """Give the speed that Z of an option asks for; None if it is none of mode C."""
    return _MODE_C.get(baud_char)
