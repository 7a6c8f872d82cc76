"""What a device lets be set: its clock, and outputs such as a valve. Data of ``SettableClock`` and ``Controllable``.

Only what the profile allows is offered; who may do it, and whether now, is decided by those who call.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta, tzinfo
from typing import Final

from drivers.clock import Clock

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_SECOND_NS: Final = 1_000_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class ClockWay:
    """One way to set the clock of a device.

    Attributes:
        name: word of the profile's ``[clock]``, such as ``write``.
        telegram: what is sent, in the words of the standard; not translated.
        needs_password: whether the device asks for one.
        most_step_s: difference beyond which the device takes no notice; None if it takes any.
        once_a_day: whether it takes only one a day.
        heard_by: names of the protocols whose devices on the line all do as they are told; empty if one alone does.
        answered: whether the device says that it did.
    """

    name: str
    telegram: str
    needs_password: bool = False
    most_step_s: float | None = None
    once_a_day: bool = False
    heard_by: frozenset[str] = frozenset()
    answered: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class ClockShown:
    """What the clock of a device showed.

    Attributes:
        local: ISO 8601 without zone; None for no time or an impossible one.
        utc_ms: our UTC at that moment.
    """

    local: str | None
    utc_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Credentials:
    """What a device wants to see before it obeys; never shown, never logged.

    Attributes:
        password: as the protocol reads it; empty for none.
        operator: who does it, as the device keeps it in its own log; empty for nobody.
    """

    password: str = field(default="", repr=False)
    operator: str = ""


async def full_second(clock: Clock, wire_s: float) -> int:
    """Wait until what takes ``wire_s`` to be sent arrives at a full second; give that second, UTC since 1970."""
    arrives_ns = clock.utc_ns() + round(wire_s * _SECOND_NS)
    second = -(-arrives_ns // _SECOND_NS)
    await asyncio.sleep((second * _SECOND_NS - arrives_ns) / _SECOND_NS)
    return second


def wall_clock(second: int, zone: tzinfo) -> datetime:
    """Give what the clock on the wall shows at a UTC second."""
    return (_EPOCH + timedelta(seconds=second)).astimezone(zone)
