"""What every simulated device on a line has: how its characters look, faults of its own, a time that began."""

from __future__ import annotations

from hil.characters import Characters
from hil.faults import Fault, Injector

_NS = 1_000_000_000


class Simulated:
    """The part of a device that no protocol changes.

    Args:
        settings: how its characters look.
        injector: chooses its own faults.
        began_ns: when the time of what it holds began; of the line's clock.
    """

    def __init__(self, *, settings: Characters, injector: Injector, began_ns: int) -> None:
        self._settings = settings
        self._injector = injector
        self._began_ns = began_ns

    @property
    def settings(self) -> Characters:
        """How its characters look."""
        return self._settings

    @property
    def rates(self) -> dict[Fault, float]:
        """Faults of its own; may be changed in place."""
        return self._injector.rates

    def time_s(self, now_ns: int) -> float:
        """Seconds of the time of what it holds."""
        return max(0, now_ns - self._began_ns) / _NS
