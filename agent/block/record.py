"""The sealed block as data: every part of format version 1 (block-format page, CDDL), decoded.

Nothing here encodes or checks; ``seal`` writes, ``verify`` reads.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import Final, TypeAlias

VERSION: Final = 1
ZERO_HEAD: Final = bytes(32)
MAX_MESSAGE_BYTES: Final = 256 * 1024
MAX_SEAL_BYTES: Final = 64 * 1024
MAX_ROWS: Final = 4096
MAX_EVENTS: Final = 64

Value: TypeAlias = int | str | bool | bytes | None
Field: TypeAlias = int | bool | str | bytes | None
"""One field of an event as it stands in the block; composite fields of events 3, 4 and 5 have types of their own."""


class EventKind(IntEnum):
    """Events 0-63 of the format; extensions start at 64."""

    BOOT = 1
    CLOCK_SET = 2
    DICTIONARY = 3
    GAP = 4
    EPOCH_OPEN = 5
    EPOCH_CLOSE = 6
    IDENTITY_CHANGE = 7
    COMMAND_ACCEPTED = 8
    COMMAND_REFUSED = 9
    COMMAND_RESULT = 10
    CONFIGURATION = 11
    SOFTWARE = 12
    TAMPER = 13
    STORAGE_FAULT = 14
    BUS_FAULT = 15
    DEVICE_QUALITY = 16
    DEVICE_IDENTITY = 17
    COUNTER_DISCONTINUITY = 18
    ERASURE = 19
    ENROLMENT = 20
    RULE_ACT = 21
    MISSED_POLLS = 22
    DESTINATION_ADDED = 23


class ClockQuality(IntEnum):
    """Where UTC comes from (block format, 'Time')."""

    NONE = 0
    SAVED = 1
    HARDWARE = 2
    NTP = 3
    AUTHENTICATED = 4
    RECEIPT = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class ClockSample:
    """One look at the clocks, taken at sealing.

    Attributes:
        boot: first 8 bytes of the kernel's boot id.
        mono_ms: CLOCK_BOOTTIME, milliseconds.
        utc_ms: UTC, milliseconds since 1970; None exactly when quality is NONE.
        max_error_ms: bound of the error of ``utc_ms``; 0 when quality is NONE.
    """

    boot: bytes
    mono_ms: int
    utc_ms: int | None
    quality: ClockQuality
    max_error_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceEntry:
    """A row of the device table of the dictionary."""

    id: bytes
    name: str
    profile: str
    profile_hash: bytes
    identity: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PointEntry:
    """A row of the point table of the dictionary. ``device`` is an index of the device table."""

    device: int
    quantity: str
    unit: str | None
    exponent: int
    kind: int
    klass: int


@dataclass(frozen=True, slots=True, kw_only=True)
class DictionaryAdd:
    """What one event 3 appends to the tables."""

    first_device: int
    devices: tuple[DeviceEntry, ...]
    first_point: int
    points: tuple[PointEntry, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Columns:
    """The readings of a block, in the order they were taken in.

    Attributes:
        mono_ms: CLOCK_BOOTTIME of each reading, absolute (the wire holds differences).
        points: index of the point table, one for each reading.
        values: absolute values (the wire holds differences of integers of the same point).
        statuses: (row, OPC UA status) of the rows that are not plain good, ascending.
        raws: (row, bytes as they came from the device).
        device_times: (row, device time ms or None, device sequence or None, flags).
    """

    mono_ms: tuple[int, ...]
    points: tuple[int, ...]
    values: tuple[Value, ...]
    statuses: tuple[tuple[int, int], ...] = ()
    raws: tuple[tuple[int, bytes], ...] = ()
    device_times: tuple[tuple[int, int | None, int | None, int], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """One event. ``fields`` are those after kind and time, as CBOR values (composite ones as tuples)."""

    kind: int
    mono_ms: int
    fields: tuple[object, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ReceiptMark:
    """The last receipt that the gateway held from one destination (key 10 of a block)."""

    destination: bytes
    epoch: int
    number: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """A decoded block."""

    gateway: bytes
    epoch: int
    number: int
    prev: bytes
    first_reading: int
    clock: ClockSample
    dictionary_hash: bytes
    columns: Columns | None = None
    events: tuple[Event, ...] = ()
    receipts: tuple[ReceiptMark, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class SealedBlock:
    """A signed block: ``message`` is what is stored, sent and verified.

    Attributes:
        head: SHA-256 of the Sig_structure; the next block's ``prev``.
        readings: how many readings it holds.
        keep: carries event 3, 5 or 7, so it is never pruned nor dropped.
    """

    message: bytes
    head: bytes
    epoch: int
    number: int
    first_reading: int
    readings: int
    keep: bool
