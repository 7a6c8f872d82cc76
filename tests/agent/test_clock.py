from __future__ import annotations

import asyncio
import time
from pathlib import Path

import pytest

from agent.block.record import ClockQuality
from agent.clock import EARLIEST_UTC_MS, Discipline, SystemClock, TimerfdPause, boot_id8, sample_of

BOOT = bytes(range(8))
NOW_NS = 1_790_000_000_123_456_789


def _descriptors() -> int:
    return sum(1 for _ in Path("/proc/self/fd").iterdir())


def test_a_disciplined_clock_carries_the_kernels_bound_rounded_up() -> None:
    sample = sample_of(BOOT, 5_999_999, NOW_NS, Discipline(max_error_us=1500, hardware=True))
    assert (sample.boot, sample.mono_ms, sample.utc_ms) == (BOOT, 5, NOW_NS // 1_000_000)
    assert sample.quality is ClockQuality.NTP
    assert sample.max_error_ms == 3


def test_an_undisciplined_clock_is_marked_and_not_refused() -> None:
    hardware = sample_of(BOOT, 0, NOW_NS, Discipline(max_error_us=None, hardware=True))
    saved = sample_of(BOOT, 0, NOW_NS, Discipline(max_error_us=None, hardware=False))
    assert hardware.quality is ClockQuality.HARDWARE
    assert saved.quality is ClockQuality.SAVED
    assert 0 < hardware.max_error_ms < saved.max_error_ms


@pytest.mark.parametrize("max_error_us", [None, 0])
def test_a_clock_that_was_never_set_is_no_time_at_all(max_error_us: int | None) -> None:
    discipline = Discipline(max_error_us=max_error_us, hardware=True)
    never = sample_of(BOOT, 7_000_000, EARLIEST_UTC_MS * 1_000_000 - 1, discipline)
    assert (never.utc_ms, never.quality, never.max_error_ms, never.mono_ms) == (None, ClockQuality.NONE, 0, 7)
    assert sample_of(BOOT, 0, EARLIEST_UTC_MS * 1_000_000, discipline).utc_ms == EARLIEST_UTC_MS


class InterruptedClock(SystemClock):
    """Clocks of which the thread sees the first so much earlier than the second, once for each pause."""

    def __init__(self, *pauses_ns: int) -> None:
        super().__init__(BOOT)
        self._now_ns = 5_000_000_000
        self._pauses = list(pauses_ns)

    def mono_ns(self) -> int:
        return self._now_ns

    def utc_ns(self) -> int:
        self._now_ns += self._pauses.pop(0) if self._pauses else 0
        return NOW_NS - 5_000_000_000 + self._now_ns


def test_a_pause_between_the_two_clocks_is_no_error_in_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("agent.clock._kernel_bound_us", lambda: 1500)
    for pauses in ((80_000_000,), (80_000_000, 0, 70_000_000), (80_000_000, 4_000_000, 90_000_000)):
        sample = InterruptedClock(*pauses).sample()
        assert sample.utc_ms is not None
        off_ms = abs(sample.utc_ms - sample.mono_ms - (NOW_NS // 1_000_000 - 5_000))
        assert off_ms <= 4
        assert off_ms <= sample.max_error_ms <= 7


def test_the_boot_id_is_the_kernels(tmp_path: Path) -> None:
    path = tmp_path / "boot_id"
    path.write_text("644dcfc4-28bb-4e56-8bab-db50066611d5\n")
    assert boot_id8(path).hex() == "644dcfc428bb4e56"
    assert len(boot_id8()) == 8
    assert boot_id8() == boot_id8()


def test_the_hardware_clock_counts_only_if_it_set_the_system_clock(tmp_path: Path) -> None:
    (tmp_path / "rtc0").mkdir()
    clock = SystemClock(BOOT, tmp_path)
    (tmp_path / "rtc0" / "hctosys").write_text("1\n")
    backed = SystemClock(BOOT, tmp_path)
    if clock.sample().quality is not ClockQuality.NTP:
        assert (clock.sample().quality, backed.sample().quality) == (ClockQuality.SAVED, ClockQuality.HARDWARE)
    assert backed.boot == BOOT


def test_the_system_clock_counts_from_boot_and_agrees_with_its_sample() -> None:
    clock = SystemClock()
    before, sample, after = clock.mono_ns(), clock.sample(), clock.mono_ns()
    assert before // 1_000_000 <= sample.mono_ms <= after // 1_000_000
    assert sample.boot == boot_id8()
    assert sample.utc_ms is not None
    assert abs(clock.utc_ns() // 1_000_000 - sample.utc_ms) < 60_000


async def test_a_pause_never_ends_early() -> None:
    pause = TimerfdPause()
    for wait_us in (0, 50, 200, 1750, 4010):
        deadline = time.clock_gettime_ns(time.CLOCK_BOOTTIME) + wait_us * 1000
        await pause.until(deadline)
        assert time.clock_gettime_ns(time.CLOCK_BOOTTIME) >= deadline
    pause.close()


async def test_a_pause_in_the_past_returns_at_once_without_a_descriptor() -> None:
    pause = TimerfdPause()
    before = _descriptors()
    await pause.until(0)
    assert _descriptors() == before


async def test_pauses_of_several_lines_end_in_the_order_of_their_deadlines() -> None:
    pause = TimerfdPause()
    start = time.clock_gettime_ns(time.CLOCK_BOOTTIME)
    ended: list[int] = []

    async def wait(offset_ms: int) -> None:
        await pause.until(start + offset_ms * 1_000_000)
        ended.append(offset_ms)

    await asyncio.gather(*(wait(offset) for offset in (60, 20, 40, 80)))
    assert ended == [20, 40, 60, 80]
    pause.close()


async def test_a_cancelled_pause_leaves_the_timer_usable_and_no_descriptor_behind() -> None:
    before = _descriptors()
    pause = TimerfdPause()
    for _ in range(20):
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.001):
                await pause.until(time.clock_gettime_ns(time.CLOCK_BOOTTIME) + 10_000_000_000)
        deadline = time.clock_gettime_ns(time.CLOCK_BOOTTIME) + 1_000_000
        await pause.until(deadline)
        assert time.clock_gettime_ns(time.CLOCK_BOOTTIME) >= deadline
    assert _descriptors() == before + 1
    pause.close()
    assert _descriptors() == before
