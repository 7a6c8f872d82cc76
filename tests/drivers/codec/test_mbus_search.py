"""Secondary addresses: how they are written, and the search for all of them on a line."""

from __future__ import annotations

from random import Random

import pytest

from drivers.codec.mbus import MbusFrame, MbusStreamDecoder
from drivers.codec.mbus_header import SecondaryAddress, manufacturer_bytes, manufacturer_letters, parse_address
from drivers.codec.mbus_search import Heard, SecondarySearch, deselect_request, select_request, selection


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


class _Bus:
    """Meters that answer a selection all at once: E5 looks like E5, and only one alone gives a whole telegram."""

    def __init__(self, meters: list[SecondaryAddress]) -> None:
        self.meters = meters
        self.selections = 0

    def told(self, pattern: SecondaryAddress) -> tuple[Heard, SecondaryAddress | None]:
        self.selections += 1
        fit = [m for m in self.meters if all(p in ("F", d) for p, d in zip(pattern.id, m.id, strict=True))]
        if len(fit) > 1:
            return Heard.SEVERAL, None
        return (Heard.ONE, fit[0]) if fit else (Heard.SILENCE, None)


def _searched(bus: _Bus, within: str = "FFFFFFFF") -> SecondarySearch:
    search = SecondarySearch(within)
    while (pattern := search.pattern) is not None:
        search.heard(*bus.told(pattern))
    return search


def test_every_meter_is_found_once(seed: int) -> None:
    chance = Random(seed)
    for count in (0, 1, 2, 7, 60):
        ids = chance.sample(range(10**8), count)
        bus = _Bus([SecondaryAddress(id=f"{number:08d}", manufacturer="ABC", version=1, medium=7) for number in ids])
        search = _searched(bus)
        assert sorted(meter.id for meter in search.found) == sorted(f"{number:08d}" for number in ids)
        assert bus.selections <= 1 + 10 * 8 * count
        assert search.unresolved == []


def test_neighbours_that_differ_in_the_last_digit_are_told_apart() -> None:
    bus = _Bus([SecondaryAddress(id=f"1234567{digit}") for digit in "0189"])
    assert [meter.id for meter in _searched(bus).found] == ["12345670", "12345671", "12345678", "12345679"]


def test_two_meters_of_one_id_are_named_as_not_resolved() -> None:
    twin = SecondaryAddress(id="00000042", manufacturer="ABC", version=1, medium=7)
    bus = _Bus([twin, SecondaryAddress(id="00000042", manufacturer="XYZ", version=1, medium=7)])
    search = _searched(bus)
    assert (search.found, search.unresolved) == ([], ["00000042"])


def test_the_search_keeps_within_its_pattern() -> None:
    bus = _Bus([SecondaryAddress(id="10000000"), SecondaryAddress(id="20000000"), SecondaryAddress(id="20000001")])
    assert [meter.id for meter in _searched(bus, "2fffffff").found] == ["20000000", "20000001"]
    with pytest.raises(ValueError, match="eight digits"):
        SecondarySearch("12")
