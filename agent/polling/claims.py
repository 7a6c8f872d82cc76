"""What wants a bus: planned reads with their grid, and the queue that hands them out. Part of ``agent.schedule``."""

from __future__ import annotations

import heapq
from collections.abc import Sequence
from enum import Enum

from agent.polling.missed import MissLedger, MissReason
from agent.polling.probing import SECOND_NS
from drivers.sources import Read


class Life(Enum):
    """What is known of a device."""

    UNKNOWN = "unknown"
    ALIVE = "alive"
    SUSPECT = "suspect"
    DEAD = "dead"


class Task:
    """One planned read of one device, and how well it keeps its grid.

    Attributes:
        device: position of the device on the bus.
        read: what is read.
        slot: number of the next slot to serve; slot k is due at ``base_ns + k * period_ns``.
        stretch: every n-th slot is served, 0: none.
        setting: which speed and parity it needs; reads of one setting go in a row where nothing is lost by it.
        polls: exchanges tried; failed: those without a reading; missed: slots that were never tried.
        late_ns, late_max_ns, late_sum_ns: start of the exchange behind its due time: last, worst, sum.
    """

    __slots__ = (
        "base_ns", "deadline_ns", "device", "due_ns", "entry", "failed", "late_max_ns", "late_ns", "late_sum_ns",
        "missed", "period_ns", "polls", "read", "refused", "retried", "setting", "slot", "stretch",
    )  # fmt: skip

    def __init__(self, device: int, read: Read, start_ns: int, phase_ns: int, setting: int = 0) -> None:
        self.device = device
        self.setting = setting
        self.read = read
        self.period_ns = max(1, round(read.period_s * SECOND_NS))
        self.base_ns = start_ns + phase_ns
        self.slot = (start_ns - self.base_ns) // self.period_ns
        self.due_ns = self.deadline_ns = start_ns
        self.entry = 0  # number of its valid place in the queue, 0: in none
        self.stretch = 1
        self.refused = self.retried = False
        self.polls = self.failed = self.missed = 0
        self.late_ns = self.late_max_ns = self.late_sum_ns = 0

    def slot_at(self, now_ns: int) -> int:
        """Give the slot that a poll at ``now_ns`` serves."""
        return (now_ns - self.base_ns) // self.period_ns

    def due_of(self, slot: int) -> int:
        """Give the time at which ``slot`` is due."""
        return self.base_ns + slot * self.period_ns

    def started(self, now_ns: int) -> int:
        """Note that the exchange begins; give how late it is."""
        late_ns = max(0, now_ns - self.due_ns)
        self.polls += 1
        self.late_ns = late_ns
        self.late_sum_ns += late_ns
        self.late_max_ns = max(late_ns, self.late_max_ns)
        return late_ns

    def set_due(self, due_ns: int) -> None:
        """Set when it wants the bus and when its slot ends."""
        self.due_ns, self.deadline_ns = due_ns, due_ns + self.period_ns


class Member:
    """One device of the bus as the schedule sees it."""

    __slots__ = ("failures", "ledger", "life", "phase_ns", "reason", "setting", "silent", "start_ns", "tasks")

    def __init__(self, device: int, start_ns: int, setting: int = 0) -> None:
        self.life = Life.UNKNOWN
        self.setting = setting
        self.tasks: list[Task] = []
        self.start_ns = start_ns
        self.phase_ns = 0
        self.failures = self.silent = 0
        self.reason = MissReason.NO_REPLY
        self.ledger = MissLedger(device)

    def skip(self, task: Task, now_ns: int, reason: MissReason) -> None:
        """Count the slots of ``task`` that passed without a try; the slot of ``now_ns`` is the next one then."""
        slot = task.slot_at(now_ns)
        first = task.slot + (task.due_of(task.slot) < self.start_ns)  # the round at the start has no slot of its own
        task.slot = max(slot, task.slot)
        if slot <= first:
            return
        task.missed += slot - first
        self.ledger.add(task.read.points, slot - first, task.due_of(first), task.due_of(slot - 1), reason)


class DueQueue:
    """Reads by due time, and those that are due by the end of their slot, one queue for each setting of the line.

    Attributes:
        setting: what the line is set to, as far as reads have set it.
    """

    def __init__(self) -> None:
        self.setting = 0
        self._future: list[tuple[int, int, Task]] = []
        self._released: dict[int, list[tuple[int, int, Task]]] = {}
        self._entries = 0

    def push(self, task: Task) -> None:
        """Queue ``task`` at its ``due_ns``; an older place of it no longer holds."""
        self._entries += 1
        task.entry = self._entries
        heapq.heappush(self._future, (task.due_ns, self._entries, task))

    def release(self, now_ns: int) -> None:
        """Move what is due to the queues that are sorted by the end of the slot; drop places that no longer hold."""
        future = self._future
        while future and (future[0][0] <= now_ns or future[0][1] != future[0][2].entry):
            _, entry, task = heapq.heappop(future)
            if entry == task.entry:
                heapq.heappush(self._released.setdefault(task.setting, []), (task.deadline_ns, entry, task))
        for setting, released in tuple(self._released.items()):
            while released and released[0][1] != released[0][2].entry:
                heapq.heappop(released)
            if not released:
                del self._released[setting]

    def pop(self, now_ns: int) -> Task | None:
        """Give the released task whose slot ends first; call ``release`` before.

        Those of the setting that the line has go before it as long as it has more than half of its slot before it, or
        an eighth where theirs end within half a slot of it: changing speed or parity costs a silence and the time of
        the adapter, most dearly where much is waiting already.
        """
        if not self._released:
            return None
        chosen = min(self._released, key=lambda setting: self._released[setting][0])
        first = self._released[chosen][0][2]
        if self.setting in self._released:
            own = self._released[self.setting][0][2]
            together = own.deadline_ns < first.deadline_ns + min(own.period_ns, first.period_ns) // 2
            if now_ns + first.period_ns // (8 if together else 2) < first.deadline_ns:
                chosen = self.setting
        task = heapq.heappop(self._released[chosen])[2]
        if not self._released[chosen]:
            del self._released[chosen]
        task.entry = 0
        self.setting = chosen
        return task

    def gap_ns(self, now_ns: int) -> int | None:
        """Tell how long nobody wants the bus; None: for ever, 0: somebody wants it now. Call ``release`` before."""
        if self._released:
            return 0
        return self._future[0][0] - now_ns if self._future else None


def phases(plans: Sequence[Sequence[Read]], *, spread: bool) -> dict[tuple[int, int], int]:
    """Give each (device, read) its phase, ns; with ``spread``, reads of one period lie evenly over it."""
    reads = [(device, index) for device, plan in enumerate(plans) for index in range(len(plan))]
    if not spread:
        return dict.fromkeys(reads, 0)
    found: dict[tuple[int, int], int] = {}
    for period_s in {read.period_s for plan in plans for read in plan}:
        same = [place for place in reads if plans[place[0]][place[1]].period_s == period_s]
        for position, place in enumerate(same):
            found[place] = round(position * period_s * SECOND_NS / len(same))
    return {place: found[place] for place in reads}
