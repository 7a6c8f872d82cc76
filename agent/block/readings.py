"""The readings of a chained block as people and databases want them: names, exact decimals, UTC with a bound."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from agent.block.dictionary import Tables
from agent.block.record import Block, ClockSample, EventKind, Value

_PPM_DIVISOR: Final = 10_000
"""100 ppm of a distance is a ten-thousandth of it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rows:
    """The readings of one block in columns of equal length, in the order of their numbers.

    Attributes:
        first_number: reading number of row 0; row i has ``first_number + i``.
        points: index of the point table.
        devices: names.
        units: UCUM code or None.
        exponents: a value that is an integer means ``value * 10 ** exponent``.
        statuses: OPC UA status, 0 is good.
        device_times: of rows that have one: time ms or None, sequence or None, flags (1 historical, 2 device clock
            unset, 4 substituted).
        raws: of rows that have them, bytes as they came from the device.
        boot: of the block; ``mono_ms`` counts in it.
    """

    first_number: int
    boot: bytes
    points: tuple[int, ...]
    devices: tuple[str, ...]
    quantities: tuple[str, ...]
    units: tuple[str | None, ...]
    exponents: tuple[int, ...]
    values: tuple[Value, ...]
    mono_ms: tuple[int, ...]
    statuses: tuple[int, ...]
    device_times: Mapping[int, tuple[int | None, int | None, int]]
    raws: Mapping[int, bytes]


@dataclass(frozen=True, slots=True, kw_only=True)
class Anchor:
    """A moment of one boot at which UTC was known."""

    boot: bytes
    mono_ms: int
    utc_ms: int
    error_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class UtcEstimate:
    """UTC of a reading: true time lies within ``utc_ms`` plus or minus ``error_ms``."""

    utc_ms: int
    error_ms: int


def rows(block: Block, tables: Tables) -> Rows | None:
    """The readings of a chained block; None if it holds none.

    Args:
        block: as the verifier gave it.
        tables: ``Outcome.state.tables`` of the same outcome.
    """
    columns = block.columns
    if columns is None:
        return None
    known = {index: tables.points[index] for index in set(columns.points)}
    entries = [known[index] for index in columns.points]
    statuses = [0] * len(entries)
    for row, status in columns.statuses:
        statuses[row] = status
    return Rows(
        first_number=block.first_reading,
        boot=block.clock.boot,
        points=columns.points,
        devices=tuple([tables.devices[entry.device].name for entry in entries]),
        quantities=tuple([entry.quantity for entry in entries]),
        units=tuple([entry.unit for entry in entries]),
        exponents=tuple([entry.exponent for entry in entries]),
        values=columns.values,
        mono_ms=columns.mono_ms,
        statuses=tuple(statuses),
        device_times={row: (at, sequence, flags) for row, at, sequence, flags in columns.device_times},
        raws=dict(columns.raws),
    )


def decimal_text(mantissa: int, exponent: int) -> str:
    """``mantissa * 10 ** exponent`` as exact decimal text: no exponent, no rounding, trailing zeros kept."""
    if exponent >= 0:
        return str(mantissa * 10**exponent)
    digits = str(abs(mantissa)).rjust(1 - exponent, "0")
    sign = "-" if mantissa < 0 else ""
    return f"{sign}{digits[:exponent]}.{digits[exponent:]}"


def own_anchor(block: Block) -> Anchor | None:
    """What tells UTC to the block's own readings: its clock, else its event 2."""
    return _clock_anchor(block.clock) or _event_anchor(block)


def later_anchor(block: Block) -> Anchor | None:
    """What tells UTC to readings of earlier blocks of the same boot that had none: event 2 before the clock."""
    return _event_anchor(block) or _clock_anchor(block.clock)


def utc_at(anchor: Anchor, mono_ms: int) -> UtcEstimate:
    """UTC of a moment of the anchor's boot: 100 ppm of the distance are added to the error, rounded up."""
    distance = mono_ms - anchor.mono_ms
    drift = -(-abs(distance) // _PPM_DIVISOR)
    return UtcEstimate(utc_ms=anchor.utc_ms + distance, error_ms=anchor.error_ms + drift)


def utc_between(before: ClockSample, after: ClockSample) -> UtcEstimate | None:
    """UTC of a reading whose boot never knew it: between the last sample before and the next one in the chain.

    None when one of them has no UTC, or when they leave no room.
    """
    if before.utc_ms is None or after.utc_ms is None:
        return None
    low = before.utc_ms - before.max_error_ms
    high = after.utc_ms + after.max_error_ms
    if high < low:
        return None
    middle = (low + high) // 2
    return UtcEstimate(utc_ms=middle, error_ms=high - middle)


def _clock_anchor(clock: ClockSample) -> Anchor | None:
    if clock.utc_ms is None:
        return None
    return Anchor(boot=clock.boot, mono_ms=clock.mono_ms, utc_ms=clock.utc_ms, error_ms=clock.max_error_ms)


def _event_anchor(block: Block) -> Anchor | None:
    for event in block.events:
        if event.kind == EventKind.CLOCK_SET:
            utc_ms, _, error_ms = event.fields
            assert isinstance(utc_ms, int)
            assert isinstance(error_ms, int)
            return Anchor(boot=block.clock.boot, mono_ms=event.mono_ms, utc_ms=utc_ms, error_ms=error_ms)
    return None
