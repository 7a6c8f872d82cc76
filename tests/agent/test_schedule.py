"""The schedule of one bus against a simulated line: counts and order, in simulated time."""

from __future__ import annotations

import itertools
import random
from collections import Counter, defaultdict
from dataclasses import dataclass, field

import pytest

from agent.polling.claims import Life
from agent.polling.missed import MissReason
from agent.schedule import Change, Job, Result, Schedule
from drivers.sources import Read, Urgency

S = 1_000_000_000
MS = 1_000_000


def read(*points: int, period_s: float = 1.0, registers: int = 10) -> Read:
    return Read(points=points or (0,), period_s=period_s, request_bytes=8, reply_bytes=5 + 2 * registers)


@dataclass
class Line:
    """A serial line as arithmetic: what an exchange costs, and who does not answer from when to when."""

    schedule: Schedule
    baud: int = 9600
    turnaround_ns: int = 10 * MS
    timeout_ns: int = 50 * MS
    dead: dict[int, tuple[int, int]] = field(default_factory=dict)
    now_ns: int = 0
    polls: dict[int, list[int]] = field(default_factory=lambda: defaultdict(list))
    spent_ns: Counter[int] = field(default_factory=Counter)
    seen: dict[int, list[int]] = field(default_factory=lambda: defaultdict(list))
    jobs: list[Job] = field(default_factory=list)

    def run(self, until_ns: int) -> None:
        while self.now_ns < until_ns:
            job = self.schedule.next(self.now_ns)
            if job is None:
                wake_ns = self.schedule.wake_ns(self.now_ns)
                assert wake_ns is None or wake_ns > self.now_ns, "the schedule spins"
                self.now_ns = until_ns if wake_ns is None else min(wake_ns, until_ns)
                continue
            self._exchange(job)

    def _exchange(self, job: Job) -> None:
        self.jobs.append(job)
        started_ns = self.now_ns
        from_ns, to_ns = self.dead.get(job.device, (0, 0))
        silent = from_ns <= started_ns < to_ns
        reply_bytes = 7 if job.task is None else job.task.read.reply_bytes
        waited_ns = self.timeout_ns if silent else self.turnaround_ns
        self.now_ns += self._wire_ns(8 + reply_bytes) + waited_ns
        result = Result.SILENT if silent else Result.ANSWERED
        change = self.schedule.done(job, result, started_ns, self.now_ns)
        self.spent_ns[job.device] += self.now_ns - started_ns
        if change in (Change.MET, Change.BACK):
            self.seen[job.device].append(self.now_ns)
        if not silent and job.task is not None:
            self.polls[job.device].append(started_ns)

    def _wire_ns(self, count: int) -> int:
        return round((count + 3.5) * 11 * S / self.baud)


def ten_devices(**line: object) -> Line:
    return Line(Schedule([[read()]] * 10, start_ns=0, spread=True), **line)  # type: ignore[arg-type]


def test_every_read_is_due_at_once_and_then_on_its_grid() -> None:
    line = ten_devices()
    line.run(10 * S)
    for device in range(10):
        assert len(line.polls[device]) in (10, 11)
        later = [at for at in line.polls[device] if at >= S]
        assert line.polls[device][0] < S
        late = [(at - device * S // 10) % S for at in later]
        assert max(late) < 100 * MS, "one exchange may be in the way, not more"


def test_a_line_at_half_load_never_polls_two_devices_at_the_same_due_time() -> None:
    line = ten_devices()
    line.run(20 * S)
    late = [task.late_max_ns for member in line.schedule.members for task in member.tasks]
    assert sum(task.missed for member in line.schedule.members for task in member.tasks) == 0
    assert max(late) <= 10 * 80 * MS  # the first round is the only one that queues


@pytest.mark.parametrize("dead", [[4], [0], [1, 5, 8]])
@pytest.mark.parametrize("timeout_ms", [30, 110])
def test_the_living_keep_their_polls_beside_the_dead(dead: list[int], timeout_ms: int) -> None:
    gone_ns, back_ns = 20 * S, 110 * S
    line = ten_devices(timeout_ns=timeout_ms * MS, dead=dict.fromkeys(dead, (gone_ns, back_ns)))
    line.run(30 * S)
    spent_ns = sum(line.spent_ns[device] for device in dead)
    line.run(back_ns)
    share = (sum(line.spent_ns[device] for device in dead) - spent_ns) / (80 * S)
    line.run(135 * S)
    living = [device for device in range(10) if device not in dead]
    rate = sum(gone_ns <= at < back_ns for device in living for at in line.polls[device]) / 90
    gaps = [b - a for device in living for a, b in zip(line.polls[device], line.polls[device][1:], strict=False)]
    assert rate >= len(living) * 8.95 / 9
    assert max(gaps) <= 1.5 * S
    assert share <= (0.03 if len(dead) == 1 else 0.05)
    if len(dead) == 1:
        assert line.seen[dead[0]][-1] - back_ns <= 5 * S
    assert all(line.schedule.members[device].life is Life.ALIVE for device in dead)


def test_a_dead_device_gets_no_full_read_until_it_answers_a_probe() -> None:
    line = ten_devices(dead={3: (5 * S, 60 * S)})
    line.run(60 * S)
    to_dead = [job.urgency for job in line.jobs if job.device == 3]
    after = to_dead[to_dead.index(Urgency.PROBE) :]
    assert set(after) == {Urgency.PROBE}
    assert 11 <= len(after) <= 18, "0.5, 1, 2, 4, then every 4.5 s or so"


def test_many_dead_devices_never_get_more_than_a_twentieth_of_the_bus() -> None:
    dead = dict.fromkeys(range(1, 20), (0, 10**18))
    line = Line(Schedule([[read()]] * 20, start_ns=0, spread=True), timeout_ns=200 * MS, dead=dead)
    line.run(30 * S)
    before_ns = sum(line.spent_ns[device] for device in dead)
    line.run(330 * S)
    assert sum(line.spent_ns[device] for device in dead) - before_ns <= 0.05 * 300 * S + 300 * MS
    assert len([at for at in line.polls[0] if at >= 30 * S]) in (300, 301)
    probed = Counter(job.device for job in line.jobs if job.urgency is Urgency.PROBE)
    assert len(probed) == 19, "each dead device gets its turn"


def test_a_bus_where_nothing_lives_is_probed_often() -> None:
    line = ten_devices(timeout_ns=200 * MS, dead=dict.fromkeys(range(10), (0, 60 * S)))
    line.run(70 * S)
    for device in range(10):
        assert line.seen[device][0] - 60 * S <= 6 * S


def test_a_full_bus_serves_every_device_and_skips_instead_of_bursting() -> None:
    line = Line(Schedule([[read(registers=60)]] * 20, start_ns=0, spread=True))
    line.run(60 * S)
    counts = [len(line.polls[device]) for device in range(20)]
    assert max(counts) - min(counts) <= 1
    for device, polls in line.polls.items():
        task = line.schedule.members[device].tasks[0]
        slots = [task.slot_at(at) for at in polls]
        assert len(slots) == len(set(slots)), "a slot is served once"
        assert len(slots) + task.missed == slots[-1] - min(0, slots[0]) + 1


def test_a_probe_on_a_full_bus_is_rare_and_never_two_in_a_row() -> None:
    line = Line(Schedule([[read(registers=60)]] * 20, start_ns=0, spread=True), dead={7: (0, 10**18)})
    line.run(300 * S)
    probes = [index for index, job in enumerate(line.jobs) if job.urgency is Urgency.PROBE]
    assert 3 <= len(probes) <= 12
    assert all(b - a > 1 for a, b in itertools.pairwise(probes))


def test_no_due_read_waits_for_more_than_one_probe() -> None:
    dead = dict.fromkeys(range(10, 14), (0, 10**18))
    line = Line(Schedule([[read()]] * 14, start_ns=0, spread=True), timeout_ns=200 * MS, dead=dead)
    line.run(300 * S)
    order = "".join("p" if job.urgency is Urgency.PROBE else "." for job in line.jobs[60:])
    assert "p" in order
    for device in range(10):
        late = [(at - line.schedule.members[device].tasks[0].base_ns) % S for at in line.polls[device][5:]]
        assert max(late) <= 280 * MS + 60 * MS, "one probe, and one read that the probe held up"


def test_questions_go_before_reads_in_order_of_urgency() -> None:
    schedule = Schedule([[read()]], start_ns=0, spread=True)
    schedule.ask(Urgency.TECHNICIAN, 1)
    schedule.ask(Urgency.TECHNICIAN, 2)
    schedule.ask(Urgency.COMMAND, 3)
    taken = []
    while (job := schedule.next(0)) is not None:
        taken.append((job.urgency, job.ticket))
        if job.task is not None:
            schedule.done(job, Result.ANSWERED, 0, 1)
    assert taken == [
        (Urgency.COMMAND, 3),
        (Urgency.TECHNICIAN, 1),
        (Urgency.TECHNICIAN, 2),
        (Urgency.REGULAR, -1),
    ]


def test_an_overdue_read_goes_before_a_regular_one_of_any_period() -> None:
    schedule = Schedule([[read(0, period_s=60)], [read(0, period_s=1)]], start_ns=0, spread=False)
    for _ in range(2):
        job = schedule.next(0)
        assert job is not None
        schedule.done(job, Result.ANSWERED, 0, 1)
    now_ns = 60 * S + 100 * MS  # the fast one has waited since second 1, the slow one since second 60
    first, second = (_take(schedule, now_ns) for _ in range(2))
    assert (first.device, first.urgency) == (1, Urgency.OVERDUE)
    assert (second.device, second.urgency) == (0, Urgency.REGULAR)


def _take(schedule: Schedule, now_ns: int) -> Job:
    job = schedule.next(now_ns)
    assert job is not None
    schedule.done(job, Result.ANSWERED, now_ns, now_ns)
    return job


def test_what_was_missed_in_a_hold_is_counted_once_and_not_replayed() -> None:
    schedule = Schedule([[read(0, 1), read(4)]], start_ns=0, spread=False)
    line = Line(schedule)
    line.run(10 * S + 500 * MS)
    polls = len(line.polls[0])
    schedule.hold(MissReason.LINK_DOWN)
    line.run(100 * S)
    assert len(line.polls[0]) == polls
    schedule.resume(100 * S + 500 * MS)
    line.now_ns = 100 * S + 500 * MS
    (missed,) = schedule.missed(line.now_ns, everything=True)
    assert (missed.count, missed.reason) == (2 * 89, MissReason.LINK_DOWN)
    assert (missed.first_point, missed.last_point) == (0, 4)
    assert (missed.from_ns, missed.to_ns) == (11 * S, 99 * S)
    line.run(102 * S)
    assert len(line.polls[0]) == polls + 2 * 2


def test_missed_polls_are_told_once_a_minute_and_at_the_return() -> None:
    line = ten_devices(dead={2: (10 * S, 200 * S + 500 * MS)})
    told = []
    for second in range(1, 230):
        line.run(second * S)
        back = 2 if line.seen[2][1:] else None
        told += [(second, missed) for missed in line.schedule.missed(line.now_ns, back=back)]
    assert all(missed.device == 2 and missed.reason is MissReason.NO_REPLY for _, missed in told)
    assert all(b - a >= 60 for (a, _), (b, _) in itertools.pairwise(told[:-1]))
    assert 185 <= sum(missed.count for _, missed in told) <= 195
    assert told[-1][0] <= 206
    spans = [(missed.from_ns, missed.to_ns) for _, missed in told]
    assert all(a[1] < b[0] for a, b in itertools.pairwise(spans))


def test_a_slow_read_that_failed_is_tried_again_after_a_second_and_not_at_once() -> None:
    line = Line(Schedule([[read(period_s=60)]], start_ns=0, spread=True), dead={0: (60 * S, 60 * S + 10 * MS)})
    line.run(119 * S)
    assert [round(at / S) for at in line.polls[0]] == [0, 61]
    assert line.schedule.members[0].life is Life.ALIVE


def test_damaged_replies_do_not_make_a_device_dead_as_soon_as_silence_does() -> None:
    schedule = Schedule([[read()]], start_ns=0, spread=True)
    changes = []
    for second in range(4):
        job = schedule.next(second * S)
        assert job is not None
        changes.append(schedule.done(job, Result.DAMAGED, second * S, second * S + 1))
    assert changes == [Change.NONE, Change.NONE, Change.NONE, Change.DIED]


def test_a_refused_read_is_asked_again_only_every_minute() -> None:
    schedule = Schedule([[read(0), read(1)]], start_ns=0, spread=False)
    asked = Counter[int]()
    now_ns = 0
    while now_ns < 180 * S:
        job = schedule.next(now_ns)
        if job is None:
            wake_ns = schedule.wake_ns(now_ns)
            assert wake_ns is not None
            now_ns = wake_ns
            continue
        assert job.task is not None
        refused = job.task.read.points == (1,)
        asked[job.task.read.points[0]] += 1
        schedule.done(job, Result.REFUSED if refused else Result.ANSWERED, now_ns, now_ns + MS)
        now_ns += MS
    assert asked == {0: 180, 1: 3}


def test_shedding_thins_stops_and_comes_back() -> None:
    schedule = Schedule([[read(0), read(1)]], start_ns=0, spread=False)
    line = Line(schedule)
    line.run(10 * S + 500 * MS)
    counts = [[task.polls for task in schedule.members[0].tasks]]
    for factors in ((6, 1), (0, 1), (1, 1)):
        schedule.stretch(0, factors, line.now_ns)
        line.run(line.now_ns + 60 * S)
        counts.append([task.polls for task in schedule.members[0].tasks])
    steps = [[b - a for a, b in zip(*pair, strict=True)] for pair in itertools.pairwise(counts)]
    assert steps[0][0] in (10, 11)
    assert steps[1][0] == 0
    assert steps[2][0] in (60, 61)
    assert [step[1] for step in steps] == [60, 60, 60]
    missed = schedule.missed(line.now_ns, everything=True)
    assert [entry.reason for entry in missed] == [MissReason.SHED]


def test_a_split_block_takes_the_place_of_the_whole_and_the_rest_stays() -> None:
    whole, other = read(0, 1, 2), read(5)
    schedule = Schedule([[whole, other]], start_ns=0, spread=True)
    line = Line(schedule)
    line.run(2 * S)
    kept = schedule.members[0].tasks[1]
    schedule.replan(0, [read(0), read(1, 2), other], line.now_ns)
    assert schedule.members[0].tasks[2] is kept
    line.jobs.clear()
    line.run(line.now_ns + 5 * S)
    asked = Counter(job.task.read.points for job in line.jobs if job.task is not None)
    assert set(asked) == {(0,), (1, 2), (5,)}
    assert min(asked.values()) >= 5


@pytest.mark.parametrize("seed", range(20))
def test_no_history_of_failures_makes_it_spin_lose_a_read_or_serve_a_slot_twice(seed: int) -> None:
    chance = random.Random(seed)
    plans = [
        [read(n, period_s=chance.choice([0.5, 1, 2, 30])) for n in range(chance.randint(1, 3))] for _ in range(6)
    ]
    schedule = Schedule(plans, start_ns=0, spread=chance.random() < 0.7)
    now_ns, held = 0, False
    served: dict[int, list[int]] = defaultdict(list)
    while now_ns < 300 * S:
        if chance.random() < (0.2 if held else 0.002):
            held = not held
            schedule.hold(MissReason.LEASED) if held else schedule.resume(now_ns)
        job = schedule.next(now_ns)
        if job is None:
            wake_ns = schedule.wake_ns(now_ns)
            assert wake_ns is None or wake_ns > now_ns, f"seed {seed}"
            now_ns = now_ns + S if wake_ns is None else min(wake_ns, now_ns + S)
            continue
        assert not held
        result = chance.choices(list(Result), [20, 1, 1, 5, 3, 1])[0]
        if result is Result.ANSWERED and job.task is not None:
            served[id(job.task)].append(job.task.slot_at(now_ns))
        schedule.done(job, result, now_ns, now_ns + 40 * MS)
        now_ns += 40 * MS
    schedule.resume(now_ns)
    for member in schedule.members:
        for task in member.tasks:
            assert task.entry or member.life is Life.DEAD, f"seed {seed}: a read is in no queue"
            assert len(served[id(task)]) > 1
