"""Clock (key 6) and receipts (key 10) of a block, both ways."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from agent.block.errors import ContentError
from agent.block.events import is_place
from agent.block.record import ClockQuality, ClockSample, ReceiptMark
from agent.block.shape import ID_BYTES, is_bytes, is_int, is_u63, is_utc_ms

_CLOCK_FIELDS: Final = 5
_MAX_RECEIPTS: Final = 8


def clock_value(clock: ClockSample) -> tuple[object, ...]:
    """A clock sample as CBOR values."""
    return (clock.boot, clock.mono_ms, clock.utc_ms, int(clock.quality), clock.max_error_ms)


def read_clock(value: object) -> ClockSample:
    """Key 6 of a block, from decoded CBOR.

    Raises:
        ContentError: ``clock-form``, ``clock-quality`` (UTC without quality or quality without UTC).
    """
    if type(value) is not tuple or len(value) != _CLOCK_FIELDS:
        raise ContentError("clock-form")
    boot, mono_ms, utc_ms, quality, max_error_ms = value
    if not (is_bytes(boot, ID_BYTES) and is_u63(mono_ms) and is_u63(max_error_ms)):
        raise ContentError("clock-form")
    if not ((utc_ms is None or is_utc_ms(utc_ms)) and is_int(quality, 0, max(ClockQuality))):
        raise ContentError("clock-form")
    if (utc_ms is None) != (quality == ClockQuality.NONE) or (quality == ClockQuality.NONE and max_error_ms):
        raise ContentError("clock-quality")
    return ClockSample(
        boot=boot, mono_ms=mono_ms, utc_ms=utc_ms, quality=ClockQuality(quality), max_error_ms=max_error_ms
    )


def receipts_value(receipts: Iterable[ReceiptMark]) -> tuple[tuple[object, ...], ...]:
    """Receipt marks as CBOR values."""
    return tuple((mark.destination, mark.epoch, mark.number) for mark in receipts)


def read_receipts(value: object, place: tuple[int, int]) -> tuple[ReceiptMark, ...]:
    """Key 10 of the block at ``place``, from decoded CBOR.

    Raises:
        ContentError: ``receipt-form``, ``receipt-twice``, ``receipt-ahead`` (of the block that speaks of it).
    """
    if type(value) is not tuple or not 1 <= len(value) <= _MAX_RECEIPTS:
        raise ContentError("receipt-form")
    marks = []
    for entry in value:
        if type(entry) is not tuple or len(entry) != 3:
            raise ContentError("receipt-form")
        destination, *at = entry
        if not is_bytes(destination, ID_BYTES) or not is_place(tuple(at)):
            raise ContentError("receipt-form")
        if tuple(at) >= place:
            raise ContentError("receipt-ahead")
        marks.append(ReceiptMark(destination=destination, epoch=at[0], number=at[1]))
    if len({mark.destination for mark in marks}) != len(marks):
        raise ContentError("receipt-twice")
    return tuple(marks)


def merge_receipts(held: Sequence[ReceiptMark], marks: Sequence[ReceiptMark]) -> tuple[ReceiptMark, ...]:
    """What is held after a block named ``marks``; one left out keeps its last value.

    Raises:
        ContentError: ``receipt-back``.
    """
    latest: Mapping[bytes, ReceiptMark] = {mark.destination: mark for mark in held}
    merged = dict(latest)
    for mark in marks:
        old = latest.get(mark.destination)
        if old is not None and (mark.epoch, mark.number) < (old.epoch, old.number):
            raise ContentError("receipt-back")
        merged[mark.destination] = mark
    return tuple(merged.values())
