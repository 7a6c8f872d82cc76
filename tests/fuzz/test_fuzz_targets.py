"""The targets themselves: their checksums are those that others published, their seeds come through to the values."""

from __future__ import annotations

import pytest

from tests.fuzz import checksums, engine
from tests.fuzz.names import TARGETS
from tests.fuzz.target import FLOOD, pieces

NINE = b"123456789"


@pytest.mark.parametrize(
    ("check", "told"),
    [  # catalogue of parametrised CRC algorithms (reveng): the check value of "123456789"
        (checksums.modbus(NINE), "374B"),
        (checksums.x25(NINE), "6E90"),
        (checksums.kermit(NINE), "2189"),
        (checksums.dsmr(NINE), "42423344"),
    ],
)
def test_the_judges_checksums_are_the_published_ones(check: bytes, told: str) -> None:
    assert check.hex().upper() == told


def test_the_checksums_of_published_frames_come_out() -> None:
    assert checksums.sdi12(b"0+3.14") == b"OqZ"  # SDI-12 1.4, 4.4.12.3
    assert checksums.total(bytes.fromhex("68610100000000689106333434353232")) == 0xFD
    assert checksums.lrc(bytes.fromhex("1103006B0003")) == 0x7E
    assert checksums.bcc(b"P0\x02(1234567)\x03") == 0x50
    assert checksums.even(b"/?!\r\n") == bytes.fromhex("AF3F218D0A")


@pytest.mark.parametrize("cutting", [0, 1, 7, 127, 128, 200, FLOOD])
def test_however_it_is_cut_nothing_is_missing(cutting: int) -> None:
    wire = bytes(range(256)) * 9
    assert b"".join(pieces(cutting, wire)) == wire


@pytest.mark.fuzz
@pytest.mark.parametrize("name", TARGETS)
def test_the_seeds_of_a_target_come_through(name: str) -> None:
    target = engine.load(name)
    for data in target.inputs():
        target.run(data)
    assert target.tally.frames > 5
    assert target.tally.values > 5 or name == "cbor"
