"""A unit that nobody knows is never taken for that of the point: SML, pushed lists and registers."""

from __future__ import annotations

from datetime import UTC
from decimal import Decimal

import pytest

from drivers.batch import Value
from drivers.codec.axdr import Data, parse
from drivers.codec.cosem_units import unit_of
from drivers.codec.dlms_apdu import Notification
from drivers.codec.sml_list import SmlEntry, SmlList
from drivers.codec.sml_value import parse as parse_sml
from drivers.decoded import Quantity
from drivers.named_values import sealed
from drivers.profile_load import builtin_roots, find_profile, load_profile
from drivers.protocols import dlms_push_told, sml_told
from drivers.protocols.dlms_place import ObjectPlace, PointPlace
from drivers.protocols.dlms_values import quantity, scaling_of
from drivers.quality import Quality

POWER = bytes((1, 0, 16, 7, 0, 255))
(_POINT,) = (
    point for point in load_profile(find_profile("generic/sml", builtin_roots())).points if point.name == "power"
)
CASES = [(27, 1200, 0), (28, None, Quality.BAD_CONFIGURATION_ERROR), (99, None, Quality.BAD_CONFIGURATION_ERROR),
         (255, 1200, 0)]  # fmt: skip


def _check(said: Quantity, value: Value, status: int) -> None:
    assert sealed(_POINT, said) == (value, status)


@pytest.mark.parametrize(("unit", "value", "status"), CASES)
def test_a_value_of_an_sml_list(unit: int, value: Value, status: int) -> None:
    (number,) = parse_sml(b"\x62\x0c")
    entry = SmlEntry(obis=POWER, status=None, time=None, unit=unit, scaler=0, value=number, signature=b"", raw=b"")
    listed = SmlList(transaction=b"", server_id=b"", time=None, entries=(entry,), signature=b"", raw=b"")
    _check(sml_told.told(listed, 0).said["1-0:16.7.0*255"], value, status)


def _scaled(unit: int) -> Data:
    return parse(bytes((0x02, 0x02, 0x0F, 0x00, 0x16, unit)))[0]


@pytest.mark.parametrize(("unit", "value", "status"), CASES)
def test_a_value_of_a_pushed_list(unit: int, value: Value, status: int) -> None:
    pushed = Data(
        tag=1, items=(Data(tag=2, items=(Data(tag=9, value=POWER), Data(tag=17, value=Decimal(12)), _scaled(unit))),)
    )
    telegram = dlms_push_told.told(Notification(invoke=0, time=b"", data=pushed), 0, UTC, b"")
    _check(telegram.said["1-0:16.7.0*255"], value, status)


@pytest.mark.parametrize(("unit", "value", "status"), CASES)
def test_a_value_of_a_register(unit: int, value: Value, status: int) -> None:
    place = PointPlace(object=ObjectPlace(class_id=3, obis=POWER, attribute=2))
    _check(quantity(place, Data(tag=17, value=Decimal(12)), scaling_of(_scaled(unit))), value, status)


def test_a_bare_number_has_no_unit() -> None:
    assert (unit_of(None), unit_of(255), unit_of(30)) == (None, None, "W.h")
