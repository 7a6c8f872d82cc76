"""Which devices and points a person means: ``BUS``, ``BUS/DEVICE``, ``BUS/DEVICE/POINT``, ``DEVICE``; or globs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase

from agent.config import Site, SiteDevice
from agent.configuration.values import nearest
from agent.errors import AgentError


class NothingSelectedError(AgentError):
    """A selector fits nothing."""

    code = "nothing-selected"

    def __init__(self, selector: str, known: str, near: str = "") -> None:
        super().__init__(f"{selector}: {known}")
        self.selector = selector
        self.known = known
        self.near = near


@dataclass(frozen=True, slots=True, kw_only=True)
class Selected:
    """What was meant.

    Attributes:
        devices: in the order of the site file.
        points: names of the only points wanted, empty for all.
    """

    devices: tuple[SiteDevice, ...]
    points: tuple[str, ...] = ()


def select(site: Site, selectors: Sequence[str]) -> Selected:
    """Find what ``selectors`` name; without any, everything.

    Raises:
        NothingSelectedError: one of them fits nothing.
    """
    if not selectors:
        return Selected(devices=site.devices)
    devices: dict[str, SiteDevice] = {}
    points: dict[str, None] = {}
    for selector in selectors:
        found = [(device, point) for device in site.devices for point in _points(device, selector)]
        if not found:
            known = ", ".join(f"{one.bus}/{one.name}" for one in site.devices) or "-"
            raise NothingSelectedError(selector, known, _nearest(site, selector))
        devices.update({device.name: device for device, _ in found})
        points.update({point: None for _, point in found if point})
    chosen = tuple(device for device in site.devices if device.name in devices)
    return Selected(devices=chosen, points=tuple(points))


def _nearest(site: Site, selector: str) -> str:
    """Give the name that was probably meant, in as many parts as were typed; empty if none is near."""
    buses = {device.bus: None for device in site.devices}
    names = {
        0: [*buses, *(device.name for device in site.devices)],
        1: [f"{device.bus}/{device.name}" for device in site.devices],
    }
    deep = [f"{device.bus}/{device.name}/{point.name}" for device in site.devices for point in device.profile.points]
    return nearest(selector, names.get(selector.count("/"), deep))


def _points(device: SiteDevice, selector: str) -> tuple[str, ...]:
    """Give the points of ``device`` that are meant; one empty name for the whole device; none if it is not meant."""
    first, _, rest = selector.partition("/")
    if not rest:
        return ("",) if fnmatchcase(device.name, first) or fnmatchcase(device.bus, first) else ()
    name, _, point = rest.partition("/")
    if not (fnmatchcase(device.bus, first) and fnmatchcase(device.name, name)):
        return ()
    if not point:
        return ("",)
    return tuple(one.name for one in device.profile.points if fnmatchcase(one.name, point))
