"""The pytest side of the pair: tries the ports, leaves out what they cannot show and says so, writes the page.

A scenario that needs what the pair lacks is not skipped: it does not run, and the page lists it as not shown, with
what it needs.
"""

from __future__ import annotations

import importlib.metadata
import os
import time
from collections.abc import Iterator
from typing import Final

import pytest

from hil.pair.options import read_options
from hil.pair.page import page
from hil.pair.probe import Capability, PairError, Ports, probe
from hil.pair.record import Run, Scenario, Verdict

NAME: Final = "tidegate-pair"
_FILES: Final = "pair_*.py"


class PairPlugin:
    """One run.

    Attributes:
        options: what was asked for.
        ports: the pair.
        run: what has been shown so far.
        scenarios: by the id of their test.
    """

    def __init__(self, config: pytest.Config) -> None:
        self.options = read_options(config)
        config.addinivalue_line("python_files", _FILES)
        config.addinivalue_line("markers", "needs(capability...): what a pair has to be able to show")
        try:
            self.ports = probe(self.options.left, self.options.right, self.options.lacks)
        except PairError as error:
            raise pytest.UsageError(str(error)) from error
        self.run = _begin(self.ports, self.options.lacks)
        self.scenarios: dict[str, Scenario] = {}

    def pytest_report_header(self) -> list[str]:
        """Say what the pair can show."""
        has = sorted(one.value for one in self.ports.capabilities)
        return [f"pair: {self.options.left}, {self.options.right}", f"can show: {', '.join(has) or 'bytes'}"]

    @pytest.hookimpl(trylast=True)  # after those that were not wanted are gone
    def pytest_collection_modifyitems(self, config: pytest.Config, items: list[pytest.Item]) -> None:
        """Leave out what the pair cannot show."""
        left_out = []
        for item in items:
            scenario = self.scenarios[item.nodeid] = _scenario(item)
            self.run.scenarios.append(scenario)
            missing = [one for one in scenario.needs if one not in self.ports.capabilities]
            if missing:
                scenario.failure = f"needs {', '.join(one.value for one in missing)}"
                left_out.append(item)
        items[:] = [item for item in items if item not in left_out]
        config.hook.pytest_deselected(items=left_out)

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(self, item: pytest.Item, call: pytest.CallInfo[None]) -> Iterator[None]:
        """Keep how it ended."""
        report: pytest.TestReport = yield  # type: ignore[assignment]  # what a wrapper is sent
        scenario = self.scenarios[item.nodeid]
        if report.failed:
            scenario.verdict = Verdict.FAILED
            scenario.failure += f"{report.longreprtext}\n"
        elif call.when == "call" and scenario.verdict is Verdict.NOT_SHOWN:
            scenario.verdict = Verdict.SHOWN
        if call.when == "call":
            scenario.figures.update({name: str(value) for name, value in item.user_properties})
        return report  # type: ignore[return-value]

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        """Say what was not shown and where the page is."""
        for one in self.run.scenarios:
            if one.verdict is Verdict.NOT_SHOWN:
                terminalreporter.write_line(f"not shown: {one.about} ({one.failure or 'did not run'})")
        terminalreporter.write_line(f"page: {self.options.report}")

    def pytest_sessionfinish(self) -> None:
        """Write the page."""
        self.options.report.write_text(page(self.run), encoding="utf-8")


def _begin(ports: Ports, lacks: frozenset[Capability]) -> Run:
    return Run(
        left=ports.left,
        right=ports.right,
        capabilities=ports.capabilities,
        lacks=lacks,
        seed=os.environ["TIDEGATE_SEED"],
        began=time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime()),
        utc_offset_ns=time.clock_gettime_ns(time.CLOCK_REALTIME) - time.clock_gettime_ns(time.CLOCK_BOOTTIME),
        version=importlib.metadata.version("tidegate"),
        echo=ports.echo,
    )


def _scenario(item: pytest.Item) -> Scenario:
    assert isinstance(item, pytest.Function)
    about = (item.function.__doc__ or "").strip().partition("\n")[0].rstrip(".")
    if "[" in item.name:
        about += f" ({item.name.partition('[')[2].rstrip(']')})"
    needs = tuple(one for mark in item.iter_markers("needs") for one in mark.args)
    return Scenario(name=item.name.removeprefix("test_"), about=about, needs=needs)
