"""What a device says of who it is."""

from __future__ import annotations

from drivers.nameplate import Nameplate, is_another, merged, parts_of, written


def told(*parts: dict[str, str | None]) -> str | None:
    plate = Nameplate()
    for one in parts:
        plate.learn(one)
    return plate.text


def test_parts_come_one_after_the_other_and_are_written_in_one_order() -> None:
    assert told({}) is None
    assert told({"firmware": "V1"}, {"serial": None, "address": "161"}, {"serial": ""}) == "address=161; firmware=V1"


def test_another_address_or_serial_number_is_another_device() -> None:
    assert told({"serial": "1", "firmware": "V1"}, {"serial": "2"}) == "serial=2"
    assert told({"serial": "1", "firmware": "V1"}, {"firmware": "V2"}) == "serial=1; firmware=V2"


def test_a_change_is_a_known_part_with_another_value() -> None:
    assert not is_another(None, "serial=1")
    assert not is_another("serial=1", "serial=1; firmware=V1")
    assert not is_another("serial=1; firmware=V1", "serial=1")
    assert is_another("serial=1; firmware=V1", "firmware=V2")
    assert is_another("serial=1", "serial=2; firmware=V1")
    assert not is_another("serial=1", None)


def test_what_is_known_grows_and_does_not_outlive_its_device() -> None:
    assert merged("serial=1; firmware=V1", "address=161") == "address=161; serial=1; firmware=V1"
    assert merged("serial=1; firmware=V1", "serial=2") == "serial=2"
    assert merged("serial=1; firmware=V1", "firmware=V2") == "serial=1; firmware=V2"
    assert merged("serial=1", None) == "serial=1"


def test_texts_of_a_device_cannot_forge_parts_nor_fill_the_entry() -> None:
    assert told({"model": "a; serial=9\n", "serial": "1"}) == "serial=1; model=a, serial=9"
    text = told(dict.fromkeys(("address", "serial", "model", "firmware"), "水" * 200))
    assert text is not None
    assert len(text.encode()) <= 255
    assert written(parts_of(text)) == text
