"""Bytes that are sealed beside a reading, as they came, where the profile keeps them (``keep_raw``)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

from drivers.profile import Point

MOST_BYTES: Final = 1024
"""Block format, columns, 5; what is longer is not kept, since a part of it would prove nothing."""


def kept(points: Sequence[Point], raw_of: Callable[[int], bytes | None]) -> tuple[tuple[int, bytes], ...]:
    """Give ``Batch.raws``.

    Args:
        points: of the rows of a batch, in order.
        raw_of: row -> the bytes that it was read from, None if there are none.
    """
    rows = [row for row, point in enumerate(points) if point.keep_raw]
    both = [(row, raw_of(row)) for row in rows]
    return tuple((row, raw) for row, raw in both if raw is not None and 0 < len(raw) <= MOST_BYTES)
