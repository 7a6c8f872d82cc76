"""DLMS meters that are asked over HDLC, on the simulated line: values, refusals, lost connections, every fault."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from drivers.batch import DeviceTimeFlag
from drivers.codec.dlms_request import LLC, association_request, get_request
from drivers.codec.hdlc import encode
from drivers.codec.hdlc_reply import information, snrm
from drivers.errors import DeviceFailedError, DriverError, NoReplyError, RefusedError, SecretError
from drivers.protocols.dlms_place import meter_of, read_address
from drivers.sources import Read
from drivers.wire_protocol import Secret
from hil.faults import Fault, FaultSizes, Injector
from hil.sim import dlms
from hil.virtualtime import virtual
from hil.wire import Reply, Station
from tests.hil.test_wired_meters_on_the_bus import Bench

pytestmark = pytest.mark.bus

SEED = 20251124
ROUNDS = 3
NUMBERS = 2 + 1 + 6 + 1 + 1  # energies, power, voltages and currents, frequency, demand
MISSING = {"power.import", "power.export"}
SIZES = FaultSizes(late_ns=(10_000_000, 2_900_000_000))
FAULTS = [fault for fault in Fault if fault is not Fault.NONE]
_VECTORS = json.loads((Path(__file__).parent.parent / "vectors" / "dlms" / "frames.json").read_text())


def meter(**kind: Any) -> dlms.DlmsMeter:
    return dlms.DlmsMeter(dlms.electricity("a"), **kind)


def bench(
    one: dlms.DlmsMeter,
    injector: Injector | None = None,
    *,
    address: str = "1.17",
    echo: bool = False,
    password: Secret | None = None,
) -> Bench:
    other = dlms.DlmsMeter(dlms.electricity("b"), address=b"\x02\x25")
    stations: list[Station] = [one, other]
    return Bench(
        stations, "generic/dlms", address, settings=dlms.LINE, injector=injector, echo=echo, password=password
    )


class Busy(dlms.DlmsMeter):
    """Says to everything that there is no connection."""

    def hear(self, wire: bytes, now_ns: int) -> Reply | None:  # noqa: ARG002
        return Reply(data=encode(self.client, self.address, 0x1F)) if wire[3:5] == self.address else None


def secret(password: str) -> Secret:
    async def give() -> str:
        return password

    return give


def read_of(rig: Bench, name: str) -> Read:
    return next(read for read in rig.device.reads if name in {rig.profile.points[i].name for i in read.points})


def refusals(rig: Bench) -> int:
    return sum(isinstance(error, RefusedError) for error in rig.errors)


def test_requests_are_those_of_published_exchanges() -> None:
    aarq = next(bytes.fromhex(one["response"]) for one in _VECTORS if one["id"] == "dlms-hdlc-001")
    body = LLC + association_request(conformance=b"\x00\x1e\x1d")
    assert encode(b"\x02\x23", b"\x21", information(0, 0), body) == aarq
    assert encode(b"\x02\x21", b"\x41", snrm()).hex() == "7ea0080221419350b47e"
    with_password = LLC + association_request(b"00000000", conformance=b"\x62\x1e\x5d")
    assert encode(b"\x02\x21", b"\x41", information(0, 0), with_password).hex() == (
        "7ea0450221411095bfe6e6006036a1090607608574050801018a0207808b0760857405080201ac0a80083030303030303030"
        "be10040e01000000065f1f0400621e5dffff114c7e"
    )
    clock = LLC + get_request(1, 8, bytes.fromhex("0000010000FF"), 2)
    assert encode(b"\x02\x21", b"\x41", information(3, 3), clock).hex() == (
        "7ea01a022141763ba6e6e600c001c100080000010000ff0200601a7e"
    )


@virtual
async def test_everything_is_read_over_one_association() -> None:
    one = meter()
    rig = bench(one)
    for _ in range(3):
        await rig.poll()
        await asyncio.sleep(10)
    assert rig.good == 3 * NUMBERS
    assert refusals(rig) == len(rig.errors) == 3 * len(MISSING)
    assert (one.connections, one.associations) == (1, 1)
    assert rig.values["demand.import.max"] == 4250
    assert rig.values["meter.number"] == "36765667"
    assert str(rig.values["meter.time"]).startswith("2025-01-01T00:00:")
    assert rig.line.counters.inside_silence == 0


@virtual
async def test_scaler_and_unit_are_asked_for_once() -> None:
    one = meter()
    rig = bench(one)
    await rig.poll()
    first = one.gets
    await rig.poll()
    assert one.gets - first == NUMBERS + 1 + 3, "each value once more, and when the demand was taken"


@virtual
async def test_what_the_meter_refuses_is_not_asked_again_in_this_association() -> None:
    one = meter()
    one.denied.add("0100200700FF")
    rig = bench(one)
    await rig.poll()
    codes = sorted(error.exception for error in rig.errors if isinstance(error, RefusedError))
    assert codes == [3, 4, 4]
    before = len(rig.log)
    for name in ("power.import", "voltage.l1"):
        with pytest.raises(RefusedError):
            await rig.device.read(read_of(rig, name))
    assert len(rig.log) == before
    one.denied.clear()
    rig.device.use(rig.link)
    await rig.poll()
    assert "voltage.l1" in rig.values, "another association may be allowed more"


@pytest.mark.parametrize("mute", [False, True], ids=["it says DM", "it is silent"])
@virtual
async def test_a_connection_that_the_meter_ended_in_a_pause_is_opened_again(mute: bool) -> None:
    one = meter()
    one.patience_s, one.mute = 20.0, mute
    rig = bench(one)
    took = []
    for _ in range(6):
        before = len(rig.log)
        await rig.device.read(read_of(rig, "power"))
        took.append(len(rig.log) - before)
        await asyncio.sleep(60)
    assert one.associations == 6
    assert took[-1] == took[-2] == 3, "in the end nothing is asked before it is opened: SNRM, AARQ, GET"
    assert took[2] == 4


@pytest.mark.parametrize("most", [16, 60])
@virtual
async def test_long_values_come_in_segments(most: int) -> None:
    one = meter()
    one.most = most
    rig = bench(one)
    await rig.poll()
    assert str(rig.values["meter.firmware"]) == "1.02.007 " + "x" * 190
    assert rig.good == NUMBERS


@pytest.mark.parametrize("block", [7, 100])
@virtual
async def test_long_values_come_in_blocks(block: int) -> None:
    one = meter()
    one.block = block
    rig = bench(one)
    await rig.poll()
    assert str(rig.values["meter.firmware"]) == "1.02.007 " + "x" * 190
    assert str(rig.values["meter.time"]).startswith("2025-01-01T00:00:")


@virtual
async def test_a_maximum_carries_the_time_at_which_the_meter_took_it() -> None:
    rig = bench(meter())
    batch = await rig.device.read(read_of(rig, "demand.import.max"))
    (time,) = batch.device_times
    assert time.flags == DeviceTimeFlag.HISTORICAL
    assert time.utc_ms == 1_735_689_600_000, "01:00 of an hour ahead of UTC"


@virtual
async def test_a_password_opens_the_association_and_a_wrong_one_is_said() -> None:
    right = bench(meter(password=b"secret", client=b"\x41"), address="1.17@32", password=secret("secret"))
    await right.poll()
    assert right.good == NUMBERS
    for password in (secret("wrong"), None):
        wrong = bench(meter(password=b"secret", client=b"\x41"), address="1.17@32", password=password)
        with pytest.raises(RefusedError, match="the password is wrong") as caught:
            await wrong.device.read(wrong.device.reads[0])
        assert "secret" not in str(caught.value)


@virtual
async def test_without_the_password_that_the_site_names_nothing_is_sent() -> None:
    async def unreadable() -> str:
        raise SecretError("/etc/tidegate/meter.pw: others may read it")

    for password in (unreadable, secret("x" * 65), secret("schlüssel")):
        rig = bench(meter(password=b"secret", client=b"\x41"), address="1.17@32", password=password)
        with pytest.raises(SecretError):
            await rig.device.read(rig.device.reads[0])
        with pytest.raises(SecretError):
            await rig.device.probe()
        assert rig.log == []


@virtual
async def test_a_meter_that_takes_no_connection_is_said_to() -> None:
    one = Busy(dlms.electricity("a"))
    rig = bench(one)
    with pytest.raises(DeviceFailedError, match="takes no connection"):
        await rig.device.read(rig.device.reads[0])


@virtual
async def test_an_encrypted_answer_is_refused_with_a_sentence() -> None:
    one = meter()
    one.ciphers = True
    rig = bench(one)
    with pytest.raises(RefusedError, match="encrypted; no key can be given yet"):
        await rig.device.read(rig.device.reads[0])


@virtual
async def test_a_read_that_is_cancelled_leaves_no_answer_for_the_next() -> None:
    rig = bench(meter())
    await rig.device.read(read_of(rig, "voltage.l1"))
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.03):
            await rig.device.read(read_of(rig, "current.l1"))
    await rig.poll()  # the answer to the cancelled one may still spoil the first frame
    before = rig.good
    assert before >= NUMBERS - 1
    await rig.poll()
    assert rig.good == before + NUMBERS


@pytest.mark.parametrize("fault", FAULTS, ids=lambda one: one.value)
@pytest.mark.parametrize("most", [128, 24], ids=["whole", "in segments"])
@virtual
async def test_no_fault_of_the_wire_ever_becomes_a_reading(fault: Fault, most: int) -> None:
    one = meter()
    one.most = most
    rig = bench(one, Injector(SEED, rates={fault: 0.1}, sizes=SIZES))
    for _ in range(ROUNDS):
        await rig.poll()
    assert rig.line.injector.happened[fault] > 0
    assert rig.good > 0
    assert rig.line.counters.inside_silence == 0
    codes = Counter(type(error).__name__ for error in rig.errors)
    assert set(codes) <= {"RefusedError", "NoReplyError", "FrameError", "ChecksumError", "LostError"}, codes


@virtual
async def test_a_head_that_echoes_costs_no_reading() -> None:
    rig = bench(meter(), echo=True)
    await rig.poll()
    assert rig.good == NUMBERS


@virtual
async def test_a_silent_meter_is_silent_and_comes_back() -> None:
    one = meter()
    rig = bench(one)
    await rig.device.probe()
    await rig.device.probe()
    one.alive = False
    with pytest.raises(NoReplyError):
        await rig.device.probe()
    one.alive = True
    await rig.poll()
    assert rig.good == NUMBERS
    await rig.stream.aclose()
    with pytest.raises(DriverError):
        await rig.device.probe()


def test_addresses_have_one_form() -> None:
    forms = {"1": "1@16", "01.17 ": "1.17@16", "1.17@32": "1.17@32", "1/4@1": "1/4@1",
             "16.16@18": "16.16@18", "1.300": "1.300@16"}  # fmt: skip
    for text, written in forms.items():
        assert read_address(text) == written
        assert read_address(written) == written
    for text in ("", "x", "1.17/1", "300/1", "1@200", "1.20000", "1.17@32:secret"):
        with pytest.raises(ValueError, match="a password stands in a file"):
            read_address(text)
    wires = {
        "1": "03",
        "1.17": "0223",
        "16.16@18": "2021",
        "1.17/4": "00020023",
        "1.16383": "0002feff",
        "1/2": "0201",
    }
    for text, wire in wires.items():
        assert meter_of(read_address(text)).ends.server.hex() == wire
    assert meter_of(read_address("1.17@32")).name == "meter 1.17"
