"""What events say, for the rows of an export; None for what no gateway of ours would write."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from agent.block.dictionary import Tables
from agent.block.readings import decimal_text
from agent.block.record import Event, EventKind
from drivers.sanitize import sanitize


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """What one event says, for a row.

    Attributes:
        kind: as in ``Row``.
        value: from and to, or what was commanded and what came of it.
        reason: stands where a reading has its quality.
    """

    kind: str
    device: str
    quantity: str
    value: str
    reason: str
    unit: str | None = None


def broke(event: Event, tables: Tables) -> Told | None:
    """Tell of a counter that did not go on."""
    numbers = [field for field in event.fields[:3] if isinstance(field, int)]
    if len(numbers) != 3 or not 0 <= numbers[0] < len(tables.points):
        return None
    point, last, first = numbers
    reason = next(iter(event.fields[3:]), "")
    entry = tables.points[point]
    return Told(
        kind="discontinuity",
        device=tables.devices[entry.device].name,
        quantity=entry.quantity,
        value=f"{decimal_text(last, entry.exponent)} -> {decimal_text(first, entry.exponent)}",
        reason=sanitize(reason) if isinstance(reason, str) else "",
        unit=entry.unit,
    )


def exchange(event: Event, tables: Tables) -> Told | None:
    """Tell of a device that is another one."""
    indexes = [index for index in event.fields if isinstance(index, int) and 0 <= index < len(tables.devices)]
    if len(indexes) != 2:
        return None
    before, now = (tables.devices[index] for index in indexes)
    return Told(
        kind="exchange",
        device=now.name,
        quantity="identity",
        value=f"{sanitize(before.identity or '')} -> {sanitize(now.identity or '')}",
        reason="exchanged",
    )


def command(event: Event, tables: Tables) -> Told | None:  # noqa: ARG001 - it names its device itself
    """Tell of a command to a device: accepted, refused, what came of it; ``reason`` begins alike for one command."""
    number, *texts = event.fields or (b"",)
    if not isinstance(number, bytes) or len(texts) < 4 or not all(isinstance(text, str) for text in texts[:4]):
        return None
    said = [sanitize(str(text)) for text in texts]
    name = f"command {number.hex()}"
    if event.kind == EventKind.COMMAND_ACCEPTED:
        device, what, who, telegram = said[:4]
        return Told(
            kind="command", device=device, quantity=what, value=f"by {who}: {telegram}", reason=f"{name} accepted"
        )
    if event.kind == EventKind.COMMAND_REFUSED:
        code, device, what, who = said[:4]
        return Told(kind="command", device=device, quantity=what, value=f"by {who}: {code}", reason=f"{name} refused")
    code, seen, device, what = said[:4]
    return Told(kind="command", device=device, quantity=what, value=seen, reason=f"{name} {code}")


TELLERS: Final[dict[int, Callable[[Event, Tables], Told | None]]] = {
    EventKind.COUNTER_DISCONTINUITY: broke,
    EventKind.DEVICE_IDENTITY: exchange,
    EventKind.COMMAND_ACCEPTED: command,
    EventKind.COMMAND_REFUSED: command,
    EventKind.COMMAND_RESULT: command,
}
"""Kind of event -> what tells of it."""
