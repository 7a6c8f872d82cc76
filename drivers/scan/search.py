"""The search itself, as a machine without a port: ``next`` says what to ask, ``take`` is told what came."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

from drivers.profile import LineSettings
from drivers.scan.plan import Rank, Stage
from drivers.scan.probe import Heard, Manner, Probe, ProbeMaker, Verdict

PATIENCE_S: Final = 0.25
_FIRST_WINDOW_S: Final = 0.08
_SHORTEST_WINDOW_S: Final = 0.04
_MARGIN_S: Final = 0.01
_TRIES: Final = 4  # of one who answered, to see whether all answers are whole
_FOR_ONE: Final = 2  # questions that find out the parity of one who took a blind probe for its own
_RECENT: Final = 8  # probes whose late answer is looked for
_TELLING: Final = (Verdict.DAMAGED, Verdict.GARBAGE)


@dataclass(slots=True, kw_only=True)
class Sighting:
    """Somebody at an address and a setting.

    Attributes:
        line: exact settings at which the reply came.
        tries: how often it was asked there.
        whole: how many whole replies came.
        damaged: how many replies came with a wrong checksum, or two at once.
        fastest_s: shortest time to the first byte.
        slowest_s: longest time to the first byte.
        frame: first whole reply without its checksum, b"" if there was none.
    """

    protocol: str
    address: int
    line: LineSettings
    tries: int = 0
    whole: int = 0
    damaged: int = 0
    fastest_s: float = 0.0
    slowest_s: float = 0.0
    frame: bytes = b""

    @property
    def crowded(self) -> bool:
        """Whether the replies look as if several devices sent them at once."""
        return self.damaged > 0 and self.damaged * 4 >= self.tries


@dataclass(frozen=True, slots=True, kw_only=True)
class Voice:
    """Bytes that nobody could be found for."""

    address: int
    line: LineSettings
    raw: bytes
    verdict: Verdict


@dataclass(slots=True)
class Cost:
    """What probes cost by calculation and in truth, so that the remaining time is a measured one."""

    reckoned_s: float = 0.0
    measured_s: float = 0.0

    @property
    def factor(self) -> float:
        """Measured seconds for each second reckoned; 1 before anything was measured."""
        return self.measured_s / self.reckoned_s if self.reckoned_s else 1.0


@dataclass(slots=True, kw_only=True)
class Progress:
    """How far a search came; what a state file keeps.

    Attributes:
        done: asks done of each stage, by its key.
        slowest_s: longest answer time seen, None before the first answer.
    """

    done: dict[str, int] = field(default_factory=dict)
    sightings: list[Sighting] = field(default_factory=list)
    voices: list[Voice] = field(default_factory=list)
    slowest_s: float | None = None
    echo: bool = False
    probes: int = 0


class Search:
    """One search of one line.

    Args:
        plan: the stages, likely ones first.
        makers: protocols by name.
        progress: where an earlier search ended; changed in place.
        patience_s: what a slow device may take before it answers.
        switch_s: what a change of speed or parity costs on this port.
    """

    def __init__(
        self,
        plan: Sequence[Stage],
        makers: Mapping[str, ProbeMaker],
        *,
        progress: Progress | None = None,
        patience_s: float = PATIENCE_S,
        switch_s: float = 0.0,
    ) -> None:
        self.progress = progress or Progress()
        self.patience_s = patience_s
        self._switch_s = switch_s
        self._makers = makers
        self.plan = tuple(plan)
        self._stages = list(plan)
        self._urgent: deque[Probe] = deque()
        self._recent: deque[Probe] = deque(maxlen=_RECENT)
        self._cost = Cost()

    @property
    def stage(self) -> Stage | None:
        """The stage at work, None when all is done."""
        return next((stage for stage in self._stages if self._left(stage)), None)

    @property
    def is_between(self) -> bool:
        """Whether no question about somebody just heard is open."""
        return not self._urgent

    def next(self) -> Probe | None:
        """Give what to ask now; None when all is done."""
        if self._urgent:
            return self._urgent.popleft()
        while (stage := self.stage) is not None:
            number = self.progress.done.get(stage.key, 0)
            address, request, parities = stage.asks[number]
            if self._needless(stage, address):
                self.progress.done[stage.key] = number + 1
                continue
            return Probe(
                protocol=stage.protocol,
                address=address,
                request=request,
                line=stage.line,
                parities=parities,
                manner=stage.manner,
                window_s=self._window_s(patient=stage.patient),
                step=(stage.key, number),
            )
        return None

    def take(self, probe: Probe, heard: Heard) -> Sighting | None:
        """Learn what came of ``probe``; give the device if it is a new one."""
        progress = self.progress
        progress.probes += 1
        progress.echo |= heard.echo
        if heard.verdict is Verdict.SILENCE:
            self._cost.reckoned_s += reckoned_s(probe.request, probe.line, probe.window_s)
            self._cost.measured_s += heard.took_s
        if probe.step is not None:
            progress.done[probe.step[0]] = probe.step[1] + 1
        if heard.verdict is Verdict.STRANGER and heard.speaker is not None:
            self._take_late(heard.speaker, heard)
            return None
        self._recent.append(probe)
        if probe.manner is Manner.BLIND:
            if heard.verdict in (Verdict.ANSWER, *_TELLING):
                self._pin_down(probe, heard)
            return None
        return self._take_exact(probe, heard)

    def remaining_s(self) -> float:
        """Seconds that the rest of the plan takes, by what probes took so far, one device to be found counted in."""
        rest = sum(
            reckoned_s(request, stage.line, self._window_s(patient=stage.patient))
            for stage in self._stages
            for _, request, _ in stage.asks[self.progress.done.get(stage.key, 0) :]
        )
        if not rest:
            return 0.0
        changes = sum(bool(self._left(stage)) for stage in self._stages) + _FOR_ONE
        return rest * self._cost.factor + changes * self._switch_s + _FOR_ONE * self.patience_s

    def _left(self, stage: Stage) -> int:
        return max(0, len(stage.asks) - self.progress.done.get(stage.key, 0))  # a state file may be of older profiles

    def _window_s(self, *, patient: bool) -> float:
        if patient:
            return self.patience_s
        if self.progress.slowest_s is None:
            return min(_FIRST_WINDOW_S, self.patience_s)
        return min(self.patience_s, max(_SHORTEST_WINDOW_S, 2 * self.progress.slowest_s + _MARGIN_S))

    def _needless(self, stage: Stage, address: int) -> bool:
        """Tell whether somebody was found there already."""
        return any(
            s.address == address
            and s.protocol == stage.protocol
            and s.line.baud == stage.line.baud
            and (stage.rank is not Rank.KNOWN or s.line == stage.line)
            for s in self.progress.sightings
        )

    def _take_exact(self, probe: Probe, heard: Heard) -> Sighting | None:
        known = self._find(probe.address, probe.line)
        if known is None and heard.verdict not in (Verdict.ANSWER, Verdict.DAMAGED):
            if heard.verdict is Verdict.GARBAGE:
                self._note(probe, heard)
            return None
        new = known is None
        if known is None:
            known = Sighting(protocol=probe.protocol, address=probe.address, line=probe.line)
            self.progress.sightings.append(known)
            self._prefer(probe.line.baud)
            self._drop_other_parities(probe)
            self._urgent.extend(replace(probe, step=None, window_s=self.patience_s) for _ in range(_TRIES - 1))
        known.tries += 1
        known.damaged += heard.verdict in _TELLING
        if heard.verdict is Verdict.ANSWER:
            known.whole += 1
            known.frame = known.frame or heard.frame
        if heard.answered_s is not None:
            self._learn(known, heard.answered_s)
        return known if new else None

    def _drop_other_parities(self, probe: Probe) -> None:
        """Who answered at one parity need not be asked at others: ports and devices without parity take any."""
        place = (probe.address, probe.line.baud)
        self._urgent = deque(
            one for one in self._urgent if (one.address, one.line.baud) != place or one.line == probe.line
        )

    def _learn(self, known: Sighting, answered_s: float) -> None:
        known.fastest_s = min(known.fastest_s or answered_s, answered_s)
        known.slowest_s = max(known.slowest_s, answered_s)
        self.progress.slowest_s = max(self.progress.slowest_s or 0.0, answered_s)

    def _take_late(self, speaker: int, heard: Heard) -> None:
        """Somebody answered after we had turned to others: ask again, and wait."""
        late = next((probe for probe in reversed(self._recent) if probe.address == speaker), None)
        if late is None:
            return
        self.progress.slowest_s = max(self.progress.slowest_s or 0.0, late.window_s)
        self._pin_down(late, heard)

    def _pin_down(self, probe: Probe, heard: Heard) -> None:
        """Somebody took a blind or hasty probe for its own: find out its parity with patience."""
        maker = self._makers[probe.protocol]
        base = LineSettings(baud=probe.line.baud)
        clear = heard.verdict is Verdict.ANSWER
        parities = probe.parities if clear else tuple(reversed(probe.parities))
        for parity in parities:
            line = replace(base, parity=parity)
            if self._find(probe.address, line) is None:
                self._urgent.append(
                    Probe(
                        protocol=probe.protocol,
                        address=probe.address,
                        request=maker.exact(probe.address),
                        line=line,
                        parities=(parity,),
                        manner=Manner.EXACT,
                        window_s=self.patience_s,
                    )
                )
        if not clear:
            self._note(probe, heard)

    def _note(self, probe: Probe, heard: Heard) -> None:
        self.progress.voices.append(
            Voice(address=probe.address, line=probe.line, raw=heard.raw[:64], verdict=heard.verdict)
        )

    def _prefer(self, baud: int) -> None:
        """Where one device is, others are: take its speed before other speeds, within each rank."""
        before = [stage for stage in self._stages if not self._left(stage)]
        rest = [stage for stage in self._stages if self._left(stage)]
        seen = {sighting.line.baud for sighting in self.progress.sightings} | {baud}
        rest.sort(key=lambda stage: (stage.rank, stage.line.baud not in seen))
        self._stages = [*before, *rest]

    def _find(self, address: int, line: LineSettings) -> Sighting | None:
        wanted = (address, line.baud, line.parity)
        return next((s for s in self.progress.sightings if (s.address, s.line.baud, s.line.parity) == wanted), None)


def reckoned_s(request: bytes, line: LineSettings, window_s: float) -> float:
    """Seconds of a probe that nobody answers: request, the silence that ends it, window, one character to be sure."""
    return (len(request) + 1) * line.character_s + line.silence_s + window_s
