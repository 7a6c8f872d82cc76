"""One device that a command is for: how it is asked, and what it says of its clock or of an output."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import partial
from typing import Protocol, TypeVar

from agent.config import SiteDevice
from agent.polling.buses import Buses
from agent.polling.listening import ListeningBus
from drivers.errors import LinkDownError
from drivers.profile import Point, Profile
from drivers.reading import exact
from drivers.setting import ClockShown, ClockWay, Credentials
from drivers.sources import Controllable, Device, SettableClock, Urgency

T = TypeVar("T")


class Asker(Protocol):
    """Does an exchange with the device when it is its turn, before everything else."""

    def __call__(self, work: Callable[[Device], Awaitable[T]]) -> Awaitable[T]:
        """Raise what ``work`` raises, LinkDownError or BusLentError if it never gets its turn; at once or later."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """A device of the site.

    Attributes:
        neighbours: the other devices of its bus.
        listens: its bus is only listened to: nothing may be sent.
        ask: how it is asked.
    """

    site: SiteDevice
    neighbours: tuple[SiteDevice, ...]
    listens: bool
    ask: Asker


def target_on(buses: Buses, name: str) -> Target | None:
    """Give the device called ``name`` of an agent that runs; None if none is polled or listened to by that name."""
    pairs = list(buses.wanted())
    found = next((pair for pair in pairs if pair[0].site.name == name), None)
    if found is None:
        return None
    wanted, bus = found
    neighbours = tuple(one.site for one, _ in pairs if one.site.bus == wanted.site.bus and one is not wanted)
    if isinstance(bus, ListeningBus):
        return Target(site=wanted.site, neighbours=neighbours, listens=True, ask=_silent)
    position = bus.position(wanted.index)
    if position is None:
        return None
    return Target(
        site=wanted.site, neighbours=neighbours, listens=False, ask=partial(bus.ask, Urgency.COMMAND, position)
    )


async def _silent(work: Callable[[Device], Awaitable[T]]) -> T:  # noqa: ARG001 - nothing is sent there
    raise LinkDownError("this line is only listened to")


async def clock_ways(device: Device) -> tuple[ClockWay, ...]:
    """Give the ways to set its clock, none if it has no clock that can be set."""
    return tuple(device.clock_ways) if isinstance(device, SettableClock) else ()


async def clock_shown(device: Device) -> ClockShown:
    """Read what its clock shows."""
    assert isinstance(device, SettableClock)  # it has ways
    return await device.show_clock()


async def state_of(device: Device, profile: Profile, control: Point) -> int | None:
    """Read the raw number that shows what an output does; None if it says nothing."""
    if control.write is None or not isinstance(device, Controllable):
        return None
    index = profile.index_of(control.write.read_back)
    read = next(one for one in device.reads if index in one.points)
    batch = await device.read(read)
    value = batch.values[batch.points.index(index)]
    if not isinstance(value, int):
        return None
    return int(exact(value, profile.points[index].exponent))


async def credentials_fault(device: Device, credentials: Credentials) -> str:
    """Say why they can be none of its protocol's, empty if they can; a sentence that does not show them."""
    assert isinstance(device, SettableClock)
    try:
        device.check_credentials(credentials)
    except ValueError as error:
        return str(error)
    return ""


async def set_clock(device: Device, way: ClockWay, credentials: Credentials) -> str:
    """Set its clock; see ``SettableClock.set_clock``."""
    assert isinstance(device, SettableClock)
    return await device.set_clock(way, credentials)


async def operate(device: Device, control: Point, word: str) -> None:
    """Switch an output; see ``Controllable.operate``."""
    assert isinstance(device, Controllable)
    await device.operate(control, word)
