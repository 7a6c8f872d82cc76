"""What a collector owes each gateway: receipts and questions, and when. Pure.

Receipts go out at most once a second or for every 100 blocks of a gateway, after the commit; what is missing is
asked for at once and then every 60 s (block format, rules for the verifier, 2 and 4).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final, TypeAlias

from agent.block.chain import Place
from agent.collector.ingest import Progress

RECEIPT_EVERY_S: Final = 1.0
RECEIPT_BLOCKS: Final = 100
ASK_EVERY_S: Final = 60.0
MOST_OPENINGS: Final = 4
"""Questions for block 0 of an epoch in a minute: what is parked is unverified, so anyone may have made it up."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReceiptDue:
    """A receipt to sign and send."""

    gateway: bytes
    place: Place
    head: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class ResendDue:
    """Blocks to ask for; ``last`` None means all after ``first``."""

    gateway: bytes
    epoch: int
    first: int
    last: int | None


Due: TypeAlias = ReceiptDue | ResendDue


@dataclass(slots=True)
class _Account:
    progress: Progress
    owed: bool = False
    blocks: int = 0
    receipted_s: float | None = None
    asked_s: float = 0.0
    asked: ResendDue | None = None
    openings: dict[int, float] = field(default_factory=dict)


class Owed:
    """The accounts of all gateways that were heard of in this run. Times are seconds that only go forward."""

    def __init__(self) -> None:
        self._accounts: dict[bytes, _Account] = {}
        self._active: set[bytes] = set()

    def note(self, progress: Progress, *, greet: bool = False) -> None:
        """Take in what a batch committed; ``greet`` owes a receipt without one, at the start of a collector."""
        account = self._accounts.get(progress.gateway)
        if account is None:
            account = self._accounts[progress.gateway] = _Account(progress=progress)
        account.progress = progress
        account.blocks += progress.chained
        account.owed |= greet or progress.repeated or progress.chained > 0
        lacks = missing(progress) is not None
        if not lacks:
            account.asked = None
        if account.owed or lacks or progress.parked:
            self._active.add(progress.gateway)

    def due(self, now_s: float) -> Iterator[Due]:
        """Give everything that has to go out now; what is given counts as sent."""
        for gateway in tuple(self._active):
            account = self._accounts[gateway]
            if account.owed:
                receipt = self._receipt(account, now_s)
                if receipt is not None:
                    yield receipt
            yield from _openings(account, now_s)
            question = missing(account.progress)
            if question is not None and _is_news(question, account, now_s):
                account.asked, account.asked_s = question, now_s
                yield question
            if not account.owed and question is None and not account.progress.parked:
                self._active.discard(gateway)

    def failed(self, due: Due) -> None:
        """It could not be sent: it is owed again."""
        account = self._accounts[due.gateway]
        self._active.add(due.gateway)
        if isinstance(due, ReceiptDue):
            account.owed = True
        elif due == account.asked:
            account.asked = None
        else:
            account.openings.pop(due.epoch, None)

    def _receipt(self, account: _Account, now_s: float) -> ReceiptDue | None:
        progress = account.progress
        if progress.forked or progress.place is None:
            account.owed = False
            return None
        waited = account.receipted_s is None or now_s >= account.receipted_s + RECEIPT_EVERY_S
        if not waited and account.blocks < RECEIPT_BLOCKS:
            return None
        account.owed = False
        account.blocks = 0
        account.receipted_s = now_s
        return ReceiptDue(gateway=progress.gateway, place=progress.place, head=progress.head)


def _is_news(question: ResendDue, account: _Account, now_s: float) -> bool:
    """Whether a question has to go out: it asks for more than the last one did, or that was a minute ago."""
    asked = account.asked
    if asked is None or now_s >= account.asked_s + ASK_EVERY_S:
        return True
    if asked.last is None:
        return (question.epoch, question.first) < (asked.epoch, asked.first)
    within = question.epoch == asked.epoch and question.last is not None and question.last <= asked.last
    return not (within and question.first >= asked.first)


def _openings(account: _Account, now_s: float) -> Iterator[ResendDue]:
    """Ask for block 0 of the epochs that are parked, in turn: only it tells who signed the others."""
    progress = account.progress
    account.openings = {epoch: at_s for epoch, at_s in account.openings.items() if epoch in progress.parked}
    openings = account.openings
    waits = [epoch for epoch in progress.parked if now_s >= openings.get(epoch, -ASK_EVERY_S) + ASK_EVERY_S]
    waits.sort(key=lambda epoch: openings.get(epoch, -ASK_EVERY_S))
    asked_lately = len(progress.parked) - len(waits)
    for epoch in waits[: max(0, MOST_OPENINGS - asked_lately)]:
        openings[epoch] = now_s
        yield ResendDue(gateway=progress.gateway, epoch=epoch, first=0, last=0)


def missing(progress: Progress) -> ResendDue | None:
    """Say what stands between the chain and the blocks that wait, None if nothing does."""
    waits_at = progress.waits_at
    if waits_at is None:
        return None
    epoch, first = (0, 0) if progress.place is None else (progress.place[0], progress.place[1] + 1)
    last = waits_at[1] - 1 if waits_at[0] == epoch else None
    return ResendDue(gateway=progress.gateway, epoch=epoch, first=first, last=last)
