"""The port of one bus: opened, closed, opened again by its path, with the same devices on it."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Protocol

from agent.config import Bus, SiteDevice
from agent.errors import KeyUnavailableError
from agent.polling.polled import Wanted
from agent.secret_file import read_secret
from agent.zones import zone_of
from drivers.clock import Clock, Pause
from drivers.errors import LinkDownError, SecretError
from drivers.link_counters import LinkCounters
from drivers.port_url import framing_of
from drivers.profile import LineSettings, Profile
from drivers.registry import AnyLink, build_device, open_link
from drivers.sources import Device
from drivers.transport.tap import Sink
from drivers.wire_protocol import Secret


class BusPort(Protocol):
    """What the poll loop needs of a bus."""

    @property
    def devices(self) -> Sequence[Device]:
        """The devices, in the order they were given; always the same objects."""
        ...

    async def open(self) -> None:
        """Open the port and let the devices use it.

        Raises:
            LinkDownError: it cannot be opened.
        """
        ...

    async def aclose(self) -> None:
        """Close the port; does nothing if it is closed."""
        ...


class Profiles:
    """Profiles with the period that the site file asks for; two hundred devices of one model share one."""

    def __init__(self) -> None:
        self._made: dict[tuple[int, float], tuple[Profile, Profile]] = {}

    def polled(self, site: SiteDevice) -> Profile:
        """Give the profile by which a device is polled."""
        if site.every_s is None:
            return site.profile
        key = (id(site.profile), site.every_s)
        if key not in self._made:
            points = tuple(replace(point, period_s=site.every_s) for point in site.profile.points)
            self._made[key] = (site.profile, replace(site.profile, points=points))  # the first keeps its id taken
        return self._made[key][1]


class RegistryPort:
    """A bus on real ports, made by ``drivers.registry``."""

    def __init__(
        self,
        bus: Bus,
        wanted: Sequence[Wanted],
        profiles: Profiles,
        *,
        clock: Clock,
        pause: Pause,
        tap: Sink | None = None,
    ) -> None:
        self._bus = bus
        self._clock = clock
        self._pause = pause
        self._tap = tap
        self._link: AnyLink | None = None
        self._pipeline = min((one.site.profile.limits.pipeline for one in wanted), default=1)
        closed = _ClosedLine(bus.port)
        self._devices = tuple(
            build_device(
                one.site.profile.protocol,
                index=one.index,
                unit=one.site.unit,
                address=one.site.address,
                profile=profiles.polled(one.site),
                link=closed,
                clock=clock,
                framing=framing_of(bus.port, ascii_frames=bus.ascii_frames),
                settings=one.site.line or bus.line,
                zone=zone_of(one.site.clock_zone),
                password=_secret(one.site.password_file),
            )
            for one in wanted
        )

    @property
    def devices(self) -> Sequence[Device]:
        """The devices on it."""
        return self._devices

    async def open(self) -> None:
        """Open the port."""
        bus = self._bus
        self._link = await open_link(
            bus.port,
            bus.line,
            echo=bus.echo,
            clock=self._clock,
            pause=self._pause,
            tap=self._tap,
            pipeline=self._pipeline,
            adapter=bus.adapter,
            ascii_frames=bus.ascii_frames,
        )
        for device in self._devices:
            device.use(self._link)

    async def aclose(self) -> None:
        """Close the port."""
        link, self._link = self._link, None
        if link is not None:
            await link.aclose()


def _secret(path: Path | None) -> Secret | None:
    """Give what reads a password from its file each time that it is asked for: a new one counts at once."""
    if path is None:
        return None

    async def read() -> str:
        try:
            return await asyncio.to_thread(read_secret, path)
        except KeyUnavailableError as error:
            raise SecretError(str(error)) from None

    return read


class _ClosedLine:
    """The line before the port was opened for the first time."""

    def __init__(self, name: str) -> None:
        self.name = name

    @property
    def counters(self) -> LinkCounters:
        """Nothing has happened."""
        return LinkCounters()

    async def ask(
        self,
        unit: int,  # noqa: ARG002
        pdu: bytes,  # noqa: ARG002
        *,
        timeout_s: float,  # noqa: ARG002
        line: LineSettings | None = None,  # noqa: ARG002
        reply_bytes: int | None = None,  # noqa: ARG002
    ) -> bytes:
        """Refuse."""
        raise LinkDownError(f"{self.name} is not open")

    async def aclose(self) -> None:
        """Nothing to close."""
