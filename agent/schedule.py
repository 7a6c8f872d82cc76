"""What one bus does next: due times on a fixed grid, claims in order, the dead in time that nobody else wants.

Pure: every time comes in as nanoseconds of CLOCK_BOOTTIME, nothing sleeps. ``next`` gives a job, then ``done``
follows for it; on a line before the next ``next``, over TCP several reads may be open, and a ``done`` is left out for
those that ``holds`` no longer knows.

A read with period p and phase f is due at f + k p, for ever the same k; what was missed is skipped and counted.
Of the reads that are due the one goes first whose slot ends first: a bus that can carry its load misses none.
"""

from __future__ import annotations

import heapq
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum, auto
from typing import Final

from agent.polling.claims import DueQueue, Life, Member, Task, phases
from agent.polling.missed import Missed, MissReason
from agent.polling.probing import SECOND_NS, Probing
from drivers.sources import Read, Urgency

SILENT_LIMIT: Final = 2  # time-outs in a row that make a device dead
DAMAGED_LIMIT: Final = 4  # failures of any kind in a row: it makes noise, but nothing comes of it
RETRY_AFTER_NS: Final = SECOND_NS  # a slow read that failed is tried once more, never at once
REFUSED_PAUSE_NS: Final = 60 * SECOND_NS


class Result(Enum):
    """What came of a job."""

    ANSWERED = auto()
    REFUSED = auto()
    """The device lives and said no, for good: asked again rarely."""
    UNABLE = auto()
    """The device lives and cannot answer this now: asked again at the usual time."""
    SILENT = auto()
    DAMAGED = auto()
    """Bytes came and were no answer."""
    DROPPED = auto()
    """Not the device's doing (the port went): the slot is missed unless it can still be served."""


class Change(Enum):
    """What a job changed about its device."""

    NONE = auto()
    MET = auto()
    """It answered for the first time."""
    BACK = auto()
    """It was dead, and lives."""
    DIED = auto()


@dataclass(frozen=True, slots=True)
class Job:
    """What the bus does next.

    Attributes:
        urgency: why it is its turn.
        task: the planned read, None for a probe or somebody's question.
        device: position on the bus; -1 for a question.
        ticket: number that ``ask`` was given, -1 otherwise.
    """

    urgency: Urgency
    task: Task | None
    device: int = -1
    ticket: int = -1


class Schedule:
    """The order of claims on one bus: command, technician, overdue read, regular read, probe.

    Args:
        plans: for each device on the bus, its reads.
        start_ns: CLOCK_BOOTTIME; every read is due at once, then on its grid.
        spread: give each read a phase of its own (a serial line); else all share the grid of ``start_ns`` (TCP).
        settings: for each device the number of its speed and parity, if the line carries several.
    """

    def __init__(
        self, plans: Sequence[Sequence[Read]], *, start_ns: int, spread: bool, settings: Sequence[int] = ()
    ) -> None:
        of_device = settings or (0,) * len(plans)
        self.members: Final[Sequence[Member]] = tuple(
            Member(device, start_ns, of_device[device]) for device in range(len(plans))
        )
        self._start_ns = start_ns
        self._probing = Probing(start_ns)
        self._queue = DueQueue()
        self._asked: list[tuple[int, int]] = []
        self._held: MissReason | None = None
        self._probed_last = False
        for (device, index), phase_ns in phases(plans, spread=spread).items():
            task = Task(device, plans[device][index], start_ns, phase_ns, of_device[device])
            self.members[device].tasks.append(task)
            self._queue.push(task)
        for member in self.members:
            member.phase_ns = member.tasks[0].base_ns - start_ns if member.tasks else 0

    def ask(self, urgency: Urgency, ticket: int) -> None:
        """Queue a question of a person or a command (``urgency`` COMMAND or TECHNICIAN); tickets rise."""
        heapq.heappush(self._asked, (urgency.value, ticket))

    def next(self, now_ns: int) -> Job | None:
        """Give what the bus has to do now, None when there is nothing (see ``wake_ns``)."""
        if self._asked:
            urgency, ticket = heapq.heappop(self._asked)
            return Job(Urgency(urgency), None, ticket=ticket)
        if self._held is not None:
            return None
        self._queue.release(now_ns)
        gap_ns = self._queue.gap_ns(now_ns)
        if len(self._probing) and not (self._probed_last and gap_ns == 0):
            device = self._probing.choose(now_ns, gap_ns)
            self._probed_last = device is not None
            if device is not None:
                return Job(Urgency.PROBE, None, device)
        self._probed_last = False
        task = self._queue.pop(now_ns)
        return None if task is None else self._start(task, now_ns)

    def wake_ns(self, now_ns: int) -> int | None:
        """Give when ``next`` will have something, None when only ``ask`` or ``resume`` can change that."""
        if self._asked:
            return now_ns
        if self._held is not None:
            return None
        self._queue.release(now_ns)
        gap_ns = self._queue.gap_ns(now_ns)
        if gap_ns == 0:
            return now_ns
        due_ns = None if gap_ns is None else now_ns + gap_ns
        probe_ns = self._probing.wake_ns(now_ns, gap_ns)
        if due_ns is None or probe_ns is None:
            return probe_ns if due_ns is None else due_ns
        return min(due_ns, probe_ns)

    def holds(self, task: Task) -> bool:
        """Tell whether ``task`` is still to be noted: its device lives and its plan has it."""
        member = self.members[task.device]
        return member.life is not Life.DEAD and any(one is task for one in member.tasks)

    def done(self, job: Job, result: Result, started_ns: int, ended_ns: int) -> Change:
        """Note what came of ``job``, an exchange that took the bus from ``started_ns`` to ``ended_ns``."""
        task = job.task
        if result is Result.DROPPED:
            return self._dropped(job, ended_ns)
        if result in (Result.SILENT, Result.DAMAGED):
            return self._failed(job, started_ns, ended_ns, silent=result is Result.SILENT)
        if task is not None:
            task.refused = result is Result.REFUSED
            task.failed += result is not Result.ANSWERED
            task.retried = False
            self._advance(task, started_ns)
        return self.heard(job.device, ended_ns)

    def heard(self, device: int, now_ns: int) -> Change:
        """Note any sign of life; if the device was dead, all its reads are due now."""
        member = self.members[device]
        member.failures = member.silent = 0
        before, member.life = member.life, Life.ALIVE
        if before is not Life.DEAD:
            return Change.MET if before is Life.UNKNOWN else Change.NONE
        self._probing.remove(device)
        self._probing.set_alone(False, now_ns)
        for task in member.tasks:
            member.skip(task, now_ns, member.reason)
            self._push_due(task, now_ns)
        return Change.BACK

    def replan(self, device: int, reads: Sequence[Read], now_ns: int) -> None:
        """Take new reads of a device that lives (a block was split); reads that stay keep their place."""
        member = self.members[device]
        old = {id(task.read): task for task in member.tasks}
        tasks = []
        for read in reads:
            kept = old.pop(id(read), None)
            tasks.append(self._new_task(device, read, now_ns) if kept is None else kept)
        for task in old.values():
            task.entry = 0
        member.tasks = tasks

    def hold(self, reason: MissReason) -> None:
        """Stop polling: the port is gone or lent. Questions still get their turn."""
        self._held = reason

    def resume(self, now_ns: int) -> None:
        """Poll again: what fell due meanwhile counts as missed, every read is due once, then the grid holds."""
        if self._held is None:
            return
        reason, self._held = self._held, None
        self._probing.all_due(now_ns)
        for member in self.members:
            if member.life is Life.DEAD:
                continue
            member.failures = member.silent = 0
            for task in member.tasks:
                member.skip(task, now_ns, reason)
                self._push_due(task, now_ns)

    def stretch(self, device: int, factors: Sequence[int], now_ns: int) -> None:
        """Serve only every n-th slot of each read of ``device`` (0: none), to shed load; 1 restores."""
        member = self.members[device]
        for task, factor in zip(member.tasks, factors, strict=True):
            before, task.stretch = task.stretch, factor
            if member.life is Life.DEAD or before == factor:
                continue
            if factor == 0:
                task.entry = 0
            elif before == 0 or factor < before:
                member.skip(task, now_ns, MissReason.SHED)
                self._push_due(task, now_ns)

    def missed(self, now_ns: int, *, back: int | None = None, everything: bool = False) -> list[Missed]:
        """Give what is to be told of missed polls: at most once a minute a device.

        Args:
            now_ns: CLOCK_BOOTTIME.
            back: a device that has just come back is told at once.
            everything: tell all, at the end of the run.
        """
        found = []
        for device, member in enumerate(self.members):
            reason = self._held or (member.reason if member.life is Life.DEAD else MissReason.SHED)
            for task in member.tasks:
                if self._held is not None or task.entry == 0:
                    member.skip(task, now_ns, reason)
            told = member.ledger.take(now_ns, at_once=everything or device == back)
            if told is not None:
                found.append(told)
        return found

    def _start(self, task: Task, now_ns: int) -> Job:
        if task.slot_at(now_ns) > task.slot:
            shed = MissReason.SHED if task.stretch > 1 else MissReason.LATE
            self.members[task.device].skip(task, now_ns, MissReason.REFUSED if task.refused else shed)
        overdue = task.started(now_ns) >= task.period_ns
        return Job(Urgency.OVERDUE if overdue else Urgency.REGULAR, task, task.device)

    def _advance(self, task: Task, started_ns: int) -> None:
        """Queue the slot after the one that was served at ``started_ns``."""
        served = task.slot_at(started_ns)
        task.slot = served + 1
        step = task.stretch
        if step == 0:
            return
        if task.refused:
            step = max(step, REFUSED_PAUSE_NS // task.period_ns)
        task.set_due(task.due_of(served + step))
        self._queue.push(task)

    def _failed(self, job: Job, started_ns: int, ended_ns: int, *, silent: bool) -> Change:
        member, task = self.members[job.device], job.task
        if task is None:
            self._probing.failed(job.device, started_ns, ended_ns)
            return Change.NONE
        member.failures += 1
        member.silent = member.silent + 1 if silent else 0
        task.failed += 1
        self._advance(task, started_ns)
        task.deadline_ns += task.period_ns  # those that answer go first
        if member.silent < SILENT_LIMIT and member.failures < DAMAGED_LIMIT:
            member.life = Life.SUSPECT
            self._retry_soon(task, ended_ns)
            return Change.NONE
        member.life = Life.DEAD
        member.reason = MissReason.NO_REPLY if silent else MissReason.BAD_FRAME
        for other in member.tasks:
            other.entry = 0
        self._probing.add(job.device, ended_ns, ended_ns - started_ns)
        self._probing.set_alone(all(other.life is Life.DEAD for other in self.members), ended_ns)
        return Change.DIED

    def _dropped(self, job: Job, now_ns: int) -> Change:
        if job.task is not None:
            self._queue.push(job.task)
        elif job.urgency is Urgency.PROBE:
            self._probing.failed(job.device, now_ns, now_ns)
        return Change.NONE

    def _retry_soon(self, task: Task, now_ns: int) -> None:
        """Try a slow read once more before its next slot: one lost frame must not cost a minute."""
        if task.retried or task.entry == 0 or task.due_ns - now_ns <= 2 * RETRY_AFTER_NS:
            return
        task.retried = True
        task.due_ns = task.deadline_ns = now_ns + RETRY_AFTER_NS
        self._queue.push(task)

    def _push_due(self, task: Task, now_ns: int) -> None:
        if task.stretch == 0:
            return
        task.set_due(now_ns)
        self._queue.push(task)

    def _new_task(self, device: int, read: Read, now_ns: int) -> Task:
        member = self.members[device]
        task = Task(device, read, self._start_ns, member.phase_ns, member.setting)
        task.slot = task.slot_at(now_ns)
        self._push_due(task, now_ns)
        return task
