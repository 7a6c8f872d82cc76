"""Events that wait for their block: bounded, since a disk may refuse for days while polls go on being missed."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from agent.block.record import Event, EventKind

MOST_EVENTS: Final = 4_096
EVENTS_DROPPED: Final = "events-dropped"
"""Code of event 14: how many events, missed polls not among them, no block tells."""


class Noted:
    """Events in the order they came. Beyond the bound missed polls are told together, and others only counted."""

    def __init__(self) -> None:
        self._events: list[Event] = []
        self._missed: Event | None = None
        self._dropped = 0

    def __bool__(self) -> bool:
        """Whether any waits."""
        return bool(self._events)

    def add(self, event: Event) -> None:
        """Take in an event that was checked."""
        if len(self._events) < MOST_EVENTS:
            self._events.append(event)
        elif event.kind == EventKind.MISSED_POLLS:
            self._missed = event if self._missed is None else _together(self._missed, event)
        else:
            self._dropped += 1

    def take(self, mono_ms: int) -> tuple[Event, ...]:
        """Take out all that waits; ``mono_ms`` is now."""
        events = self._events
        if self._missed is not None:
            events.append(self._missed)
        if self._dropped:
            fields = (EVENTS_DROPPED, f"{self._dropped} events")
            events.append(Event(kind=EventKind.STORAGE_FAULT, mono_ms=mono_ms, fields=fields))
        self._events, self._missed, self._dropped = [], None, 0
        return tuple(events)


def _together(one: Event, other: Event) -> Event:
    """Both as one event 22: all points and all the time between, the reason of the first."""
    *numbers, reason = one.fields
    first, last, count, from_ms, to_ms = zip(numbers, other.fields[:5], strict=True)
    fields = (min(first), max(last), sum(count), min(from_ms), max(to_ms), reason)  # type: ignore[type-var,arg-type]
    return replace(one, mono_ms=max(one.mono_ms, other.mono_ms), fields=fields)
