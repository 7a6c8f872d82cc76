"""Meters that send by themselves on a real pseudo-terminal: nothing is written, whole telegrams are read."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace

import pytest

from agent.clock import SystemClock, TimerfdPause
from drivers.errors import RefusedError
from drivers.profile_load import builtin_roots, find_profile, load_profile
from drivers.quality import is_bad
from drivers.registry import build_device, open_link
from hil.ptys import PtyLine, now_ns
from hil.sim import dlms, han, sml
from hil.sim.crc16 import kermit
from hil.wire import Line

pytestmark = pytest.mark.bus

OnPty = Callable[[Line], PtyLine]


FAST = 19200


async def read_twice(
    pty: PtyLine, model: str, wait_s: float = 0.0, *, baud: int = FAST
) -> tuple[dict[str, object], str | None]:
    """Read every point twice, the port open all the time; those with a value, and who the meter says it is."""
    profile = load_profile(find_profile(model, builtin_roots()))
    clock, pause = SystemClock(), TimerfdPause()
    line = replace(profile.line, baud=baud)
    link = await open_link(str(pty.path), line, echo=False, clock=clock, pause=pause)
    device = build_device(profile.protocol, index=0, unit=0, address="ANY", profile=profile, link=link, clock=clock)
    said: dict[str, object] = {}
    try:
        await asyncio.sleep(wait_s)
        for read in (*device.reads, *device.reads):
            batch = await device.read(read)
            for point, value, status in zip(batch.points, batch.values, batch.statuses, strict=True):
                if not is_bad(status):
                    said[profile.points[point].name] = value
        assert link.counters.bad_checksum == link.counters.bad_frame == 0
    finally:
        await link.aclose()
        pause.close()
    return said, getattr(device, "identity", None)


async def test_sml_lists_are_read_from_the_middle_of_one_on(on_pty: OnPty) -> None:
    meter = sml.SmlMeter(sml.electricity("a"), every_s=0.6, crc=kermit, began_ns=now_ns(), first_s=0.1)
    said, identity = await read_twice(
        on_pty(Line([], settings=sml.LINE, speakers=[meter])), "generic/sml", 0.2, baud=9600
    )
    assert said["energy.import.tariff1"] == 44_000_005
    assert {"energy.import", "power", "voltage.l3", "current.l1"} < set(said)
    assert identity == "serial=1 ISK 00 75126084"


async def test_lists_of_a_han_port_are_read_over_8e1(on_pty: OnPty) -> None:
    rhythm, settings = [(0.4, cells) for _, cells in han.kaifa("a")], replace(han.EIGHT_EVEN, baud=FAST)
    meter = han.HanMeter(han.Way.KAIFA, rhythm, began_ns=now_ns(), first_s=0.1, most=60, settings=settings)
    said, _ = await read_twice(on_pty(Line([], settings=settings, speakers=[meter])), "kaifa/ma304", 0.2)
    assert {"power.import", "voltage.l3", "current.l1", "energy.import"} < set(said)
    assert (said["meter.number"], said["meter.model"]) == ("7359992891237028", "MA304H3E")


async def test_a_dlms_meter_is_read_on_a_pty(on_pty: OnPty) -> None:
    settings = replace(dlms.LINE, baud=FAST)
    meter = dlms.DlmsMeter(dlms.electricity("a"), turnaround_ns=5_000_000, settings=settings)
    pty = on_pty(Line([meter], settings=settings, step=16))
    profile = load_profile(find_profile("generic/dlms", builtin_roots()))
    clock, pause = SystemClock(), TimerfdPause()
    line = replace(profile.line, baud=FAST)
    link = await open_link(str(pty.path), line, echo=False, clock=clock, pause=pause)
    device = build_device(
        profile.protocol, index=0, unit=0, address="1.17@16", profile=profile, link=link, clock=clock
    )
    refused: list[str] = []
    said: dict[str, object] = {}
    try:
        for read in device.reads:
            name = profile.points[read.points[0]].name
            try:
                said[name] = (await device.read(read)).values[0]
            except RefusedError:
                refused.append(name)
        assert link.counters.bad_checksum == link.counters.no_reply == 0
    finally:
        await link.aclose()
        pause.close()
    assert refused == ["power.import", "power.export"]
    assert said["meter.number"] == "36765667"
    assert (said["demand.import.max"], meter.associations) == (4250, 1)
