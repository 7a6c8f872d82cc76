"""What a frame that was heard says: by the profile of the device it comes from, else by its protocol alone."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal

from agent.cli.lines import Target
from agent.config import SiteDevice
from agent.zones import zone_of
from drivers.batch import Value
from drivers.decoded import DecodeError
from drivers.listening import Act, Kind, Overheard, Said
from drivers.profile import Point
from drivers.reading import exact
from drivers.registry import DECODERS, find_listening
from drivers.sanitize import sanitize


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """One value.

    Attributes:
        name: of the point, or of the quantity where no profile names it.
        value: exact decimal, text or state as text; None where there is none.
        unit: UCUM code, None without one.
    """

    name: str
    value: str | None
    unit: str | None


class Values:
    """Knows the devices of a line."""

    def __init__(self, target: Target) -> None:
        both = [(device, overheard_of(device)) for device in target.devices]
        self._devices = [(device.profile.points, one) for device, one in both if one is not None]

    def of(self, said: Said) -> list[Shown]:
        """Give what ``said`` tells; to be called for everything that is said, in order."""
        found = [
            _point(points[index], value)
            for points, overheard in self._devices
            for index, value in _taken(overheard, said)
        ]
        return found or list(_plain(said))


def overheard_of(device: SiteDevice) -> Overheard | None:
    """Make what takes the values of a device; None if its protocol has nothing of the kind."""
    listening = find_listening(device.profile.protocol)
    if listening is None or listening.overheard is None:
        return None
    return listening.overheard(device.profile, device.address or str(device.unit), zone_of(device.clock_zone))


def _taken(overheard: Overheard, said: Said) -> Iterator[tuple[int, Value]]:
    taken = overheard.take(said)
    if taken is not None:
        yield from zip(taken.points, taken.values, strict=True)


def _plain(said: Said) -> Iterator[Shown]:
    """Read a reply without any profile; one that cannot be read says nothing."""
    if said.kind not in (Kind.REPLY, Kind.UNASKED) or said.act is not Act.DATA or said.protocol not in DECODERS:
        return
    try:
        found = DECODERS[said.protocol](said.request or None, said.raw, {})
    except DecodeError:
        return
    for one in found:
        yield Shown(name=sanitize(one.quantity), value=_text(one.value), unit=one.unit)


def _point(point: Point, value: Value) -> Shown:
    if isinstance(value, int) and not isinstance(value, bool):
        return Shown(name=point.name, value=format(exact(value, point.exponent), "f"), unit=point.unit)
    return Shown(name=point.name, value=_text(value), unit=point.unit)


def _text(value: Value | Decimal) -> str | None:
    if value is None:
        return None
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, Decimal):
        return format(value, "f")
    return value.hex() if isinstance(value, bytes) else sanitize(str(value))
