"""Bytes as people write them."""

from __future__ import annotations

import re
from typing import Final

from agent.language import _

_SEPARATORS: Final = re.compile(r"0x|[\s:,._-]", re.IGNORECASE)


def parse_hex(text: str) -> bytes:
    """Read ``0104``, ``01 04``, ``01:04`` or ``0x01,0x04``; ValueError says what is wrong."""
    digits = _SEPARATORS.sub("", text)
    wrong = next((character for character in digits if character not in "0123456789abcdefABCDEF"), None)
    if wrong is not None:
        raise ValueError(_("{character} is no hexadecimal digit").format(character=repr(wrong)))
    if len(digits) % 2:
        raise ValueError(_("half a byte is left over"))
    return bytes.fromhex(digits)
