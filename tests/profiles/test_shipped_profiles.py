"""Every profile that ships: without findings, and in agreement with what the simulated devices were built from."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import pytest

from drivers.plan import plan
from drivers.profile import Kind, NumberType, PointClass, Profile, Table
from drivers.profile_about import Access, Evidence, Proof, WriteClass
from drivers.profile_check import check_profile
from drivers.profile_load import builtin_roots, find_profile, list_profiles, load_profile
from hil.sim.images import IMAGES
from hil.sim.registers import Held

_ROOT = builtin_roots()[-1]
_IDS = list_profiles((_ROOT,))
_MODBUS = tuple(one for one in _IDS if load_profile(_ROOT / f"{one}.toml").protocol == "modbus")
_TYPES = {"s16": "i16", "s32": "i32", "s64": "i64"}


def _load(profile_id: str) -> Profile:
    return load_profile(find_profile(profile_id, (_ROOT,)))


def test_there_are_profiles() -> None:
    assert len(_IDS) >= 15


@pytest.mark.parametrize("profile_id", _IDS)
def test_nothing_is_wrong_with_it(profile_id: str) -> None:
    assert [found for found in check_profile(_ROOT / f"{profile_id}.toml") if found.code != "no-example"] == []


@pytest.mark.parametrize("profile_id", _IDS)
def test_it_is_built_of_words_that_people_can_read(profile_id: str) -> None:
    profile = _load(profile_id)
    for label in (profile.label, *(point.label for point in profile.points)):
        assert label.en.isascii()
        assert any("\u4e00" <= character <= "\u9fff" for character in label.zh)


@pytest.mark.parametrize("profile_id", _MODBUS)
def test_every_quantity_has_a_plausible_range(profile_id: str) -> None:
    for point in _load(profile_id).points:
        words = point.location.type is NumberType.BIT or point.location.type.is_words or point.states
        assert words or point.low is not None, point.name


@pytest.mark.parametrize("profile_id", sorted(set(_IDS) - set(_MODBUS)))
def test_every_number_of_a_meter_has_a_plausible_range(profile_id: str) -> None:
    """But for the difference of two clocks: a clock that nobody ever set may show any year."""
    for point in _load(profile_id).points:
        bare = point.kind in (Kind.STATE, Kind.EVENT) or point.states or point.name == "clock.offset"
        assert bare or point.low is not None, point.name


@pytest.mark.parametrize("profile_id", sorted(set(_IDS) - set(_MODBUS)))
def test_what_a_meter_counts_is_what_is_billed(profile_id: str) -> None:
    for point in _load(profile_id).points:
        counted = point.kind is Kind.COUNTER and point.name.startswith(("energy", "volume", "gas.volume"))
        assert not counted or point.klass is PointClass.BILLING or point.name.endswith(".partial"), point.name


@pytest.mark.parametrize("profile_id", _IDS)
def test_what_can_be_written_says_what_that_means_and_is_polled_only_on_purpose(profile_id: str) -> None:
    profile = _load(profile_id)
    for point in (*profile.points, *profile.controls):
        assert (point.write is not None) is (point.access is not Access.READ), point.name
    assert all(point.access is not Access.WRITE for point in profile.points)


def test_what_must_never_be_sent_is_marked() -> None:
    toggles = [p for one in _IDS for p in _load(one).controls if p.name.endswith((".toggle", "relays.all", ".reset"))]
    rules = [point.write for point in toggles if point.name != "watchdog.reset"]
    assert len(rules) >= 4
    assert all(rule is not None and rule.klass is WriteClass.FORBIDDEN for rule in rules)


def test_every_collected_device_has_a_profile() -> None:
    """58 devices were collected; Kamstrup heat meters have no Modbus map that was found and are read by M-Bus."""
    assert len([one for one in _MODBUS if _load(one).family != "bench"]) >= 57
    assert _load("kamstrup/multical-601").protocol == "mbus"


def test_there_are_many_makes_of_meters() -> None:
    meters = [one for one in _IDS if one not in _MODBUS and not one.startswith("generic/")]
    assert len(meters) >= 34


@pytest.mark.parametrize("profile_id", _IDS)
def test_every_family_and_every_doubt_is_said_in_both_languages(profile_id: str) -> None:
    profile = _load(profile_id)
    assert profile.family
    for doubt in profile.doubts:
        assert doubt.says.en.isascii()
        assert any("\u4e00" <= character <= "\u9fff" for character in doubt.says.zh)


@pytest.mark.parametrize("profile_id", _IDS)
def test_no_profile_that_stands_on_one_source_hides_it(profile_id: str) -> None:
    profile = _load(profile_id)
    if profile.proof in (Proof.CAPTURE, Proof.MANUAL):
        kinds = {example.evidence for example in profile.examples}
        assert kinds & {Evidence.CAPTURE, Evidence.MANUAL}
    assert (profile.proof is Proof.NOTHING) is (profile.family == "bench")


@pytest.mark.parametrize("profile_id", sorted(set(_IDS) & set(IMAGES)))
def test_it_agrees_with_the_simulated_device_of_the_same_model(profile_id: str) -> None:
    """The images were made from collected facts by other hands than the profile's."""
    held = {one.name: one for one in IMAGES[profile_id]("x").held}
    for point in _load(profile_id).points:
        assert point.name in held
        other = held[point.name]
        assert (point.location.table.value, point.location.address) == (other.table, other.address)
        assert other.unit is None or point.unit == _ucum(other)
        if not point.location.table.is_bits:
            assert point.scale == other.scale or point.location.scale_address is not None
            kinds = {point.location.type.value, _TYPES.get(other.type, other.type)}
            assert len(kinds) == 1 or (kinds == {"u16", "i16"} and profile_id == "senseair/s8")
            assert point.location.count == 1 or point.location.words.value == other.words


def _ucum(other: Held) -> str:
    return {"VA": "V.A"}.get(str(other.unit), str(other.unit))


def test_the_bench_block_is_one_exchange_of_a_hundred_registers() -> None:
    profile = _load("generic/block-98")
    (block,) = plan(profile.points, profile.limits)
    assert (block.table, block.first, block.count, len(block.points)) == (Table.HOLDING_REGISTER, 0, 100, 98)


def test_a_meter_is_not_read_register_by_register() -> None:
    assert {len(plan(_load(p).points, _load(p).limits)) for p in ("eastron/sdm120", "peacefair/pzem-004t")} <= {
        1,
        2,
        3,
    }


def test_scales_are_exact() -> None:
    for profile_id in _MODBUS:
        for point in _load(profile_id).points:
            steps = point.scale / Decimal(10) ** point.exponent
            assert point.location.type.is_float or steps == steps.to_integral_value(), point.name


def test_the_folder_of_the_gateway_comes_first() -> None:
    assert builtin_roots(Path("/own")) == (Path("/own"), _ROOT)
