"""What a device says of who it is, as one text: ``address=000014359743; serial=2409110042; firmware=V1.2``.

Parts become known one after the other, along with readings. A part that was not known before says nothing about a
change; another value of a known one does.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from drivers.sanitize import sanitize

PARTS: Final = (
    "address", "serial", "asset", "manufacturer", "model", "type", "medium", "version", "hardware", "firmware",
)  # fmt: skip
"""Names of the parts, in the order in which they are written."""
_WHO: Final = ("address", "serial")
"""Another one of these is another device: nothing that was known of the one before holds any longer."""
_MOST_BYTES: Final = 255
_MOST_LETTERS: Final = 64
_BETWEEN: Final = "; "


class Nameplate:
    """The parts that one device has told so far.

    Attributes:
        text: all of them, None before there is one.
    """

    def __init__(self) -> None:
        self._parts: dict[str, str] = {}
        self.text: str | None = None

    def learn(self, parts: Mapping[str, str | None]) -> None:
        """Take in what a reply said; empty and missing parts say nothing."""
        told = {part: _plain(value) for part, value in parts.items() if value and _plain(value)}
        if told.items() <= self._parts.items():
            return
        if any(part in told and self._parts.get(part, told[part]) != told[part] for part in _WHO):
            self._parts.clear()
        self._parts |= told
        self.text = written(self._parts)


def written(parts: Mapping[str, str]) -> str | None:
    """Give the one way to write ``parts``, at most 255 bytes; None without any."""
    text = ""
    for part in (*PARTS, *(part for part in parts if part not in PARTS)):
        if part not in parts:
            continue
        piece = f"{part}={parts[part]}" if part else parts[part]
        more = f"{_BETWEEN if text else ''}{piece}"
        if len((text + more).encode()) <= _MOST_BYTES:
            text += more
    return text or None


def parts_of(text: str | None) -> dict[str, str]:
    """Take such a text apart; what is no part of that form stands under an empty name."""
    found: dict[str, str] = {}
    for piece in (text or "").split(_BETWEEN):
        part, equals, value = piece.partition("=")
        if piece:
            found[part if equals else ""] = value if equals else piece
    return found


def is_another(known: str | None, told: str | None) -> bool:
    """Tell whether a part that both name has changed."""
    before, now = parts_of(known), parts_of(told)
    return any(before.get(part, value) != value for part, value in now.items())


def merged(known: str | None, told: str | None) -> str | None:
    """Give what is known after ``told``: everything, or after a change of who it is only what was told now."""
    before, now = parts_of(known), parts_of(told)
    if any(before.get(part, now.get(part)) != now.get(part, before.get(part)) for part in _WHO):
        return written(now)
    return written(before | now)


def _plain(value: str) -> str:
    return sanitize(value.strip(), _MOST_LETTERS).replace(";", ",").strip()
