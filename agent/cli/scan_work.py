"""The work of ``tidegate scan``: gets hold of the line, walks the search, keeps its record, proposes profiles."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from agent.cli.lines import Borrowed, LineError, Target
from agent.cli.scan_identify import identify
from agent.cli.scan_naming import Courses
from agent.cli.scan_record import write_record
from agent.finding import Finding
from drivers.clock import Clock, Pause
from drivers.errors import LinkDownError
from drivers.profile import Profile
from drivers.registry import open_stream
from drivers.scan.forecast import Naming
from drivers.scan.line import ScanLine, SettingRefusedError
from drivers.scan.probe import Ask, Prober, Verdict
from drivers.scan.propose import Proposal
from drivers.scan.search import Search
from drivers.scan.sighting import Sighting, Spot
from drivers.scan.timing import PATIENCE_S
from drivers.scan.unasked import UNASKED
from drivers.scan.walk import hear, step

SLICE_S: Final = 4.0
REST_S: Final = 2.0
_SAVE_EVERY_S: Final = 5.0
_NETWORK_S: Final = 0.1  # what a device server's network may add to an answer
_ANYBODY: Final = Ask(address="", request=b"")
_FEW_BYTES: Final = 3  # an unbiased line makes a glitch now and then


def with_rests_s(line_s: float) -> float:
    """Give how long a scan takes that gives the line back to the agent in between."""
    return line_s * (SLICE_S + REST_S) / SLICE_S


def slack_s(port: str) -> float:
    """Give what a network between us and the line may add to an answer."""
    return _NETWORK_S if "://" in port else 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Wishes:
    """What was asked for.

    Attributes:
        listen_s: how long to listen before speaking.
        anyway: speak although others do.
        polite: give the line back to the agent in between.
        stop_after: devices that are enough, 0 for all.
        record: state file, None to keep none.
    """

    listen_s: float
    anyway: bool
    polite: bool
    stop_after: int
    record: Path | None
    profiles: Sequence[Profile]


@dataclass(slots=True, kw_only=True)
class Work:
    """One run of a scan; what it found so far can be read at any time, also after it was cancelled.

    Attributes:
        courses: what it takes to find out a model.
        tell: is told the time after each question, to show progress.
        done: is told that no more progress comes.
        proposals: by protocol, address and setting.
        known: devices of the site on this line.
        took_s: time on the line, rests not counted.
        unsaved: why the record could not be written, the last time that was tried.
    """

    target: Target
    search: Search
    probers: Mapping[str, Prober]
    wishes: Wishes
    courses: Courses
    clock: Clock
    pause: Pause
    tell: Callable[[float], None]
    done: Callable[[], None]
    proposals: dict[Spot, tuple[Proposal, ...]] = field(default_factory=dict)
    known: Mapping[Spot, str] = field(default_factory=dict)
    took_s: float = 0.0
    unsaved: OSError | None = None
    _saved_s: float = 0.0
    _talk: Finding | None = None

    @property
    def announced_s(self) -> float:
        """Time on the line from now on: listening first, then the rest of the plan, if nobody else is found."""
        return self.wishes.listen_s + self.search.remaining_s()

    async def run(self) -> None:
        """Search to the end, or until enough was found.

        Raises:
            LinkDownError: the port is gone or cannot be opened.
            LineError: somebody else talks on the line.
            RequestFailedError, ControlError: the agent does not lend the line.
        """
        first = True
        try:
            while not self._is_over():
                with Borrowed(target=self.target) as borrowed:
                    shared = borrowed.by_agent
                    with suppress(SettingRefusedError):  # not asked again; a port that is gone does not open again
                        await self._slice(listen=first, seconds=SLICE_S if shared and self.wishes.polite else 0)
                first = False
                if shared and not self._is_over():
                    await asyncio.sleep(REST_S)
            if self._talk is not None and not self.search.progress.sightings:
                raise LineError(self._talk)
        finally:
            self._save()

    def _is_over(self) -> bool:
        search, enough = self.search, self.wishes.stop_after
        if not search.is_between or self._unnamed():
            return False
        found = len(search.progress.sightings)
        return search.is_done or bool(enough and found >= enough) or bool(search.agenda.hushed and found)

    async def _slice(self, *, listen: bool, seconds: float) -> None:
        bus = self.target.bus
        stream = await open_stream(bus.port, bus.line, bus.adapter)
        switch_s = bus.adapter.switch_ms / 1000
        line = ScanLine(
            stream,
            clock=self.clock,
            pause=self.pause,
            line=bus.line,
            switch_s=switch_s,
            slack_s=slack_s(bus.port),
        )
        began_s = self._now_s()
        try:
            if listen:
                await self._listen(line)
            while not self._is_over() and not (seconds and self._is_time(began_s + seconds)):
                unnamed = self._unnamed() if self.search.is_between else None
                if unnamed is not None:
                    await self._name(unnamed, line)
                else:
                    found = await step(self.search, line, self.probers)
                    if found is not None and found.unasked and not self.wishes.anyway:
                        self.search.agenda.hush()
                self.tell(self._now_s())
                if self._now_s() - self._saved_s >= _SAVE_EVERY_S:
                    self._save()
        finally:
            self.took_s += self._now_s() - began_s
            with suppress(LinkDownError):
                await self._let_go(line)
            await line.aclose()

    def _is_time(self, until_s: float) -> bool:
        """Tell whether the line is to be given back; never while a device waits for our next word."""
        return self._now_s() >= until_s and self.search.owed is None

    async def _let_go(self, line: ScanLine) -> None:
        """Say what a device still waits for, also when a person has stopped the scan."""
        owed = self.search.owed
        if owed is not None:
            self.search.next()
            await hear(owed, line, self.probers[owed.protocol])

    async def _listen(self, line: ScanLine) -> None:
        """Hear whether others talk: if somebody asks there, leave it; else go on listening for who speaks unasked."""
        heard = b""
        if self.wishes.listen_s:
            heard = (await line.listen(self.target.bus.line, self.wishes.listen_s)).data
        if len(heard) <= _FEW_BYTES or self.wishes.anyway:
            return
        params: dict[str, str | int] = {
            "port": self.target.bus.port,
            "bytes": len(heard),
            "seconds": f"{self.wishes.listen_s:g}",
        }
        self._talk = Finding(code="line-not-silent", params=params)
        told = self.probers[UNASKED].hear(_ANYBODY, heard)
        if (told.verdict is Verdict.STRANGER and not told.then) or not self.search.agenda.hush():
            raise LineError(self._talk)

    def _unnamed(self) -> Sighting | None:
        return next(
            (
                one
                for one in self.search.progress.sightings
                if one.whole and one.spot not in self.proposals and one.spot not in self.known
            ),
            None,
        )

    async def _name(self, one: Sighting, line: ScanLine) -> None:
        patience_s = min(PATIENCE_S * 4, max(PATIENCE_S, 3 * one.slowest_s))
        course = self.courses.of(one.protocol, one.address, one.line)
        forecast, began_s, asked = self.search.forecast, self._now_s(), 0

        def told() -> None:
            nonlocal asked
            asked, now_s = asked + 1, self._now_s()
            forecast.naming(Naming(one=one, asked=asked, expected=course.questions), now_s - began_s)
            self.tell(now_s)

        self.proposals[one.spot] = await identify(
            line, self.target.bus.port, one, self.wishes.profiles, self.clock, patience_s=patience_s, told=told
        )
        forecast.named(one)

    def _save(self) -> None:
        self._saved_s = self._now_s()
        if self.wishes.record is None:
            return
        try:
            write_record(self.wishes.record, self.search, self.proposals)
        except OSError as error:
            self.unsaved = error  # a scan without a record is better than none; it is said at the end
        else:
            self.unsaved = None

    def _now_s(self) -> float:
        return self.clock.mono_ns() / 1e9
