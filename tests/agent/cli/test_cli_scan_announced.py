"""What ``tidegate scan`` announces, before it begins and as devices are found, against what it takes."""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path

import pytest

from agent.cli.scan_naming import Courses
from agent.cli.scan_prepare import Asked
from agent.cli.scan_ticker import progress_text
from agent.cli.scan_work import Work
from agent.language import Language, use
from hil.sim import dlt645
from hil.wire import Reply, Station
from tests.agent.cli.test_cli_scan_meters import worked
from tests.drivers.scan.meter_bench import electricity, even, heat, water, wired
from tests.drivers.scan.parity_wire import parity_line
from tests.drivers.scan.test_scan_search import at

pytestmark = pytest.mark.technician
MODELS = (
    "generic/xy-md02", "eastron/sdm120", "peacefair/pzem-004t", "chint/dtsu666", "renke/soil-4in1", "senseair/s8",
    "eastron/sdm630",
)  # fmt: skip
ADDRESS = "000014359743"
SEVEN = [at(model, unit, 9600) for unit, model in enumerate(MODELS, 1)]
TWIN = dlt645.Dlt645Meter(
    ADDRESS, dlt645.single_phase("twin"), settings=even(2400), wakes=2, turnaround_ns=130_000_000
)
MODBUS = Asked(units="1:8", bauds=(9600,), listen_s=3.0)
LINES: dict[str, tuple[list[Station], Asked]] = {
    "nobody": ([], MODBUS),
    "one": ([at("generic/xy-md02", 1, 9600)], MODBUS),
    "seven": (list(SEVEN), MODBUS),
    "a doubled address": ([at("generic/xy-md02", 5, 9600), at("renke/soil-4in1", 5, 9600), SEVEN[6]], MODBUS),
    "one that answers slowly": ([at("generic/xy-md02", 1, 9600, turnaround_ms=150)], MODBUS),
    "a meter": ([electricity(ADDRESS)], Asked(protocols=("dlt645",), listen_s=0.0)),
    "two meters that answer at once": (
        [electricity(ADDRESS), electricity("000014359755")],
        Asked(protocols=("dlt645",), listen_s=0.0),
    ),
    "a doubled meter": ([electricity(ADDRESS), TWIN], Asked(protocols=("dlt645",), listen_s=0.0)),
    "three meters of M-Bus, two of one address": (
        [wired(1, "12345678"), wired(1, "12345679"), wired(2, "87654321", medium=7)],
        Asked(protocols=("mbus",), bauds=(2400,), listen_s=0.0),
    ),
    "water and heat": ([water("00001234567890"), heat("00001234567891")], Asked(protocols=("cjt188",), listen_s=0.0)),
}
_ROUNDING_S = 0.3
BEGIN_S = 1.0  # monotonic time of a virtual clock that was just made


@dataclass
class Told:
    """What a person could see of one scan: (seconds on the line, left, added), after each question."""

    announced_s: float = 0.0
    seen: list[tuple[float, float, float]] = field(default_factory=list)
    naming: list[str] = field(default_factory=list)

    def look(self, work: Work) -> None:
        now_s = work.clock.mono_ns() / 1e9
        forecast = work.search.forecast
        self.seen.append((now_s - BEGIN_S, work.search.remaining_s(), forecast.added_s))
        if forecast.under_way is not None:
            self.naming.append(progress_text(work.search))


def scan(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Work, Told]:
    stations, asked = LINES[name]
    told = Told()

    def before(work: Work) -> None:
        told.announced_s = work.announced_s

    line = parity_line(stations)
    line.step = 16
    state = str(tmp_path / "s.json")
    work = worked(line, monkeypatch, Asked(**{**_fields(asked), "state": state}), told.look, before)  # type: ignore[arg-type]
    return work, told


def _fields(asked: Asked) -> dict[str, object]:
    return {name: getattr(asked, name) for name in Asked.__dataclass_fields__}


@pytest.mark.parametrize("name", LINES)
def test_a_whole_scan_takes_no_longer_than_was_announced_before_it_and_at_each_find(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    work, told = scan(name, tmp_path, monkeypatch)
    for spent_s, left_s, added_s in told.seen:
        assert spent_s + left_s <= told.announced_s + added_s + _ROUNDING_S
    assert work.took_s <= told.announced_s + work.search.forecast.added_s + _ROUNDING_S
    assert work.search.remaining_s() == 0
    found = [one for one in work.search.progress.sightings if one.whole]
    assert (work.search.forecast.added_s > 0) is bool(work.search.progress.sightings)
    assert work.proposals.keys() == {one.spot for one in found}


def test_what_is_left_grows_by_each_find_and_shrinks_by_each_question_about_its_model(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    work, told = scan("seven", tmp_path, monkeypatch)
    least_s, _ = work.courses.range_s(work.search.plan)
    seen = [(0.0, told.announced_s, 0.0), *told.seen]
    steps = list(pairwise(seen))
    finds = [(before, after) for before, after in steps if after[2] - before[2] > least_s / 3]
    assert len(finds) == 7
    assert all(after[1] > before[1] for before, after in finds[1:])  # listening first is behind the first of them
    assert work.took_s > told.announced_s  # the plan alone would have been a lie
    assert work.search.forecast.added_s <= 7 * 2 * least_s  # what was said of each device before it began
    assert len(told.naming) > 7 * 40
    assert sum(after[1] < before[1] for before, after in steps) > 7 * 40


class Silent:
    """A device that answers a question about its first registers, and does not refuse others but is silent."""

    def __init__(self) -> None:
        self._inner = at("generic/xy-md02", 1, 9600)
        self.settings = self._inner.settings

    def hear(self, frame: bytes, now_ns: int) -> Reply | None:
        return self._inner.hear(frame, now_ns) if frame[2:4] == b"\0\0" else None

    def stray(self, frame: bytes, now_ns: int) -> bytes | None:  # noqa: ARG002 - the shape of a station
        return None


def test_one_that_is_silent_where_others_refuse_takes_longer_in_the_open(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    LINES["silent"] = ([Silent()], MODBUS)
    try:
        _, told = scan("silent", tmp_path, monkeypatch)
    finally:
        del LINES["silent"]
    added = [added_s for *_, added_s in told.seen]
    assert added == sorted(added)
    assert added[-1] > 2 * next(one for one in added if one)
    for spent_s, left_s, added_s in told.seen:
        assert spent_s + left_s <= told.announced_s + added_s + _ROUNDING_S


def test_progress_says_whose_model_is_asked_for_in_both_languages(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, told = scan("one", tmp_path, monkeypatch)
    assert "model of 1 (modbus), 9600 8N1: question 1 of about " in told.naming[0]
    assert "found 1 (+0:0" in told.naming[0]
    use(Language.ZH, {})
    try:
        _, told = scan("one", tmp_path, monkeypatch)
    finally:
        use(Language.EN, {})
    assert "判定 1 的型号" in told.naming[0]


@pytest.mark.parametrize("model", MODELS)
def test_the_rehearsal_asks_at_least_what_a_device_is_asked(
    model: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    LINES["model"] = ([at(model, 3, 2400)], Asked(units="3", bauds=(2400,), listen_s=0.0))
    try:
        work, told = scan("model", tmp_path, monkeypatch)
    finally:
        del LINES["model"]
    (one,) = work.search.progress.sightings
    courses = Courses(work.wishes.profiles, work.clock)
    course = courses.of(one.protocol, one.address, one.line)
    assert 40 < len(told.naming) <= course.questions
    asked_s = told.seen[-1][0] - next(spent_s for spent_s, *_ in told.seen[-len(told.naming) :])
    assert asked_s <= courses.seconds(one)
