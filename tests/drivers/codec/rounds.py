"""How many mutated frames a fuzz test of a codec takes."""

from __future__ import annotations

import os
from typing import Final

FULL_COUNT: Final = 1_000_000


def rounds(short: int) -> int:
    """Give what ``TIDEGATE_FUZZ_ROUNDS`` says, the full count under ``TIDEGATE_LONG``, else ``short``."""
    told = os.environ.get("TIDEGATE_FUZZ_ROUNDS")
    if told is not None:
        return int(told)
    return FULL_COUNT if os.environ.get("TIDEGATE_LONG") else short
