"""A device that somebody else polls: each point at most once a period, and bad when nobody asks any more."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from datetime import UTC

from agent.block.record import EventKind
from agent.config import SiteDevice
from agent.polling.claims import Life
from agent.polling.heard import HeardDevice
from agent.polling.polled import Wanted
from agent.polling.recording import Recorder
from agent.storing.stored import Pressure
from drivers.codec.modbus_rtu import encode
from drivers.overhear import Overhearing
from drivers.profile_load import builtin_roots, find_profile, load_profile
from drivers.protocols.dlt645_listen import LISTENING
from drivers.protocols.modbus_listen import ModbusOverheard
from drivers.quality import Quality
from drivers.registry import listeners
from hil.sim.dlt645 import frame
from tests.agent.kept_sink import KeptSink

S = 1_000_000_000
PORT = "/dev/ttyUSB0"
PROFILE = load_profile(find_profile("generic/xy-md02", builtin_roots()))
BOTH, FIRST = encode(4, bytes.fromhex("0400010002")), encode(4, bytes.fromhex("040400EB0222"))
ONE, REPLY = encode(4, bytes.fromhex("0400010001")), encode(4, bytes.fromhex("040200EB"))


@dataclass(slots=True)
class Clock:
    now_ns: int = 0

    def mono_ns(self) -> int:
        return self.now_ns

    def utc_ns(self) -> int:
        return self.now_ns


class Rig:
    """A device and a line on which it is polled by another."""

    def __init__(self, every_s: float = 1.0) -> None:
        self.sink, self.clock = KeptSink(points=10), Clock()
        site = SiteDevice(name="air", bus="shared", unit=4, profile=PROFILE, every_s=every_s)
        overheard = ModbusOverheard(PROFILE, "4", UTC)
        self.device = HeardDevice(Wanted(index=3, site=site), overheard, Recorder(self.sink, self.clock), 0)
        self._line = Overhearing(listeners())

    def polled(self, at_s: float, request: bytes = BOTH, reply: bytes = FIRST) -> None:
        self.clock.now_ns = round(at_s * S)
        said = [*self._line.heard(request, self.clock.now_ns), *self._line.heard(reply, self.clock.now_ns + 1)]
        for one in (*said, *self._line.idle(self.clock.now_ns + 1, silence=True)):
            self.device.hear(one)

    def looks(self, at_s: float) -> None:
        self.clock.now_ns = round(at_s * S)
        self.device.look(self.clock.now_ns, PORT)

    def is_in(self, life: Life) -> bool:
        return self.device.life is life

    def taken(self, point: int) -> list[int]:
        """Tenths of a second at which a good value of the point was passed on."""
        return [
            round(batch.mono_ns * 10 / S)
            for batch in self.sink.batches
            for row, index in enumerate(batch.points)
            if index == point and not batch.statuses[row]
        ]


def test_what_is_polled_ten_times_a_second_is_taken_once_a_period() -> None:
    rig = Rig()
    for tenth in range(101):
        rig.polled(tenth / 10)
    assert 10 <= len(rig.taken(0)) <= 12
    gaps = [later - earlier for earlier, later in zip(rig.taken(0), rig.taken(0)[1:], strict=False)]
    assert min(gaps) >= 7
    assert rig.sink.batches[0].device == 3


def test_a_client_of_the_same_period_loses_nothing_to_its_jitter() -> None:
    rig = Rig()
    for second in range(60):
        rig.polled(second + (0.12 if second % 3 else 0.0))
    assert len(rig.taken(0)) == 60


def test_points_of_different_replies_keep_their_own_time() -> None:
    rig = Rig()
    for second in range(6):
        rig.polled(second)
        rig.polled(second + 0.5, ONE, REPLY)
    assert len(rig.taken(0)) == len(rig.taken(1)) == 6


def test_three_silent_periods_make_a_point_bad_once_and_a_reading_makes_it_good() -> None:
    rig = Rig()
    rig.polled(0)
    for tenth in range(1, 80):
        rig.looks(tenth / 10)
    bad = [batch for batch in rig.sink.batches if batch.statuses[0]]
    assert [(round(one.mono_ns * 10 / S), one.points, set(one.statuses)) for one in bad] == [
        (31, (0, 1), {int(Quality.BAD_NO_COMMUNICATION)})
    ]
    assert rig.is_in(Life.DEAD)
    status = rig.device.status()
    assert status.error_code == "not-heard"
    assert "nobody asked for temperature and 1 other points for 3 s" in status.error
    rig.polled(8)
    assert rig.is_in(Life.ALIVE)
    assert rig.device.status().error_code == ""
    rig.device.report(rig.clock.now_ns, everything=True)
    (missed,) = rig.sink.events
    assert missed.kind is EventKind.MISSED_POLLS
    assert missed.fields[:3] == (30, 31, 4)


def test_a_point_that_nobody_asks_for_is_named_while_the_device_lives() -> None:
    rig = Rig()
    for second in range(8):
        rig.polled(second, ONE, REPLY)
        rig.looks(second)
    assert rig.is_in(Life.ALIVE)
    assert rig.device.status().unheard == ("humidity",)


def test_what_was_never_heard_is_given_up_too() -> None:
    rig = Rig()
    rig.looks(2.9)
    assert rig.is_in(Life.UNKNOWN)
    rig.looks(3.0)
    assert rig.is_in(Life.DEAD)


def test_under_pressure_telemetry_is_not_taken() -> None:
    rig = Rig()
    rig.device.shed(Pressure.NO_POLL)
    for second in range(5):
        rig.polled(second)
    assert rig.sink.batches == []
    rig.device.shed(Pressure.NONE)
    rig.polled(6)
    assert rig.taken(0) == [60]


def test_a_full_queue_is_counted_as_missed() -> None:
    rig = Rig()
    rig.sink.full = True
    rig.polled(0)
    rig.device.report(rig.clock.now_ns, everything=True)
    assert [event.fields[5] for event in rig.sink.events] == ["queue-full"]


def test_a_counter_that_runs_backwards_is_told_as_for_a_polled_device() -> None:
    profile = load_profile(find_profile("eastron/sdm120", builtin_roots()))
    sink, clock = KeptSink(points=10), Clock()
    site = SiteDevice(name="meter", bus="shared", unit=1, profile=profile, every_s=1.0)
    overheard = ModbusOverheard(profile, "1", UTC)
    device = HeardDevice(Wanted(index=3, site=site), overheard, Recorder(sink, clock), 0)
    line = Overhearing(listeners())
    place = next(point.location for point in profile.points if point.name == "energy.active.import")
    ask = encode(1, bytes((place.table.value, *place.address.to_bytes(2, "big"), 0, 2)))
    for second, kilowatt_hours in ((1, 1000.0), (3, 10.0)):
        reply = encode(1, bytes((place.table.value, 4)) + struct.pack(">f", kilowatt_hours))
        said = [
            *line.heard(ask, second * S),
            *line.heard(reply, second * S + 1),
            *line.idle(second * S + 1, silence=True),
        ]
        for one in said:
            device.hear(one)
    assert [event.kind for event in sink.events] == [EventKind.COUNTER_DISCONTINUITY]
    assert [one.point for one in device.status().breaks] == ["energy.active.import"]


def test_a_meter_that_is_exchanged_is_another_one_and_its_counters_begin_anew() -> None:
    profile = load_profile(find_profile("generic/dlt645-2007-single-phase", builtin_roots()))
    sink, clock = KeptSink(points=10), Clock()
    site = SiteDevice(name="meter", bus="shared", unit=0, address="A" * 12, profile=profile, every_s=1.0)
    overheard = LISTENING["dlt645-2007"].overheard
    assert overheard is not None
    device = HeardDevice(Wanted(index=3, site=site), overheard(profile, "A" * 12, UTC), Recorder(sink, clock), 0)
    line = Overhearing(listeners())
    identifier = bytes.fromhex("00000100")  # energy imported, low byte first
    for second, (address, count) in enumerate((("61", 5000), ("61", 5001), ("62", 10), ("62", 11))):
        meter = bytes.fromhex(address + "0100000000")
        reply = frame(meter, 0x91, identifier + bytes.fromhex(f"{count:08d}")[::-1])
        said = [*line.heard(frame(meter, 0x11, identifier), second * S), *line.heard(reply, second * S + 1)]
        for one in (*said, *line.idle(second * S + 1, silence=True)):
            device.hear(one)
    assert len(sink.batches) == 4
    assert sink.identities == [(3, "address=000000000161"), (3, "address=000000000162")]
    assert device.status().identity == "address=000000000162"
    assert sink.events == []
