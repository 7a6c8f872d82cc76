"""One timer for all buses: whoever is due in the same slot of the grid is woken in the same turn of the loop."""

from __future__ import annotations

import asyncio
import heapq
from typing import Final

from drivers.clock import Clock

GRID_NS: Final = 50_000_000  # sleeping TCP buses are gathered in slots of this length


class Wakeup:
    """Lets tasks sleep until a time of CLOCK_BOOTTIME, all by one timer of the loop.

    Attributes:
        count: how often the timer woke the loop.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._sleepers: dict[int, list[asyncio.Future[None]]] = {}
        self._times: list[int] = []
        self._timer: asyncio.TimerHandle | None = None
        self._armed_ns = 0
        self.count = 0

    def at(self, mono_ns: int, *, grid: bool) -> asyncio.Future[None]:
        """Give a future that is done at ``mono_ns``, with ``grid`` at the end of its slot; set it to wake early."""
        if grid:
            mono_ns = -(-mono_ns // GRID_NS) * GRID_NS
        future = asyncio.get_running_loop().create_future()
        sleepers = self._sleepers.get(mono_ns)
        if sleepers is not None:
            sleepers.append(future)
            return future
        self._sleepers[mono_ns] = [future]
        heapq.heappush(self._times, mono_ns)
        if self._timer is None or mono_ns < self._armed_ns:
            self._arm()
        return future

    def close(self) -> None:
        """Stop the timer; nobody may sleep any more."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _arm(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._armed_ns = self._times[0]
        delay_s = max(0, self._armed_ns - self._clock.mono_ns()) / 1e9 + 1e-6  # a timer may be early by its rounding
        self._timer = asyncio.get_running_loop().call_later(delay_s, self._ring)

    def _ring(self) -> None:
        self._timer = None
        now_ns = self._clock.mono_ns()
        woken = False
        while self._times and self._times[0] <= now_ns:
            for future in self._sleepers.pop(heapq.heappop(self._times)):
                if not future.done():
                    future.set_result(None)
                    woken = True
        self.count += woken
        if self._times:
            self._arm()


class Rest:
    """The sleep of one bus: until a time, or until something happens.

    Args:
        wakeup: the timer of all buses.
        grid: sleep to the end of a slot of the grid.
    """

    def __init__(self, wakeup: Wakeup, *, grid: bool) -> None:
        self._wakeup = wakeup
        self._grid = grid
        self._sleep: asyncio.Future[None] | None = None

    async def until(self, mono_ns: int | None) -> None:
        """Sleep until then or until ``poke``; None: until ``poke``. Check what it waits for right before."""
        if mono_ns is None:
            self._sleep = asyncio.get_running_loop().create_future()
        else:
            self._sleep = self._wakeup.at(mono_ns, grid=self._grid)
        await self._sleep

    def poke(self) -> None:
        """Wake the sleeper, if it sleeps."""
        if self._sleep is not None and not self._sleep.done():
            self._sleep.set_result(None)
