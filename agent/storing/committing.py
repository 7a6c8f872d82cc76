"""Getting signed blocks onto the disk, whatever the disk does: the same bytes again and again, never others."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

from agent.block.record import Event, EventKind, SealedBlock
from agent.block.seal import Writer
from agent.errors import ChainDamagedError, DiskFullError, StorageError
from agent.killpoint import KillPoint, Reached
from agent.outbox import Commit, Outbox
from agent.storing.custody import Custody
from agent.storing.joining import GONE_EPOCH
from agent.storing.reserve import Reserve
from agent.storing.stored import place_of, seq_of

_FIRST_RETRY_MS: Final = 1_000
_LAST_RETRY_MS: Final = 30_000
_TEXT: Final = 60


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """What keeps storage from committing. ``code`` is that of the error, ``text`` its sentence."""

    code: str
    text: str


class Committing:
    """One commit at a time, repeated until it is through.

    Attributes:
        fault: why the last try failed, None while all is well.
        frozen: nothing may ever be signed on top of what is stored.
    """

    def __init__(self, outbox: Outbox, writer: Writer, custody: Custody, reserve: Reserve, reached: Reached) -> None:
        self._outbox = outbox
        self._writer = writer
        self._custody = custody
        self._reserve = reserve
        self._reached = reached
        self._waiting: Commit | None = None
        self._retry_ms = 0
        self._pause_ms = _FIRST_RETRY_MS
        self._broken = False
        gone = outbox.state(GONE_EPOCH)
        self._gone_epoch = -1 if gone is None else gone
        self.fault: Fault | None = None
        self.frozen = False

    @property
    def retry_ms(self) -> int | None:
        """When the waiting commit is tried again, None if none waits."""
        return None if self._waiting is None else self._retry_ms

    def begin(self, change: Commit) -> None:
        """Take over what was signed; from here on only these bytes exist under these numbers."""
        self._waiting = self._counted(change)
        self._retry_ms = 0

    def attempt(self, now_ms: int) -> tuple[Commit | None, Event | None]:
        """Try once. Gives what was committed, None if it has to wait, and event 14 once a fault is over."""
        change = self._waiting
        assert change is not None
        try:
            if not self._already_there(change):
                self._commit(change)
        except ChainDamagedError as error:
            self.freeze(str(error))
            return None, None
        except StorageError as error:
            self._broken = not isinstance(error, DiskFullError)
            self.fault = Fault(code=error.code, text=str(error))
            self._retry_ms = now_ms + self._pause_ms
            self._pause_ms = min(2 * self._pause_ms, _LAST_RETRY_MS)
            return None, None
        self._reached(KillPoint.COMMITTED)
        self._finish(change)
        over, self.fault, self._pause_ms = self.fault, None, _FIRST_RETRY_MS
        return change, _over(over, now_ms)

    def freeze(self, text: str) -> None:
        """Sign nothing more in this run: what is stored is not the end of the chain, or not whole."""
        self.frozen = True
        self.fault = Fault(code=ChainDamagedError.code, text=text)

    def _already_there(self, change: Commit) -> bool:
        """After a failed commit: did it get through all the same?"""
        if not self._broken:
            return False
        self._outbox.reopen()
        self._broken = False
        last = self._outbox.last
        if not change.blocks or last is None:
            return False
        return last.seq == seq_of(change.blocks[-1].epoch, change.blocks[-1].number) and (
            last.head == change.blocks[-1].head
        )

    def _commit(self, change: Commit) -> None:
        try:
            self._outbox.commit(change)
        except DiskFullError:
            spare = self._custody.removable(change.lived_s, disk_full=True)
            if not spare:
                raise
            self._reserve.give_back()
            room = self._counted(Commit(removed=spare, destinations=self._custody.changes(())))
            self._outbox.commit(room)
            self._committed(room)
            self._outbox.commit(change)

    def _finish(self, change: Commit) -> None:
        self._waiting = None
        for sealed in change.blocks:
            self._writer.commit(sealed)
        self._committed(change)
        self._reserve.set_aside()

    def _counted(self, change: Commit) -> Commit:
        """Note in the same transaction of which epoch blocks are gone."""
        gone = max((place_of(seq)[0] for seq in change.removed), default=-1)
        if gone <= self._gone_epoch:
            return change
        return replace(change, state=(*change.state, (GONE_EPOCH, gone)))

    def _committed(self, change: Commit) -> None:
        self._gone_epoch = max([self._gone_epoch, *(value for key, value in change.state if key == GONE_EPOCH)])
        self._custody.committed(change.destinations, removed=bool(change.removed))


def _over(fault: Fault | None, now_ms: int) -> Event | None:
    if fault is None:
        return None
    text = fault.text.rpartition(": ")[2]
    return Event(kind=EventKind.STORAGE_FAULT, mono_ms=now_ms, fields=(fault.code, text[:_TEXT]))


def sealed_readings(blocks: tuple[SealedBlock, ...]) -> int:
    """Give how many readings these blocks hold."""
    return sum(sealed.readings for sealed in blocks)
