"""What stands under the identifiers of DL/T 645: tables, blocks, demands with their times, freezing, load records."""

from __future__ import annotations

from decimal import Decimal

import pytest

from drivers.codec import bcd
from drivers.codec.dlt645 import Edition
from drivers.codec.dlt645_items import items, offered
from drivers.codec.dlt645_load import load_extra, load_values
from drivers.codec.summed import check_sum
from drivers.protocols.dlt645_decode import named_values

LATER, EARLIER = Edition.V2007, Edition.V1997


def said(edition: Edition, identifier: str, data: str) -> list[tuple[str, str | None, str | None]]:
    """Name, value as text and unit of everything under an identifier."""
    found = named_values(edition, identifier, bytes.fromhex(data)) or ()
    return [(one.quantity, None if one.value is None else str(one.value), one.unit) for one in found]


@pytest.mark.parametrize(
    ("edition", "identifier", "data", "name", "value", "unit"),
    [
        (LATER, "00000000", "34128180", "energy_combined_active_total", "-8112.34", "kW.h"),
        (LATER, "00030000", "01000080", "energy_combined_reactive_1_total", "-0.01", "kvar.h"),
        (LATER, "00010200", "56341200", "energy_import_active_tariff_2", "1234.56", "kW.h"),
        (LATER, "00010001", "56341200", "energy_import_active_total_month_1", "1234.56", "kW.h"),
        (LATER, "00150000", "56341200", "energy_import_active_a_total", "1234.56", "kW.h"),
        (LATER, "02020100", "999949", "current_a", "499.999", "A"),
        (LATER, "02020300", "500281", "current_c", "-10.250", "A"),
        (LATER, "02060000", "8209", "power_factor_total", "0.982", "1"),
        (LATER, "02060100", "8289", "power_factor_a", "-0.982", "1"),
        (LATER, "02070100", "0012", "phase_angle_a", "120.0", "deg"),
        (LATER, "02800002", "0250", "frequency", "50.02", "Hz"),
        (LATER, "02800007", "5580", "temperature", "-5.5", "Cel"),
        (LATER, "04000101", "02241125", "date", "2025-11-24", None),
        (LATER, "04000102", "594110", "time", "10:41:59", None),
        (LATER, "0400010C", "59411001241125", "clock", "2025-11-24T10:41:59", None),
        (LATER, "04000401", "660000023022", "address", "223002000066", None),
        (LATER, "04000404", "563032320000", "rated_voltage", "220V", None),
        (LATER, "04000501", "0800", "status_word_1", "0008", None),
        (LATER, "05000001", "0000241125", "freeze_time_timed_1", "2025-11-24T00:00", None),
        (EARLIER, "9110", "56341200", "energy_import_reactive_total", "1234.56", "kvar.h"),
        (EARLIER, "9414", "56341200", "energy_import_active_tariff_4_month_1", "1234.56", "kW.h"),
        (EARLIER, "A010", "561200", "demand_import_active_max_total", "0.1256", "kW"),
        (EARLIER, "B622", "3412", "current_b", "12.34", "A"),
        (EARLIER, "B640", "3412", "power_reactive_total", "12.34", "kvar"),
        (EARLIER, "B650", "9909", "power_factor_total", "0.999", "1"),
        (EARLIER, "C032", "660000023022", "meter_number", "223002000066", None),
    ],
)
def test_a_single_value(
    edition: Edition, identifier: str, data: str, name: str, value: str, unit: str | None
) -> None:
    assert said(edition, identifier, data) == [(name, value, unit)]


def test_only_what_is_signed_by_the_standard_has_a_sign() -> None:
    assert said(LATER, "00010000", "34128180") == [("energy_import_active_total", "808112.34", "kW.h")]
    assert said(LATER, "02010100", "0590") == [("voltage_a", "900.5", "V")]


@pytest.mark.parametrize("filler", ["FF", "EE"])
@pytest.mark.parametrize("identifier", ["00000000", "00010000", "02030000", "02060000", "02020100", "02010100"])
def test_filler_is_no_value_signed_or_not(identifier: str, filler: str) -> None:
    (item,) = offered(LATER, identifier)
    ((_, value, _),) = said(LATER, identifier, filler * item.size)
    assert value is None


@pytest.mark.parametrize("data", ["0A23", "A523", "2F05", "F523"])
def test_a_nibble_that_is_no_digit_makes_no_number(data: str) -> None:
    assert said(LATER, "02010100", data) == [("voltage_a", None, "V")]


def test_a_block_is_as_long_as_the_meter_has_phases_or_tariffs() -> None:
    assert [name for name, _, _ in said(LATER, "0201FF00", "0523")] == ["voltage_a"]
    assert said(LATER, "0201FF00", "05231123FFFF") == [
        ("voltage_a", "230.5", "V"),
        ("voltage_b", "231.1", "V"),
        ("voltage_c", None, "V"),
    ]
    names = [name for name, _, _ in said(LATER, "0001FF00", "00000000" * 5)]
    assert names == ["energy_import_active_total", *(f"energy_import_active_tariff_{n}" for n in range(1, 5))]
    assert [name for name, _, _ in said(EARLIER, "B61F", "230023102320")] == ["voltage_a", "voltage_b", "voltage_c"]
    assert len(said(LATER, "040005FF", "0000" * 7)) == 7


@pytest.mark.parametrize(
    ("edition", "identifier", "size"),
    [(LATER, "02010100", 3), (LATER, "0201FF00", 5), (LATER, "00010000", 5), (EARLIER, "9010", 5),
     (LATER, "0A0B0C0D", 4), (LATER, "02010101", 2), (LATER, "02010400", 2), (EARLIER, "B614", 2),
     (EARLIER, "9080", 4), (LATER, "05050101", 4)],
)  # fmt: skip
def test_another_length_or_an_unknown_identifier_is_not_guessed_at(
    edition: Edition, identifier: str, size: int
) -> None:
    assert items(edition, identifier, size) is None


def test_a_demand_carries_the_meters_time() -> None:
    assert said(LATER, "01010000", "561200 3018241125") == [
        ("demand_import_active_max_total", "0.1256", "kW"),
        ("demand_import_active_max_total_time", "2025-11-24T18:30", None),
    ]
    assert said(LATER, "01010000", "000000 0000000000")[1][1] is None


def test_frozen_energies_and_powers_are_named_by_what_froze_them() -> None:
    assert said(LATER, "05060101", "56341200")[0] == ("energy_import_active_total_daily_1", "1234.56", "kW.h")
    assert said(LATER, "05040102", "56341200") == [("energy_import_active_total_hourly_2", "1234.56", "kW.h")]
    assert [name for name, _, _ in said(LATER, "05061001", "000000" * 8)][:2] == [
        "power_active_total_daily_1",
        "power_active_a_daily_1",
    ]
    assert said(LATER, "05000901", "561200 3018241125")[1][0] == "demand_import_active_max_total_timed_1_time"


@pytest.mark.parametrize(
    ("data", "parts", "text"),
    [
        ("31012211051520", "CYMDhms", "2015-05-11T22:01:31"),
        ("60202000000000", "CYMDhms", None),
        ("00000000000000", "CYMDhms", None),
        ("FFFFFFFFFFFFFF", "CYMDhms", None),
        ("30182411", "MDhm", "11-24T18:30"),
        ("0000", "MD", None),
        ("3018", "YMDhm", None),
        ("602400", "hms", None),
    ],
)
def test_a_moment_that_no_calendar_has_is_no_value(data: str, parts: str, text: str | None) -> None:
    assert bcd.moment(bytes.fromhex(data), parts) == text


def _record(body: str) -> bytes:
    data = bytes.fromhex(body)
    whole = b"\xa0\xa0" + bytes((len(data),)) + data
    return whole + bytes((check_sum(whole), 0xE5))


FULL = _record(
    "45 10 24 11 25 0523 1123 9822 994900 341280 000000 0250 AA "
    "001200 000400 000400 000400 000000 000000 000000 000000 AA "
    "8209 8209 8209 8209 AA "
    "56341200 00000000 00000000 00000000 AA "
    "AA "
    "341200 000000 AA "
)


def test_a_load_record_is_read_section_by_section_and_an_empty_one_skipped() -> None:
    found = {one.quantity: one.value for one in load_values(FULL) or ()}
    assert found["load_time"] == "2025-11-24T10:45"
    assert found["voltage_c"] == Decimal("229.8")
    assert found["current_b"] == Decimal("-1.234")
    assert found["frequency"] == Decimal("50.02")
    assert found["power_active_total"] == Decimal("0.1200")
    assert found["power_factor_c"] == Decimal("0.982")
    assert found["energy_import_active_total"] == Decimal("1234.56")
    assert found["demand_active"] == Decimal("0.1234")
    assert "energy_reactive_q1_total" not in found


def test_two_load_records_are_read_one_after_the_other() -> None:
    short = _record("4510241125 AA AA AA AA AA AA")
    assert [one.quantity for one in load_values(short + short) or ()] == ["load_time", "load_time"]


@pytest.mark.parametrize("at", range(3, len(FULL)))
def test_a_damaged_load_record_gives_nothing(at: int) -> None:
    damaged = bytearray(FULL)
    damaged[at] ^= 0x01
    assert load_values(bytes(damaged)) is None
    assert load_values(FULL[:at]) is None


def test_a_load_profile_is_asked_for_by_number_and_time() -> None:
    assert load_extra(1).hex() == "01"
    assert load_extra(10, (25, 11, 24, 10, 45)).hex() == "104510241125"
