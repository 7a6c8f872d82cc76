"""Text that a device sent, made safe for a log, a terminal or a topic."""

from __future__ import annotations

import unicodedata

_LIMIT = 255


def sanitize(text: str, limit: int = _LIMIT) -> str:
    """Write control, format, surrogate and private characters as escapes; cut at ``limit`` characters."""
    clean = "".join(c if unicodedata.category(c)[0] != "C" else c.encode("unicode_escape").decode() for c in text)
    return clean if len(clean) <= limit else clean[: limit - 1] + "\u2026"
