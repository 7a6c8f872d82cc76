"""How the agent is, as data: what ``status`` shows and the watchdog decides on. Nothing here is a sentence."""

from __future__ import annotations

from collections import Counter, deque
from dataclasses import dataclass, field
from enum import Enum
from typing import Final

from agent.block.record import ClockSample
from agent.delivery.uplink_status import UplinkStatus
from agent.outputs.status import OutputStatus
from agent.polling.claims import Life, Task
from agent.storing.stored import StorageStatus

WINDOW_NS: Final = 60_000_000_000
MOST_BREAKS: Final = 8
STALLED_NS: Final = 20_000_000_000  # a storage thread that has not moved for so long is stuck, not slow


class BusPhase(Enum):
    """Where a bus stands."""

    OPENING = "opening"
    UP = "up"
    DOWN = "down"
    LEASED = "leased"


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadStatus:
    """One planned read of a device and how well it keeps its grid.

    Attributes:
        points: names of the points that it reads.
        polls: exchanges tried; failed: those without a reading; missed: slots that were never tried.
        late_ms: start of the last exchange behind its due time; late_max_ms, late_mean_ms: worst and mean.
    """

    points: tuple[str, ...]
    period_s: float
    polls: int
    failed: int
    missed: int
    late_ms: float
    late_max_ms: float
    late_mean_ms: float


@dataclass(frozen=True, slots=True, kw_only=True)
class HeardCounts:
    """What was heard on a bus that is only listened to, since the start.

    Attributes:
        unasked: messages that nobody asked for.
        silent: requests without a reply.
    """

    requests: int = 0
    replies: int = 0
    unasked: int = 0
    silent: int = 0
    noise_bytes: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class CounterBreak:
    """A counter that did not go on (event 18).

    Attributes:
        kind: what it looks like, a word of ``agent.polling.counters.Break``.
        last: exact decimal before; first: from ``mono_ms`` on.
    """

    point: str
    kind: str
    last: str
    first: str
    mono_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceStatus:
    """One device.

    Attributes:
        answered: exchanges with a reading, since the start.
        errors: exchanges without one, by error code.
        missed: polls that left no record.
        busy_ms: how long exchanges with it have held the bus, since the start.
        blocks_cut: blocks that it refused and that are read in parts since; ``reads`` holds the parts.
        good_mono_ms: when its last reading was taken, None if never.
        silent_since_mono_ms: first failure since its last reading, None while all is well.
        error_code: of the last failure since its last reading, empty while all is well.
        error: the sentence to it.
        ratios: what the site answered for transformers, (name, decimal); already in the values.
        identity: what it said of itself in this run, empty if nothing.
        breaks: the last times that one of its counters did not go on, oldest first.
        unheard: on a bus that is only listened to, points that nobody asks for now.
    """

    name: str
    bus: str
    unit: int
    profile: str
    life: Life
    answered: int = 0
    errors: tuple[tuple[str, int], ...] = ()
    missed: int = 0
    busy_ms: int = 0
    blocks_cut: int = 0
    good_mono_ms: int | None = None
    silent_since_mono_ms: int | None = None
    error_code: str = ""
    error: str = ""
    reads: tuple[ReadStatus, ...] = ()
    ratios: tuple[tuple[str, str], ...] = ()
    identity: str = ""
    breaks: tuple[CounterBreak, ...] = ()
    unheard: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class BusStatus:
    """One bus.

    Attributes:
        since_mono_ms: when ``phase`` began.
        fault_code: why it is down, empty while it is not; fault: the sentence to it.
        answering: devices that answer, of ``devices``.
        load: share of the last minute in which exchanges were under way, 0 to 1.
        error_share: share of the exchanges of the last minute that gave nothing, 0 to 1.
        exchanges: since the start.
        heard: of a bus that is only listened to, None for one that is polled.
    """

    name: str
    port: str
    phase: BusPhase
    since_mono_ms: int
    fault_code: str = ""
    fault: str = ""
    devices: int = 0
    answering: int = 0
    load: float = 0.0
    error_share: float = 0.0
    exchanges: int = 0
    heard: HeardCounts | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentStatus:
    """Everything at a glance.

    Attributes:
        gateway: gateway id, 8 bytes.
        key: kid of the identity key in force, 8 bytes.
        started_mono_ms: CLOCK_BOOTTIME of the start; clock.mono_ms is now.
        wakeups: how often the poll timer woke the loop.
        rss_bytes: memory in use, 0 if unknown.
    """

    site: str
    version: str
    gateway: bytes
    key: bytes
    state_dir: str
    started_mono_ms: int
    clock: ClockSample
    storage: StorageStatus
    buses: tuple[BusStatus, ...] = ()
    devices: tuple[DeviceStatus, ...] = ()
    uplinks: tuple[UplinkStatus, ...] = ()
    outputs: tuple[OutputStatus, ...] = ()
    wakeups: int = 0
    rss_bytes: int = 0


class Load:
    """How busy a bus was in the last minute, and how much of it was in vain."""

    def __init__(self, start_ns: int) -> None:
        self._windows: tuple[tuple[int, int, int, int], ...] = ()  # last six: length, busy ns, exchanges, failures
        self._start_ns = start_ns
        self._busy_ns = self._exchanges = self._failures = 0
        self.exchanges = 0

    def add(self, started_ns: int, ended_ns: int, *, good: bool) -> None:
        """Note one exchange."""
        self._busy_ns += ended_ns - started_ns
        self._exchanges += 1
        self._failures += not good
        self.exchanges += 1
        if ended_ns - self._start_ns >= WINDOW_NS // 6:
            window = (ended_ns - self._start_ns, self._busy_ns, self._exchanges, self._failures)
            self._windows = (*self._windows[-5:], window)
            self._start_ns = ended_ns
            self._busy_ns = self._exchanges = self._failures = 0

    def shares(self, now_ns: int) -> tuple[float, float]:
        """Give (busy share, share of exchanges that failed), each 0 to 1."""
        windows = [*self._windows, (now_ns - self._start_ns, self._busy_ns, self._exchanges, self._failures)]
        length_ns, busy_ns, exchanges, failures = (sum(column) for column in zip(*windows, strict=True))
        return min(1.0, busy_ns / max(1, length_ns)), failures / max(1, exchanges)


@dataclass(slots=True, kw_only=True)
class DeviceHealth:
    """Counters of one device."""

    answered: int = 0
    busy_ns: int = 0
    blocks_cut: int = 0
    errors: Counter[str] = field(default_factory=Counter)
    good_ns: int | None = None
    silent_since_ns: int | None = None
    error_code: str = ""
    error: str = ""
    breaks: deque[CounterBreak] = field(default_factory=lambda: deque(maxlen=MOST_BREAKS))

    def broke(self, found: CounterBreak) -> None:
        """Note a counter that did not go on."""
        self.breaks.append(found)

    def good(self, mono_ns: int) -> None:
        """Note a reading."""
        self.answered += 1
        self.good_ns = mono_ns
        if self.silent_since_ns is not None:
            self.silent_since_ns = None
            self.error_code = self.error = ""

    def bad(self, mono_ns: int, code: str, sentence: str) -> None:
        """Note an exchange without a reading."""
        self.errors[code] += 1
        self.error_code, self.error = code, sentence
        if self.silent_since_ns is None:
            self.silent_since_ns = mono_ns


def is_alive(moved_ms: int, now_ms: int, max_age_s: float) -> bool:
    """Tell whether storage, last seen at work at ``moved_ms``, still works: it looks about every ``max_age_s``."""
    return (now_ms - moved_ms) * 1_000_000 < max_age_s * 1e9 + STALLED_NS


def read_status(task: Task, names: tuple[str, ...]) -> ReadStatus:
    """Give what a task of the schedule has counted; ``names`` are those of all points of the profile."""
    return ReadStatus(
        points=tuple(names[point] for point in task.read.points),
        period_s=task.read.period_s,
        polls=task.polls,
        failed=task.failed,
        missed=task.missed,
        late_ms=task.late_ns / 1e6,
        late_max_ms=task.late_max_ns / 1e6,
        late_mean_ms=task.late_sum_ns / 1e6 / max(1, task.polls),
    )
