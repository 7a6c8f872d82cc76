"""What readings of a device go through on their way to storage: who it is, whether its counters go on."""

from __future__ import annotations

import logging
from typing import Final

from agent.config import SiteDevice
from agent.health import CounterBreak, DeviceHealth
from agent.pipeline import DeviceState, process
from agent.polling.counters import Discontinuity
from agent.polling.recognising import Recogniser
from agent.polling.recording import Recorder
from drivers.batch import Batch
from drivers.reading import exact

_MS: Final = 1_000_000
_log = logging.getLogger(__name__)


class Passage:
    """The way of one device, polled or overheard.

    Args:
        index: of the device in the site.
        site: what the site file says of it.
        teller: an ``IdentifiedDevice`` if the protocol tells who the device is; anything else tells nothing.
        recorder: where events go.
        health: where broken counters are noted.
    """

    def __init__(
        self, index: int, site: SiteDevice, teller: object, *, recorder: Recorder, health: DeviceHealth
    ) -> None:
        self._index = index
        self._name = site.name
        self._recorder = recorder
        self._health = health
        self._state = DeviceState(site.profile, recorder.counts_of(site.name, site.profile.digest))
        self._recogniser = Recogniser(site.profile, teller)

    @property
    def identity(self) -> str:
        """Who the device said it is, empty before it said anything."""
        return self._recogniser.identity or ""

    def take(self, batch: Batch) -> Batch:
        """Give the batch as it is to be stored; what it tells beside its values is recorded before."""
        if self._recogniser.look(batch):
            self._recognised()
        processed = process(batch, self._state)
        for found in processed.discontinuities:
            self._broke(found, batch.mono_ns)
        if self._state.counts.unsettled:
            self._settle(batch.mono_ns)
        return processed.batch

    def _recognised(self) -> None:
        """The device said who it is, or something else than before."""
        identity = self._recogniser.identity
        assert identity is not None  # it just told
        self._recorder.identify(self._index, identity)
        if self._recogniser.another:
            self._state.counts.forget()  # event 17 tells why they do not go on

    def _settle(self, mono_ns: int) -> None:
        """Compare what counters showed first with what they showed before this start, once that is known."""
        last = self._recorder.last_counts(self._index)
        if last is not None:
            for found in self._state.counts.settle(self._state.points, last.get):
                self._broke(found, mono_ns)

    def _broke(self, found: Discontinuity, mono_ns: int) -> None:
        self._recorder.discontinuity(self._index, found)
        point, kind = self._state.points[found.point], found.kind.value
        last, first = (f"{exact(mantissa, point.exponent):f}" for mantissa in (found.last, found.first))
        self._health.broke(CounterBreak(point=point.name, kind=kind, last=last, first=first, mono_ms=mono_ns // _MS))
        _log.warning(
            "counter-broke device=%s point=%s kind=%s last=%s first=%s", self._name, point.name, kind, last, first
        )
