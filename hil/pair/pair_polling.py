"""An agent at the left port, devices at the right one: what is read is what they hold, whatever happens."""

from __future__ import annotations

import random
import time
from collections import Counter
from collections.abc import Callable, Sequence
from itertools import pairwise

import minimalmodbus
import pytest

from hil.faults import Fault
from hil.pair.bench import LIVING, SETTINGS, SLOW_SETTINGS, Bench, pick
from hil.pair.gateway import Gateway
from hil.pair.probe import Capability
from hil.pair.units import REGISTERS, SLOW
from hil.process import wait_until
from hil.wire import Exchange

Note = Callable[[str, object], None]

FAULTS = [
    Fault.DROP, Fault.LOSE_BYTE, Fault.FLIP, Fault.GARBAGE, Fault.GLITCH, Fault.SPLIT, Fault.LATE, Fault.DUPLICATE,
    Fault.TRUNCATE, Fault.OTHER_UNIT, Fault.TWO_AT_ONCE, Fault.BABBLE, Fault.STUCK, Fault.ECHO,
]  # fmt: skip


@pytest.fixture
def gateway(bench: Bench) -> Gateway:
    """Give the agent that polls all units, with everything as it should be."""
    made = bench.polled()
    bench.settle(made)
    return made


def test_a_stranger_reads_what_the_devices_hold(bench: Bench) -> None:
    """A client that is not ours reads the registers: the bench itself is right."""
    bench.free()
    port = minimalmodbus.Instrument(bench.left, 1)
    port.serial.baudrate, port.serial.timeout = SETTINGS.baud, 0.5
    port.handle_local_echo = bench.ports.echo
    number = len(bench.far.since(0))
    try:
        words = port.read_registers(0, REGISTERS[1])
    finally:
        port.serial.close()
    held = [value for _name, value in bench.far.since(number)[-1].held]
    assert [f"{word / 10:.1f}" for word in words] == held


def test_plain_polling_reads_what_the_devices_hold(bench: Bench, gateway: Gateway, record_property: Note) -> None:
    """Every value of plain polling is the one that the device held."""
    number = len(bench.far.since(0))
    found = [one for _ in range(6 * bench.rounds) for one in bench.checked(gateway.read(*LIVING))]
    good = [one for one in found if not one.error]
    record_property("reads with all their values", f"{len(good)} of {len(found)}")
    record_property("exchanges/s", f"{_rate(bench.far.since(number)):.1f}")
    assert all(len(one.values) == REGISTERS[one.unit] for one in good)
    assert len(good) > 0.9 * len(found)  # a machine that is busy elsewhere makes an answer late


def test_the_silence_before_each_request_is_kept(bench: Bench, gateway: Gateway, record_property: Note) -> None:
    """No request begins less than t3.5 after the last character."""
    number = len(bench.far.since(0))
    for _ in range(7 * bench.rounds):
        bench.checked(gateway.read(*LIVING))
    log = [one for one in bench.far.since(number) if one.gap_ns is not None]
    assert len(log) >= 20
    least = min(one.gap_ns for one in log if one.gap_ns is not None)
    record_property(
        "shortest silence", f"{least / 1e6:.2f} ms of {SETTINGS.silence_ns / 1e6:.2f}, latency of the ports in it"
    )
    inside = [one for one in log if one.inside_silence]
    record_property("inside t3.5", f"{len(inside)} of {len(log)}")
    assert inside == []


def test_a_wrong_checksum_is_never_a_reading(
    bench: Bench, gateway: Gateway, seeded: int, record_property: Note
) -> None:
    """A device whose every reply is damaged gives no reading, its neighbours go on."""
    unit = random.Random(seeded).choice(LIVING)
    bench.arm(unit, Fault.FLIP, 1000)
    codes: Counter[str] = Counter()
    for _ in range(12 * bench.rounds):
        for one in bench.checked(gateway.read(*LIVING)):
            assert bool(one.values) is (one.unit != unit), one
            if one.unit == unit:
                codes[one.error] += 1
    bench.arm(unit, Fault.NONE, 0)
    record_property("told as", ", ".join(f"{code}: {count}" for code, count in codes.items()))
    assert codes["bad-checksum"] > 0
    record_property("normal again after", f"{bench.settle(gateway):.2f} s")


@pytest.mark.parametrize("fault", FAULTS, ids=lambda one: one.value)
def test_a_fault_is_never_a_reading_and_is_over_when_it_is_over(
    bench: Bench, gateway: Gateway, fault: Fault, seeded: int, record_property: Note
) -> None:
    """A damaged exchange gives an error or the right value, and the next one is as good as ever."""
    rand, number, before = random.Random(seeded), len(bench.far.since(0)), gateway.errors()
    slowest_s = 0.0
    for _ in range(bench.rounds):
        unit, count = pick(rand)
        bench.arm(unit, fault, count)

        def over(unit: int = unit) -> bool:
            bench.checked(gateway.read(unit))
            return not bench.armed

        assert wait_until(over, 30, 0.0), f"{fault.value} still waits for its turn"
        slowest_s = max(slowest_s, bench.settle(gateway))
    happened = sum(one.fault is fault for one in bench.far.since(number))
    record_property("happened", happened)
    record_property("polls without a reading", gateway.errors() - before)
    record_property("normal again after", f"{slowest_s:.2f} s")
    assert happened > 0


def test_a_dead_device_leaves_its_neighbours_alone(
    bench: Bench, gateway: Gateway, seeded: int, record_property: Note
) -> None:
    """The living are polled on while a device is dead, and it is read again when it is back."""
    unit = random.Random(seeded).choice(LIVING)
    number = len(bench.far.since(0))
    bench.units[unit].alive = False
    time.sleep(1.2)
    log = bench.far.since(number)
    bench.units[unit].alive = True
    record_property("normal again after", f"{bench.settle(gateway):.2f} s")
    asked = {one: len(_of(log, one)) for one in LIVING}
    record_property("asked in 1.2 s", ", ".join(f"unit {one}: {asked[one]}" for one in LIVING))
    gaps = [b.start_ns - a.start_ns for one in LIVING if one != unit for a, b in pairwise(_of(log, one))]
    record_property("longest gap of the living", f"{max(gaps) / 1e6:.0f} ms")
    assert all(one.reply for other in LIVING if other != unit for one in _of(log, other))
    assert all(asked[other] >= 2 for other in LIVING if other != unit)


@pytest.mark.needs(Capability.UNPLUG)
def test_an_adapter_that_is_pulled_comes_back(bench: Bench, gateway: Gateway, record_property: Note) -> None:
    """The left adapter is pulled in the middle of polling and put back: told, and healed by its stable name."""
    plug = bench.ports.plug
    assert plug is not None
    plug.pull()
    try:
        assert wait_until(lambda: gateway.phase() == "down", 10)
        assert all(not one.values and one.error for one in gateway.read(*LIVING))
    finally:
        plug.put_back()
    record_property("normal again after", f"{bench.settle(gateway):.2f} s")


@pytest.mark.needs(Capability.BAUD)
def test_a_device_of_another_speed_shares_the_line(bench: Bench, gateway: Gateway, record_property: Note) -> None:
    """A device with a speed of its own is read when its speed is on the line, the others when theirs is."""
    assert not gateway.read(SLOW)[0].values
    bench.far.tune(SLOW_SETTINGS)
    try:
        record_property("slow one read after", f"{bench.settle(gateway, [SLOW]):.2f} s")
        assert all(not one.values for one in bench.checked(gateway.read(*LIVING)))
    finally:
        bench.far.tune(SETTINGS)
    record_property("the others after", f"{bench.settle(gateway):.2f} s")


def test_what_was_sealed_is_what_was_held(bench: Bench, gateway: Gateway, record_property: Note) -> None:
    """Every reading in the verified export of this whole run is what the device held when it was asked for it."""
    found = bench.checked(gateway.sealed())
    record_property("sealed values", len(found))
    assert {one.unit for one in found} >= set(LIVING)
    bench.free()


def _of(log: Sequence[Exchange], unit: int) -> list[Exchange]:
    """Give the requests to a unit; what begins like one may be the slow one's, heard too fast."""
    return [one for one in log if one.request[:2] == bytes([unit, 3]) and len(one.request) == 8]


def _rate(log: Sequence[Exchange]) -> float:
    return (len(log) - 1) * 1e9 / (log[-1].start_ns - log[0].start_ns)
