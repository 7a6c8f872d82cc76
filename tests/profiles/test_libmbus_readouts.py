"""Telegrams of real M-Bus meters: every record as libmbus, a foreign decoder, reads it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal

import pytest

from drivers.decoded import Quantity
from drivers.protocols.mbus_decode import read_mbus
from hil.sim.readouts import MbusReadout, Record, mbus_readouts

READOUTS = {one.model: one for one in mbus_readouts()}
UNITS: Mapping[str, tuple[str, Decimal]] = {
    # libmbus gives seconds, and one float for all; ours keeps the unit of time that the meter chose
    "min": ("s", Decimal(60)),
    "h": ("s", Decimal(3600)),
    "d": ("s", Decimal(86400)),
    "W.h": ("Wh", Decimal(1)),
    "m3": ("m^3", Decimal(1)),
    "m3/h": ("m^3/h", Decimal(1)),
    "Cel": ("°C", Decimal(1)),
}
UNREAD = ("Manufacturer specific", "More records follow")


def told(readout: MbusReadout) -> list[Quantity]:
    """Give our records alone, in the order of the telegram."""
    head = ("a_field", "ci", "id", "manufacturer", "version", "medium", "access_no", "status")
    tail = ("manufacturer_data", "more_follows")
    return [one for one in read_mbus(None, readout.telegram, {}) if one.quantity not in head + tail]


def differs(ours: Quantity, theirs: Record) -> str:
    """Say how one record differs; empty if it does not."""
    if ours.value is None:
        return ""  # digits that are none, dates that no calendar has: libmbus makes numbers of them
    if "_vife6f" in ours.quantity:
        return ""  # the time of a maximum: libmbus does not know that extension and gives a number
    if isinstance(ours.value, str):
        return _text_differs(ours.value, theirs.value)
    unit, times = UNITS.get(ours.unit or "", (ours.unit or "", Decimal(1)))
    assert isinstance(ours.value, Decimal)
    value = ours.value * times
    if abs(value - Decimal(theirs.value)) > Decimal("0.000001") + abs(value) / 1_000_000:
        return f"{ours.quantity}: {value}, libmbus {theirs.value}"
    return "" if unit in (theirs.unit, "") else f"{ours.quantity}: {unit}, libmbus {theirs.unit}"


def _text_differs(ours: str, theirs: str) -> str:
    try:
        return "" if datetime.fromisoformat(ours) == datetime.fromisoformat(theirs.removesuffix("Z")) else ours
    except ValueError:
        return "" if ours.strip() == theirs.strip() else f"{ours!r}, libmbus {theirs!r}"


def test_there_are_many_makes() -> None:
    assert len(READOUTS) >= 16


@pytest.mark.parametrize("model", sorted(READOUTS))
def test_every_record_is_what_libmbus_says(model: str) -> None:
    readout = READOUTS[model]
    theirs = [one for one in readout.records if one.function not in UNREAD]
    ours = told(readout)
    assert len(ours) == len(theirs)
    wrong = [text for one, other in zip(ours, theirs, strict=True) if (text := differs(one, other))]
    assert not wrong


def test_only_what_is_no_number_and_no_date_is_refused() -> None:
    refused = {
        (model, one.quantity) for model, readout in READOUTS.items() for one in told(readout) if one.value is None
    }
    assert refused == {
        ("elster/f96-plus", "power_error"),  # BCD digits above 9
        ("elster/f96-plus", "volume_flow_error"),
        ("itron/bm-plus-m", "date@s1"),  # month 0, day 0
        ("siemens/wfh21", "date_error"),
        ("relay/padpuls2", "datetime"),  # marked invalid
        ("landis-gyr/ultraheat-t230", "datetime@s510"),
        ("landis-gyr/ultraheat-t230", "power_vife6f_max/t1"),
        ("landis-gyr/ultraheat-t230", "volume_flow_vife6f_max/t1"),
    }
