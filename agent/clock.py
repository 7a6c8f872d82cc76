"""The clocks of this machine: the only file besides the runtime that reads them.

Readings are stamped with CLOCK_BOOTTIME; UTC is an estimate whose source and error bound go into every block
(block format, 'Time').
"""

from __future__ import annotations

import asyncio
import ctypes
import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final, Protocol

from agent.block.record import ClockQuality, ClockSample
from agent.errors import AgentError
from drivers.clock import Clock

NTP_LIMIT_US: Final = 16_000_000
"""Above this ``maxerror`` nobody disciplines the clock (systemd's test; STA_UNSYNC misleads beside chronyd)."""
HARDWARE_ERROR_MS: Final = 10 * 60 * 1000
"""Bound for a hardware clock: 2 s a day, as cheap crystals drift, over most of a year without NTP."""
SAVED_ERROR_MS: Final = 366 * 24 * 3600 * 1000
"""Bound for a time saved over a power cut: nobody knows how long the cut was; a year at most is assumed."""
EARLIEST_UTC_MS: Final = int(datetime(2024, 1, 1, tzinfo=UTC).timestamp()) * 1000
"""A system clock before this was never set: it is not a time at all."""
_TRIES: Final = 3
_BOOTTIME: Final = 7
_TFD_TIMER_ABSTIME: Final = 1
_BOOT_ID: Final = Path("/proc/sys/kernel/random/boot_id")
_RTC: Final = Path("/sys/class/rtc")


@dataclass(frozen=True, slots=True, kw_only=True)
class Discipline:
    """What keeps the system clock right, at this moment.

    Attributes:
        max_error_us: the kernel's bound (``adjtimex``), None if nobody disciplines the clock.
        hardware: a battery-backed clock set the system clock at boot.
    """

    max_error_us: int | None
    hardware: bool


class SealingClock(Clock, Protocol):
    """A clock that can also say how good its UTC is; storage takes one sample for each block."""

    def sample(self) -> ClockSample:
        """Look at both clocks at once."""
        ...


def sample_of(boot: bytes, mono_ns: int, utc_ns: int, discipline: Discipline) -> ClockSample:
    """Turn clock readings into the sample that a block carries.

    The error bound is rounded up to whole milliseconds and holds for both clocks' own rounding.
    """
    utc_ms: int | None = utc_ns // 1_000_000
    if utc_ns // 1_000_000 < EARLIEST_UTC_MS:
        utc_ms, quality, error = None, ClockQuality.NONE, 0
    elif discipline.max_error_us is not None:
        quality, error = ClockQuality.NTP, -(-discipline.max_error_us // 1000) + 1
    elif discipline.hardware:
        quality, error = ClockQuality.HARDWARE, HARDWARE_ERROR_MS
    else:
        quality, error = ClockQuality.SAVED, SAVED_ERROR_MS
    return ClockSample(boot=boot, mono_ms=mono_ns // 1_000_000, utc_ms=utc_ms, quality=quality, max_error_ms=error)


def boot_id8(path: Path = _BOOT_ID) -> bytes:
    """Give the first 8 bytes of the kernel's boot id, which differs after every start of the machine."""
    return bytes.fromhex(path.read_text(encoding="ascii").strip().replace("-", ""))[:8]


class _Timex(ctypes.Structure):
    """``struct timex`` of the C library on Linux, as far as it is read; the rest is padding."""

    _fields_ = (
        ("modes", ctypes.c_uint),
        ("offset", ctypes.c_long),
        ("freq", ctypes.c_long),
        ("maxerror", ctypes.c_long),
        ("rest", ctypes.c_byte * 256),
    )


class _Itimerspec(ctypes.Structure):
    _fields_ = (
        ("interval_s", ctypes.c_long),
        ("interval_ns", ctypes.c_long),
        ("value_s", ctypes.c_long),
        ("value_ns", ctypes.c_long),
    )


_libc = ctypes.CDLL(None, use_errno=True)


def _kernel_bound_us() -> int | None:
    """Ask the kernel (``adjtimex`` that changes nothing, no rights needed, 2 us); None if undisciplined."""
    timex = _Timex()
    if _libc.adjtimex(ctypes.byref(timex)) < 0:
        return None
    return int(timex.maxerror) if 0 <= timex.maxerror < NTP_LIMIT_US else None


def _set_by_hardware(rtc: Path) -> bool:
    for flag in rtc.glob("rtc*/hctosys"):
        try:
            if flag.read_text(encoding="ascii").strip() == "1":
                return True
        except OSError:
            continue
    return False


class SystemClock:
    """The real clocks. Implements ``drivers.clock.Clock`` and ``SealingClock``."""

    def __init__(self, boot: bytes | None = None, rtc: Path = _RTC) -> None:
        self._boot = boot_id8() if boot is None else boot
        self._hardware = _set_by_hardware(rtc)

    @property
    def boot(self) -> bytes:
        """First 8 bytes of the boot id."""
        return self._boot

    def mono_ns(self) -> int:
        """Nanoseconds of CLOCK_BOOTTIME."""
        return time.clock_gettime_ns(_BOOTTIME)

    def utc_ns(self) -> int:
        """Nanoseconds since 1970 as the system believes them."""
        return time.clock_gettime_ns(time.CLOCK_REALTIME)

    def sample(self) -> ClockSample:
        """Look at both clocks and at what keeps UTC right; about 5 us.

        Between two looks the thread may have to wait for the processor: such a pair is taken again, and how far
        apart the best one can be counts as error.
        """
        mono_ns, utc_ns, apart_ns = min((self._pair() for _ in range(_TRIES)), key=lambda pair: pair[2])
        bound_us = _kernel_bound_us()
        if bound_us is not None:
            bound_us += apart_ns // 1000
        discipline = Discipline(max_error_us=bound_us, hardware=self._hardware)
        return sample_of(self._boot, mono_ns, utc_ns, discipline)

    def utc_error_ms(self) -> int | None:
        """Bound of the error of ``utc_ns``; None if nobody ever set the clock."""
        sample = self.sample()
        return None if sample.utc_ms is None else sample.max_error_ms

    def _pair(self) -> tuple[int, int, int]:
        before_ns, utc_ns, after_ns = self.mono_ns(), self.utc_ns(), self.mono_ns()
        return before_ns, utc_ns, after_ns - before_ns


class PauseUnavailableError(AgentError):
    """The kernel gives no timer: silences on a serial line cannot be kept."""

    code = "timer-unavailable"


class _Timer:
    """One timerfd, registered with the loop for its whole life: a wait costs one system call and one read."""

    def __init__(self, loop: asyncio.AbstractEventLoop, rest: Callable[[_Timer], None]) -> None:
        self._fd = _libc.timerfd_create(_BOOTTIME, os.O_NONBLOCK | os.O_CLOEXEC)
        if self._fd < 0:
            raise PauseUnavailableError(f"timerfd_create: {os.strerror(ctypes.get_errno())}")
        self._loop = loop
        self._rest = rest
        self._spec = _Itimerspec()
        self._waiting: asyncio.Future[None] | None = None
        loop.add_reader(self._fd, self._fired)

    async def wait(self, mono_ns: int) -> None:
        self._waiting = waiting = self._loop.create_future()
        self._arm(mono_ns)
        try:
            await waiting
        finally:
            if waiting.cancelled():
                self._arm(0)
            self._waiting = None
            self._rest(self)

    def _arm(self, mono_ns: int) -> None:
        self._spec.value_s, self._spec.value_ns = divmod(mono_ns, 1_000_000_000)
        if _libc.timerfd_settime(self._fd, _TFD_TIMER_ABSTIME, ctypes.byref(self._spec), None) != 0:
            raise PauseUnavailableError(f"timerfd_settime: {os.strerror(ctypes.get_errno())}")

    def _fired(self) -> None:
        try:
            os.read(self._fd, 8)
        except BlockingIOError:
            return  # disarmed by a cancelled wait between readiness and this call
        if self._waiting is not None and not self._waiting.done():
            self._waiting.set_result(None)

    def close(self) -> None:
        self._loop.remove_reader(self._fd)
        os.close(self._fd)


class TimerfdPause:
    """Waits exact to about 0.1 ms, by timerfd; implements ``drivers.clock.Pause`` for one running loop.

    ``asyncio.sleep`` oversleeps by up to 1 ms (epoll's resolution), which is a third of t3.5 at 19,200 Bd.
    """

    def __init__(self) -> None:
        self._free: list[_Timer] = []
        self._all: list[_Timer] = []

    async def until(self, mono_ns: int) -> None:
        """Return as soon as CLOCK_BOOTTIME has reached ``mono_ns``, never before.

        Raises:
            PauseUnavailableError: no timer can be had (out of descriptors).
        """
        if time.clock_gettime_ns(_BOOTTIME) >= mono_ns:
            return
        if not self._free:
            timer = _Timer(asyncio.get_running_loop(), self._free.append)
            self._all.append(timer)
            self._free.append(timer)
        await self._free.pop().wait(mono_ns)

    def close(self) -> None:
        """Give the descriptors back; no wait may be pending."""
        for timer in self._all:
            timer.close()
        self._all.clear()
        self._free.clear()
