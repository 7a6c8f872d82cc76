from __future__ import annotations

import subprocess
import sys

import pytest

from drivers.codec import modbus_pdu as pdu
from drivers.codec.modbus_answer import is_written
from drivers.errors import FrameError
from drivers.profile import Table


def test_a_read_request_is_as_the_standard_prints_it() -> None:
    """Modbus Application Protocol V1.1b3, the examples of 6.1 to 6.4."""
    assert pdu.read_request(Table.COIL, 0x13, 0x13) == bytes.fromhex("01 00 13 00 13")
    assert pdu.read_request(Table.DISCRETE_INPUT, 0xC4, 0x16) == bytes.fromhex("02 00 C4 00 16")
    assert pdu.read_request(Table.HOLDING_REGISTER, 0x6B, 3) == bytes.fromhex("03 00 6B 00 03")
    assert pdu.read_request(Table.INPUT_REGISTER, 8, 1) == bytes.fromhex("04 00 08 00 01")


def test_the_replies_of_the_standard_carry_their_payload() -> None:
    for request, reply, data in (
        ("01 00 13 00 13", "01 03 CD 6B 05", "CD 6B 05"),
        ("02 00 C4 00 16", "02 03 AC DB 35", "AC DB 35"),
        ("03 00 6B 00 03", "03 06 02 2B 00 00 00 64", "02 2B 00 00 00 64"),
        ("04 00 08 00 01", "04 02 00 0A", "00 0A"),
    ):
        got = pdu.parse_reply(bytes.fromhex(request), bytes.fromhex(reply))
        assert got == pdu.ReadReply(data=bytes.fromhex(data))


@pytest.mark.parametrize(
    ("table", "address", "count"),
    [
        (Table.HOLDING_REGISTER, 0, 0),
        (Table.HOLDING_REGISTER, 0, 126),
        (Table.COIL, 0, 2001),
        (Table.INPUT_REGISTER, 65535, 2),
        (Table.INPUT_REGISTER, -1, 1),
    ],
)
def test_a_read_that_the_standard_forbids_is_not_built(table: Table, address: int, count: int) -> None:
    with pytest.raises(ValueError, match=table.name):
        pdu.read_request(table, address, count)


def test_a_refusal_is_told_from_a_reply() -> None:
    request = pdu.read_request(Table.HOLDING_REGISTER, 0, 1)
    assert pdu.parse_reply(request, b"\x83\x02") == pdu.ExceptionReply(code=2)
    assert pdu.exception_name(2) == "illegal address"
    assert pdu.exception_name(99) == "exception 99"


@pytest.mark.parametrize(
    "reply",
    [
        "",
        "03",
        "83",
        "83 02 00",
        "84 02",
        "04 02 00 01",
        "03 02 00",
        "03 02 00 01 00",
        "03 04 00 01",
        "03 04 00 01 00 02",
    ],
)
def test_a_reply_that_does_not_fit_its_request_is_refused_with_its_bytes(reply: str) -> None:
    with pytest.raises(FrameError) as caught:
        pdu.parse_reply(pdu.read_request(Table.HOLDING_REGISTER, 0, 1), bytes.fromhex(reply))
    assert caught.value.raw == bytes.fromhex(reply)


def test_writes_are_as_the_standard_prints_them() -> None:
    """6.5, 6.6, 6.11, 6.12: the examples."""
    assert pdu.write_request(Table.COIL, 0xAC, [1], single=True) == bytes.fromhex("05 00 AC FF 00")
    assert pdu.write_request(Table.HOLDING_REGISTER, 1, [3], single=True) == bytes.fromhex("06 00 01 00 03")
    coils = [1, 0, 1, 1, 0, 0, 1, 1, 1, 0]
    assert pdu.write_request(Table.COIL, 0x13, coils, single=False) == bytes.fromhex("0F 00 13 00 0A 02 CD 01")
    registers = pdu.write_request(Table.HOLDING_REGISTER, 1, [0x0A, 0x0102], single=False)
    assert registers == bytes.fromhex("10 00 01 00 02 04 00 0A 01 02")
    assert is_written(registers, bytes.fromhex("10 00 01 00 02"))
    assert not is_written(registers, bytes.fromhex("10 00 01 00 01"))
    assert not is_written(registers, bytes.fromhex("90 02"))


@pytest.mark.parametrize(
    ("table", "values", "single"),
    [
        (Table.INPUT_REGISTER, [1], True),
        (Table.HOLDING_REGISTER, [70000], True),
        (Table.HOLDING_REGISTER, [-1], False),
        (Table.HOLDING_REGISTER, [1, 2], True),
        (Table.HOLDING_REGISTER, [0] * 124, False),
        (Table.HOLDING_REGISTER, [], False),
        (Table.COIL, [2], True),
    ],
)
def test_a_write_that_cannot_be_is_not_built(table: Table, values: list[int], single: bool) -> None:
    with pytest.raises(ValueError):
        pdu.write_request(table, 0, values, single=single)


def test_identification_is_taken_apart() -> None:
    """6.21, the example of a basic stream."""
    assert pdu.identification_request() == bytes.fromhex("2B 0E 01 00")
    reply = bytes.fromhex("2B 0E 01 01 00 00 03")
    reply += b"\x00\x16" + b"Company identification" + b"\x01\x0c" + b"Product code" + b"\x02\x05" + b"V2.11"
    assert pdu.parse_identification(reply) == ((0, b"Company identification"), (1, b"Product code"), (2, b"V2.11"))
    assert pdu.reply_bytes(b"\x2b\x0e\x01\x00", reply) == len(reply)
    for length in range(len(reply)):
        with pytest.raises(FrameError):
            pdu.parse_identification(reply[:length])


def test_reading_never_loads_pymodbus() -> None:
    """2 MiB and 16 ms that an agent which only reads does not pay."""
    script = (
        "import sys\n"
        "import drivers.link_rtu, drivers.link_tcp\n"
        "from drivers.codec.modbus_pdu import parse_reply, read_request\n"
        "from drivers.profile import Table\n"
        "parse_reply(read_request(Table.COIL, 0, 1), bytes.fromhex('01 01 01'))\n"
        "sys.exit(any(name.split('.')[0] == 'pymodbus' for name in sys.modules))\n"
    )
    assert subprocess.run([sys.executable, "-c", script], check=False).returncode == 0
