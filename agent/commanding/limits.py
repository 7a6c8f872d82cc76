"""What keeps a command from being carried out: pure, on what is known of the device and of our own clock."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from agent.block.record import ClockQuality, ClockSample
from agent.config import SiteDevice
from agent.control.commands import Refusal
from drivers.profile import Point
from drivers.profile_about import WriteClass
from drivers.setting import ClockWay

AGREE_MS: Final = 2000
"""Two clocks that show whole seconds cannot be told apart by less."""
_MIDNIGHT: Final = timedelta(minutes=5)


@dataclass(frozen=True, slots=True, kw_only=True)
class ClockCase:
    """What is known before a clock is set.

    Attributes:
        device: whose clock.
        sample: ours.
        shown: what it shows, local; None for no time.
        ours: what it should show, local.
        difference_ms: the one less the other; None without a time.
        spent: whether the line has had its broadcast of today.
    """

    device: SiteDevice
    sample: ClockSample
    shown: datetime | None
    ours: datetime
    difference_ms: int | None
    spent: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Chosen:
    """A way, and why this one: ``password``, ``no-password``, ``only-way``."""

    way: ClockWay
    why: str


def refusal(code: str, **params: str | float) -> Refusal:
    """Make a refusal with the fields of its sentence."""
    return Refusal(code=code, params=tuple((name, f"{value}") for name, value in params.items()))


def our_clock(sample: ClockSample) -> Refusal | None:
    """Refuse while nobody keeps our own clock right."""
    if sample.quality < ClockQuality.NTP or sample.utc_ms is None:
        return refusal("clock-unsynchronised")
    return None


def clock_refusal(case: ClockCase) -> Refusal | None:
    """Refuse what no way makes right; None if its clock may be set."""
    name, rule = case.device.name, case.device.profile.clock
    if rule is None:
        return refusal("not-settable", device=name, what="clock", profile=case.device.profile.id)
    if (ours := our_clock(case.sample)) is not None:
        return ours
    if case.difference_ms is None or case.shown is None:
        return refusal("clock-unreadable", device=name)
    step_s = abs(case.difference_ms) / 1000
    if abs(case.difference_ms) <= AGREE_MS + case.sample.max_error_ms:
        bound_s = (AGREE_MS + case.sample.max_error_ms) / 1000
        return refusal("clock-agrees", device=name, difference=f"{step_s:.1f}", bound=f"{bound_s:.1f}")
    if step_s > rule.most_step_s:
        return refusal("step-too-big", device=name, difference=f"{step_s:.0f}", limit=f"{rule.most_step_s:.0f}")
    if any(_near_midnight(one) for one in (case.shown, case.ours)):
        return refusal("near-midnight", device=name)
    return None


def choose_way(case: ClockCase, ways: Sequence[ClockWay], *, with_password: bool) -> Chosen | Refusal:
    """Choose among the ways that the profile allows: with a password the one that reaches this device alone."""
    name = case.device.name
    if not ways:
        return refusal("not-settable", device=name, what="clock", profile=case.device.profile.id)
    step_s = abs(case.difference_ms or 0) / 1000
    near = [way for way in ways if way.most_step_s is None or step_s <= way.most_step_s]
    fit = [way for way in near if not (way.once_a_day and case.spent)]
    if not near:
        limit = max(way.most_step_s or 0 for way in ways)
        return refusal("step-too-big", device=name, difference=f"{step_s:.0f}", limit=f"{limit:.0f}")
    if not fit:
        return refusal("broadcast-spent", device=name, bus=case.device.bus)
    guarded = [way for way in fit if way.needs_password]
    free = [way for way in fit if not way.needs_password]
    if with_password and guarded:
        return Chosen(way=guarded[0], why="password")
    if free and guarded:
        return Chosen(way=free[0], why="no-password")
    return Chosen(way=(free or guarded)[0], why="only-way")


def hearers(device: SiteDevice, neighbours: Sequence[SiteDevice], way: ClockWay) -> tuple[SiteDevice, ...]:
    """Give the other devices of the line that do what this way says."""
    return tuple(one for one in neighbours if one != device and one.profile.protocol in way.heard_by)


def hearers_refusal(others: Sequence[SiteDevice], way: ClockWay) -> Refusal | None:
    """Refuse what another device would hear whose profile does not allow it."""
    unwilling = [one.name for one in others if one.profile.clock is None or way.name not in one.profile.clock.ways]
    return refusal("neighbour-not-settable", device=", ".join(unwilling)) if unwilling else None


def control_refusal(
    device: SiteDevice, control: Point, word: str, state: int | None, elapsed_s: float | None
) -> Refusal | None:
    """Refuse what the profile does not allow of an output in ``state``, last switched ``elapsed_s`` ago."""
    rule = control.write
    if rule is None or rule.klass is not WriteClass.OUTPUT or not rule.read_back:
        return refusal("not-settable", device=device.name, what=control.name, profile=device.profile.id)
    shows = dict(rule.shows)
    if word not in shows:
        known = ", ".join(shows)
        return refusal("no-such-state", device=device.name, what=control.name, word=word, known=known)
    if state is None:
        return refusal("state-unreadable", device=device.name, point=rule.read_back)
    if state == shows[word]:
        return refusal("already-so", device=device.name, what=control.name, word=word)
    if state not in shows.values():
        return refusal("state-unexpected", device=device.name, what=control.name, state=state)
    if elapsed_s is not None and elapsed_s < rule.rest_s:
        left_s = rule.rest_s - elapsed_s
        return refusal("too-soon", device=device.name, what=control.name, left=f"{left_s:.0f}")
    return None


def _near_midnight(local: datetime) -> bool:
    since = timedelta(hours=local.hour, minutes=local.minute, seconds=local.second)
    return since < _MIDNIGHT or since > timedelta(days=1) - _MIDNIGHT
