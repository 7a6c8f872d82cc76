"""Rule 5: clock and columns of a block that stands in its place."""

from __future__ import annotations

from typing import Any

import pytest

from agent.block.record import Columns
from agent.block.verify import Outcome, Verdict
from tests.agent.block.chains import (
    BOOT,
    COUNTER,
    EVENT,
    GAUGE,
    STATE,
    UTC,
    Gateway,
    Reader,
    read_up_to,
)

BAD = 0x80000000
KINDS = (GAUGE, COUNTER, STATE, EVENT)
I64 = 2**63
MONO = 1_002_000


def opened() -> tuple[Gateway, Reader]:
    gateway = Gateway(kinds=KINDS)
    gateway.seal()
    return gateway, read_up_to(gateway)


def with_keys(changed: dict[int, Any]) -> Outcome:
    gateway, reader = opened()
    return reader.judge(gateway.forge(lambda payload: payload.update(changed)))


def with_columns(rows: int, dt: Any, points: Any, values: Any, **more: Any) -> Outcome:
    columns = {0: rows, 1: dt, 2: points, 3: values}
    columns.update({{"status": 4, "raw": 5, "device_time": 6}[key]: value for key, value in more.items()})
    return with_keys({8: columns})


def readable(outcome: Outcome) -> Columns:
    assert outcome.verdict is Verdict.CHAINED, outcome.reason
    assert outcome.block is not None
    assert outcome.block.columns is not None
    return outcome.block.columns


def unreadable(outcome: Outcome) -> str:
    assert outcome.verdict is Verdict.UNREADABLE, outcome.verdict
    assert outcome.block is None
    return outcome.reason


# --- clock


@pytest.mark.parametrize(
    "clock",
    [
        [BOOT, 5, UTC, 3, 20],
        [BOOT, 0, 2**40, 1, 2**63 - 1],
        [BOOT, 2**63 - 1, 2**53 - 1, 5, 0],
        [BOOT, 5, None, 0, 0],
    ],
)
def test_a_clock_within_the_bounds_is_read(clock: list[Any]) -> None:
    assert with_keys({6: clock}).verdict is Verdict.CHAINED


@pytest.mark.parametrize(
    ("clock", "reason"),
    [
        ([BOOT, 5, UTC, 3], "clock-form"),
        ([BOOT, 5, UTC, 3, 20, 0], "clock-form"),
        ({0: BOOT}, "clock-form"),
        (None, "clock-form"),
        ([BOOT[:7], 5, UTC, 3, 20], "clock-form"),
        ([BOOT + b"x", 5, UTC, 3, 20], "clock-form"),
        (["bootbyte", 5, UTC, 3, 20], "clock-form"),
        ([BOOT, -1, UTC, 3, 20], "clock-form"),
        ([BOOT, 2**63, UTC, 3, 20], "clock-form"),
        ([BOOT, True, UTC, 3, 20], "clock-form"),
        ([BOOT, 5, 2**40 - 1, 3, 20], "clock-form"),
        ([BOOT, 5, 2**53, 3, 20], "clock-form"),
        ([BOOT, 5, 0, 3, 20], "clock-form"),
        ([BOOT, 5, UTC, 6, 20], "clock-form"),
        ([BOOT, 5, UTC, True, 20], "clock-form"),
        ([BOOT, 5, UTC, 3, -1], "clock-form"),
        ([BOOT, 5, UTC, 3, 2**63], "clock-form"),
        ([BOOT, 5, UTC, 3, None], "clock-form"),
        ([BOOT, 5, UTC, 0, 0], "clock-quality"),
        ([BOOT, 5, None, 1, 0], "clock-quality"),
        ([BOOT, 5, None, 0, 1], "clock-quality"),
    ],
)
def test_a_clock_out_of_bounds_makes_the_block_unreadable(clock: Any, reason: str) -> None:
    assert unreadable(with_keys({6: clock})) == reason


# --- columns


def test_differences_add_up_for_each_point_of_its_own() -> None:
    columns = readable(with_columns(5, [-10, 0, 5, 5, 1], [0, 1, 0, 0, 1], [100, 7, -1, 3, -8]))
    assert columns.values == (100, 7, 99, 102, -1)
    assert columns.mono_ms == (MONO - 10, MONO - 10, MONO - 5, MONO, MONO + 1)


def test_what_is_no_integer_changes_no_difference() -> None:
    columns = readable(with_columns(6, [0] * 6, [2] * 6, [5, None, True, "on", 2, False], status=[[1, BAD]]))
    assert columns.values == (5, None, True, "on", 7, False)


def test_differences_of_65_bits_do_not_wrap() -> None:
    columns = readable(with_columns(3, [0] * 3, [0] * 3, [-I64, 2**64 - 1, -(2**64) + 1]))
    assert columns.values == (-I64, I64 - 1, -I64)


@pytest.mark.parametrize("values", [[I64], [-I64 - 1], [I64 - 1, 1], [0, -(2**64)], [1, 2**64 - 1]])
def test_a_sum_beyond_int64_is_unreadable(values: list[int]) -> None:
    assert unreadable(with_columns(len(values), [0] * len(values), [0] * len(values), values)) == "value-range"


@pytest.mark.parametrize(
    ("dt", "fits"),
    [([-MONO], True), ([-MONO - 1], False), ([0, -MONO - 1], False), ([I64 - 1 - MONO], True), ([I64 - MONO], False)],
)
def test_a_reading_has_a_time_of_63_bits(dt: list[int], fits: bool) -> None:
    outcome = with_columns(len(dt), dt, [0] * len(dt), [1] * len(dt))
    assert outcome.reason == ("" if fits else "mono-range")


@pytest.mark.parametrize(
    ("kind", "value", "fits"),
    [
        (GAUGE, 1, True),
        (GAUGE, True, False),
        (GAUGE, "1", False),
        (GAUGE, b"1", False),
        (COUNTER, 1, True),
        (COUNTER, False, False),
        (STATE, 1, True),
        (STATE, True, True),
        (STATE, "on", True),
        (STATE, b"on", False),
        (EVENT, 1, True),
        (EVENT, True, True),
        (EVENT, "card", True),
        (EVENT, b"card", True),
        (EVENT, "x" * 1024, True),
        (EVENT, "x" * 1025, False),
        (EVENT, "é" * 512, True),
        (EVENT, "é" * 513, False),
        (EVENT, b"x" * 1024, True),
        (EVENT, b"x" * 1025, False),
        (EVENT, [1], False),
        (EVENT, {}, False),
    ],
)
def test_a_value_is_of_the_kind_of_its_point(kind: int, value: Any, fits: bool) -> None:
    outcome = with_columns(1, [0], [kind], [value])
    assert outcome.reason == ("" if fits else "value-type")
    assert (outcome.verdict is Verdict.CHAINED) == fits


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    ("status", "fits"), [(None, False), (0x00000001, False), (0x3FFFFFFF, False), (0x40000000, True), (BAD, True)]
)
def test_no_value_needs_a_status_that_is_not_good(kind: int, status: int | None, fits: bool) -> None:
    more = {} if status is None else {"status": [[0, status]]}
    outcome = with_columns(1, [0], [kind], [None], **more)
    assert outcome.reason == ("" if fits else "null-without-status")


@pytest.mark.parametrize("point", [4, -1, 2**64 - 1, True, None, "0"])
def test_a_point_that_the_dictionary_lacks_is_unreadable(point: Any) -> None:
    assert unreadable(with_columns(1, [0], [point], [1])) == "point-index"


@pytest.mark.parametrize(
    ("columns", "reason"),
    [
        ({0: 2, 1: [0], 2: [0], 3: [1]}, "column-length"),
        ({0: 1, 1: [0, 0], 2: [0], 3: [1]}, "column-length"),
        ({0: 1, 1: [0], 2: [0, 0], 3: [1]}, "column-length"),
        ({0: 1, 1: [0], 2: [0], 3: [1, 1]}, "column-length"),
        ({0: 1, 1: b"\0", 2: [0], 3: [1]}, "column-length"),
        ({0: 1, 1: 0, 2: [0], 3: [1]}, "column-length"),
        ({0: 0, 1: [], 2: [], 3: []}, "columns-form"),
        ({0: True, 1: [0], 2: [0], 3: [1]}, "columns-form"),
        ({0: 4097, 1: [0] * 4097, 2: [0] * 4097, 3: [1] * 4097}, "columns-form"),
        ({0: 1, 1: [False], 2: [0], 3: [1]}, "columns-form"),
        ({0: 1, 1: [None], 2: [0], 3: [1]}, "columns-form"),
        ({0: 1, 1: [0], 2: [0]}, "columns-form"),
        ({0: 1, 1: [0], 2: [0], 3: [1], 7: [1]}, "columns-form"),
        ({1: [0], 2: [0], 3: [1]}, "columns-form"),
        ([1, [0], [0], [1]], "columns-form"),
        (None, "columns-form"),
        ({}, "columns-form"),
    ],
)
def test_columns_that_break_the_cddl_are_unreadable(columns: Any, reason: str) -> None:
    assert unreadable(with_keys({8: columns})) == reason


def test_4096_rows_are_read() -> None:
    assert len(readable(with_columns(4096, [0] * 4096, [0] * 4096, [1] * 4096)).points) == 4096


SPARSE: list[tuple[str, Any, bool]] = [
    ("status", [[0, 1], [2, 2**32 - 1]], True),
    ("status", [[0, 0]], False),
    ("status", [[0, 2**32]], False),
    ("status", [[0, True]], False),
    ("status", [[0, 1], [0, 1]], False),
    ("status", [[1, 1], [0, 1]], False),
    ("status", [[3, 1]], False),
    ("status", [[-1, 1]], False),
    ("status", [[True, 1]], False),
    ("status", [[0]], False),
    ("status", [[0, 1, 1]], False),
    ("status", [0, 1], False),
    ("status", [], False),
    ("status", [[]], False),
    ("status", {0: 1}, False),
    ("status", None, False),
    ("raw", [[0, b"\x01"], [1, b"x" * 1024]], True),
    ("raw", [[0, b""]], False),
    ("raw", [[0, b"x" * 1025]], False),
    ("raw", [[0, "text"]], False),
    ("device_time", [[0, 5, 6, 7], [1, None, None, 0], [2, -(2**64), 2**64 - 1, 1]], True),
    ("device_time", [[0, 5, 6, 8]], False),
    ("device_time", [[0, 5, 6, -1]], False),
    ("device_time", [[0, 5, -1, 0]], False),
    ("device_time", [[0, True, 6, 0]], False),
    ("device_time", [[0, "5", 6, 0]], False),
    ("device_time", [[0, 5, 6]], False),
    ("device_time", [[0, 5, 6, False]], False),
]


@pytest.mark.parametrize(("column", "entries", "fits"), SPARSE)
def test_sparse_rows_ascend_and_keep_their_form(column: str, entries: Any, fits: bool) -> None:
    outcome = with_columns(3, [0] * 3, [0] * 3, [1] * 3, **{column: entries})
    assert outcome.reason == ("" if fits else "sparse-row")
