"""``[clock]`` and ``write`` of a profile whose values have names: what is needed before anything may be written."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from drivers.errors import ProfileError
from drivers.profile import Profile
from drivers.profile_about import WriteClass
from drivers.profile_check import check_profile
from drivers.profile_clock import ClockRule
from drivers.profile_load import builtin_roots, find_profile, load_profile, read_profile
from drivers.registry import find_protocol

SHIPPED = builtin_roots()
VALVE = find_profile("generic/cjt188-water-valve", SHIPPED)


def changed(folder: Path, old: str, new: str, source: Path = VALVE) -> Path:
    text = source.read_text()
    assert text.count(old) == 1
    path = folder / "v" / "m.toml"
    path.parent.mkdir(exist_ok=True)
    path.write_text(text.replace(old, new))
    return path


def faults(path: Path) -> list[str]:
    return [f"{fault.where.rpartition('m.toml: ')[2]} {fault.what}" for fault in read_profile(path).faults]


def test_a_valve_is_described_and_never_polled() -> None:
    profile = load_profile(VALVE)
    (control,) = profile.controls
    assert control.name not in [point.name for point in profile.points]
    rule = control.write
    assert rule is not None
    assert (rule.klass, rule.values) == (WriteClass.OUTPUT, (("open", 0x55), ("close", 0x99)))
    assert (rule.read_back, rule.shows, rule.rest_s, rule.settle_s) == ("valve", (("open", 0), ("close", 1)), 60, 60)
    assert profile.clock == ClockRule(ways=("write",), most_step_s=3600)


@pytest.mark.parametrize(
    ("old", "new", "fault"),
    [
        (', read_back = "valve"', "", "write.read_back"),
        ('read_back = "valve"', 'read_back = "tap"', "a point that is polled has to show it"),
        ("shows = { open = 0, close = 1 }", "shows = { open = 0 }", "for each word of values"),
        (", rest_s = 60", "", "write.rest_s"),
        (", settle_s = 60", "", "write.settle_s"),
        ("rest_s = 60", "rest_s = 0", "write.rest_s"),
        ('access = "w"', 'access = "rw"', "a point of its own"),
        ('class = "output"', 'class = "output", function = 5', "unknown key 'function'"),
        ('class = "output"', 'class = "toggle"', "write.class"),
        ('access = "w"\nwrite', 'access = "r"\nwrite', "goes only with access"),
        ("settable = true", "settable = false", "goes only with settable = true"),
        ('ways = ["write"]', "ways = []", "clock.ways"),
        ('ways = ["write"]', 'ways = ["write", "write"]', "clock.ways"),
        ("most_step_s = 3600", "most_step_s = 0", "clock.most_step_s"),
        ("most_step_s = 3600", "", "clock.most_step_s"),
    ],
)
def test_half_a_permission_is_none(tmp_path: Path, old: str, new: str, fault: str) -> None:
    assert any(fault in one for one in faults(changed(tmp_path, old, new)))


@pytest.mark.parametrize(
    ("old", "new", "fault"),
    [
        ('ways = ["write"]', 'ways = ["broadcast"]', "clock.ways"),
        ('at = { di = "A017" }', 'at = { di = "A018" }', "an output stands under A017"),
        ('at = { di = "A017" }', 'at = { di = "A010" }', "an output stands under A017"),
        ("close = 0x99 }", "close = 0x199 }", "numbers of one byte"),
    ],
)
def test_what_a_protocol_cannot_or_must_not_write_is_refused(tmp_path: Path, old: str, new: str, fault: str) -> None:
    (found,) = check_profile(changed(tmp_path, old, new))
    assert found.code == "bad-profile"
    assert fault in f"{found.where} {found.params['detail']}"


@pytest.mark.parametrize(
    "name", ["generic/dlt645-2007-single-phase", "generic/mbus-heat", "generic/iec62056-readout", "generic/sml"]
)
def test_nothing_but_an_output_of_cjt188_is_switched(name: str) -> None:
    profile: Profile = load_profile(find_profile(name, SHIPPED))
    with pytest.raises(ProfileError, match="nothing can be written there"):
        find_protocol(profile.protocol, name).check_writes(replace(profile, controls=load_profile(VALVE).controls))


def test_a_protocol_without_settable_clocks_says_so() -> None:
    profile = load_profile(find_profile("generic/mbus-heat", SHIPPED))
    asked = replace(profile, clock=ClockRule(ways=("write",), most_step_s=60))
    with pytest.raises(ProfileError, match="mbus cannot set a clock"):
        find_protocol("mbus", "m").check_writes(asked)


def test_the_edition_of_1997_has_the_broadcast_alone(tmp_path: Path) -> None:
    old = find_profile("generic/dlt645-1997", SHIPPED)
    (found,) = check_profile(changed(tmp_path, 'ways = ["broadcast"]', 'ways = ["write"]', old))
    assert "clock.ways" in found.where
