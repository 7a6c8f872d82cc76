"""Meters on a real pseudo-terminal at 8E1, through the real port: opened twice, two speeds, beside a Modbus device.

Parity cannot be seen on a pty, so all devices here have the line's.
"""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal

import pytest

from agent.clock import SystemClock, TimerfdPause
from drivers.profile import LineSettings, Parity, Profile
from drivers.profile_load import builtin_roots, find_profile, load_profile
from drivers.quality import is_bad
from drivers.registry import AnyLink, build_device, open_link
from hil.characters import Characters
from hil.ptys import PtyLine
from hil.sim import cjt188, dlt645
from hil.sim.images import IMAGES
from hil.sim.modbus import RtuDevice
from hil.wire import Exchange, Line

pytestmark = pytest.mark.bus

FAST = Characters(baud=9600, parity="E")
FASTER = Characters(baud=19200, parity="E")


def _profile(model: str) -> Profile:
    return load_profile(find_profile(model, builtin_roots()))


async def _read(link: AnyLink, model: str, address: str, unit: int, baud: int, log: list[Exchange]) -> int:
    """Read a device whole, compare every number with what its simulation held; give how many there were."""
    profile = _profile(model)
    device = build_device(
        profile.protocol, index=0, unit=unit, address=address, profile=profile, link=link, clock=SystemClock(),
        settings=LineSettings(baud=baud, parity=Parity.EVEN),
    )  # fmt: skip
    good = 0
    for read in device.reads:
        batch = await device.read(read)
        held = {name: Decimal(value) for name, value in log[-1].held}
        for index, value, status in zip(batch.points, batch.values, batch.statuses, strict=True):
            point = profile.points[index]
            if point.name in held and not is_bad(status):
                assert isinstance(value, int)
                assert Decimal(value).scaleb(point.exponent) == held[point.name].quantize(
                    Decimal(1).scaleb(point.exponent)
                )
                good += 1
    return good


async def test_meters_and_a_modbus_device_share_a_pty_at_two_speeds(on_pty: Callable[[Line], PtyLine]) -> None:
    log: list[Exchange] = []
    meter = dlt645.Dlt645Meter("161".zfill(12), dlt645.single_phase("pty"), settings=FAST, turnaround_ns=20_000_000)
    water = cjt188.Cjt188Meter("78331505104145", 0x10, cjt188.water("pty"), settings=FAST, turnaround_ns=20_000_000)
    sdm = RtuDevice(1, IMAGES["eastron/sdm120"]("pty"), settings=FASTER, turnaround_ns=4_000_000)
    pty = on_pty(Line([meter, water, sdm], settings=FAST, on_exchange=log.append))
    line = LineSettings(baud=9600, parity=Parity.EVEN)
    for _ in range(2):  # an 8E1 port that is opened again is what fails on a bare pty
        link = await open_link(str(pty.path), line, echo=False, clock=SystemClock(), pause=TimerfdPause())
        assert await _read(link, "generic/dlt645-2007-single-phase", meter.address, 0, 9600, log) == 8
        assert await _read(link, "eastron/sdm120", "", 1, 19200, log) >= 8
        assert await _read(link, "generic/cjt188-water", water.address, 0, 9600, log) == 1
        assert (link.counters.no_reply, link.counters.bad_checksum) == (0, 0)
        await link.aclose()
    assert not [one for one in log if one.inside_silence or one.collided]
