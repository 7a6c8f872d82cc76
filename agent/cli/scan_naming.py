"""What it takes to find out the model of a device, as profiles tell: announced before a scan, and at each find."""

from __future__ import annotations

from collections.abc import Coroutine, Sequence
from dataclasses import replace
from typing import Any, Final

from agent.cli.scan_identify import device_on, said
from drivers.clock import Clock
from drivers.profile import LineSettings, Profile
from drivers.profile_point import MODBUS
from drivers.registry import find_protocol
from drivers.scan.probe import Address
from drivers.scan.propose import MakeDevice
from drivers.scan.rehearsal import Course, Rehearsal, rehearse_meter, rehearse_modbus
from drivers.scan.sighting import Sighting
from drivers.scan.stage import Stage

_USUAL_ANSWER_S: Final = 0.05
_MARGIN: Final = 1.5
_LEAST_MARGIN_S: Final = 0.01
_ANY_UNIT: Final = 1
_SPEED: Final = "baud"  # what an identification offers


class Courses:
    """Courses by protocol; each is rehearsed once, when it is asked for."""

    def __init__(self, profiles: Sequence[Profile], clock: Clock) -> None:
        self._profiles = profiles
        self._clock = clock
        self._courses: dict[str, Course] = {}

    def of(self, protocol: str, address: Address, line: LineSettings) -> Course:
        """Give the questions that a device of a protocol is asked; none for one that speaks by itself."""
        if protocol not in self._courses:
            hears = find_protocol(protocol, protocol).unasked is not None
            self._courses[protocol] = Course() if hears else self._rehearsed(protocol, address, line)
        return self._courses[protocol]

    def seconds(self, one: Sighting) -> float:
        """Give what it takes to find out the model of one that was found, from how fast it has answered."""
        answer_s = max(_MARGIN * one.slowest_s, one.slowest_s + _LEAST_MARGIN_S)
        offered = said(one).get(_SPEED, "")  # a session may go on faster than it began
        line = replace(one.line, baud=int(offered)) if offered.isdecimal() else one.line
        return self.of(one.protocol, one.address, one.line).seconds(line, answer_s)

    def range_s(self, plan: Sequence[Stage]) -> tuple[float, float]:
        """Give least and most of what one device takes, over the protocols of a plan at their likeliest settings."""
        first: dict[str, Stage] = {}
        for stage in plan:
            if not stage.listens:
                first.setdefault(stage.protocol, stage)
        found = [
            self.of(protocol, stage.asks[0].address, stage.line).seconds(stage.line, _USUAL_ANSWER_S)
            for protocol, stage in first.items()
        ]
        return min(found, default=0.0), max(found, default=0.0)

    def _rehearsed(self, protocol: str, address: Address, line: LineSettings) -> Course:
        def make(link: Rehearsal) -> MakeDevice:
            return lambda profile: device_on(link, profile, address, line, self._clock)

        if protocol == MODBUS:
            return _done(rehearse_modbus(self._profiles, _ANY_UNIT, make))
        return _done(rehearse_meter(self._profiles, protocol, make))


def _done(work: Coroutine[Any, Any, Course]) -> Course:
    """Do what never waits."""
    try:
        work.send(None)
    except StopIteration as end:
        course: Course = end.value
        return course
    raise RuntimeError("a rehearsal waits for nobody")
