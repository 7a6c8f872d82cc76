"""The port of a bus that is only listened to: opened, read, closed. It has no way to send."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from agent.config import Bus
from agent.errors import ConfigError
from agent.polling.opening import Profiles
from agent.polling.polled import Wanted
from agent.zones import zone_of
from drivers.listening import Overheard
from drivers.overhear import Overhearing
from drivers.registry import find_listening, listeners, open_stream
from drivers.sources import ByteStream
from drivers.transport.tap import Sink


class Ear(Protocol):
    """What a listening bus needs of its port."""

    @property
    def overheard(self) -> Sequence[Overheard]:
        """What takes the values of each device, in the order of the devices."""
        ...

    def hearing(self) -> Overhearing:
        """Give what tells frames, requests and replies apart, a new one for each time that the port is opened."""
        ...

    async def open(self) -> None:
        """Open the port; LinkDownError if it cannot be."""
        ...

    async def read(self) -> bytes:
        """Wait for at least one byte; LinkDownError if the port is gone."""
        ...

    async def aclose(self) -> None:
        """Close the port; does nothing if it is closed."""
        ...


class RegistryEar:
    """A bus on a real port. Frames of every protocol are told apart, also of those that no device here speaks."""

    def __init__(self, bus: Bus, wanted: Sequence[Wanted], profiles: Profiles, *, tap: Sink | None = None) -> None:
        """Raise ConfigError for a device whose protocol cannot be overheard; the site file is checked for that."""
        self._bus = bus
        self._tap = tap
        self._stream: ByteStream | None = None
        self._overheard = tuple(_overheard(one, profiles) for one in wanted)

    @property
    def overheard(self) -> Sequence[Overheard]:
        """What takes the values of each device."""
        return self._overheard

    def hearing(self) -> Overhearing:
        """Give a new one."""
        return Overhearing(listeners())

    async def open(self) -> None:
        """Open the port."""
        self._stream = await open_stream(self._bus.port, self._bus.line, self._bus.adapter)

    async def read(self) -> bytes:
        """Wait for bytes."""
        assert self._stream is not None  # it is open
        data = await self._stream.read()
        if self._tap is not None:
            self._tap.received(data)
        return data

    async def aclose(self) -> None:
        """Close the port."""
        stream, self._stream = self._stream, None
        if stream is not None:
            await stream.aclose()


def _overheard(one: Wanted, profiles: Profiles) -> Overheard:
    site = one.site
    listening = find_listening(site.profile.protocol)
    if listening is None or listening.overheard is None:
        raise ConfigError(site.name, f"{site.profile.protocol} cannot be overheard")
    return listening.overheard(profiles.polled(site), site.address or str(site.unit), zone_of(site.clock_zone))
