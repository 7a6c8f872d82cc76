"""Readings that were taken in and are not sealed yet, in columns."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from typing import TypeAlias, TypeVar

from agent.block.record import Columns, Value
from drivers.batch import DeviceTime

T = TypeVar("T")
_Told: TypeAlias = tuple[int | None, int | None, int]


class Gathering:
    """Columns that grow at one end and are sealed from the other."""

    def __init__(self) -> None:
        self._mono_ms: list[int] = []
        self._points: list[int] = []
        self._values: list[Value] = []
        # of the sparse columns: readings taken in before this one, and what the column holds of it
        self._statuses: deque[tuple[int, int]] = deque()
        self._raws: deque[tuple[int, bytes]] = deque()
        self._device_times: deque[tuple[int, _Told]] = deque()
        self._cut = 0

    def __len__(self) -> int:
        return len(self._mono_ms)

    @property
    def oldest_mono_ms(self) -> int | None:
        """When the oldest waiting reading was taken, None if none waits."""
        return self._mono_ms[0] if self._mono_ms else None

    def take(
        self,
        mono_ms: int,
        points: Sequence[int],
        values: tuple[Value, ...],
        statuses: tuple[int, ...],
        raws: Sequence[tuple[int, bytes]] = (),
        device_times: Sequence[DeviceTime] = (),
    ) -> None:
        """Append readings of one instant; ``points`` are indexes of the dictionary, status 0 is good.

        Of ``raws`` and ``device_times`` (as in a Batch) what names a row that is not there is left out: it must never
        stand beside a reading of another batch.
        """
        if any(statuses):
            start = self._cut + len(self._mono_ms)
            self._statuses.extend((start + row, status) for row, status in enumerate(statuses) if status)
        if raws:
            self._raws.extend(self._placed(dict(raws), len(points)))
        if device_times:
            told = {time.row: (time.utc_ms, time.sequence, int(time.flags)) for time in device_times}
            self._device_times.extend(self._placed(told, len(points)))
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
            statuses=self._cut_sparse(self._statuses, self._cut + most),
            raws=self._cut_sparse(self._raws, self._cut + most) if self._raws else (),
            device_times=self._cut_times(self._cut + most) if self._device_times else (),
        )
        del self._mono_ms[:most]
        del self._points[:most]
        del self._values[:most]
        self._cut += len(columns.points)
        return columns

    def _placed(self, by_row: Mapping[int, T], count: int) -> Iterator[tuple[int, T]]:
        """Give what belongs to rows of the next ``count`` readings by its place among all readings, ascending."""
        start = self._cut + len(self._mono_ms)
        return ((start + row, by_row[row]) for row in sorted(by_row) if 0 <= row < count)

    def _cut_sparse(self, column: deque[tuple[int, T]], end: int) -> tuple[tuple[int, T], ...]:
        found = []
        while column and column[0][0] < end:
            at, content = column.popleft()
            found.append((at - self._cut, content))
        return tuple(found)

    def _cut_times(self, end: int) -> tuple[tuple[int, int | None, int | None, int], ...]:
        return tuple([(row, *told) for row, told in self._cut_sparse(self._device_times, end)])
