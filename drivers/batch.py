"""What flows from a device to storage: one exchange, in columns.

No object per reading and no Decimal on the polling path; exponent and unit live in the profile's point
and later in the block's dictionary.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntFlag
from typing import Final, TypeAlias

Value: TypeAlias = int | str | bool | bytes | None
"""Integer mantissa at the point's exponent, text, state, raw bytes; None = no value (status is bad)."""


class DeviceTimeFlag(IntFlag):
    """What is to be known about a device's time (block format, columns, 6)."""

    NONE = 0
    HISTORICAL = 1
    """The value was taken earlier than the exchange: frozen, a maximum demand, a stored record."""
    CLOCK_UNSET = 2
    """The device says itself that its clock is not set."""
    SUBSTITUTED = 4
    """The device filled the value in; it was not measured."""


_WORDS: Final = ((1, "historical"), (2, "device-clock-unset"), (4, "substituted"))


def flag_words(flags: int) -> str:
    """Give bits of ``DeviceTimeFlag`` as words, as programs are told them; by spaces, empty for none."""
    return " ".join(word for bit, word in _WORDS if flags & bit)


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceTime:
    """The device's own time of one reading, beside ours.

    Attributes:
        row: of the batch.
        utc_ms: its time as UTC milliseconds since 1970, None if it gave none; right or wrong, as it says.
        sequence: number that the device gave the record, None if none.
    """

    row: int
    utc_ms: int | None
    sequence: int | None = None
    flags: DeviceTimeFlag = DeviceTimeFlag.NONE


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """The readings of one exchange.

    Attributes:
        device: index of the device in the site's device list.
        mono_ns: CLOCK_BOOTTIME when the last byte of the reply was there.
        points: indexes into the points of the device's profile.
        values: one for each point; None exactly when its status is bad.
        statuses: OPC UA status codes, one for each point, 0 is good.
        urgent: seal at once instead of waiting for more.
        raws: (row, 1 to 1024 bytes just as they came), of rows whose bytes prove something by themselves, such as a
            tuple that the meter signed; rows ascend.
        device_times: when the device says that a value was taken, for rows that have such a time; rows ascend.
    """

    device: int
    mono_ns: int
    points: tuple[int, ...]
    values: tuple[Value, ...]
    statuses: tuple[int, ...]
    urgent: bool = False
    raws: tuple[tuple[int, bytes], ...] = ()
    device_times: tuple[DeviceTime, ...] = ()


def in_columns(rows: Sequence[tuple[Value, int]]) -> tuple[tuple[Value, ...], tuple[int, ...]]:
    """Give value and status of each row as ``values`` and ``statuses`` of a batch."""
    return tuple([value for value, _ in rows]), tuple([int(status) for _, status in rows])
