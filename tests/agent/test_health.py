"""Counters and shares that status shows, missed polls in one event, and the timer that all buses share."""

from __future__ import annotations

import asyncio

from agent.block.record import Event, EventKind
from agent.health import DeviceHealth, Load, read_status
from agent.polling.claims import Task
from agent.polling.missed import MissLedger, MissReason
from agent.polling.recording import Recorder
from agent.polling.wakeup import GRID_NS, Rest, Wakeup
from drivers.batch import Batch
from drivers.sources import Read
from hil.virtualtime import VirtualClock, here, virtual

S = 1_000_000_000
MS = 1_000_000


def test_load_and_errors_are_those_of_the_last_minute() -> None:
    load = Load(0)
    for second in range(120):
        busy_ns = 500 * MS if second < 60 else 250 * MS
        load.add(second * S, second * S + busy_ns, good=second >= 60)
    busy, errors = load.shares(120 * S)
    assert 0.24 <= busy <= 0.29
    assert errors <= 0.17
    assert load.exchanges == 120


def test_a_bus_that_never_did_anything_has_no_load() -> None:
    assert Load(5).shares(5) == (0.0, 0.0)


def test_silence_counts_from_the_first_failure_and_a_reading_ends_it() -> None:
    health = DeviceHealth()
    health.bad(10, "no-reply", "no reply in 200 ms")
    health.bad(20, "bad-checksum", "wrong checksum")
    assert (health.silent_since_ns, health.error_code) == (10, "bad-checksum")
    assert health.errors == {"no-reply": 1, "bad-checksum": 1}
    health.good(30)
    assert (health.silent_since_ns, health.error_code, health.error, health.good_ns) == (None, "", "", 30)


def test_lateness_of_a_read_is_last_worst_and_mean() -> None:
    task = Task(0, Read(points=(1,), period_s=1, request_bytes=8, reply_bytes=9), 0, 0)
    for late_ms in (30, 0, 60):
        task.due_ns = 10 * S
        task.started(10 * S + late_ms * MS)
    status = read_status(task, ("a", "b"))
    assert (status.points, status.polls) == (("b",), 3)
    assert (status.late_ms, status.late_max_ms, status.late_mean_ms) == (60, 60, 30)


def test_missed_polls_are_added_up_and_the_most_frequent_reason_is_told() -> None:
    ledger = MissLedger(3)
    ledger.add((4, 5), 2, 10, 20, MissReason.LATE)
    ledger.add((1,), 5, 5, 50, MissReason.NO_REPLY)
    missed = ledger.take(100, at_once=False)
    assert missed is not None
    assert (missed.device, missed.first_point, missed.last_point, missed.count) == (3, 1, 5, 7)
    assert (missed.from_ns, missed.to_ns, missed.reason) == (5, 50, MissReason.NO_REPLY)
    ledger.add((1,), 1, 60, 60, MissReason.SHED)
    assert ledger.take(100 + 59 * S, at_once=False) is None
    again = ledger.take(100 + 60 * S, at_once=False)
    assert again is not None
    assert (again.count, again.reason) == (1, MissReason.SHED)
    assert ledger.take(10**18, at_once=True) is None
    assert ledger.total == 8


class Sink:
    """Takes events down."""

    def __init__(self) -> None:
        self.events: list[Event] = []

    def offer(self, batch: Batch) -> bool:
        return bool(batch.points)

    def note(self, event: Event) -> None:
        self.events.append(event)

    def point_index(self, device: int, point: int) -> int | None:
        return None if device else 50 - point

    def identify(self, device: int, identity: str) -> None:
        """Nobody here says who it is."""

    def last_counts(self, device: int) -> dict[int, int] | None:  # noqa: ARG002 - there was nothing before
        return {}


@virtual
async def test_events_name_points_as_the_dictionary_does_and_fit_into_a_block() -> None:
    sink = Sink()
    recorder = Recorder(sink, VirtualClock(here()))
    ledger = MissLedger(0)
    ledger.add((1, 2), 3, 5 * MS, 9 * MS, MissReason.LATE)
    missed = ledger.take(0, at_once=True)
    assert missed is not None
    recorder.missed(0, missed)
    recorder.missed(1, missed)  # the dictionary does not know this device
    recorder.bus_fault("b", "link-down", "海" * 200)
    assert [(event.kind, event.fields) for event in sink.events] == [
        (EventKind.MISSED_POLLS, (48, 49, 3, 5, 9, "late")),
        (EventKind.BUS_FAULT, ("b", "link-down", "海" * 85)),
    ]


@virtual
async def test_sleepers_of_one_slot_wake_together_and_others_do_not() -> None:
    clock = VirtualClock(here())
    wakeup = Wakeup(clock)
    base_ns = clock.mono_ns() // GRID_NS * GRID_NS
    woken: list[tuple[int, int]] = []

    async def sleep(name: int, offset_ns: int) -> None:
        await Rest(wakeup, grid=True).until(base_ns + offset_ns)
        woken.append((name, (clock.mono_ns() - base_ns) // MS))

    async with asyncio.TaskGroup() as group:
        for name in range(100):
            group.create_task(sleep(name, GRID_NS + 1 + name * MS // 3))
        group.create_task(sleep(100, 3 * GRID_NS))
    assert wakeup.count == 2
    assert {at for name, at in woken if name < 100} == {100}
    assert woken[-1] == (100, 150)


@virtual
async def test_a_poke_wakes_a_sleeper_early_and_costs_the_others_nothing() -> None:
    clock = VirtualClock(here())
    wakeup = Wakeup(clock)
    early, late = Rest(wakeup, grid=False), Rest(wakeup, grid=False)
    until_ns = clock.mono_ns() + S
    done: list[float] = []

    async def sleep(rest: Rest) -> None:
        await rest.until(until_ns)
        done.append(round(here().time(), 3))

    async with asyncio.TaskGroup() as group:
        group.create_task(sleep(early))
        group.create_task(sleep(late))
        await asyncio.sleep(0.25)
        early.poke()
        early.poke()
    assert done == [0.25, 1.0]
    assert wakeup.count == 1


@virtual
async def test_a_sleeper_without_a_time_waits_for_its_poke() -> None:
    rest = Rest(Wakeup(VirtualClock(here())), grid=True)
    async with asyncio.TaskGroup() as group:
        task = group.create_task(rest.until(None))
        await asyncio.sleep(1000)
        assert not task.done()
        rest.poke()
