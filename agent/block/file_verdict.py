"""What the verification of a file says, as data; sentences are the command line's."""

from __future__ import annotations

from dataclasses import dataclass

from agent.block.chain import Loss, Place
from agent.block.findings import Finding


@dataclass(frozen=True, slots=True, kw_only=True)
class BadMessage:
    """A message that was refused, is unreadable or is evidence of a fork, or a stretch of the file that is none.

    Attributes:
        index: number of the message or stretch in the file, from 0.
        place: (epoch, number) if its header could be read.
        reason: kebab-case code.
    """

    index: int
    place: Place | None
    reason: str
    detail: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Missing:
    """Blocks that are not there and that nobody declared: from ``first`` up to, without, ``until``."""

    first: Place
    until: Place


@dataclass(frozen=True, slots=True, kw_only=True)
class ChainVerdict:
    """What a file shows of one gateway.

    Attributes:
        trusted: its identity key was given; without, nothing of it was verified.
        begins: epoch that ``proven`` speaks of first; 0 is the genesis of the gateway.
        first_seen: place of its first message in the file.
        last: place of the last chained block, ``head`` its head: compare them with a receipt, for a file cannot show
            that its tail is missing.
        epochs: (epoch, chained blocks) ascending.
        blocks, readings: chained ones; duplicates are not counted again.
        first_utc_ms, last_utc_ms: of the first and last reading whose block tells UTC.
        declared: losses that the gateway signed for.
        missing: undeclared.
        detached, parked, dropped: messages that found no place: not chained; unverifiable; over the bounds.
        bad: the first of the messages behind ``refused``, ``unreadable`` and ``forks``.
        findings: the first of the things to look at.
        proven: every message is chained and readable, or a duplicate, and nothing is missing undeclared.
    """

    gateway: bytes
    trusted: bool
    proven: bool
    begins: int
    first_seen: Place
    last: Place | None
    head: bytes
    epochs: tuple[tuple[int, int], ...]
    blocks: int
    readings: int
    first_utc_ms: int | None
    last_utc_ms: int | None
    declared: tuple[Loss, ...]
    missing: tuple[Missing, ...]
    duplicates: int
    detached: int
    parked: int
    dropped: int
    refused: int
    unreadable: int
    forks: int
    bad: tuple[BadMessage, ...]
    findings: tuple[Finding, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class FileVerdict:
    """What a file shows.

    Attributes:
        messages: how many were read, bad stretches not counted.
        bad: messages without a readable header and bad stretches; the first of ``bad_count``.
        proven: at least one chain, all proven, and nothing bad beside them.
    """

    proven: bool
    messages: int
    chains: tuple[ChainVerdict, ...]
    bad: tuple[BadMessage, ...]
    bad_count: int
