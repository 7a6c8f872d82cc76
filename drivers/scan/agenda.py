"""What is still to be asked, in which order: questions that answers have raised, the plan, and what can wait."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence

from drivers.profile import LineSettings
from drivers.scan.probe import Ask, Probe
from drivers.scan.sighting import Progress
from drivers.scan.stage import Rank, Stage


class Agenda:
    """The stages of a plan and the questions beside it.

    Args:
        plan: the stages, likely ones first.
        progress: how far they came; changed in place.

    Attributes:
        hushed: nothing is asked any more, see ``hush``.
    """

    def __init__(self, plan: Sequence[Stage], progress: Progress) -> None:
        self.hushed = False
        self._progress = progress
        self._stages = list(plan)

    @property
    def stage(self) -> Stage | None:
        """The stage at work, None when all are done."""
        return next((stage for stage in self._stages if self._left(stage)), None)

    @property
    def is_late(self) -> bool:
        """Whether it is the turn of what could wait: all is done but listening for long and what is most unlikely."""
        stage = self.stage
        return bool(self._progress.later) and not self.hushed and (stage is None or stage.rank >= Rank.LISTEN_LONG)

    def raised(self) -> Probe | None:
        """Take the next question that an answer has raised, or that could wait until now."""
        progress = self._progress
        if progress.open:
            return progress.open.popleft()
        return progress.later.popleft() if self.is_late else None

    def planned(self) -> Iterator[tuple[Stage, int, Ask]]:
        """Give stage, number and question of what the plan has next, each when the one before is done."""
        while (stage := self.stage) is not None:
            number = self._progress.done.get(stage.key, 0)
            yield stage, number, stage.asks[number]

    def rest(self) -> Iterator[tuple[Stage, Ask]]:
        """Give all that is left of the plan."""
        for stage in self._stages:
            for ask in stage.asks[self._progress.done.get(stage.key, 0) :]:
                yield stage, ask

    def put_off(self, can_wait: Callable[[Probe], bool]) -> None:
        """Keep for later what can wait of the questions that answers have raised, until that is all there is."""
        if self.is_late:
            return
        progress = self._progress
        progress.later.extend(probe for probe in progress.open if can_wait(probe))
        progress.open = deque(probe for probe in progress.open if not can_wait(probe))

    def hush(self) -> bool:
        """Go on without a word: others talk on the line. Gives whether there is anything to listen for.

        A minute of listening is left out: whoever was just heard speaks more often.
        """
        self._stages = [stage for stage in self._stages if stage.listens and stage.rank is not Rank.LISTEN_LONG]
        self.hushed = True
        return self.stage is not None

    def give_up(self, line: LineSettings) -> None:
        """Ask nothing more at settings that the port does not take."""
        progress = self._progress
        progress.refused.append(line)
        progress.done |= {stage.key: len(stage.asks) for stage in self._stages if stage.line == line}
        progress.open = deque(probe for probe in progress.open if probe.line != line)
        progress.later = deque(probe for probe in progress.later if probe.line != line)

    def listen_first(self) -> None:
        """Bytes came that are no answer: before more is asked, hear whether somebody speaks by itself."""
        self._stages.sort(key=lambda stage: not (stage.listens and stage.rank in (Rank.LISTEN, Rank.LISTEN_RARE)))

    def prefer(self, baud: int) -> None:
        """Where one device is, others are: take its speed before other speeds, within each rank."""
        before = [stage for stage in self._stages if not self._left(stage)]
        rest = [stage for stage in self._stages if self._left(stage)]
        seen = {sighting.line.baud for sighting in self._progress.sightings} | {baud}
        rest.sort(key=lambda stage: (stage.rank, stage.line.baud not in seen))
        self._stages = [*before, *rest]

    def _left(self, stage: Stage) -> int:
        done = self._progress.done.get(stage.key, 0)
        return max(0, len(stage.asks) - done)  # a state file may be of older profiles
