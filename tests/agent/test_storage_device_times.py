"""A device's own bytes and times on their way into a sealed block; what no block can hold of them stops nothing."""

from __future__ import annotations

from pathlib import Path

import pytest

from agent.block.record import Columns, EventKind
from agent.block.sequence import FileVerifier
from agent.block.verify import Trust
from agent.storing.desk import Desk
from agent.storing.stored import Pressure
from drivers.batch import DeviceTime, DeviceTimeFlag
from tests.agent.storage_site import UTC_MS, Bench, batch, events_of, stop

HISTORICAL = DeviceTime(row=2, utc_ms=UTC_MS, flags=DeviceTimeFlag.HISTORICAL)


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


def columns_of(bench: Bench) -> list[Columns]:
    """The columns of every stored block that has some, as a verifier reads them."""
    verifier = FileVerifier(Trust.of([bench.keys.identity().spki]), {})
    outcomes = [outcome for message in bench.messages() for outcome in verifier.take(message)]
    blocks = [outcome.block for outcome in outcomes if outcome.block is not None]
    return [block.columns for block in blocks if block.columns is not None]


def test_they_are_sealed_beside_their_reading(bench: Bench) -> None:
    desk = bench.desk()
    desk.intake.take(batch(bench.clock.mono_ms))
    desk.intake.take(batch(bench.clock.mono_ms, raws=((0, b"\x77"),), device_times=(HISTORICAL,)))
    stop(desk)
    (columns,) = columns_of(bench)
    assert columns.raws == ((3, b"\x77"),)
    assert columns.device_times == ((5, UTC_MS, None, 1),)
    assert bench.verdict().proven


def test_they_go_with_a_reading_that_is_shed_and_stay_with_one_that_is_kept(bench: Bench) -> None:
    desk = bench.desk()
    desk.intake.take(batch(bench.clock.mono_ms))
    desk.turn()
    desk.intake.pressure = Pressure.NO_SEAL  # telemetry goes, the energy in row 2 stays
    raws = ((1, b"gone"), (2, b"kept"))
    desk.intake.take(batch(bench.clock.mono_ms, raws=raws, device_times=(DeviceTime(row=0, utc_ms=1), HISTORICAL)))
    stop(desk)
    assert [(one.raws, one.device_times) for one in columns_of(bench)] == [
        ((), ()),
        (((0, b"kept"),), ((0, UTC_MS, None, 1),)),
    ]


@pytest.mark.parametrize(
    "raw", [b"", bytes(1025), "text"], ids=["empty", "longer than a row takes", "no bytes at all"]
)
def test_bytes_that_no_block_can_hold_cost_themselves_and_are_told(bench: Bench, raw: bytes) -> None:
    desk = bench.desk()
    desk.intake.take(batch(bench.clock.mono_ms, raws=((0, raw), (1, b"good"))))
    stored = _sealed(bench, desk)
    (columns,) = columns_of(bench)
    assert (columns.raws, columns.statuses, columns.values) == (((1, b"good"),), (), (2300, 17, 90_000))
    assert EventKind.STORAGE_FAULT in stored
    assert bench.verdict().proven


@pytest.mark.parametrize(
    "time",
    [
        DeviceTime(row=0, utc_ms=1 << 64),
        DeviceTime(row=0, utc_ms=1, sequence=-1),
        DeviceTime(row=0, utc_ms=1, flags=DeviceTimeFlag(8)),
        DeviceTime(row=0, utc_ms=1.5),  # type: ignore[arg-type]
    ],
    ids=["beyond CBOR's integers", "negative sequence", "unknown flag", "a float"],
)
def test_times_that_no_block_can_hold_cost_themselves_and_are_told(bench: Bench, time: DeviceTime) -> None:
    desk = bench.desk()
    desk.intake.take(batch(bench.clock.mono_ms, device_times=(time, HISTORICAL)))
    stored = _sealed(bench, desk)
    (columns,) = columns_of(bench)
    assert (columns.device_times, columns.statuses) == (((2, UTC_MS, None, 1),), ())
    assert EventKind.STORAGE_FAULT in stored
    assert bench.verdict().proven


def _sealed(bench: Bench, desk: Desk) -> list[int]:
    """Seal all there is; gives the kinds of every event."""
    desk.flush()
    bench.clock.mono_ms += 20_000
    stop(desk)
    return [event.kind for message in bench.messages() for event in events_of(message)]
