"""Virtual time: jumps, is exact, and says so when nothing can ever happen."""

from __future__ import annotations

import asyncio
import time

import pytest

from hil.virtualtime import VirtualClock, VirtualPause, here, run, virtual


@virtual
async def test_a_day_of_ticks_is_counted_exactly_and_takes_no_day() -> None:
    began = time.monotonic()
    clock = VirtualClock(here())
    start = clock.mono_ns()
    for _ in range(24 * 60):
        await asyncio.sleep(60)
    assert clock.mono_ns() - start == pytest.approx(86_400 * 10**9, abs=24 * 60 * 2)
    assert time.monotonic() - began < 60


@virtual
async def test_a_pause_ends_at_its_time_and_never_before() -> None:
    clock = VirtualClock(here())
    pause = VirtualPause(clock)
    for step in (1, 999, 4_010_417, 1_750_000):
        due = clock.mono_ns() + step
        await pause.until(due)
        assert due <= clock.mono_ns() <= due + 3


@virtual
async def test_timers_fire_in_the_order_of_their_times() -> None:
    seen: list[int] = []

    async def after(delay_s: float, number: int) -> None:
        await asyncio.sleep(delay_s)
        seen.append(number)

    async with asyncio.TaskGroup() as group:
        for number, delay in enumerate((0.3, 0.1, 0.2)):
            group.create_task(after(delay, number))
    assert seen == [1, 2, 0]


def test_waiting_for_nothing_is_an_error_and_not_a_hang() -> None:
    async def stuck() -> None:
        await asyncio.Event().wait()

    with pytest.raises(RuntimeError, match="stands still"):
        run(stuck())
