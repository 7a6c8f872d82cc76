"""When to ask a device that does not answer: rarely, in growing pauses, in time that nobody else wants."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

SECOND_NS: Final = 1_000_000_000
SHARE: Final = 0.05  # of the bus while a living device wants it
SHARE_ALONE: Final = 0.5  # nothing lives on this bus, so nobody is disturbed
CREDIT_CAP_NS: Final = SECOND_NS // 2
FIRST_PAUSE_NS: Final = SECOND_NS // 2
LONGEST_PAUSE_NS: Final = 4_500_000_000  # with PATIENCE and the exchange itself: seen again within 5 s
LONGEST_PAUSE_MANY_NS: Final = 30 * SECOND_NS
AVERAGED: Final = 4  # failures over which the cost of a probe is averaged
PATIENCE_NS: Final = 300_000_000  # then a probe no longer waits for a gap that is long enough for it
STARVED_NS: Final = 30 * SECOND_NS  # then it no longer waits for a gap at all, on a bus that is never idle


@dataclass(slots=True, kw_only=True)
class _Dead:
    """What is known of one device that does not answer.

    Attributes:
        cost_ns: what its last failure held the bus for.
        mean_ns: what a probe holds it for on average; the link waits long for some answers and briefly for most.
    """

    due_ns: int
    pause_ns: int
    cost_ns: int
    mean_ns: int


class Probing:
    """The dead devices of one bus and the share of its time that they may have."""

    def __init__(self, start_ns: int) -> None:
        self._dead: dict[int, _Dead] = {}
        self._credit_ns = float(CREDIT_CAP_NS)
        self._credited_ns = start_ns
        self._alone = False

    def __len__(self) -> int:
        return len(self._dead)

    def __contains__(self, device: int) -> bool:
        return device in self._dead

    def add(self, device: int, now_ns: int, cost_ns: int) -> None:
        """Start to probe ``device``, whose last failed exchange held the bus for ``cost_ns``."""
        self._dead[device] = _Dead(
            due_ns=now_ns + FIRST_PAUSE_NS, pause_ns=FIRST_PAUSE_NS, cost_ns=cost_ns, mean_ns=cost_ns
        )

    def remove(self, device: int) -> None:
        """Stop probing: it answered."""
        self._dead.pop(device, None)

    def set_alone(self, alone: bool, now_ns: int) -> None:
        """Tell whether no living device is left on the bus."""
        self._accrue(now_ns)
        self._alone = alone

    def all_due(self, now_ns: int) -> None:
        """Make every probe due, such as after the port came back."""
        for dead in self._dead.values():
            dead.due_ns, dead.pause_ns = now_ns, FIRST_PAUSE_NS

    def failed(self, device: int, started_ns: int, ended_ns: int) -> None:
        """Charge a probe that got no answer and set the next one."""
        self._accrue(ended_ns)
        self.charge(ended_ns - started_ns)
        dead = self._dead[device]
        dead.cost_ns = ended_ns - started_ns
        dead.mean_ns += (dead.cost_ns - dead.mean_ns) // AVERAGED
        dead.pause_ns = min(dead.pause_ns * 2, self._longest_pause_ns())
        dead.due_ns = started_ns + dead.pause_ns

    def charge(self, spent_ns: int) -> None:
        """Take time that was spent on a dead device from the share; a debt is over after the longest pause."""
        self._credit_ns = max(self._credit_ns - spent_ns, -LONGEST_PAUSE_MANY_NS * self._share())

    def choose(self, now_ns: int, gap_ns: int | None) -> int | None:
        """Give the device to probe now, or None.

        Args:
            now_ns: CLOCK_BOOTTIME.
            gap_ns: how long nobody else wants the bus, None for ever; 0 or less: somebody wants it now.
        """
        if not self._dead:
            return None
        device, dead = min(self._dead.items(), key=lambda item: item[1].due_ns)
        if now_ns < self._start_ns(dead, now_ns, gap_ns):
            return None
        return device

    def wake_ns(self, now_ns: int, gap_ns: int | None) -> int | None:
        """Give the time at which ``choose`` may have something, None without dead devices."""
        if not self._dead:
            return None
        dead = min(self._dead.values(), key=lambda item: item.due_ns)
        return self._start_ns(dead, now_ns, gap_ns)

    def _start_ns(self, dead: _Dead, now_ns: int, gap_ns: int | None) -> int:
        """Give the earliest time at which this one may be probed, if the gap stays as it is."""
        self._accrue(now_ns)
        start_ns = dead.due_ns
        if self._credit_ns < 0:
            start_ns = max(start_ns, now_ns + int(-self._credit_ns / self._share()) + 1)
        if gap_ns is None:
            return start_ns
        if gap_ns <= 0:
            return max(start_ns, dead.due_ns + STARVED_NS)
        if max(start_ns, now_ns) + dead.cost_ns > now_ns + gap_ns:
            return max(start_ns, dead.due_ns + PATIENCE_NS)
        return start_ns

    def _accrue(self, now_ns: int) -> None:
        passed_ns = max(0, now_ns - self._credited_ns)
        self._credit_ns = min(CREDIT_CAP_NS, self._credit_ns + passed_ns * self._share())
        self._credited_ns = max(now_ns, self._credited_ns)

    def _share(self) -> float:
        return SHARE_ALONE if self._alone else SHARE

    def _longest_pause_ns(self) -> int:
        wanted_ns = int(sum(dead.mean_ns for dead in self._dead.values()) / self._share())
        return max(LONGEST_PAUSE_NS, min(wanted_ns, LONGEST_PAUSE_MANY_NS))
