"""Looks at a device before anything is written to it, and judges; writes and records nothing."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial
from typing import Final, TypeAlias

from agent.clock import SealingClock
from agent.commanding.commanded import Target, clock_shown, clock_ways, state_of
from agent.commanding.limits import ClockCase, choose_way, clock_refusal, control_refusal, hearers, hearers_refusal
from agent.commanding.limits import refusal as refused
from agent.commanding.memory import CommandMemory
from agent.control.commands import AskPrepare, PreparedAnswer, Refusal
from agent.polling.questions import BusLentError
from agent.zones import zone_of
from drivers.errors import DriverError, RefusedError
from drivers.meter_clock import utc_ms_of
from drivers.sanitize import sanitize
from drivers.setting import ClockShown, ClockWay, wall_clock

CLOCK: Final = "clock"
Find: TypeAlias = Callable[[str], Target | None]
"""Gives a device of the site by its name."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Looked:
    """What was seen.

    Attributes:
        answer: for people; its ``refusal`` says why nothing may be written.
        target: the device; None if there is none.
        way: how its clock would be set, None for an output.
    """

    answer: PreparedAnswer
    target: Target | None = None
    way: ClockWay | None = None


class Looker:
    """Looks and judges, with our own clock and the memory of what was done before."""

    def __init__(self, find: Find, clock: SealingClock, memory: CommandMemory) -> None:
        self._find = find
        self._clock = clock
        self._memory = memory

    async def look(self, ask: AskPrepare) -> Looked:
        """Read the device and judge. Raises StorageError if nobody knows what was done before."""
        target = self._find(ask.device)
        if target is None:
            no = refused("no-such-device", device=ask.device)
            return Looked(answer=PreparedAnswer(device=ask.device, bus="", refusal=no))
        looked = Looked(answer=PreparedAnswer(device=target.site.name, bus=target.site.bus), target=target)
        if target.listens:
            return _no(looked, refused("listen-only", detail=target.site.bus))
        try:
            return await (self._control if ask.control else self._look_at_clock)(target, ask, looked)
        except RefusedError as error:
            return _no(looked, device_said(target, error))
        except (DriverError, BusLentError) as error:
            return _no(looked, refused(error.code, detail=sanitize(str(error)).rstrip(".")))

    async def _look_at_clock(self, target: Target, ask: AskPrepare, looked: Looked) -> Looked:
        site, sample = target.site, self._clock.sample()
        zone = zone_of(site.clock_zone)
        ways = await target.ask(clock_ways)
        if site.profile.clock is None or not ways:
            return _no(looked, refused("not-settable", device=site.name, what=CLOCK, profile=site.profile.id))
        seen = await target.ask(clock_shown)
        case = ClockCase(
            device=site,
            sample=sample,
            shown=None if seen.local is None else datetime.fromisoformat(seen.local),
            ours=wall_clock(seen.utc_ms // 1000, zone).replace(tzinfo=None),
            difference_ms=difference_ms(target, seen),
            spent=await self._memory.was_today(_broadcast(site.bus), zone),
        )
        answer = replace(
            looked.answer,
            zone=site.clock_zone,
            quality=sample.quality.value,
            error_ms=sample.max_error_ms,
            shown=seen.local,
            ours=case.ours.isoformat(),
            difference_ms=case.difference_ms,
        )
        looked = replace(looked, answer=answer)
        if (no := clock_refusal(case)) is not None:
            return _no(looked, no)
        chosen = choose_way(case, ways, with_password=ask.with_password)
        if isinstance(chosen, Refusal):
            return _no(looked, chosen)
        others = hearers(site, target.neighbours, chosen.way)
        answer = replace(
            answer,
            way=chosen.way.name,
            telegram=chosen.way.telegram,
            why=chosen.why,
            needs_password=chosen.way.needs_password,
            hearers=tuple(one.name for one in others),
            refusal=hearers_refusal(others, chosen.way),
        )
        return replace(looked, answer=answer, way=chosen.way)

    async def _control(self, target: Target, ask: AskPrepare, looked: Looked) -> Looked:
        site = target.site
        control = next((one for one in site.profile.controls if one.name == ask.control), None)
        if control is None:
            return _no(looked, refused("not-settable", device=site.name, what=ask.control, profile=site.profile.id))
        state = await target.ask(partial(state_of, profile=site.profile, control=control))
        elapsed_s = await self._memory.elapsed_s(limited(target, ask, None))
        no = control_refusal(site, control, ask.word, state, elapsed_s)
        return replace(looked, answer=replace(looked.answer, state=state, refusal=no))


def difference_ms(target: Target, seen: ClockShown) -> int | None:
    """Give how far a device's clock is ahead of ours; None where it shows no time, or one that its zone has not."""
    utc_ms = utc_ms_of(seen.local, zone_of(target.site.clock_zone))
    return None if utc_ms is None else utc_ms - seen.utc_ms


def device_said(target: Target, error: RefusedError) -> Refusal:
    """Give the refusal of the device itself."""
    return refused("refused-by-device", device=target.site.name, detail=sanitize(str(error)).rstrip("."))


def limited(target: Target, ask: AskPrepare, way: ClockWay | None) -> str:
    """Name what must not be done too often: the line's broadcast, or this output; empty for what has no limit."""
    if way is not None:
        return _broadcast(target.site.bus) if way.once_a_day else ""
    return f"{target.site.name}: {ask.control}"


def _broadcast(bus: str) -> str:
    return f"{bus}: broadcast"


def _no(looked: Looked, no: Refusal) -> Looked:
    return replace(looked, answer=replace(looked.answer, refusal=no))
