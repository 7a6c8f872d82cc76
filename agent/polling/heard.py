"""One device of a bus that is only listened to: what becomes of what others ask it, and of their silence."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from agent.health import DeviceHealth, DeviceStatus
from agent.pipeline import lost
from agent.polling.claims import Life
from agent.polling.missed import MissLedger, MissReason
from agent.polling.passage import Passage
from agent.polling.polled import Wanted
from agent.polling.recording import Recorder
from agent.polling.shedding import factors
from agent.storing.stored import Pressure
from drivers.batch import Batch
from drivers.listening import Overheard, Said, Taken
from drivers.nameplate import Nameplate
from drivers.quality import Quality
from drivers.sanitize import sanitize
from drivers.sources import Read

STALE_PERIODS: Final = 3
NOT_HEARD: Final = "not-heard"
_EARLY: Final = 4  # a reading may come this part of its period before it is due: others do not keep our time
_MS: Final = 1_000_000
_SENTENCE_LETTERS: Final = 200


class _Told:
    """Who a device says it is in replies to others; an ``IdentifiedDevice``."""

    def __init__(self) -> None:
        self.plate = Nameplate()

    @property
    def identity(self) -> str | None:
        """All that it has told so far."""
        return self.plate.text


class HeardDevice:
    """A device that somebody else polls.

    Each point is taken at most once a period, however often it is heard; not heard for three periods it is bad.

    Attributes:
        wanted: what the site file says of it.
    """

    def __init__(self, wanted: Wanted, overheard: Overheard, recorder: Recorder, start_ns: int) -> None:
        self.wanted = wanted
        profile, every_s = wanted.site.profile, wanted.site.every_s
        self._overheard = overheard
        self._recorder = recorder
        self._health = DeviceHealth()
        self._told = _Told()
        self._passage = Passage(wanted.index, wanted.site, self._told, recorder=recorder, health=self._health)
        self._periods = [round((every_s or point.period_s) * 1e9) for point in profile.points]
        self._factors: Sequence[int] = [1] * len(self._periods)
        self._due = [start_ns] * len(self._periods)
        self._seen = [start_ns] * len(self._periods)
        self._bad: set[int] = set()
        self._counted: dict[int, int] = {}  # period -> until when its missed slots are counted
        self._ledger = MissLedger(0)
        self._met = False
        self.last: dict[int, tuple[Batch, int]] = {}

    def hear(self, said: Said) -> bool:
        """Take what was said on the line; True if it was this device and told something of its points."""
        taken = self._overheard.take(said)
        if taken is None:
            return False
        self._met = True
        self._health.good(said.at_ns)
        for point in taken.points:
            self._seen[point] = said.at_ns
        self._told.plate.learn(taken.plate)
        batch = self._due_rows(taken, said.at_ns)
        if batch is not None:
            self._pass_on(batch)
        return True

    def look(self, now_ns: int, port: str) -> None:
        """Give up points that have not been heard for three periods, and count what was missed since."""
        stale = tuple(
            point
            for point, (seen_ns, period_ns) in enumerate(zip(self._seen, self._periods, strict=True))
            if now_ns - seen_ns >= STALE_PERIODS * period_ns and point not in self._bad
        )
        if stale and self.lose(stale, Quality.BAD_NO_COMMUNICATION, now_ns):
            name = self.wanted.site.profile.points[stale[0]].name
            seconds = STALE_PERIODS * self._periods[stale[0]] / 1e9
            more = f" and {len(stale) - 1} other points" if len(stale) > 1 else ""
            self._fail(
                NOT_HEARD, f"{port}: nobody asked for {name}{more} for {seconds:g} s, or got no answer", now_ns
            )
        self._count(now_ns, MissReason.NO_REPLY)

    def lose(self, points: Sequence[int], quality: Quality, now_ns: int) -> bool:
        """Say once that ``points`` have no value from now on."""
        fresh = tuple(point for point in points if point not in self._bad)
        if not fresh or not self._recorder.offer(lost(self.wanted.index, now_ns, fresh, quality)):
            return False
        self._bad.update(fresh)
        for point in fresh:
            self._counted.setdefault(self._periods[point], now_ns)
        return True

    def lose_all(self, code: str, sentence: str, quality: Quality, now_ns: int) -> None:
        """Say so of every point: the port is gone."""
        self._fail(code, sentence, now_ns)
        self.lose(range(len(self._periods)), quality, now_ns)

    def _fail(self, code: str, sentence: str, now_ns: int) -> None:
        """Note why there are no readings."""
        self._health.bad(now_ns, code, sanitize(sentence, _SENTENCE_LETTERS))

    def count_down(self, now_ns: int) -> None:
        """Count what was missed while the port was gone."""
        self._count(now_ns, MissReason.LINK_DOWN)

    def up(self, now_ns: int) -> None:
        """The port is open: wait for three periods again before anything is given up."""
        self._seen = [now_ns] * len(self._seen)

    def report(self, now_ns: int, *, everything: bool = False) -> None:
        """Record what was missed, at most once a minute."""
        missed = self._ledger.take(now_ns, at_once=everything)
        if missed is not None:
            self._recorder.missed(self.wanted.index, missed)

    def shed(self, pressure: Pressure) -> None:
        """Take as much as storage bears."""
        profile = self.wanted.site.profile
        reads = [
            Read(points=(point,), period_s=period_ns / 1e9, request_bytes=0, reply_bytes=0)
            for point, period_ns in enumerate(self._periods)
        ]
        self._factors = factors(profile, reads, pressure)

    @property
    def life(self) -> Life:
        """What is known of it: it lives while any of its points is heard."""
        if len(self._bad) == len(self._periods):
            return Life.DEAD
        return Life.ALIVE if self._met else Life.UNKNOWN

    @property
    def unheard(self) -> frozenset[int]:
        """The points that nobody asks for now."""
        return frozenset(self._bad)

    @property
    def trouble(self) -> tuple[str, str]:
        """Code and sentence of why nothing is heard of it; empty while something is."""
        if self.life is Life.ALIVE:
            return "", ""
        return self._health.error_code or NOT_HEARD, self._health.error

    def status(self) -> DeviceStatus:
        """Give the device at a glance."""
        site, health = self.wanted.site, self._health
        names = [point.name for point in site.profile.points]
        return DeviceStatus(
            name=site.name,
            bus=site.bus,
            unit=site.unit,
            profile=site.profile.id,
            life=self.life,
            answered=health.answered,
            errors=tuple(sorted(health.errors.items())),
            missed=self._ledger.total,
            good_mono_ms=None if health.good_ns is None else health.good_ns // _MS,
            silent_since_mono_ms=None if health.silent_since_ns is None else health.silent_since_ns // _MS,
            error_code=health.error_code,
            error=health.error,
            ratios=tuple((name, f"{answer:f}") for name, answer in site.ratios),
            identity=self._passage.identity,
            breaks=tuple(health.breaks),
            unheard=tuple(names[point] for point in sorted(self._bad)),
        )

    def _due_rows(self, taken: Taken, at_ns: int) -> Batch | None:
        """Give the rows whose time has come, and set when they are due next."""
        rows = [row for row, point in enumerate(taken.points) if self._is_due(point, at_ns)]
        if not rows:
            return None
        for row in rows:
            point = taken.points[row]
            period_ns = self._periods[point] * self._factors[point]
            self._due[point] = max(self._due[point] + period_ns, at_ns + period_ns // 2)
        batch = Batch(
            device=self.wanted.index,
            mono_ns=at_ns,
            points=taken.points,
            values=taken.values,
            statuses=taken.statuses,
            device_times=taken.device_times,
            raws=taken.raws,
        )
        if len(rows) == len(taken.points):
            return batch
        at = {row: place for place, row in enumerate(rows)}
        return replace(
            batch,
            points=tuple([taken.points[row] for row in rows]),
            values=tuple([taken.values[row] for row in rows]),
            statuses=tuple([taken.statuses[row] for row in rows]),
            device_times=tuple(replace(time, row=at[time.row]) for time in taken.device_times if time.row in at),
            raws=tuple((at[row], raw) for row, raw in taken.raws if row in at),
        )

    def _is_due(self, point: int, at_ns: int) -> bool:
        return self._factors[point] > 0 and at_ns >= self._due[point] - self._periods[point] // _EARLY

    def _pass_on(self, batch: Batch) -> None:
        taken = self._passage.take(batch)
        self._bad.difference_update(batch.points)
        for row, point in enumerate(batch.points):
            self.last[point] = (taken, row)
        if not self._recorder.offer(taken):
            self._ledger.add(batch.points, 1, batch.mono_ns, batch.mono_ns, MissReason.QUEUE_FULL)

    def _count(self, now_ns: int, reason: MissReason) -> None:
        """Count the slots that passed for points that are bad, each period once for all its points."""
        for period_ns, since_ns in tuple(self._counted.items()):
            points = tuple(sorted(point for point in self._bad if self._periods[point] == period_ns))
            if not points:
                del self._counted[period_ns]
                continue
            slots = (now_ns - since_ns) // period_ns
            if slots:
                self._counted[period_ns] = since_ns + slots * period_ns
                first_ns = since_ns + period_ns
                self._ledger.add(points, slots, first_ns, self._counted[period_ns], reason)
