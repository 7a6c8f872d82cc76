"""What a verifier reports of a block that it accepted: never a reason to refuse, always a reason to look."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum
from typing import Final

from agent.block.chain import Loss, Place
from agent.block.record import Block, ClockSample, EventKind

_SILENCE_MS: Final = 120_000
_PPM_DIVISOR: Final = 10_000
"""100 ppm of a distance is a ten-thousandth of it."""


class FindingCode(Enum):
    """Kinds of findings; the value is the stable code."""

    UTC_BACKWARDS = "utc-backwards"
    MONO_BACKWARDS = "mono-backwards"
    BOOT_UNEXPLAINED = "boot-changed-without-event"
    SILENCE = "silence"
    CLOCK_STEP = "clock-step"
    UNCLEAN_RESTART = "unclean-restart"
    MISSED_POLLS = "missed-polls"
    DECLARED_LOSS = "declared-loss"
    IDENTITY_CHANGED = "identity-changed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing to look at.

    Attributes:
        place: of the block at which it was seen.
        value_ms: how long or how far, where that makes sense.
        from_utc_ms: start of an interval without records, as the block before tells UTC; None if it does not.
        to_utc_ms: end of it.
    """

    code: FindingCode
    place: Place
    value_ms: int = 0
    from_utc_ms: int | None = None
    to_utc_ms: int | None = None


def findings_of(block: Block, before: ClockSample | None, loss: Loss | None, *, changed: bool) -> tuple[Finding, ...]:
    """Everything to report of a chained block.

    Args:
        block: readable.
        before: clock of the last readable block, None for the first.
        loss: declared loss right before it.
        changed: it carries an identity change.
    """
    place = (block.epoch, block.number)
    found = list(_clocks(block, before, place)) if before is not None else []
    start = before.utc_ms if before is not None else None
    for event in block.events:
        if event.kind == EventKind.BOOT and event.fields[2] is False:
            found.append(_interval(FindingCode.UNCLEAN_RESTART, place, start, block.clock.utc_ms))
        elif event.kind == EventKind.MISSED_POLLS:
            found.append(Finding(code=FindingCode.MISSED_POLLS, place=place))
    if loss is not None:
        found.append(_interval(FindingCode.DECLARED_LOSS, place, start, block.clock.utc_ms))
    if changed:
        found.append(Finding(code=FindingCode.IDENTITY_CHANGED, place=place))
    return tuple(found)


def _clocks(block: Block, before: ClockSample, place: Place) -> Iterator[Finding]:
    now = block.clock
    same_boot = now.boot == before.boot
    d_mono = now.mono_ms - before.mono_ms
    d_utc = None if now.utc_ms is None or before.utc_ms is None else now.utc_ms - before.utc_ms
    if d_utc is not None and d_utc < 0:
        yield Finding(code=FindingCode.UTC_BACKWARDS, place=place, value_ms=-d_utc)
    if same_boot and d_mono < 0:
        yield Finding(code=FindingCode.MONO_BACKWARDS, place=place, value_ms=-d_mono)
    if not same_boot and all(event.kind != EventKind.BOOT for event in block.events):
        yield Finding(code=FindingCode.BOOT_UNEXPLAINED, place=place)
    silent = d_mono if same_boot else d_utc
    if silent is not None and silent > _SILENCE_MS:
        yield Finding(
            code=FindingCode.SILENCE, place=place, value_ms=silent, from_utc_ms=before.utc_ms, to_utc_ms=now.utc_ms
        )
    if same_boot and d_utc is not None:
        slack = now.max_error_ms + before.max_error_ms + -(-abs(d_mono) // _PPM_DIVISOR)
        if abs(d_utc - d_mono) > slack:
            yield Finding(code=FindingCode.CLOCK_STEP, place=place, value_ms=d_utc - d_mono)


def _interval(code: FindingCode, place: Place, start: int | None, end: int | None) -> Finding:
    length = end - start if start is not None and end is not None else 0
    return Finding(code=code, place=place, value_ms=length, from_utc_ms=start, to_utc_ms=end)
