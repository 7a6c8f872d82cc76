"""M-Bus and IEC 62056-21 on a real pseudo-terminal: 8E1, 7E1, and the change of speed inside a session."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from agent.clock import SystemClock, TimerfdPause
from drivers.profile import Profile
from drivers.profile_load import builtin_roots, find_profile, load_profile
from drivers.quality import is_bad
from drivers.registry import build_device, open_link
from hil.characters import Characters
from hil.ptys import PtyLine
from hil.sim import iec62056_21, mbus
from hil.wire import Line

pytestmark = pytest.mark.bus

OnPty = Callable[[Line], PtyLine]


async def read_once(pty: PtyLine, model: str, address: str) -> dict[str, object]:
    """Read every point once; those with a value."""
    profile: Profile = load_profile(find_profile(model, builtin_roots()))
    clock, pause = SystemClock(), TimerfdPause()
    link = await open_link(str(pty.path), profile.line, echo=False, clock=clock, pause=pause)
    device = build_device(profile.protocol, index=0, unit=0, address=address, profile=profile, link=link, clock=clock)
    said: dict[str, object] = {}
    try:
        for read in device.reads:
            batch = await device.read(read)
            for point, value, status in zip(batch.points, batch.values, batch.statuses, strict=True):
                if not is_bad(status):
                    said[profile.points[point].name] = value
    finally:
        await link.aclose()
        pause.close()
    return said


@pytest.mark.parametrize("address", ["5", "06855817.KAM.08.04"])
async def test_a_heat_meter_is_read_over_8e1(on_pty: OnPty, address: str) -> None:
    meter = mbus.MbusMeter(5, mbus.identity("06855817", "KAM", 8, 4), mbus.heat("a"))
    said = await read_once(on_pty(Line([meter], settings=mbus.LINE)), "generic/mbus-heat", address)
    assert len(said) == 9
    assert said["energy.due_date"] == 33361


async def test_a_readout_changes_speed_inside_its_session(on_pty: OnPty) -> None:
    meter = iec62056_21.IecMeter(iec62056_21.electricity("a"), offered="5")
    said = await read_once(on_pty(Line([meter], settings=iec62056_21.LINE)), "generic/iec62056-readout", "ANY")
    assert meter.readouts == [9600]
    assert said["energy.import.tariff1"] == 4400
    assert said["meter.number"] == "12345678"
    assert len(said) == 12


async def test_two_sessions_begin_at_300_again(on_pty: OnPty) -> None:
    meter = iec62056_21.IecMeter(iec62056_21.electricity("a"), offered="6")
    pty = on_pty(Line([meter], settings=Characters(baud=300, parity="E", data_bits=7)))
    for _ in range(2):
        assert await read_once(pty, "generic/iec62056-readout", "ANY")
    assert meter.readouts == [19200, 19200]
