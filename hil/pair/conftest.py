"""Fixtures of the scenarios."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from hil.pair.bench import SETTINGS, Bench
from hil.pair.far_end import FarEnd
from hil.pair.plugin import NAME, PairPlugin
from hil.pair.probe import Capability
from hil.pair.record import Scenario


def _plugin(request: pytest.FixtureRequest) -> PairPlugin:
    found = request.config.pluginmanager.get_plugin(NAME)
    assert isinstance(found, PairPlugin)
    return found


@pytest.fixture(scope="session")
def bench(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    """Give the bench of this run."""
    plugin = _plugin(request)
    options, ports = plugin.options, plugin.ports
    seed = int.from_bytes(plugin.run.seed.encode()[-4:], "big")
    wire = Capability.WIRE in ports.capabilities
    with FarEnd(options.right, SETTINGS, [], seed, hold_ns=ports.hold_ns, wire=wire) as far:
        made = Bench(
            ports,
            far,
            tmp_path_factory.mktemp("pair"),
            rounds=options.rounds,
            keys=options.keys,
            program=options.program,
        )
        try:
            yield made
        finally:
            made.free()


@pytest.fixture
def scenario(request: pytest.FixtureRequest) -> Scenario:
    """Give the record of this scenario."""
    return _plugin(request).scenarios[request.node.nodeid]


@pytest.fixture(autouse=True)
def _recorded(bench: Bench, scenario: Scenario) -> Iterator[None]:
    """Keep what is on the wire while a scenario runs."""
    number = len(bench.far.since(0))
    yield
    scenario.exchanges = bench.far.since(number)
    assert not bench.far.lost, f"the right port is gone: {bench.far.lost}"


@pytest.fixture
def seeded(seed: int, scenario: Scenario) -> int:
    """Give the seed of this scenario, kept for the page."""
    scenario.seed = seed
    return seed
