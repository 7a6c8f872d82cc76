"""Reads devices once, opening the ports itself: for when no agent runs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from agent.clock import SystemClock, TimerfdPause
from agent.config import Bus, Site, SiteDevice
from agent.control.protocol import DeviceValues, PointValue
from agent.control.values import values_of
from agent.polling.opening import Profiles, RegistryPort
from agent.polling.polled import Wanted
from drivers.errors import DriverError, LinkDownError, RefusedError
from drivers.sanitize import sanitize
from drivers.sources import Device

_MOST_READS: Final = 1000
"""Of one device: each point alone, and as often a plan that changes."""


async def read_directly(site: Site, devices: Sequence[SiteDevice]) -> tuple[DeviceValues, ...]:
    """Read every point of ``devices`` once, bus after bus; never raises: what went wrong stands with the device."""
    clock, pause = SystemClock(), TimerfdPause()
    found: dict[str, DeviceValues] = {}
    try:
        for bus in site.buses:
            wanted = [
                Wanted(index=index, site=device)
                for index, device in enumerate(site.devices)
                if device.bus == bus.name and device in devices
            ]
            if wanted and bus.listen:
                found |= {one.site.name: _only_heard(one.site) for one in wanted}
            elif wanted:
                found |= await _read_bus(bus, wanted, clock, pause)
    finally:
        pause.close()
    return tuple(found[device.name] for device in devices)


async def _read_bus(
    bus: Bus, wanted: Sequence[Wanted], clock: SystemClock, pause: TimerfdPause
) -> Mapping[str, DeviceValues]:
    port = RegistryPort(bus, wanted, Profiles(), clock=clock, pause=pause)
    try:
        await port.open()
    except LinkDownError as error:
        return {one.site.name: _failed(one.site, error) for one in wanted}
    try:
        pairs = zip(wanted, port.devices, strict=True)
        return {one.site.name: await _read_device(one.site, device, clock) for one, device in pairs}
    finally:
        await port.aclose()


async def _read_device(site: SiteDevice, device: Device, clock: SystemClock) -> DeviceValues:
    points: list[PointValue] = []
    mono_ns: int | None = None
    failure: DriverError | None = None
    over: set[int] = set()
    for _ in range(_MOST_READS):
        read = next((one for one in device.reads if not over.issuperset(one.points)), None)
        if read is None:
            break
        try:
            batch = await device.read(read)
        except DriverError as error:
            if not (isinstance(error, RefusedError) and error.replanned):  # else its points are asked for anew
                failure = error
                over.update(read.points)
            continue
        over.update(read.points)
        mono_ns = batch.mono_ns
        points += values_of(site.profile.points, batch).values()
    return DeviceValues(
        device=site.name,
        bus=site.bus,
        points=tuple(points),
        mono_ms=None if mono_ns is None else mono_ns // 1_000_000,
        utc_ms=None if mono_ns is None else (clock.utc_ns() - clock.mono_ns() + mono_ns) // 1_000_000,
        error_code="" if failure is None else failure.code,
        error="" if failure is None else sanitize(str(failure)),
    )


def _only_heard(site: SiteDevice) -> DeviceValues:
    """Say that nothing may be asked there."""
    return DeviceValues(device=site.name, bus=site.bus, error_code="listen-only", error=site.bus)


def _failed(site: SiteDevice, error: DriverError) -> DeviceValues:
    return DeviceValues(device=site.name, bus=site.bus, error_code=error.code, error=sanitize(str(error)))
