"""Where counters stood before a start, read back from the blocks that were sealed before it."""

from __future__ import annotations

from pathlib import Path

import pytest

from agent.storing import recollection
from tests.agent.storage_site import Bench, batch, stop


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


def lived(bench: Bench, *energies: int | None, clean: bool = True, device: int = 0) -> None:
    """One life of the agent with these readings, a block each."""
    desk = bench.desk()
    for energy in energies:
        bench.clock.mono_ms += 20_000
        desk.intake.take(batch(bench.clock.mono_ms, device, (2300, 17, energy)))
        desk.flush()
    if clean:
        stop(desk)
    else:
        desk.close()
    bench.clock.mono_ms += 1_000


@pytest.mark.parametrize("clean", [True, False], ids=["a stop in order", "a power cut"])
def test_counters_and_nothing_else_are_known_after_a_restart(bench: Bench, clean: bool) -> None:
    lived(bench, 100, 200, None, clean=clean)
    lived(bench, 7, device=1, clean=clean)
    desk = bench.desk()
    first, second = desk.intake.register(bench.devices, bench.clock.mono_ms)
    assert desk.recollection.counts() == {first[2]: 200, second[2]: 7}
    stop(desk)


def test_what_was_sealed_since_the_start_is_not_before_it(bench: Bench) -> None:
    lived(bench, 100)
    desk = bench.desk()
    desk.intake.take(batch(bench.clock.mono_ms, values=(1, 1, 3)))
    desk.flush()
    assert set(desk.recollection.counts().values()) == {100}
    stop(desk)


def test_a_first_start_knows_none(bench: Bench) -> None:
    desk = bench.desk()
    assert desk.recollection.counts() == {}
    stop(desk)


def test_a_start_looks_back_only_as_far_as_it_can_afford(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    lived(bench, 1, device=1)
    lived(bench, *range(100, 140))
    monkeypatch.setattr(recollection, "MOST_BLOCKS", 16)
    desk = bench.desk()
    assert set(desk.recollection.counts().values()) == {139}
    stop(desk)
