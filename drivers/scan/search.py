"""The search itself, as a machine without a port: ``next`` says what to ask, ``take`` is told what came."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Final

from drivers.profile import LineSettings, Parity
from drivers.scan.agenda import Agenda
from drivers.scan.forecast import Forecast
from drivers.scan.probe import Ask, Heard, Manner, Probe, Verdict
from drivers.scan.sighting import Progress, Sighting
from drivers.scan.stage import Rank, Stage
from drivers.scan.timing import PATIENCE_S, window_s

_RECENT: Final = 8  # probes whose late answer is looked for
_TELLING: Final = (Verdict.DAMAGED, Verdict.GARBAGE)


class Search:
    """One search of one line.

    Args:
        plan: the stages, likely ones first.
        progress: where an earlier search ended; changed in place.
        patience_s: what a slow Modbus device may take before it answers.
        forecast: what becomes of the time; a fresh one.

    Attributes:
        agenda: what is still to be asked.
    """

    def __init__(
        self,
        plan: Sequence[Stage],
        *,
        progress: Progress | None = None,
        patience_s: float = PATIENCE_S,
        forecast: Forecast | None = None,
    ) -> None:
        self.progress = progress or Progress()
        self.patience_s = patience_s
        self.forecast = forecast or Forecast()
        self.plan = tuple(plan)
        self.agenda = Agenda(plan, self.progress)
        self._recent: deque[Probe] = deque(maxlen=_RECENT)

    @property
    def stage(self) -> Stage | None:
        """The stage at work, None when the plan is done."""
        return self.agenda.stage

    @property
    def is_done(self) -> bool:
        """Whether nothing is left to be asked."""
        return self.is_between and self.stage is None and not self.agenda.is_late

    @property
    def is_between(self) -> bool:
        """Whether no question about somebody just heard is open."""
        return not self.progress.open

    @property
    def owed(self) -> Probe | None:
        """The question that a device waits for just now: before it the line may not be left."""
        first = self.progress.open[0] if self.progress.open else None
        return first if first is not None and first.ask.binding else None

    def next(self) -> Probe | None:
        """Give what to ask now; None when all is done."""
        raised = self.agenda.raised()
        if raised is not None:
            return raised
        for stage, number, ask in self.agenda.planned():
            if self._needless(stage, ask):
                self.progress.done[stage.key] = number + 1
                continue
            return Probe(
                protocol=stage.protocol,
                ask=ask,
                line=stage.line,
                window_s=self._window_s(stage.protocol, ask, patient=stage.patient),
                step=(stage.key, number),
            )
        return None

    def take(self, probe: Probe, heard: Heard) -> Sighting | None:
        """Learn what came of ``probe``; give the device if it is a new one."""
        progress = self.progress
        progress.probes += 1
        progress.echo |= heard.echo
        self.forecast.took(probe, heard)
        if heard.verdict in _TELLING and not progress.sightings:
            self.agenda.listen_first()
        if probe.step is not None:
            progress.done[probe.step[0]] = probe.step[1] + 1
        learnt_s = dict(progress.slowest_s)
        found = self._take(probe, heard)
        for one in progress.sightings:
            self.forecast.met(one)
        if learnt_s != progress.slowest_s:
            self.forecast.slowed(self._rest(learnt_s), self._rest(progress.slowest_s))
        return found

    def _take(self, probe: Probe, heard: Heard) -> Sighting | None:
        if probe.ask.manner is Manner.OPEN:
            return self._take_open(probe, heard)
        if heard.verdict is Verdict.STRANGER and heard.speaker is not None:
            self._take_late(heard)
            return None
        self._recent.append(probe)
        if probe.ask.manner is Manner.BLIND:
            if heard.verdict in (Verdict.ANSWER, *_TELLING):
                self._pin_down(probe, heard)
            return None
        return self._take_exact(probe, heard)

    def remaining_s(self) -> float:
        """Seconds that the rest takes if nobody else is found, by what questions took so far."""
        waiting = () if self.agenda.hushed else self.progress.later
        return self.forecast.remaining_s(self._rest(self.progress.slowest_s), (*self.progress.open, *waiting))

    def _rest(self, slowest_s: Mapping[str, float]) -> Iterator[tuple[Stage, Ask, float]]:
        """Give what is left of the plan, with the windows that follow from answer times by protocol."""
        for stage, ask in self.agenda.rest():
            yield (
                stage,
                ask,
                window_s(ask, slowest_s.get(stage.protocol), self.patience_s, patient=stage.patient),
            )

    def _window_s(self, protocol: str, ask: Ask, *, patient: bool) -> float:
        slowest_s = self.progress.slowest_s.get(protocol)
        return window_s(ask, slowest_s, self.patience_s, patient=patient)

    def _needless(self, stage: Stage, ask: Ask) -> bool:
        """Tell whether somebody was found there already; after several were told apart everybody only collides."""
        if stage.rank is Rank.WILD_RARE and (stage.protocol, stage.line) in self.progress.parted:
            return True
        return any(
            s.address == ask.address
            and s.protocol == stage.protocol
            and s.line.baud == stage.line.baud
            and (stage.rank is not Rank.KNOWN or s.line == stage.line)
            for s in self.progress.sightings
        )

    def _take_open(self, probe: Probe, heard: Heard) -> Sighting | None:
        """Whoever answered has said who it is, or what has to be asked to find that out."""
        if heard.answered_s is not None:
            self.progress.took(probe.protocol, heard.answered_s)
        then = self._worth(probe, heard.then)
        told = [self._open(probe, ask) for ask in then]
        found = None
        if heard.verdict is Verdict.ANSWER and heard.speaker is not None:
            found = self._meet(probe, heard)
        elif heard.verdict is Verdict.DAMAGED and not then:
            if not heard.then or self._are_met(probe):
                found = self._meet(replace(probe, ask=replace(probe.ask, tries=1)), heard)
            else:
                self.progress.note(probe, heard.raw, Verdict.GARBAGE)
        elif heard.verdict is Verdict.GARBAGE:
            self.progress.note(probe, heard.raw, heard.verdict)
        if found is not None:
            self.agenda.prefer(probe.line.baud)
            told += [replace(probe, step=None)] * (probe.ask.tries - found.tries)
        self.progress.open.extendleft(reversed(told))
        self.forecast.raised(told)
        if told or found is not None:
            self.agenda.put_off(self._can_wait)
        return found

    def _worth(self, probe: Probe, then: Sequence[Ask]) -> tuple[Ask, ...]:
        """Leave out what would tell the same ones apart again."""
        place = (probe.protocol, probe.line)
        worth = tuple(ask for ask in then if ask.thorough or not ask.parting or place not in self.progress.parted)
        if any(ask.parting for ask in worth):
            self.progress.parted.append(place)
        return worth

    def _can_wait(self, probe: Probe) -> bool:
        """Tell whether those who are known explain why several seem to have answered: others come behind the plan."""
        ask = probe.ask
        if not (ask.parting or ask.narrowing):
            return False
        known = self.progress.kin(probe.protocol, probe.line)
        if ask.parting:
            return any(one.protocol != probe.protocol for one in known)
        return any(one.crowded and one.is_of(ask.narrowing) for one in known)

    def _are_met(self, probe: Probe) -> bool:
        """Tell whether devices of the protocol were told apart at this setting."""
        return any(s.protocol == probe.protocol and s.line == probe.line and s.whole for s in self.progress.sightings)

    def _meet(self, probe: Probe, heard: Heard) -> Sighting | None:
        """Count an answer; give the device if it is a new one."""
        address = probe.address if heard.speaker is None else heard.speaker
        protocol = heard.protocol or probe.protocol
        line = replace(probe.line, data_bits=7, parity=Parity.EVEN) if heard.seven_bits else probe.line
        known = self.progress.find(protocol, address, line)
        if known is None and self.progress.named(heard.who, line) is not None:
            return None  # the same one under another address, or by another edition of its protocol
        new = known is None
        if known is None:
            known = Sighting(protocol=protocol, address=address, line=line, unasked=not probe.ask.request)
            self.progress.sightings.append(known)
        known.tries += 1
        whole = heard.verdict is Verdict.ANSWER and known.who in ("", heard.who)
        known.whole += whole
        known.damaged += not whole
        known.frame = known.frame or heard.frame
        known.who, known.family = known.who or heard.who, known.family or heard.family
        known.learn(heard.answered_s)
        return known if new else None

    def _open(self, probe: Probe, ask: Ask) -> Probe:
        window_s = self._window_s(probe.protocol, ask, patient=True)
        return Probe(protocol=probe.protocol, ask=ask, line=probe.line, window_s=window_s)

    def _take_exact(self, probe: Probe, heard: Heard) -> Sighting | None:
        known = self.progress.find(probe.protocol, probe.address, probe.line)
        if known is None and heard.verdict not in (Verdict.ANSWER, Verdict.DAMAGED):
            if heard.verdict is Verdict.GARBAGE:
                self.progress.note(probe, heard.raw, heard.verdict)
            return None
        new = known is None
        if known is None:
            known = Sighting(protocol=probe.protocol, address=probe.address, line=probe.line)
            self.progress.sightings.append(known)
            self.agenda.prefer(probe.line.baud)
            self._drop_other_parities(probe)
            again = replace(probe, step=None, window_s=self.patience_s)
            repeats = [again] * (probe.ask.tries - 1)
            self.progress.open.extend(repeats)
            self.forecast.raised(repeats)
        known.tries += 1
        known.damaged += heard.verdict in _TELLING
        if heard.verdict is Verdict.ANSWER:
            known.whole += 1
            known.frame = known.frame or heard.frame
        if heard.answered_s is not None:
            known.learn(heard.answered_s)
            self.progress.took(probe.protocol, heard.answered_s)
        return known if new else None

    def _drop_other_parities(self, probe: Probe) -> None:
        """Who answered at one parity need not be asked at others: ports and devices without parity take any."""
        place = (probe.protocol, probe.address, probe.line.baud)
        self.progress.open = deque(
            one
            for one in self.progress.open
            if (one.protocol, one.address, one.line.baud) != place or one.line == probe.line
        )

    def _take_late(self, heard: Heard) -> None:
        """Somebody answered after we had turned to others: ask again, and wait."""
        late = next((probe for probe in reversed(self._recent) if probe.address == heard.speaker), None)
        if late is None:
            return
        self.progress.took(late.protocol, late.window_s)
        self._pin_down(late, heard)

    def _pin_down(self, probe: Probe, heard: Heard) -> None:
        """Somebody took a blind or hasty probe for its own: find out its parity with patience."""
        clear = heard.verdict is Verdict.ANSWER
        parities = probe.ask.parities if clear else tuple(reversed(probe.ask.parities))
        for parity in parities:
            line = replace(LineSettings(baud=probe.line.baud), parity=parity)
            if self.progress.find(probe.protocol, probe.address, line) is None:
                request = probe.ask.pinned or probe.ask.request
                ask = replace(probe.ask, manner=Manner.EXACT, request=request, pinned=b"", parities=(parity,))
                asked = Probe(protocol=probe.protocol, ask=ask, line=line, window_s=self.patience_s)
                self.progress.open.append(asked)
                self.forecast.raised((asked,))
        if not clear:
            self.progress.note(probe, heard.raw, heard.verdict)
