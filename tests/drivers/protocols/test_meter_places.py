"""``at`` of DL/T 645 and CJ/T 188 points: what a profile may say, and which sentence tells that it may not."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest

from drivers.codec.dlt645 import Edition
from drivers.errors import ProfileError
from drivers.profile import Label, Limits, LineSettings, NamedLocation, Point, Profile
from drivers.profile_named import Word
from drivers.protocols import cjt188_place, dlt645_place
from drivers.registry import find_protocol

_LABEL = Label(en="x", zh="x")


def _point(**at: Word) -> Point:
    place = NamedLocation(words=tuple((key.rstrip("_"), value) for key, value in at.items()))
    return Point(name="x", label=_LABEL, place=place, unit="m3", scale=Decimal(1), exponent=-2)


def _profile(protocol: str, *points: Point, family: str = "water") -> Profile:
    return Profile(
        id="a/b", vendor="a", model="b", label=_LABEL, protocol=protocol, digest=bytes(16), source="s",
        proof="nothing", line=LineSettings(), unit=1, limits=Limits(), points=points, family=family,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("protocol", "at", "where", "says"),
    [
        ("dlt645-2007", {"id": "02010100"}, "id", "unknown key 'id'"),
        ("dlt645-2007", {"item": 1}, "di", "is missing"),
        ("dlt645-2007", {"di": "9010"}, "di", "8 digits"),
        ("dlt645-2007", {"di": "0201ff00"}, "di", "upper case"),
        ("dlt645-1997", {"di": "02010100"}, "di", "4 digits"),
        ("dlt645-2007", {"clock": "offset", "di": "04000101"}, "clock", "stands alone"),
        ("dlt645-1997", {"clock": "ahead"}, "clock", "one of: offset"),
        ("cjt188", {"clock": "offset", "value": "clock"}, "clock", "stands without value"),
        ("cjt188", {"clock": "offset", "di": "D120"}, "clock", "stands without value"),
        ("dlt645-2007", {"di": "0F0F0F0F"}, "di", "not in the table"),
        ("dlt645-2007", {"di": "02010100", "item": 1}, "item", "has 1, counted from 0"),
        ("dlt645-2007", {"di": "0201FF00", "item": 3}, "item", "has 3, counted from 0"),
        ("dlt645-2007", {"di": "02010100", "signed": True}, "signed", "goes only with bytes"),
        ("dlt645-2007", {"di": "02010100", "bytes": 2, "item": 0}, "item", "goes with the standard's table"),
        ("dlt645-2007", {"di": "02010100", "bytes": 10}, "bytes", "outside 1 to 9"),
        ("cjt188", {"value": "volume"}, "value", "volume_total"),
        ("cjt188", {"di": "9O1F", "value": "volume_total"}, "di", "four digits"),
        ("cjt188", {"value": "volume_total", "layout": "gas"}, "layout", "one of"),
        ("cjt188", {"value": "volume_total", "byte": 0}, "byte", "status"),
        ("cjt188", {"value": "volume_total", "offset": 3}, "offset", "goes only with bytes"),
        ("cjt188", {"value": "volume_total", "bytes": 4}, "bytes", "stand for themselves"),
        ("cjt188", {"value": "volume_total", "order": "big"}, "order", "high"),
    ],
)
def test_a_wrong_place_is_named_with_its_key(protocol: str, at: dict[str, Word], where: str, says: str) -> None:
    profile = _profile(protocol, _point(**at))
    with pytest.raises(ProfileError, match=says) as caught:
        find_protocol(protocol, "here").check(profile)
    assert caught.value.where == f"a/b: point[x].at.{where}"


def test_a_meter_of_unsaid_kind_has_to_say_its_type() -> None:
    profile = _profile("cjt188", _point(value="volume_total"), family="")
    with pytest.raises(ProfileError, match="type"):
        cjt188_place.check_places(profile)
    cjt188_place.check_places(replace(profile, points=(_point(value="volume_total", type=0x11),)))


def test_a_makers_own_number_is_cut_out_by_its_bytes() -> None:
    from drivers.codec.dlt645 import Edition  # noqa: PLC0415 - the one test that needs it

    place = dlt645_place.place_of(_point(di="9010", offset=1, bytes=3, decimals=2), Edition.V1997, "a/b")
    said = dlt645_place.value_at(place, Edition.V1997, bytes.fromhex("99341200FF"))
    assert said is not None
    assert (said.value, said.unit) == (Decimal("12.34"), None)
    assert dlt645_place.value_at(place, Edition.V1997, bytes.fromhex("993412")) is None


def test_a_makers_own_layout_may_have_its_unit_elsewhere() -> None:
    profile = _profile("cjt188", _point(offset=1, bytes=3, decimals=1, unit_at=4))
    place = cjt188_place.place_of(profile.points[0], profile)
    said = cjt188_place.value_at(place, bytes.fromhex("99341200 29"))
    assert said is not None
    assert (said.value, said.unit) == (Decimal("123.4"), "L")
    said = cjt188_place.value_at(place, bytes.fromhex("99341200 77"))
    assert said is not None
    assert said.value is None
    assert cjt188_place.value_at(place, bytes.fromhex("99341200")) is None


def test_bits_of_the_status_are_a_number() -> None:
    profile = _profile("cjt188", _point(value="status", byte=1, mask=0x0C))
    place = cjt188_place.place_of(profile.points[0], profile)
    water = bytes.fromhex("00595900 2C FFFFFFFF 2C FFFFFFFFFFFFFF 00 0B")
    said = cjt188_place.value_at(place, water)
    assert said is not None
    assert said.value == 2
    assert cjt188_place.value_at(place, water + b"\0") is None


@pytest.mark.parametrize(
    ("edition", "di", "old", "stamp"),
    [
        ("2007", "00010000", False, ""),
        ("2007", "0001FF00", False, ""),
        ("2007", "00010001", True, ""),
        ("2007", "01010000", True, ""),
        ("2007", "02010100", False, ""),
        ("2007", "02800004", False, ""),
        ("2007", "05000101", True, "05000001"),
        ("2007", "05061003", True, "05060003"),
        ("2007", "05000901", True, ""),
        ("2007", "05000001", False, ""),
        ("2007", "06000001", True, ""),
        ("1997", "9010", False, ""),
        ("1997", "9410", True, ""),
        ("1997", "A010", True, ""),
        ("1997", "A410", True, ""),
        ("1997", "B611", False, ""),
    ],
)
def test_demands_closed_months_freezes_and_records_are_older_than_their_reply(
    edition: str, di: str, old: bool, stamp: str
) -> None:
    place = dlt645_place.place_of(_point(di=di), Edition(f"dlt645-{edition}"), "a/b")
    assert (place.historical, place.stamp) == (old, stamp)


def test_a_load_record_is_of_the_time_that_stands_before_it() -> None:
    first, second = (record(f"2511{day}1200", "0010") for day in ("01", "02"))
    data = first + second
    places = [dlt645_place.Place(identifier="06000001", item=item, historical=True) for item in range(1, 4)]
    said = [dlt645_place.value_at(place, Edition.V2007, data) for place in places]
    assert said[0] is not None
    assert said[0].quantity == "voltage_a"
    moments = [dlt645_place.moment_at(place, Edition.V2007, data) for place in places]
    assert [one.value for one in moments if one is not None] == ["2025-11-01T12:00"] * 3
    again = dlt645_place.Place(identifier="06000001", item=9, historical=True)
    moment = dlt645_place.moment_at(again, Edition.V2007, data)
    assert moment is not None
    assert moment.value == "2025-11-02T12:00"


def record(moment: str, volts: str) -> bytes:
    """A load record with a first section of seven values and six empty ones, by the standard's annex B."""
    first = (bytes.fromhex(volts) * 3, b"\x00" * 9, b"\x00\x50")
    body = bytes.fromhex(moment)[::-1] + b"".join(first) + b"\xaa" + b"\xaa" * 5
    whole = b"\xa0\xa0" + bytes([len(body)]) + body
    return whole + bytes([sum(whole) % 256]) + b"\xe5"
