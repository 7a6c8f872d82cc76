"""A DL/T 645 meter from the wire to the collector's tables: its times, its clock, and the day it is exchanged.

Poll loop, link, protocol, storage, seal and collector are the real ones; wire and time are simulated.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from agent.block.record import ClockQuality, ClockSample
from agent.collector.ingest import Arrival, Ingest
from agent.collector.store import Database
from agent.config import BlockRules, Bus, OutboxLimits, SiteDevice
from agent.keys import FileKeyStore, NamedKey
from agent.outbox import read_blocks
from agent.polling.bus import BusPoller
from agent.polling.polled import Wanted
from agent.polling.recording import Recorder
from agent.polling.wakeup import Wakeup
from agent.storing.chain import StorageSettings
from agent.storing.inline import InlineStorage
from agent.storing.stored import Exchanged, StoredBlock
from agent.zones import zone_of
from drivers.link import Link
from drivers.link_rtu import RtuLink
from drivers.profile import LineSettings, Parity, Profile
from drivers.profile_load import load_profile
from drivers.registry import build_device
from drivers.sources import Device
from hil.memory import LineStream
from hil.sim import dlt645
from hil.sim.dlt645 import Cell
from hil.sim.wall import showing
from hil.virtualtime import VirtualClock, VirtualPause, here, virtual
from hil.wire import Line, Station

pytestmark = pytest.mark.bus

BEGAN = datetime.fromtimestamp(1_764_000_000, UTC)
"""Our UTC when virtual time is 0: 2025-11-24 16:00:00."""
LATE = showing(BEGAN + timedelta(hours=8, seconds=-90))
"""A meter's clock in Beijing that is 90 s behind."""
LINE = LineSettings(baud=2400, parity=Parity.EVEN)
ANY = "A" * 12
PROFILE = """
schema = 1
vendor = "any"
model = "meter"
name = { en = "meter", zh = "meter" }
source = "none: made for this test"
protocol = "dlt645-2007"
[line]
baud = 2400
parity = "even"
[limits]
turnaround_ms = 1000
[[point]]
name = "energy"
label = { en = "energy", zh = "energy" }
at = { di = "00010000" }
unit = "kW.h"
decimals = 2
kind = "counter"
digits = 6
every_s = 2
[[point]]
name = "demand"
label = { en = "demand", zh = "demand" }
at = { di = "01010000" }
unit = "kW"
decimals = 4
keep_raw = true
every_s = 5
[[point]]
name = "clock.offset"
label = { en = "clock", zh = "clock" }
at = { clock = "offset" }
unit = "s"
decimals = 0
every_s = 5
[[point]]
name = "number"
label = { en = "number", zh = "number" }
at = { di = "04000402" }
kind = "state"
nameplate = "serial"
every_s = 5
"""


class Clock(VirtualClock):
    """A gateway's clock that NTP keeps right."""

    def sample(self) -> ClockSample:
        return ClockSample(
            boot=b"boot-one",
            mono_ms=self.mono_ns() // 1_000_000,
            utc_ms=self.utc_ns() // 1_000_000,
            quality=ClockQuality.NTP,
            max_error_ms=5,
        )


def meter(address: str, number: int, energy: float, demand: float, at: int) -> dlt645.Dlt645Meter:
    """A meter whose highest demand was ``at`` (YYMMDDhhmm)."""

    def cell(name: str, size: int, decimals: int, value: float) -> Cell:
        return Cell(name=name, size=size, decimals=decimals, value=lambda t: value + (t / 100 if name == "e" else 0))

    memory = {
        "00010000": (cell("e", 4, 2, energy),),
        "01010000": (cell("d", 3, 4, demand), cell("t", 5, 0, at)),
        "04000402": (cell("n", 6, 0, number),),
    }
    return dlt645.Dlt645Meter(address, memory, wall=LATE, began_ns=here().time_ns())


@dataclass
class Port:
    """The simulated line as a port of the agent."""

    line: Line
    clock: Clock
    site: SiteDevice
    devices: Sequence[Device] = field(init=False)

    def __post_init__(self) -> None:
        stream = LineStream(self.line, parity_of=lambda one: one.parity.value)
        link = Link(stream, name="line", clock=self.clock, pause=VirtualPause(self.clock), line=LINE)
        self.devices = [
            build_device(
                self.site.profile.protocol, index=0, unit=0, address=self.site.address, profile=self.site.profile,
                link=RtuLink(link), clock=self.clock, settings=LINE, zone=zone_of(self.site.clock_zone),
            )
        ]  # fmt: skip

    async def open(self) -> None:
        """It is open."""

    async def aclose(self) -> None:
        """Nothing to close."""


class Gateway:
    """One gateway in a folder; each ``live`` is a start of the agent."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.keys = FileKeyStore(folder / "keys")
        self.keys.create_identity()
        self.clock = Clock(here())
        self.profile = self._profile()
        self.exchanged: tuple[Exchanged, ...] = ()

    async def live(self, *stations: Station, seconds: float = 30) -> None:
        """Run with each meter in turn on the line, without a stop between them."""
        site = SiteDevice(
            name="main", bus="b", unit=0, address=ANY, profile=self.profile, clock_zone="+08:00", line=LINE
        )
        settings = StorageSettings(folder=self.folder, rules=BlockRules(), limits=OutboxLimits())
        storage = InlineStorage(settings, self.keys, self.clock)
        stored: list[StoredBlock] = []
        storage.on_sealed(stored.append)
        storage.register([site])
        storage.start()
        line = Line([stations[0]], settings=dlt645.LINE)
        poller = BusPoller(
            Bus(name="b", port="/dev/x", line=LINE),
            [Wanted(index=0, site=site)],
            Port(line, self.clock, site),
            recorder=Recorder(storage, self.clock),
            clock=self.clock,
            wakeup=Wakeup(self.clock),
            start_ns=self.clock.mono_ns(),
        )
        async with asyncio.TaskGroup() as group:
            group.create_task(poller.run())
            for station in stations:
                line.stations[:] = [station]
                await asyncio.sleep(seconds)
            poller.stop()
        self.exchanged = storage.status().exchanged
        await storage.close()
        assert stored

    def collected(self) -> Database:
        """Everything that was sealed, in the tables of a collector."""
        db = Database.open(self.folder / "collector.db")
        ingest = Ingest(db, [NamedKey(spki=self.keys.identity().spki, name="school-7")])
        arrivals = [Arrival(message=block.message) for block in read_blocks(self.folder / "outbox.db")]
        verdicts = {verdict.value for verdict, _ in ingest.take(arrivals, 1_764_000_500_000).verdicts}
        assert verdicts == {"chained"}
        return db

    def _profile(self) -> Profile:
        path = self.folder / "any" / "meter.toml"
        path.parent.mkdir()
        path.write_text(PROFILE, encoding="utf-8")
        return load_profile(path)


@virtual
async def test_times_drift_and_exchange_of_a_meter_reach_the_collector(tmp_path: Path) -> None:
    gateway = Gateway(tmp_path)
    first = meter("000000000161", 2409110042, 5_000, 7.25, 2511201845)
    second = meter("000000000262", 2511000007, 0.5, 1.5, 2511241530)
    await gateway.live(first, second)
    one, two = (
        f"address=000000000{n}; serial={serial}" for n, serial in ((161, "002409110042"), (262, "002511000007"))
    )
    (alarm,) = gateway.exchanged
    assert (alarm.device, alarm.before) == ("main", one)
    third = meter("000000000363", 2511000008, 300, 1.5, 2511241530)
    await gateway.live(third)  # exchanged while the agent was off
    three = "address=000000000363; serial=002511000008"
    third.memory = {**third.memory, "00010000": (Cell(name="e", size=4, decimals=2, value=lambda _t: 0.07),)}
    await gateway.live(third)  # and set back while it was off again
    assert gateway.exchanged == ()
    db = gateway.collected()
    try:
        demands = db.all(
            "SELECT DISTINCT value, device_utc, device_flags FROM readings WHERE quantity = 'demand' AND quality = 0"
        )
        assert demands == [
            ("7.2500", "2025-11-20T10:45:00.000Z", 1),
            ("1.5000", "2025-11-24T07:30:00.000Z", 1),
        ]
        offsets = db.all("SELECT DISTINCT value, quality FROM readings WHERE quantity = 'clock.offset'")
        assert {int(value) for value, _ in offsets} <= {-90, -91}
        assert {quality for _, quality in offsets} == {0}
        raws = db.all("SELECT DISTINCT substr(raw, 9, 4) FROM readings WHERE quantity = 'demand' AND quality = 0")
        assert raws == [("6861",), ("6862",), ("6863",)]  # behind four FE, 68 and the low byte of who answered
        exchanges = db.all("SELECT before, now FROM exchanges ORDER BY block")
        assert [(before, now.partition(";")[0]) for before, now in exchanges] == [
            (one, two.partition(";")[0]),
            (two, three.partition(";")[0]),
        ]
        known = db.all("SELECT DISTINCT identity FROM device WHERE identity LIKE '%serial%'")
        assert [identity for (identity,) in known] == [one, two, three]
        broke = db.all("SELECT device, quantity, first, reason FROM discontinuities")
        assert broke == [("main", "energy", "0.07", "reset")], "what an exchange explains is not told again"
    finally:
        db.close()
