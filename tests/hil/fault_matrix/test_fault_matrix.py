"""The fault matrix: each fault x each framing x many seeds; never a wrong value, never a hang, back in time, counted.

``TIDEGATE_LONG`` plays 200 seeds a cell; a usual run plays a few that rotate with its own seed.
"""

from __future__ import annotations

import os
from functools import partial

import pytest

from tests.hil.fault_matrix.cells import CELLS, SPOKEN, pull
from tests.hil.fault_matrix.meters import METERS
from tests.hil.fault_matrix.world import MAKERS, Cell, play

pytestmark = [pytest.mark.bus, pytest.mark.timeout(600)]

LONG = bool(os.environ.get("TIDEGATE_LONG"))
SEEDS = {
    "rtu": 10,
    "tcp": 10,
    "ascii": 3,
    "rtu-over-tcp": 3,
    **dict.fromkeys(METERS, 2),
    "dlms": 1,
}
PLACES = [(framing, cell) for cell in CELLS for framing in cell.framings]


def violations(framing: str, cell: Cell, first_seed: int, count: int) -> list[str]:
    return [
        f"seed {seed}: {one}" for seed in range(first_seed, first_seed + count) for one in play(framing, cell, seed)
    ]


@pytest.mark.parametrize(("framing", "cell"), PLACES, ids=lambda one: one if isinstance(one, str) else one.name)
def test_a_fault_gives_no_wrong_value_no_hang_and_is_counted_and_got_over(
    framing: str, cell: Cell, seed: int
) -> None:
    assert violations(framing, cell, seed, 200 if LONG else SEEDS[framing]) == []


@pytest.mark.parametrize("cell", SPOKEN, ids=lambda one: one.name)
def test_a_fault_of_what_is_said_unasked_is_no_value_and_got_over(cell: Cell, seed: int) -> None:
    chosen = cell.framings if LONG else (cell.framings[seed % len(cell.framings)],)
    for framing in chosen:
        assert violations(framing, cell, seed, 200 if LONG else 1) == []


@pytest.mark.parametrize("framing", sorted(MAKERS))
def test_an_adapter_pulled_at_every_byte_heals(framing: str, seed: int) -> None:
    wire = MAKERS[framing]
    step = 1 if LONG or framing not in METERS else 12 if framing == "dlms" else 4
    first = seed % step + min(1, wire.request_bytes)
    for at in range(first, wire.request_bytes + wire.reply_bytes + 1, step):
        cell = Cell(name=f"unplugged at {at}", act=partial(pull, at=at), counted=("link_down",))
        assert violations(framing, cell, seed + at, 1) == []
