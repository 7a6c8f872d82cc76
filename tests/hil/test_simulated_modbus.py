"""Simulated devices answer as the standard and the captured frames say."""

from __future__ import annotations

import json
import re
from decimal import Decimal
from pathlib import Path

import pytest

from hil.sim.images import IMAGES, freeze, strict
from hil.sim.modbus import RtuDevice, crc16, frame
from hil.sim.motion import load
from hil.sim.registers import INPUT, Held, Image, shortest_f32
from hil.wire import Reply

CAPTURES = json.loads((Path(__file__).parent.parent / "vectors" / "sim" / "captures.json").read_text())


SETTINGS_ONLY = {"beckhoff/ek9000", "generic/relay-fc05-0100"}
"""What can be read of them are settings, which stand still."""
MOVING = sorted(set(IMAGES) - SETTINGS_ONLY)


def device(model: str, unit: int = 1, seed: str = "a") -> RtuDevice:
    return RtuDevice(unit, IMAGES[model](seed))


def reply(to: RtuDevice, request: bytes, now_ns: int = 0) -> bytes:
    answer = to.hear(request, now_ns)
    assert isinstance(answer, Reply)
    return answer.data


@pytest.mark.parametrize("capture", CAPTURES, ids=lambda one: one["id"])
def test_a_device_holding_the_captured_values_sends_the_captured_bytes(capture: dict[str, object]) -> None:
    values = capture["values"]
    assert isinstance(values, dict)
    image = freeze(IMAGES[str(capture["model"])]("a"), {name: float(value) for name, value in values.items()})
    request, expected = bytes.fromhex(str(capture["request"])), bytes.fromhex(str(capture["reply"]))
    unit = 1 if request[0] == image.any_unit else request[0]
    answer = RtuDevice(unit, image).hear(request, 0)
    assert answer is not None
    assert answer.data == expected
    told = dict(answer.held)
    assert {name: Decimal(told[name]) for name in values} == {name: Decimal(value) for name, value in values.items()}


def test_the_checksum_is_that_of_the_standard() -> None:
    assert crc16(bytes.fromhex("0207")) == bytes.fromhex("4112")  # Serial Line V1.02, 6.2.2: CRC 1241h


@pytest.mark.parametrize("model", sorted(IMAGES))
def test_every_quantity_can_be_read_alone_and_tells_what_the_image_holds(model: str) -> None:
    now_ns = 37_000_000_000
    one = device(model)
    for held in one.image.held:
        pdu = bytes([held.table]) + held.address.to_bytes(2, "big") + held.count.to_bytes(2, "big")
        answer = one.hear(frame(1, pdu), now_ns)
        assert answer is not None
        assert answer.data[1] == held.table, held.name
        assert answer.held == ((held.name, format(held.value(37.0), "f")),)
        assert reply(one, frame(1, pdu), now_ns) == answer.data


@pytest.mark.parametrize("model", MOVING)
def test_values_move_but_energy_only_rises(model: str) -> None:
    image = IMAGES[model]("a")
    moved = False
    for held in image.held:
        values = [held.value(float(t)) for t in range(0, 4000, 7)]
        moved = moved or len(set(values)) > 1
        if held.name.startswith("energy"):
            assert values == sorted(values), held.name
    assert moved


@pytest.mark.parametrize("model", MOVING)
def test_the_same_seed_holds_the_same_and_another_seed_something_else(model: str) -> None:
    now = [held.value(100.0) for held in IMAGES[model]("a").held]
    assert now == [held.value(100.0) for held in IMAGES[model]("a").held]
    assert any(now != [held.value(t) for held in IMAGES[model]("b").held] for t in (100.0, 200.0, 300.0))


@pytest.mark.parametrize("model", sorted(IMAGES))
def test_an_image_stands_on_a_source_and_on_places_that_do_not_overlap(model: str) -> None:
    image = IMAGES[model]("a")
    assert image.model == model
    assert image.source
    places = [(held.table, held.address + offset) for held in image.held for offset in range(held.count)]
    assert len(places) == len(set(places))
    assert all(any(t == span and first <= a <= last for span, first, last in image.spans) for t, a in places)
    assert all(re.fullmatch(r"[a-z0-9_.]+", held.name) for held in image.held)


def exception_of(model: str, pdu: str) -> str:
    return reply(device(model), frame(1, bytes.fromhex(pdu)))[1:-2].hex()


def test_what_the_device_has_not_is_refused_with_the_code_of_the_standard() -> None:
    assert exception_of("generic/xy-md02", "0400030001") == "8402"  # address
    assert exception_of("generic/xy-md02", "0400010003") == "8402"  # runs over the end
    assert exception_of("generic/xy-md02", "0400010000") == "8403"  # count 0
    assert exception_of("eastron/sdm120", "040000007e") == "8403"  # 126 registers
    assert exception_of("eastron/sdm120", "0300000001") == "8301"  # no holding registers
    assert exception_of("eastron/sdm120", "2b0e0100") == "ab01"  # function
    assert exception_of("waveshare/relay-8ch", "05000000aa") == "8503"  # neither on nor off
    assert exception_of("generic/xy-md02", "0600010005") == "8602"  # not a register that can be written


def test_holes_read_as_zero_on_the_usual_firmware_and_are_refused_by_the_strict_one() -> None:
    request = frame(1, bytes.fromhex("0400000008"))
    usual = reply(device("eastron/sdm120"), request)
    assert usual[3 + 4 : 3 + 12] == bytes(8)
    assert reply(RtuDevice(1, strict(IMAGES["eastron/sdm120"]("a"))), request)[1:3] == bytes.fromhex("8402")
    assert strict(IMAGES["eastron/sdm120"]("a")).spans[0] == (INPUT, 0, 1)


def test_a_written_register_reads_back_and_a_coil_too() -> None:
    air = device("generic/xy-md02")
    assert reply(air, frame(1, bytes.fromhex("060103ffd8")))[1:-2].hex() == "060103ffd8"
    assert reply(air, frame(1, bytes.fromhex("0301030001")))[1:-2].hex() == "0302ffd8"
    relays = device("waveshare/relay-8ch")
    assert reply(relays, frame(1, bytes.fromhex("050002ff00")))[1:-2].hex() == "050002ff00"
    assert reply(relays, frame(1, bytes.fromhex("0100000008")))[1:-2].hex() == "010104"
    assert reply(relays, frame(1, bytes.fromhex("0f0000000801a5")))[1:-2].hex() == "0f00000008"
    assert reply(relays, frame(1, bytes.fromhex("0100000008")))[1:-2].hex() == "0101a5"
    soil = device("renke/soil-4in1")
    assert reply(soil, frame(1, bytes.fromhex("1000500002040005fffb")))[1:-2].hex() == "1000500002"
    assert reply(soil, frame(1, bytes.fromhex("0300500002")))[1:-2].hex() == "03040005fffb"


def test_a_damaged_frame_another_units_frame_and_a_broadcast_are_not_answered() -> None:
    air = device("generic/xy-md02", unit=4)
    good = frame(4, bytes.fromhex("0400010002"))
    assert air.hear(good, 0) is not None
    assert air.hear(good[:-1] + b"\x00", 0) is None
    assert air.hear(good[:-1], 0) is None
    assert air.hear(frame(5, good[1:-2]), 0) is None
    assert air.hear(frame(0, good[1:-2]), 0) is None
    assert air.damaged == 2
    assert air.heard == 2


def test_an_any_address_answers_under_the_address_that_was_asked() -> None:
    assert reply(device("senseair/s8", unit=6), frame(0xFE, bytes.fromhex("0400030001")))[0] == 0xFE


def test_a_float_is_told_as_its_shortest_decimal() -> None:
    assert shortest_f32(230.1999969482422) == "230.2"
    assert Held(name="x", table=4, address=0, type="f32", motion=lambda _t: 230.2).value(0) == Decimal("230.2")


def test_low_word_first_is_kept_for_numbers_beyond_one_word() -> None:
    image = Image(
        model="x", source="x", spans=((INPUT, 0, 1),),
        held=(Held(name="e", table=INPUT, address=0, type="u32", words="little", motion=lambda _t: 0x12345678),),
    )  # fmt: skip
    assert reply(RtuDevice(1, image), frame(1, bytes.fromhex("0400000002")))[3:7].hex() == "56781234"


def test_the_integral_of_a_load_is_its_sum() -> None:
    power, integral = load("a", 500, 0.8, 300)
    summed = sum(power(t + 0.05) * 0.1 for t in [step / 10 for step in range(6000)])
    assert integral(600) == pytest.approx(summed, rel=1e-4)
