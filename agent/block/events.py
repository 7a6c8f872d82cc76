"""Events as CBOR values and back, each kind with its own form."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from agent.block import cbor
from agent.block.dictionary import add_value, build_add, check_add
from agent.block.errors import ContentError, FormError
from agent.block.messages import read_delegation, read_identity_change
from agent.block.record import MAX_EVENTS, DictionaryAdd, Event, EventKind
from agent.block.shape import (
    HASH_BYTES,
    ID_BYTES,
    INT_MIN,
    LONG_BYTES,
    UINT_MAX,
    is_bytes,
    is_int,
    is_short,
    is_u63,
    is_utc_ms,
)

_MAX_KIND: Final = 65535
_BEST_QUALITY: Final = 5
_ONCE: Final = frozenset({EventKind.BOOT, EventKind.CLOCK_SET, EventKind.EPOCH_OPEN, EventKind.IDENTITY_CHANGE})
KEPT_KINDS: Final = frozenset({EventKind.DICTIONARY, EventKind.EPOCH_OPEN, EventKind.IDENTITY_CHANGE})
"""A block with one of these is never pruned nor dropped: without it the chain cannot be read."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Gap:
    """Event 4: sealed blocks that the gateway dropped unreceipted.

    Attributes:
        first_reading: of the range; ``last_reading`` is one less when it holds none.
        reason: 1 outbox full, 2 storage damaged, 3 before this destination was added.
        first: (epoch, number) of the first block dropped, ``last`` that of the last one.
        head: head of the last block dropped.
    """

    first_reading: int
    last_reading: int
    reason: int
    first: tuple[int, int]
    last: tuple[int, int]
    head: bytes


def boot(mono_ms: int, *, boot_before: bytes | None, last_sealed_mono_ms: int | None, clean: bool) -> Event:
    """Event 1: the gateway (re)started; what the last stored block said of the life before."""
    return Event(kind=EventKind.BOOT, mono_ms=mono_ms, fields=(boot_before, last_sealed_mono_ms, clean))


def clock_set(mono_ms: int, *, utc_ms: int, quality: int, max_error_ms: int) -> Event:
    """Event 2: at ``mono_ms`` UTC became ``utc_ms``."""
    return Event(kind=EventKind.CLOCK_SET, mono_ms=mono_ms, fields=(utc_ms, quality, max_error_ms))


def dictionary(mono_ms: int, addition: DictionaryAdd) -> Event:
    """Event 3: entries appended to the dictionary."""
    return Event(kind=EventKind.DICTIONARY, mono_ms=mono_ms, fields=(add_value(addition),))


def gap(mono_ms: int, lost: Gap) -> Event:
    """Event 4: a range of sealed blocks was dropped."""
    fields = (lost.first_reading, lost.last_reading, lost.reason, lost.first, lost.last, lost.head)
    return Event(kind=EventKind.GAP, mono_ms=mono_ms, fields=fields)


def epoch_open(mono_ms: int, delegation: bytes) -> Event:
    """Event 5: ``delegation`` is the whole signed message."""
    return Event(kind=EventKind.EPOCH_OPEN, mono_ms=mono_ms, fields=(delegation,))


def epoch_close(mono_ms: int) -> Event:
    """Event 6: no further block of this epoch will come."""
    return Event(kind=EventKind.EPOCH_CLOSE, mono_ms=mono_ms)


def addition_of(event: Event) -> DictionaryAdd:
    """What a checked event 3 appends."""
    addition = event.fields[0]
    assert isinstance(addition, tuple)
    return build_add(addition)


def message_of(event: Event) -> bytes:
    """The signed message inside a checked event 5 or 7."""
    message = event.fields[0]
    assert isinstance(message, bytes)
    return message


def gap_of(event: Event) -> Gap:
    """The range of a checked event 4."""
    first_reading, last_reading, reason, first, last, head = event.fields
    return Gap(  # every field was checked by type when the event was read
        first_reading=first_reading,  # type: ignore[arg-type]
        last_reading=last_reading,  # type: ignore[arg-type]
        reason=reason,  # type: ignore[arg-type]
        first=first,  # type: ignore[arg-type]
        last=last,  # type: ignore[arg-type]
        head=head,  # type: ignore[arg-type]
    )


def declared_gaps(value: object) -> tuple[Gap, ...]:
    """Every well-formed event 4 in key 9 of a block whose content nobody has checked."""
    gaps = []
    for item in value if type(value) is tuple else ():
        if type(item) is tuple and item and is_int(item[0], EventKind.GAP, EventKind.GAP):
            try:
                gaps.append(gap_of(read_event(item)))
            except ContentError:
                continue
    return tuple(gaps)


def event_value(event: Event) -> tuple[object, ...]:
    """An event as CBOR values; the signed messages in events 5 and 7 become tag 18 again."""
    if event.kind in (EventKind.EPOCH_OPEN, EventKind.IDENTITY_CHANGE):
        return (int(event.kind), event.mono_ms, cbor.decode_strict(message_of(event)))
    return (int(event.kind), event.mono_ms, *event.fields)


def read_events(value: object) -> tuple[Event, ...]:
    """Key 9 of a block.

    Raises:
        ContentError: ``event-form``, ``event-twice``, ``dictionary-form``.
    """
    if type(value) is not tuple or not 1 <= len(value) <= MAX_EVENTS:
        raise ContentError("event-form", f"not an array of 1 to {MAX_EVENTS}")
    events = tuple(read_event(item) for item in value)
    kinds = [event.kind for event in events if event.kind in _ONCE]
    if len(kinds) != len(set(kinds)):
        raise ContentError("event-twice", "kinds 1, 2, 5 and 7 stand at most once in a block")
    return events


def read_event(value: object) -> Event:
    """One event from decoded CBOR; nested messages are checked for form, not for who signed them."""
    if type(value) is not tuple or len(value) < 2:
        raise ContentError("event-form")
    kind, mono_ms, *rest = value
    if not (is_int(kind, 1, _MAX_KIND) and is_u63(mono_ms)):
        raise ContentError("event-form", "kind or time")
    fields = tuple(rest)
    if kind in (EventKind.EPOCH_OPEN, EventKind.IDENTITY_CHANGE):
        return Event(kind=kind, mono_ms=mono_ms, fields=(_nested(kind, fields),))
    if not _well_formed(kind, fields):
        raise ContentError("event-form", f"fields of event {kind}")
    if kind == EventKind.DICTIONARY:
        check_add(fields[0])
    return Event(kind=kind, mono_ms=mono_ms, fields=fields)


def nested_message(field: object) -> bytes:
    """The bytes of a signed message that stands inside an event.

    Raises:
        FormError: it is no tag 18.
    """
    if not isinstance(field, cbor.Tag):
        raise FormError("nested-message", "no tag 18")
    return cbor.encode(field)


def _nested(kind: int, fields: tuple[object, ...]) -> bytes:
    try:
        message = nested_message(fields[0] if len(fields) == 1 else None)
        if kind == EventKind.EPOCH_OPEN:
            read_delegation(message)
        else:
            read_identity_change(message)
    except FormError as error:
        raise ContentError("event-form", f"event {kind}: {error}") from error
    return message


def _well_formed(kind: int, fields: tuple[object, ...]) -> bool:
    match kind, fields:
        case EventKind.BOOT, (before, last, clean):
            return _is_boot(before, last, clean)
        case EventKind.CLOCK_SET, (utc_ms, quality, error_ms):
            return is_utc_ms(utc_ms) and is_int(quality, 1, _BEST_QUALITY) and is_u63(error_ms)
        case EventKind.DICTIONARY, (_,):
            return True
        case EventKind.GAP, (first, last, reason, from_block, to_block, head):
            return _is_gap(first, last, reason, from_block, to_block) and is_bytes(head, HASH_BYTES)
        case EventKind.EPOCH_CLOSE, ():
            return True
    return kind > EventKind.IDENTITY_CHANGE and all(_is_field(field) for field in fields)


def _is_boot(before: object, last: object, clean: object) -> bool:
    before_fits = before is None or is_bytes(before, ID_BYTES)
    return before_fits and (last is None or is_u63(last)) and type(clean) is bool


def _is_gap(first: object, last: object, reason: object, from_block: object, to_block: object) -> bool:
    if not (is_u63(first) and is_u63(last) and first <= last + 1 and is_int(reason, 1, 3)):
        return False
    return is_place(from_block) and is_place(to_block) and from_block <= to_block  # type: ignore[operator]


def is_place(value: object) -> bool:
    """Whether this is [epoch, number]."""
    return type(value) is tuple and len(value) == 2 and is_u63(value[0]) and is_u63(value[1])


def _is_field(value: object) -> bool:
    if value is None or type(value) is bool or is_int(value, INT_MIN, UINT_MAX):
        return True
    return is_short(value) or (type(value) is bytes and len(value) <= LONG_BYTES)
