"""Secondary addresses: how they are written, selected and narrowed."""

from __future__ import annotations

from drivers.codec.mbus import MbusFrame, MbusStreamDecoder
from drivers.codec.mbus_header import SecondaryAddress, manufacturer_bytes, manufacturer_letters, parse_address
from drivers.codec.mbus_search import deselect_request, narrower, select_request, selection


def test_a_selection_is_that_of_the_standard() -> None:
    assert select_request(SecondaryAddress(id="12345678")).hex().upper() == "680B0B6853FD5278563412FFFFFFFFB216"
    assert select_request(SecondaryAddress(id="1FFFFFFF")).hex().upper() == "680B0B6853FD52FFFFFF1FFFFFFFFFBA16"
    assert deselect_request().hex().upper() == "1040FD3D16"


def test_an_address_goes_to_bytes_and_back() -> None:
    meter = SecondaryAddress(id="06855817", manufacturer="KAM", version=8, medium=4)
    assert meter.encode().hex().upper() == "175885062D2C0804"  # as in the header of a Multical 601
    assert parse_address(meter.encode()) == meter
    (frame,) = (event for event in MbusStreamDecoder().feed(select_request(meter)) if isinstance(event, MbusFrame))
    assert selection(frame.data) == meter
    assert selection(b"\x01\x02") is None


def test_letters_of_a_manufacturer_survive() -> None:
    for letters in ("ABC", "KAM", "TCH", "ZZZ"):
        assert manufacturer_letters(manufacturer_bytes(letters)) == letters


def test_a_pattern_is_narrowed_digit_by_digit_and_a_whole_id_is_not() -> None:
    assert narrower("FFFFFFFF")[7] == "7FFFFFFF"
    assert narrower("12F4FFFF") == tuple(f"12{digit}4FFFF" for digit in range(10))
    assert narrower("12345678") == ()
