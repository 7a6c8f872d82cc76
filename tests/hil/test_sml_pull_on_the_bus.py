"""SML meters that are asked, on the simulated line: the list that answers, and no other."""

from __future__ import annotations

from typing import Any

import pytest

from drivers.codec.sml import SmlFrame, stream_decoder
from drivers.codec.sml_list import read_list
from drivers.codec.sml_request import list_request
from drivers.codec.sml_value import SmlValue, parse
from drivers.errors import NoReplyError, RefusedError
from drivers.sources import IdentifiedDevice
from hil.faults import Fault, FaultSizes, Injector
from hil.sim import sml
from hil.sim.crc16 import kermit, x25
from hil.virtualtime import virtual
from tests.hil.test_wired_meters_on_the_bus import Bench

pytestmark = pytest.mark.bus

SEED = 20251124
ROUNDS = 12
NAMES = 3 + 1 + 3 + 3
SIZES = FaultSizes(late_ns=(10_000_000, 2_900_000_000))
FAULTS = [fault for fault in Fault if fault is not Fault.NONE]
OWN = bytes.fromhex("0A0149534B00047A5544")


def meter(**kind: Any) -> sml.SmlMeter:
    return sml.SmlMeter(sml.electricity("a"), every_s=None, **kind)


def bench(one: sml.SmlMeter, injector: Injector | None = None, *, address: str = "any", echo: bool = False) -> Bench:
    return Bench([one], "generic/sml-pull", address, settings=sml.LINE, injector=injector, echo=echo)


def _shape(value: SmlValue) -> object:
    return [_shape(item) for item in value.items] if value.items else value.content.hex()


@pytest.mark.parametrize("server_id", [b"", OWN, bytes(range(1, 21))])
def test_a_request_has_the_three_messages_of_the_standard(server_id: bytes) -> None:
    wire = list_request(7, server_id)
    (frame,) = stream_decoder().feed(wire)
    assert isinstance(frame, SmlFrame)
    opened, asked, closed = [value for value in parse(frame.payload) if value.items]
    who, client = server_id.hex(), b"tidegate".hex()
    assert _shape(opened.items[3]) == ["0100", ["", client, "00000007", who, "", "", ""]]
    assert _shape(asked.items[3]) == ["0700", [client, who, "", "", ""]]
    assert _shape(closed.items[3]) == ["0200", [""]]
    assert [one.items[0].content.hex() for one in (opened, asked, closed)] == ["00000007", "00000008", "00000009"]
    for one in (opened, asked, closed):
        body = one.raw[: one.raw.rindex(one.items[4].raw)]
        assert x25(body) == one.items[4].content


@pytest.mark.parametrize("crc", [x25, kermit], ids=["x25", "kermit"])
@pytest.mark.parametrize("address", ["any", OWN.hex()])
@virtual
async def test_a_list_is_read_whole(address: str, crc: object) -> None:
    rig = bench(meter(crc=crc), address=address)
    for _ in range(3):
        await rig.poll()
    assert not rig.errors
    assert rig.good == 3 * NAMES
    assert isinstance(rig.device, IdentifiedDevice)
    assert rig.device.identity == "serial=1 ISK 00 75126084"
    assert rig.line.counters.inside_silence == 0


@virtual
async def test_another_meter_does_not_answer_and_a_silent_one_is_silent() -> None:
    rig = bench(meter(), address="0A01454D480000A1BD34")
    await rig.poll()
    assert [type(error) for error in rig.errors] == [NoReplyError]
    one = meter()
    rig = bench(one)
    one.alive = False
    with pytest.raises(NoReplyError):
        await rig.device.probe()


@virtual
async def test_a_list_that_nobody_asked_for_is_not_the_answer() -> None:
    unasked = sml.SmlMeter([], server_id=bytes.fromhex("0A01454D480000A1BD34"), every_s=2.0, first_s=0.2)
    rig = bench(meter(turnaround_ns=600_000_000))
    rig.line.speakers.append(unasked)
    for _ in range(4):
        await rig.poll()
    assert rig.line.counters.spoken > 2
    assert rig.link.counters.other_reply > 0
    assert rig.good >= 2 * NAMES
    assert rig.values["meter.number"] == "1 ISK 00 75126084"


@virtual
async def test_a_meter_that_refuses_is_said_to() -> None:
    one = meter()
    one.refuses = True
    rig = bench(one)
    await rig.poll()
    assert [type(error) for error in rig.errors] == [RefusedError]


@pytest.mark.parametrize("fault", FAULTS, ids=lambda one: one.value)
@virtual
async def test_no_fault_of_the_wire_ever_becomes_a_reading(fault: Fault) -> None:
    rig = bench(meter(), Injector(SEED, rates={fault: 0.3}, sizes=SIZES))
    for _ in range(ROUNDS):
        await rig.poll()
    if fault not in (Fault.OTHER_UNIT, Fault.TWO_AT_ONCE):  # nobody else is on an optical head
        assert rig.line.injector.happened[fault] > 0
    assert rig.good > 0
    assert rig.line.counters.inside_silence == 0


@virtual
async def test_an_optical_head_that_echoes_costs_no_reading() -> None:
    rig = bench(meter(), echo=True)
    for _ in range(3):
        await rig.poll()
    assert not rig.errors


def test_the_number_of_a_list_is_that_of_its_message() -> None:
    payload = meter().messages(1.0, 4711)
    assert read_list(payload).transaction == (4711).to_bytes(4, "big")
