"""The clock as a port: types only, nothing here reads a clock."""

from __future__ import annotations

from typing import Protocol, runtime_checkable


class Clock(Protocol):
    """Where time comes from; injected, so that tests own it."""

    def mono_ns(self) -> int:
        """Nanoseconds of CLOCK_BOOTTIME: never goes back, counts through suspend."""
        ...

    def utc_ns(self) -> int:
        """Nanoseconds since 1970 as the system believes them; may jump either way."""
        ...


@runtime_checkable
class DisciplinedClock(Clock, Protocol):
    """A clock that knows how good its UTC is. Optional: one without this is taken to be right."""

    def utc_error_ms(self) -> int | None:
        """Bound of the error of ``utc_ns`` in milliseconds; None if nobody ever set it."""
        ...


class Pause(Protocol):
    """A wait that is exact to about 0.1 ms, for silences on a serial line."""

    async def until(self, mono_ns: int) -> None:
        """Return as soon as ``Clock.mono_ns()`` has reached ``mono_ns``, never before."""
        ...
