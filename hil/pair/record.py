"""What a run of the pair has shown, as data: the page is made of it, and nothing else."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum

from drivers.transport.ports import PortInfo
from hil.pair.probe import Capability
from hil.wire import Exchange


class Verdict(Enum):
    """How a scenario ended; the value is the word on the page."""

    SHOWN = "shown"
    FAILED = "failed"
    NOT_SHOWN = "not shown"


@dataclass(slots=True, kw_only=True)
class Scenario:
    """One scenario.

    Attributes:
        name: of its test, without the ``test_``.
        about: what it shows, in one sentence.
        needs: what the pair has to be able to show.
        seed: of its chance, None where it has none.
        figures: measured, in the words of the scenario.
        exchanges: what was on the wire, as the far end saw it.
        failure: why it failed, or what is missing; empty for shown.
    """

    name: str
    about: str
    needs: tuple[Capability, ...] = ()
    seed: int | None = None
    verdict: Verdict = Verdict.NOT_SHOWN
    figures: dict[str, str] = field(default_factory=dict)
    exchanges: list[Exchange] = field(default_factory=list)
    failure: str = ""


@dataclass(slots=True, kw_only=True)
class Run:
    """One run on one pair.

    Attributes:
        left, right: the ports.
        capabilities: what the pair can show.
        lacks: what a person said that it cannot show.
        seed: repeats the run.
        began: UTC, for people.
        utc_offset_ns: CLOCK_REALTIME less CLOCK_BOOTTIME, for the captures.
        version: of the product.
        echo: the left adapter gives back what it sends.
    """

    left: PortInfo
    right: PortInfo
    capabilities: frozenset[Capability]
    lacks: frozenset[Capability]
    seed: str
    began: str
    utc_offset_ns: int
    version: str
    echo: bool
    scenarios: list[Scenario] = field(default_factory=list)

    @property
    def failed(self) -> bool:
        """Whether anything failed, or nothing was shown at all."""
        verdicts = {one.verdict for one in self.scenarios}
        return Verdict.FAILED in verdicts or Verdict.SHOWN not in verdicts
