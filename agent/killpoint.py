"""Named points at which a test lets the agent die without a word.

``TIDEGATE_KILL_AT=committed:3`` sends SIGKILL to the agent itself when it comes to that point for the third
time, so that the crash tests hit the windows that a random kill finds once in a thousand rounds. Only the
runtime reads the environment; everyone else is given a function.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from enum import Enum
from typing import Final, TypeAlias

from agent.errors import ConfigError

VARIABLE: Final = "TIDEGATE_KILL_AT"


class KillPoint(Enum):
    """Where custody changes hands; the value is the name in the environment."""

    BEFORE_SIGN = "before-sign"
    SIGNED = "signed"
    COMMITTED = "committed"
    PUBLISHED = "published"
    RECEIPTED = "receipted"


Reached: TypeAlias = Callable[[KillPoint], None]
"""Called at each point; does nothing in service."""


def no_kill(point: KillPoint) -> None:
    """Go on: what everyone is given outside the crash tests."""
    del point


class _Armed:
    """Kill at the ``times``-th visit of ``point``."""

    def __init__(self, point: KillPoint, times: int) -> None:
        self._point = point
        self._left = times

    def __call__(self, point: KillPoint) -> None:
        if point is not self._point:
            return
        self._left -= 1
        if self._left == 0:
            os.kill(os.getpid(), signal.SIGKILL)


def armed(setting: str | None) -> Reached:
    """Read the value of ``TIDEGATE_KILL_AT``: ``NAME`` or ``NAME:N``, N from 1; None or empty gives ``no_kill``.

    Raises:
        ConfigError: the name is not a kill point or N is no positive number.
    """
    if not setting:
        return no_kill
    name, _, count = setting.partition(":")
    names = ", ".join(point.value for point in KillPoint)
    if name not in {point.value for point in KillPoint}:
        raise ConfigError(VARIABLE, f"{name!r} is no kill point", f"one of {names}")
    if count and not (count.isascii() and count.isdigit() and int(count) > 0):
        raise ConfigError(VARIABLE, f"{count!r} is no count", "a whole number from 1")
    return _Armed(KillPoint(name), int(count or "1"))
