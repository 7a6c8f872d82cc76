"""Readings that were taken in and are not sealed yet, in columns."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence

from agent.block.record import Columns, Value


class Gathering:
    """Columns that grow at one end and are sealed from the other."""

    def __init__(self) -> None:
        self._mono_ms: list[int] = []
        self._points: list[int] = []
        self._values: list[Value] = []
        self._statuses: deque[tuple[int, int]] = deque()  # (readings taken in before this one, status)
        self._cut = 0

    def __len__(self) -> int:
        return len(self._mono_ms)

    @property
    def oldest_mono_ms(self) -> int | None:
        """When the oldest waiting reading was taken, None if none waits."""
        return self._mono_ms[0] if self._mono_ms else None

    def take(self, mono_ms: int, points: Sequence[int], values: tuple[Value, ...], statuses: tuple[int, ...]) -> None:
        """Append readings of one instant; ``points`` are indexes of the dictionary, status 0 is good."""
        if any(statuses):
            start = self._cut + len(self._mono_ms)
            self._statuses.extend((start + row, status) for row, status in enumerate(statuses) if status)
        self._mono_ms.extend([mono_ms] * len(points))
        self._points.extend(points)
        self._values.extend(values)

    def cut(self, most: int) -> Columns:
        """Take out the oldest readings, at most ``most``, in the order they were taken in.

        ``len`` must not be 0: a block has no empty columns.
        """
        columns = Columns(
            mono_ms=tuple(self._mono_ms[:most]),
            points=tuple(self._points[:most]),
            values=tuple(self._values[:most]),
            statuses=self._cut_statuses(self._cut + most),
        )
        del self._mono_ms[:most]
        del self._points[:most]
        del self._values[:most]
        self._cut += len(columns.points)
        return columns

    def _cut_statuses(self, end: int) -> tuple[tuple[int, int], ...]:
        found = []
        while self._statuses and self._statuses[0][0] < end:
            at, status = self._statuses.popleft()
            found.append((at - self._cut, status))
        return tuple(found)
