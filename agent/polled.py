"""One device as the poll loop holds it: what becomes of its readings and of their absence."""

from __future__ import annotations

import logging
from dataclasses import dataclass

from agent.claims import Member
from agent.config import SiteDevice
from agent.counters import Discontinuity
from agent.health import CounterBreak, DeviceHealth, DeviceStatus, read_status
from agent.pipeline import DeviceState, lost, process
from agent.recognising import Recogniser
from agent.recording import Recorder
from drivers.batch import Batch
from drivers.quality import Quality
from drivers.reading import exact
from drivers.sanitize import sanitize
from drivers.sources import Device

_SENTENCE_LETTERS = 200
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """A device of the site with its place in it.

    Attributes:
        index: in the site's list of devices; batches carry it.
    """

    index: int
    site: SiteDevice


class Polled:
    """A device that is being polled.

    Attributes:
        wanted: what the site file says of it.
        device: how to ask it.
    """

    def __init__(self, wanted: Wanted, device: Device, recorder: Recorder) -> None:
        self.wanted = wanted
        self.device = device
        self._recorder = recorder
        site = wanted.site
        self._state = DeviceState(site.profile, recorder.counts_of(site.name, site.profile.digest))
        self._recogniser = Recogniser(site.profile, device)
        self._health = DeviceHealth()
        self._bad: set[int] = set()

    def take(self, batch: Batch) -> bool:
        """Pass a batch on to storage; False if it was not taken."""
        if self._recogniser.look(batch):
            self._recognised()
        processed = process(batch, self._state)
        self._health.good(batch.mono_ns)
        if self._bad:
            self._bad.difference_update(batch.points)
        for found in processed.discontinuities:
            self._broke(found, batch.mono_ns)
        if self._state.counts.unsettled:
            self._settle(batch.mono_ns)
        return self._recorder.offer(processed.batch)

    def lose(self, points: tuple[int, ...], quality: Quality, mono_ns: int) -> bool:
        """Say once that ``points`` have no value from now on; False if they were bad already or it was not taken."""
        fresh = tuple(point for point in points if point not in self._bad)
        if not fresh or not self._recorder.offer(lost(self.wanted.index, mono_ns, fresh, quality)):
            return False
        self._bad.update(fresh)
        return True

    def lose_all(self, quality: Quality, mono_ns: int) -> None:
        """Say so of every point that is polled, in one batch."""
        points = {point for read in self.device.reads for point in read.points}
        self.lose(tuple(sorted(points)), quality, mono_ns)

    def cut(self) -> None:
        """Count a block that the device refused and that is read in parts from now on."""
        self._health.blocks_cut += 1

    def spent(self, busy_ns: int) -> None:
        """Note for how long an exchange with it held the bus."""
        self._health.busy_ns += busy_ns

    def failed(self, code: str, sentence: str, mono_ns: int) -> None:
        """Count an exchange without a reading."""
        self._health.bad(mono_ns, code, sanitize(sentence, _SENTENCE_LETTERS))

    def status(self, member: Member) -> DeviceStatus:
        """Give the device at a glance."""
        site, health = self.wanted.site, self._health
        names = tuple(point.name for point in site.profile.points)
        return DeviceStatus(
            name=site.name,
            bus=site.bus,
            unit=site.unit,
            profile=site.profile.id,
            life=member.life,
            answered=health.answered,
            errors=tuple(sorted(health.errors.items())),
            missed=member.ledger.total,
            busy_ms=health.busy_ns // 1_000_000,
            blocks_cut=health.blocks_cut,
            good_mono_ms=_ms(health.good_ns),
            silent_since_mono_ms=_ms(health.silent_since_ns),
            error_code=health.error_code,
            error=health.error,
            reads=tuple(read_status(task, names) for task in member.tasks),
            ratios=tuple((name, f"{answer:f}") for name, answer in site.ratios),
            identity=self._recogniser.identity or "",
            breaks=tuple(health.breaks),
        )

    def _recognised(self) -> None:
        """The device said who it is, or something else than before."""
        identity = self._recogniser.identity
        assert identity is not None  # it just told
        self._recorder.identify(self.wanted.index, identity)
        if self._recogniser.another:
            self._state.counts.forget()  # event 17 tells why they do not go on

    def _settle(self, mono_ns: int) -> None:
        """Compare what counters showed first with what they showed before this start, once that is known."""
        last = self._recorder.last_counts(self.wanted.index)
        if last is not None:
            for found in self._state.counts.settle(self._state.points, last.get):
                self._broke(found, mono_ns)

    def _broke(self, found: Discontinuity, mono_ns: int) -> None:
        self._recorder.discontinuity(self.wanted.index, found)
        point = self._state.points[found.point]
        last, first = (f"{exact(mantissa, point.exponent):f}" for mantissa in (found.last, found.first))
        broke = CounterBreak(
            point=point.name, kind=found.kind.value, last=last, first=first, mono_ms=mono_ns // 1_000_000
        )
        self._health.broke(broke)
        name = self.wanted.site.name
        _log.warning(
            "counter-broke device=%s point=%s kind=%s last=%s first=%s", name, point.name, broke.kind, last, first
        )


def _ms(mono_ns: int | None) -> int | None:
    return None if mono_ns is None else mono_ns // 1_000_000
