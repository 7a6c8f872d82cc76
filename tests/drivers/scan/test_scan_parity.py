"""Searching a real port whose far end sees speed and parity: an RFC 2217 device server, in real time."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from agent.clock import SystemClock, TimerfdPause
from drivers.profile import LineSettings
from drivers.registry import open_stream
from drivers.scan.forecast import Forecast
from drivers.scan.line import ScanLine
from drivers.scan.plan import factory_places, make_plan
from drivers.scan.search import Search
from drivers.scan.stage import Stage, Wanted
from drivers.scan.walk import step
from hil.rfc2217 import Rfc2217Line
from hil.sim.modbus import RtuDevice
from tests.drivers.scan.parity_wire import parity_line
from tests.drivers.scan.test_scan_search import FACTORY_FOUR, MAKERS, MODBUS, at, place_of, profiles

pytestmark = pytest.mark.bus
Found = dict[tuple[int, int, str], float]


async def searched(stations: Sequence[RtuDevice], plan: Sequence[Stage], until: int) -> tuple[Found, float, int]:
    """Search until so many are found; give when each was, the announced time and the number of probes."""
    clock, pause = SystemClock(), TimerfdPause()
    line = parity_line(stations)
    line.step = 16
    found: Found = {}
    with Rfc2217Line(line) as rig:
        scan = ScanLine(
            await open_stream(rig.url, LineSettings()), clock=clock, pause=pause, line=LineSettings(), slack_s=0.02
        )
        search = Search(plan, forecast=Forecast(switch_s=0.2))
        announced_s, began_ns = search.remaining_s(), clock.mono_ns()
        try:
            while len(found) < until and search.stage is not None:
                new = await step(search, scan, MAKERS)
                if new is not None:
                    found[place_of(new)] = (clock.mono_ns() - began_ns) / 1e9
        finally:
            await scan.aclose()
            pause.close()
        assert line.counters.inside_silence == 0
    return found, announced_s, search.progress.probes


async def test_four_devices_at_factory_settings_are_found_on_a_line_with_parity() -> None:
    stations = [at(*one) for one in FACTORY_FOUR]
    found, _, probes = await searched(stations, make_plan([MODBUS], Wanted(factory=factory_places(profiles()))), 4)
    print(f"four devices: {found}, {probes} probes")
    assert set(found) == {one[1:] for one in FACTORY_FOUR}
    assert probes < 60


async def test_an_odd_one_is_found_by_a_probe_that_two_parities_take() -> None:
    plan = make_plan([MODBUS], Wanted(bauds=(9600, 2400), units=(170, 171, 172, 173, 174)))
    found, announced_s, probes = await searched([at("eastron/sdm120", 173, 2400, "E")], plan, 1)
    print(f"odd one: {found}, {probes} probes, announced {announced_s:.1f} s")
    assert set(found) == {(173, 2400, "E")}
    assert probes <= 12  # never with even parity before somebody was heard
