"""A bus that is only listened to: another client polls simulated devices, the agent takes what it overhears.

The client is minimalmodbus for Modbus, and a bare port that sends a published DL/T 645 request. What the devices told
comes from the line's journal. The agent runs as a process, and its port keeps what comes out of it: nothing may.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from decimal import ROUND_HALF_EVEN, Decimal
from pathlib import Path
from typing import Any, Self

import minimalmodbus
import pytest
import serial

from hil.characters import Characters
from hil.process import wait_until
from hil.ptys import PtyLine
from hil.sim import dlt645
from hil.sim.images import IMAGES
from hil.sim.modbus import RtuDevice
from hil.stage import Stage, tidegate
from hil.tee import ListenerPort, Tee
from hil.wire import Exchange, Line

pytestmark = pytest.mark.bus

FAST = Characters(baud=19200)
METER = "000000000161"
NEAR_MS = 80
LATEST_MS = 2000  # how late a busy machine may let the agent hear
SITE = """schema = 1
[site]
name = "listener"
[state]
dir = "state"
[block]
max_age = "500 ms"
[[bus]]
name = "shared"
port = "{port}"
baud = 19200
listen = true
"""
DEVICE = """[[device]]
name = "{name}"
bus = "shared"
{address}
profile = "{profile}"
every = "{every}"
"""


@dataclass(slots=True)
class Rig:
    """A line that a foreign client polls, and an agent that listens to it."""

    stage: Stage
    ear: ListenerPort
    pty: PtyLine
    log: list[Exchange] = field(default_factory=list)

    def tell(self, *words: str) -> dict[str, Any]:
        """Run a verb and give its envelope."""
        done = tidegate("--json", "--site", self.stage.site, *words)
        found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
        return found

    def start(self, devices: str) -> None:
        self.stage.prepare("listener")
        self.stage.site.write_text(SITE.format(port=self.ear.path) + devices, encoding="utf-8")
        self.stage.start_agent()
        assert wait_until(lambda: bool(self.tell("status")["result"].get("buses")), 20), self.stage.agent.last_words()

    def bus(self) -> dict[str, Any]:
        """What ``status`` says of the bus."""
        found: dict[str, Any] = self.tell("status")["result"]["buses"][0]
        return found

    def readings(self) -> list[dict[str, Any]]:
        """End the agent and give its readings, all proven by their signatures."""
        self.stage.agent.stop()
        verdict = tidegate("--site", self.stage.site, "verify")
        assert verdict.returncode == 0, verdict.stdout + verdict.stderr
        table = self.stage.folder / "readings.jsonl"
        assert self.tell("export", str(table), "--yes")["ok"]
        rows = [json.loads(line) for line in table.read_text().splitlines()]
        return [row for row in rows if row["kind"] == "reading"]


@pytest.fixture
def make_rig(tmp_path: Path) -> Iterator[Callable[..., Rig]]:
    rigs: list[Rig] = []

    def make(*stations: Any) -> Rig:
        log: list[Exchange] = []
        line = Line(list(stations), settings=FAST, on_exchange=log.append)
        ear = ListenerPort(tmp_path / "ear")
        pty = PtyLine(Tee(line, ear), tmp_path / "line")
        pty.start()
        rigs.append(Rig(Stage(folder=tmp_path, broker=None), ear, pty, log))
        return rigs[-1]

    yield make
    for rig in rigs:
        rig.stage.stop()
        rig.pty.close()
        rig.ear.unplug()


@dataclass(slots=True)
class Polling:
    """Does ``turn`` over and over in a thread."""

    turn: Callable[[], None]
    _over: threading.Event = field(default_factory=threading.Event)
    _thread: threading.Thread | None = None

    def __enter__(self) -> Self:
        self._thread = threading.Thread(target=self._run)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        assert self._thread is not None
        self._thread.join(10)

    def _run(self) -> None:
        while not self._over.is_set():
            self.turn()


def instrument(rig: Rig, unit: int) -> minimalmodbus.Instrument:
    one = minimalmodbus.Instrument(str(rig.pty.path), unit)
    assert one.serial is not None
    one.serial.baudrate, one.serial.timeout = FAST.baud, 0.3
    return one


def told(rig: Rig, unit: int, quantity: str, utc_ms: int, offset_ms: int) -> list[Decimal]:
    """What replies of a unit told of a quantity just before; ``offset_ms`` leads from the journal's clock to UTC."""
    return [
        Decimal(value)
        for one in rig.log
        if one.request[0] == unit and one.reply_end_ns is not None
        and -LATEST_MS <= one.reply_end_ns // 1_000_000 + offset_ms - utc_ms <= NEAR_MS
        for name, value in one.held
        if name == quantity
    ]  # fmt: skip


def test_readings_are_what_the_devices_told_another_client_and_not_a_byte_is_sent(
    make_rig: Callable[..., Rig],
) -> None:
    meter = RtuDevice(1, IMAGES["eastron/sdm120"]("listen"), settings=FAST, turnaround_ns=4_000_000)
    air = RtuDevice(4, IMAGES["generic/xy-md02"]("listen"), settings=FAST, turnaround_ns=4_000_000)
    rig = make_rig(meter, air)
    devices = [
        DEVICE.format(name=name, address=f"unit = {unit}", profile=profile, every="500 ms")
        for name, unit, profile in (
            ("meter", 1, "eastron/sdm120"), ("air", 4, "generic/xy-md02"), ("absent", 9, "generic/xy-md02"),
        )
    ]  # fmt: skip
    first, second, third = (instrument(rig, unit) for unit in (1, 4, 9))

    def turn() -> None:
        first.read_registers(0, 32, functioncode=4)
        second.read_registers(1, 2, functioncode=4)
        with suppress(minimalmodbus.NoResponseError):
            if not len(rig.log) % 9:
                third.read_registers(1, 2, functioncode=4)

    with Polling(turn):
        rig.start("".join(devices))
        began = time.monotonic()
        assert wait_until(lambda: rig.bus()["heard"]["replies"] > 60, 20)
        assert wait_until(lambda: "absent" in str(rig.tell("status")["findings"]), 10)
        bus, status = rig.bus(), rig.tell("status")
        live = {one["device"]: one for one in rig.tell("read")["result"]["devices"]}
        seconds = time.monotonic() - began
        shown = tidegate("--site", rig.stage.site, "status").stdout
        readings = rig.readings()
    assert rig.ear.listen() == b""
    assert rig.ear.lost == 0
    assert (bus["phase"], bus["answering"], bus["devices"]) == ("up", 2, 3)
    assert bus["heard"]["silent"] >= 1
    assert "listening, 2 of 3 devices heard" in shown
    assert [one["code"] for one in status["findings"] if one["where"] == "shared/absent"] == ["not-heard"]
    assert live["air"]["error"] is None
    assert {one["quality"] for one in live["air"]["points"]} == {"good"}
    assert live["absent"]["error"] == "not-heard"
    check(rig, readings, seconds)


def utc_ms(text: str) -> int:
    return round(datetime.fromisoformat(text).timestamp() * 1000)


def check(rig: Rig, readings: list[dict[str, Any]], seconds: float) -> None:
    """Compare readings with the journal, and count them against the period."""
    units = {"meter": 1, "air": 4}
    offset_ms = (time.time_ns() - time.clock_gettime_ns(time.CLOCK_BOOTTIME)) // 1_000_000
    counted: dict[tuple[str, str], int] = {}
    for one in readings:
        if one["device"] == "absent":
            assert (one["value"], one["quality"]) == (None, "bad-no-communication")
            continue
        if one["value"] is None:
            continue
        value = Decimal(str(one["value"]))
        held = told(rig, units[one["device"]], one["quantity"], utc_ms(one["utc"]), offset_ms)
        unit = Decimal(1).scaleb(value.as_tuple().exponent)  # type: ignore[arg-type]
        assert value in [known.quantize(unit, ROUND_HALF_EVEN) for known in held], one
        key = (one["device"], one["quantity"])
        counted[key] = counted.get(key, 0) + 1
    assert {name for name, _ in counted} == {"meter", "air"}
    assert counted["air", "temperature"] >= 4
    assert max(counted.values()) <= 2 * seconds + 12  # twice a second, a stop and a start included


def test_a_dlt645_meter_beside_modbus_is_heard_by_its_own_frames(make_rig: Callable[..., Rig]) -> None:
    meter = dlt645.Dlt645Meter(METER, dlt645.single_phase("listen"), settings=FAST, turnaround_ns=20_000_000)
    air = RtuDevice(4, IMAGES["generic/xy-md02"]("listen"), settings=FAST, turnaround_ns=4_000_000)
    rig = make_rig(meter, air)
    devices = DEVICE.format(
        name="power", address=f'address = "{METER}"', profile="generic/dlt645-2007-single-phase", every="1 s"
    ) + DEVICE.format(name="air", address="unit = 4", profile="generic/xy-md02", every="1 s")
    voltage = bytes.fromhex("68610100000000681104333434351716")
    requests = [bytes.fromhex("FEFEFEFE") + voltage, bytes.fromhex("040400010002205E")]
    with serial.Serial(str(rig.pty.path), FAST.baud, timeout=0.12) as port:

        def turn() -> None:
            for request in requests:
                port.write(request)
                port.read(64)

        with Polling(turn):
            rig.start(devices)
            assert wait_until(lambda: rig.bus()["answering"] == 2, 20)
            time.sleep(1.5)
            readings = rig.readings()
    assert rig.ear.listen() == b""
    good = {(one["device"], one["quantity"]) for one in readings if one["value"] is not None}
    assert ("air", "temperature") in good
    assert {name for device, name in good if device == "power"} == {"voltage"}


def test_a_lost_port_turns_points_bad_with_the_reason_and_heals_by_its_path(make_rig: Callable[..., Rig]) -> None:
    air = RtuDevice(4, IMAGES["generic/xy-md02"]("listen"), settings=FAST, turnaround_ns=4_000_000)
    rig = make_rig(air)
    client = instrument(rig, 4)
    with Polling(lambda: client.read_registers(1, 2, functioncode=4)):
        rig.start(DEVICE.format(name="air", address="unit = 4", profile="generic/xy-md02", every="500 ms"))
        assert wait_until(lambda: rig.bus()["answering"] == 1, 20)
        rig.ear.unplug()
        assert wait_until(lambda: rig.bus()["phase"] == "down", 20)
        lost = rig.tell("read")["result"]["devices"][0]
        assert lost["error"] == "link-down"
        assert {(one["value"], one["quality"]) for one in lost["points"]} == {(None, "bad-no-communication")}
        rig.ear.replug()
        replugged = len(rig.log)
        healed = wait_until(lambda: rig.bus()["answering"] == 1, 20)
        assert healed, f"{len(rig.log) - replugged} exchanges on the line since\n{rig.stage.agent.last_words()}"
        assert rig.tell("read")["result"]["devices"][0]["error"] is None
        readings = rig.readings()
    assert rig.ear.listen() == b""
    assert {one["value"] is None for one in readings} == {True, False}


def test_commands_that_speak_refuse_a_bus_that_is_only_listened_to(make_rig: Callable[..., Rig]) -> None:
    rig = make_rig()
    rig.stage.site.write_text(
        SITE.format(port=rig.ear.path)
        + DEVICE.format(name="air", address="unit = 4", profile="generic/xy-md02", every="1 s"),
        encoding="utf-8",
    )
    for words in (("scan", "shared"), ("raw", "shared", "0103", "--yes"), ("read", "shared"), ("add", "shared")):
        refused = tidegate("--site", rig.stage.site, *words)
        assert refused.returncode == 77, (words, refused.stdout, refused.stderr)
        assert "is only listened to (listen = true)" in refused.stderr
    assert rig.ear.listen() == b""
