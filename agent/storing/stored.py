"""What storage hands to the rest of the agent: blocks, receipts' outcomes, pressure and status, as values."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, IntEnum
from typing import Final

_NUMBER_BITS: Final = 40


def seq_of(epoch: int, number: int) -> int:
    """Give the place of a block in the chain as one number: later blocks have higher ones."""
    return (epoch << _NUMBER_BITS) | number


def place_of(seq: int) -> tuple[int, int]:
    """Give (epoch, number) of a ``seq``."""
    return seq >> _NUMBER_BITS, seq & ((1 << _NUMBER_BITS) - 1)


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredBlock:
    """A committed block.

    Attributes:
        seq: place in the chain, ascending, not dense.
        message: what is sent, byte for byte.
    """

    seq: int
    epoch: int
    number: int
    head: bytes
    message: bytes
    readings: int


class Pressure(IntEnum):
    """How full the outbox is, and so what is given up before anything sealed is."""

    NONE = 0
    THIN = 1
    """Above 80 %: one telemetry batch of four is sealed."""
    NO_SEAL = 2
    """Above 90 %: no telemetry is sealed."""
    NO_POLL = 3
    """Above 97 %: points that are only telemetry are not even polled."""


class ReceiptOutcome(Enum):
    """What a receipt meant here."""

    ACCEPTED = "accepted"
    KNOWN = "known"
    """No further than one received before."""
    FOREIGN_HEAD = "foreign-head"
    """Its head is not ours: alarm, custody is kept."""
    ABOVE_CHAIN = "above-chain"
    """It names a block that was never sealed here: this state is a restored backup; sealing stops."""
    GONE = "gone"
    """It names a block dropped as the last resort: nothing to compare with, nothing to free."""
    UNKNOWN_DESTINATION = "unknown-destination"


@dataclass(frozen=True, slots=True, kw_only=True)
class DestinationStatus:
    """How far one destination is.

    Attributes:
        kid: first 8 bytes of SHA-256 over its receipt key.
        receipted: (epoch, number) of its last receipt, None before the first.
        pending_blocks: sealed blocks it has not receipted.
    """

    kid: bytes
    receipted: tuple[int, int] | None
    pending_blocks: int
    pending_bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Exchanged:
    """A device that is another one than before, or has another firmware (event 17).

    Attributes:
        device: name in the site file.
        before: what was known of it; now: what it says since ``mono_ms``.
    """

    device: str
    before: str
    now: str
    mono_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class StorageStatus:
    """Storage at a glance, as of its last commit.

    Attributes:
        sealed_blocks: over the gateway's life.
        sealed_readings: over the gateway's life.
        pending_blocks: not receipted by every destination.
        pending_bytes: of those, what counts against ``keep_bytes``.
        archived_blocks: receipted by all and still here.
        kept_bytes: bytes of messages on the disk.
        waiting_readings: taken in, not yet committed.
        last: (epoch, number) of the last block, None before the first.
        last_commit_mono_ms: CLOCK_BOOTTIME of the last commit in this run, None before it.
        max_age_s: age at which a block is sealed now; above the configured one the flash budget is exceeded.
        flash_bytes_day: what is being written to flash, projected to a day from the last hour.
        dropped_blocks: given up unreceipted as the last resort, in this run.
        shed_readings: given up before sealing, in this run.
        fault_code: kebab-case code of what keeps storage from committing, empty if nothing does.
        fault: the sentence to it.
        exchanged: devices that were found to be others, in this run, the last of each.
    """

    sealed_blocks: int = 0
    sealed_readings: int = 0
    pending_blocks: int = 0
    pending_bytes: int = 0
    archived_blocks: int = 0
    kept_bytes: int = 0
    waiting_readings: int = 0
    last: tuple[int, int] | None = None
    last_commit_mono_ms: int | None = None
    max_age_s: float = 0.0
    flash_bytes_day: int = 0
    pressure: Pressure = Pressure.NONE
    dropped_blocks: int = 0
    shed_readings: int = 0
    fault_code: str = ""
    fault: str = ""
    destinations: tuple[DestinationStatus, ...] = ()
    exchanged: tuple[Exchanged, ...] = ()
