"""What tests of the matrix itself share: values that equal every check, and the search for one that notices."""

from __future__ import annotations

import pytest

from tests.hil.fault_matrix.world import Cell, play

SEEDS = 60
"""Most plays of one mutant; the first that notices ends them."""
Patch = pytest.MonkeyPatch


class AnyNumber(int):
    """Equal to any number."""

    def __eq__(self, _other: object) -> bool:
        return True

    def __ne__(self, _other: object) -> bool:
        return False

    __hash__ = int.__hash__


class AnyBytes(bytes):
    """Equal to any bytes."""

    def __eq__(self, _other: object) -> bool:
        return True

    def __ne__(self, _other: object) -> bool:
        return False

    __hash__ = bytes.__hash__


def noticed(framing: str, cell: Cell, seed: int) -> list[str]:
    """Give what the first play from ``seed`` on that notices anything says; empty if none does."""
    played = (play(framing, cell, number) for number in range(seed, seed + SEEDS))
    found = next((violated for violated in played if violated), [])
    print(found[:3])
    return found
