"""What the number of a state means, as the profile of its device names it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from agent.cli.output import Json
from agent.cli.profile_words import said

if TYPE_CHECKING:
    from agent.config import SiteDevice
    from agent.control.protocol import PointValue
    from drivers.profile import Point
    from drivers.profile_about import Label


class StateNames:
    """Names of the states of a site's devices; an empty one knows none."""

    def __init__(self, devices: Iterable[SiteDevice] = ()) -> None:
        """Take the devices that may be read."""
        self._points: Mapping[tuple[str, str], Point] = {
            (device.name, point.name): point for device in devices for point in device.profile.points if point.states
        }

    def label(self, device: str, value: PointValue) -> Label | None:
        """Give what the value means; None for a number that the profile does not list, and for what is no state."""
        point = self._points.get((device, value.quantity))
        if point is None or value.value is None:
            return None
        text = str(int(value.value)) if isinstance(value.value, bool) else value.value
        return point.state_of(int(text)) if text.lstrip("-").isdecimal() else None

    def shown(self, device: str, value: PointValue) -> str:
        """Give the value as a person reads it: ``4 (running)``, ``true (closed)``, ``21.5``, ``-`` for none."""
        if value.value is None:
            return "-"
        text = str(value.value).lower() if isinstance(value.value, bool) else value.value
        label = self.label(device, value)
        return text if label is None else f"{text} ({said(label)})"

    def told(self, device: str, value: PointValue) -> Json | None:
        """Give the name in both languages for programs; None where there is none."""
        label = self.label(device, value)
        return None if label is None else {"en": label.en, "zh": label.zh}
