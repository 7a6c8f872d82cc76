"""A line that carries several speeds and parities: reads of one setting go in a row, and nobody pays for it."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby, pairwise

import pytest

from agent.schedule import Result, Schedule
from drivers.sources import Read

MS = 1_000_000
S = 1_000 * MS


def read(point: int = 0, period_s: float = 1.0) -> Read:
    return Read(points=(point,), period_s=period_s, request_bytes=8, reply_bytes=9)


def play(schedule: Schedule, until_ns: int, exchange_ns: int) -> list[tuple[int, int]]:
    """Run the line; give (when, device) of each exchange."""
    now, log = 0, []
    while now < until_ns:
        job = schedule.next(now)
        if job is None:
            wake = schedule.wake_ns(now)
            assert wake is not None
            now = max(wake, now + 1)
            continue
        log.append((now, job.device))
        schedule.done(job, Result.ANSWERED, now, now + exchange_ns)
        now += exchange_ns
    return log


def switches(log: Sequence[tuple[int, int]], settings: Sequence[int]) -> int:
    return sum(settings[one] != settings[two] for (_, one), (_, two) in pairwise(log))


def test_reads_of_one_setting_go_in_a_row() -> None:
    settings = [0, 1, 0, 1, 0, 1]
    plans = [[read(0), read(1)]] * 6
    grouped = play(Schedule(plans, start_ns=0, spread=False, settings=settings), 20 * S, 20 * MS)
    mixed = play(Schedule(plans, start_ns=0, spread=False), 20 * S, 20 * MS)
    assert len(grouped) == len(mixed) == 20 * 12
    assert switches(grouped, settings) <= 2 * 20
    assert switches(mixed, settings) > 4 * 20
    runs = [len(list(run)) for _, run in groupby(grouped, key=lambda one: settings[one[1]])]
    assert max(runs) <= 12  # both of a second's halves of one setting, where the rounds meet


@pytest.mark.parametrize("spread", [False, True])
def test_no_slot_is_missed_for_the_sake_of_a_setting(spread: bool) -> None:
    settings = [0, 0, 0, 0, 0, 0, 0, 1]
    schedule = Schedule([[read()]] * 8, start_ns=0, spread=spread, settings=settings)
    log = play(schedule, 60 * S, 110 * MS)  # 88 % of the line
    for device, member in enumerate(schedule.members):
        assert member.tasks[0].missed == 0, device
        assert member.tasks[0].late_max_ns < S
    assert sum(device == 7 for _, device in log) >= 59


def test_a_slow_read_of_another_setting_keeps_its_slot_on_a_full_line() -> None:
    settings = [0, 0, 1]
    plans = [[read()], [read()], [read(period_s=10)]]
    schedule = Schedule(plans, start_ns=0, spread=False, settings=settings)
    play(schedule, 100 * S, 500 * MS)  # the two fast ones fill the line by themselves
    assert schedule.members[2].tasks[0].late_max_ns < 10 * S
    assert schedule.members[2].tasks[0].missed == 0
    assert schedule.members[2].tasks[0].polls == 10


def test_a_split_block_keeps_its_setting() -> None:
    schedule = Schedule([[read(0)], [read(1)]], start_ns=0, spread=False, settings=[0, 1])
    schedule.replan(1, [read(2), read(3)], 0)
    assert [task.setting for task in schedule.members[1].tasks] == [1, 1]
