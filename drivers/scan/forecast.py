"""What a search still takes, and what was announced: reckoned at first, corrected by what questions took since."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TypeAlias

from drivers.profile import LineSettings
from drivers.scan.probe import Ask, Heard, Probe, Verdict
from drivers.scan.sighting import Sighting, Spot
from drivers.scan.stage import Stage
from drivers.scan.timing import Cost, reckoned_s

NamingSeconds = Callable[[Sighting], float]
Planned: TypeAlias = tuple[Stage, Ask, float]
"""A question of the plan, and how long the silence is that means nobody."""


def _nothing(_one: Sighting) -> float:
    return 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Naming:
    """The model of a device is being asked for.

    Attributes:
        one: whose.
        asked: questions so far.
        expected: questions at most, as far as profiles tell; 0 if that is not known.
    """

    one: Sighting
    asked: int
    expected: int

    @property
    def share(self) -> float:
        """How much of it is done, from 0 to 1."""
        return min(1.0, self.asked / self.expected) if self.expected else 0.0


class Forecast:
    """The time of one search, its finds included as soon as they are known.

    Args:
        naming_s: seconds that it takes to find out the model of a device; 0 for one whose model is known.
        switch_s: what a change of speed or parity costs on this port.
        slack_s: what a network between us and the line may take, which every question waits for.

    Attributes:
        added_s: announced since the beginning, on top of the plan: what answers have raised, and the naming of those
            who were found.
        under_way: whose model is being asked for just now, None for nobody's.
    """

    def __init__(self, *, naming_s: NamingSeconds | None = None, switch_s: float = 0.0, slack_s: float = 0.0) -> None:
        self.added_s = 0.0
        self.under_way: Naming | None = None
        self._naming_s = naming_s or _nothing
        self._switch_s = switch_s
        self._slack_s = slack_s
        self._cost = Cost()
        self._unnamed: dict[Spot, float] = {}
        self._announced: dict[Spot, float] = {}

    def question_s(self, ask: Ask, line: LineSettings, window_s: float) -> float:
        """Give what a question takes that nobody answers."""
        return reckoned_s(ask, line, window_s) + (self._slack_s if ask.request else 0.0)

    def took(self, probe: Probe, heard: Heard) -> None:
        """Learn what silence really takes, and add what an answer took longer than that."""
        silence_s = self.question_s(probe.ask, probe.line, probe.window_s)
        if heard.verdict is not Verdict.SILENCE or heard.raw:
            self.added_s += max(0.0, heard.took_s - silence_s * self._cost.factor)
            return
        self._cost.reckoned_s += silence_s
        self._cost.measured_s += heard.took_s

    def raised(self, probes: Iterable[Probe]) -> None:
        """Announce questions that an answer has raised."""
        self.added_s += sum(self._open_s(probe) for probe in probes)

    def met(self, one: Sighting) -> None:
        """Announce that the model of a device will be asked for, once it has answered well."""
        if one.whole and one.spot not in self._announced:
            seconds = self._naming_s(one)
            self._announced[one.spot] = self._unnamed[one.spot] = seconds
            self.added_s += seconds

    def naming(self, now: Naming, spent_s: float) -> None:
        """Correct what the naming of a device takes, ``spent_s`` after it began: one who is slow takes longer."""
        self.under_way, spot, share = now, now.one.spot, now.share
        announced_s = self._announced.get(spot, 0.0)
        left_s = announced_s * (1 - share)
        if share:
            left_s = max(left_s, spent_s / share - spent_s)
        more_s = spent_s + left_s - announced_s
        if more_s > 0:
            self.added_s += more_s
            self._announced[spot] = announced_s + more_s
        self._unnamed[spot] = left_s

    def named(self, one: Sighting) -> None:
        """Take a device off: its model was asked for."""
        self.under_way = None
        self._unnamed.pop(one.spot, None)

    def slowed(self, before: Iterable[Planned], after: Iterable[Planned]) -> None:
        """Announce that the rest of the plan waits longer, since somebody answers slowly; shorter is no promise."""
        self.added_s += max(0.0, self._plan_s(after) - self._plan_s(before)) * self._cost.factor

    def remaining_s(self, plan: Iterable[Planned], open_: Iterable[Probe]) -> float:
        """Give what is still to be done, silence assumed.

        Args:
            plan: questions with their stages and windows.
            open_: questions that were raised.
        """
        rest_s = self._plan_s(plan) + sum(self._open_s(probe) for probe in open_)
        return rest_s * self._cost.factor + sum(self._unnamed.values())

    def _plan_s(self, plan: Iterable[Planned]) -> float:
        rest_s, stages = 0.0, set()
        for stage, ask, window_s in plan:
            rest_s += self.question_s(ask, stage.line, window_s)
            if stage.key not in stages:
                stages.add(stage.key)
                rest_s += self._switch_s + 2 * stage.line.silence_s  # kept before and after a change of speed
        return rest_s

    def _open_s(self, probe: Probe) -> float:
        return self.question_s(probe.ask, probe.line, probe.window_s)
