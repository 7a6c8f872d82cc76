"""What keeps a command from being carried out."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from agent.block.record import ClockQuality, ClockSample
from agent.commanding.limits import (
    ClockCase,
    choose_way,
    clock_refusal,
    control_refusal,
    hearers,
    hearers_refusal,
)
from agent.config import SiteDevice
from agent.control.commands import Refusal
from drivers.profile import Profile
from drivers.profile_load import builtin_roots, find_profile, load_profile
from drivers.setting import ClockWay

NOON = datetime(2026, 1, 5, 12)  # noqa: DTZ001 - what a wall clock shows
SAMPLE = ClockSample(boot=bytes(8), mono_ms=1, utc_ms=1_700_000_000_000, quality=ClockQuality.NTP, max_error_ms=20)
BROADCAST = ClockWay(
    name="broadcast",
    telegram="",
    most_step_s=300,
    once_a_day=True,
    heard_by=frozenset(("dlt645-2007",)),
    answered=False,
)
WRITE = ClockWay(name="write", telegram="", needs_password=True)


def profile(name: str) -> Profile:
    return load_profile(find_profile(name, builtin_roots()))


METER = SiteDevice(name="m", bus="b", unit=0, profile=profile("generic/dlt645-2007-single-phase"))
WATER = SiteDevice(name="w", bus="b", unit=0, profile=profile("generic/cjt188-water-valve"))


def case(
    off_s: float | None, *, ours: datetime = NOON, spent: bool = False, sample: ClockSample = SAMPLE
) -> ClockCase:
    shown = None if off_s is None else ours + timedelta(seconds=off_s)
    ms = None if off_s is None else round(1000 * off_s)
    return ClockCase(device=METER, sample=sample, shown=shown, ours=ours, difference_ms=ms, spent=spent)


def code(found: object) -> str:
    assert found is None or isinstance(found, Refusal)
    return "" if found is None else found.code


@pytest.mark.parametrize("quality", [ClockQuality.NONE, ClockQuality.SAVED, ClockQuality.HARDWARE])
def test_nothing_is_set_by_a_clock_that_nobody_keeps_right(quality: ClockQuality) -> None:
    assert code(clock_refusal(case(-90, sample=replace(SAMPLE, quality=quality)))) == "clock-unsynchronised"


@pytest.mark.parametrize(
    ("off_s", "error_ms", "expected"),
    [
        (-90, 20, ""), (90, 20, ""), (None, 20, "clock-unreadable"), (-1.9, 20, "clock-agrees"), (2.5, 20, ""),
        (-9, 8000, "clock-agrees"),  # ours may be the wrong one
        (3600, 20, ""), (3601, 20, "step-too-big"), (-3601, 20, "step-too-big"),
    ],
)  # fmt: skip
def test_a_step_is_neither_too_small_to_be_told_nor_larger_than_the_profile_allows(
    off_s: float | None, error_ms: int, expected: str
) -> None:
    assert code(clock_refusal(case(off_s, sample=replace(SAMPLE, max_error_ms=error_ms)))) == expected


@pytest.mark.parametrize(
    ("ours", "off_s", "expected"),
    [
        (NOON.replace(hour=0, minute=4, second=59), 60, "near-midnight"),
        (NOON.replace(hour=23, minute=55, second=1), -60, "near-midnight"),
        (NOON.replace(hour=23, minute=50), 400, "near-midnight"),
        (NOON.replace(hour=0, minute=10), 60, ""),
    ],
)
def test_a_day_is_closed_in_peace(ours: datetime, off_s: float, expected: str) -> None:
    assert code(clock_refusal(case(off_s, ours=ours))) == expected


def test_without_leave_of_the_profile_nothing_is_set() -> None:
    shut = replace(METER, profile=replace(METER.profile, clock=None))
    assert code(clock_refusal(replace(case(-90), device=shut))) == "not-settable"
    assert code(choose_way(case(-90), (), with_password=True)) == "not-settable"


@pytest.mark.parametrize(
    ("off_s", "spent", "password", "expected"),
    [
        (-90, False, False, ("broadcast", "no-password")),
        (-90, False, True, ("write", "password")),
        (-301, False, False, ("write", "only-way")),
        (-90, True, False, ("write", "only-way")),
    ],
)
def test_a_way_is_chosen_and_says_why(off_s: float, spent: bool, password: bool, expected: tuple[str, str]) -> None:
    chosen = choose_way(case(off_s, spent=spent), (BROADCAST, WRITE), with_password=password)
    assert not isinstance(chosen, Refusal)
    assert (chosen.way.name, chosen.why) == expected


def test_a_broadcast_alone_corrects_little_and_once_a_day() -> None:
    assert code(choose_way(case(-301), (BROADCAST,), with_password=False)) == "step-too-big"
    assert code(choose_way(case(-90, spent=True), (BROADCAST,), with_password=False)) == "broadcast-spent"


def test_who_hears_a_broadcast_has_to_allow_it_too() -> None:
    willing, shut = replace(METER, name="n"), replace(METER, name="o", profile=replace(METER.profile, clock=None))
    assert hearers(METER, (METER, WATER, willing, shut), BROADCAST) == (willing, shut)
    assert hearers(METER, (willing,), WRITE) == ()
    assert hearers_refusal((willing,), BROADCAST) is None
    found = hearers_refusal((willing, shut), BROADCAST)
    assert found is not None
    assert (found.code, found.params) == ("neighbour-not-settable", (("device", "o"),))


@pytest.mark.parametrize(
    ("word", "state", "elapsed_s", "expected"),
    [
        ("close", 0, None, ""), ("open", 1, 61, ""), ("close", 1, None, "already-so"),
        ("open", None, None, "state-unreadable"),
        ("open", 3, None, "state-unexpected"), ("toggle", 0, None, "no-such-state"), ("close", 0, 59, "too-soon"),
    ],
)  # fmt: skip
def test_an_output_is_switched_between_known_states_and_rests(
    word: str, state: int | None, elapsed_s: float | None, expected: str
) -> None:
    control = next(one for one in WATER.profile.controls if one.name == "valve.command")
    assert code(control_refusal(WATER, control, word, state, elapsed_s)) == expected
    assert control.write is not None
    bare = replace(control, write=replace(control.write, read_back=""))
    assert code(control_refusal(WATER, bare, word, state, elapsed_s)) == "not-settable"
