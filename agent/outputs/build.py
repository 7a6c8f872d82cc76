"""The outputs of a site; what they need is loaded only where there is one."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING

from agent.outputs.outlet import Outlet
from drivers.clock import Clock

if TYPE_CHECKING:  # few sites have an output
    from agent.outputs.hj212_settings import Hj212Output


def build_outlets(outputs: Sequence[Hj212Output], folder: Path, clock: Clock, rng: Random) -> tuple[Outlet, ...]:
    """Make the outputs of a site; what they keep lies below ``folder``."""
    if not outputs:
        return ()
    from agent.outputs.hj212 import Bureau  # noqa: PLC0415 - few sites have one

    return tuple(Bureau(one, folder / "outputs", clock=clock, rng=rng) for one in outputs)
