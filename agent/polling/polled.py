"""One device as the poll loop holds it: what becomes of its readings and of their absence."""

from __future__ import annotations

from dataclasses import dataclass

from agent.config import SiteDevice
from agent.health import DeviceHealth, DeviceStatus, read_status
from agent.pipeline import lost
from agent.polling.claims import Member
from agent.polling.passage import Passage
from agent.polling.recording import Recorder
from drivers.batch import Batch
from drivers.quality import Quality
from drivers.sanitize import sanitize
from drivers.sources import Device

_SENTENCE_LETTERS = 200


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
        self._health = DeviceHealth()
        self._passage = Passage(wanted.index, wanted.site, device, recorder=recorder, health=self._health)
        self._bad: set[int] = set()

    def take(self, batch: Batch) -> bool:
        """Pass a batch on to storage; False if it was not taken."""
        taken = self._passage.take(batch)
        self._health.good(batch.mono_ns)
        if self._bad:
            self._bad.difference_update(batch.points)
        return self._recorder.offer(taken)

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
            identity=self._passage.identity,
            breaks=tuple(health.breaks),
        )


def _ms(mono_ns: int | None) -> int | None:
    return None if mono_ns is None else mono_ns // 1_000_000
