"""profile list, show, new: what people and programs are told, in both languages."""

from __future__ import annotations

import tomllib

import pytest

from drivers.profile_load import builtin_roots, list_profiles, load_profile
from tests.agent.cli.commands import Command

SHIPPED = list_profiles(builtin_roots())


def test_the_list_says_of_every_profile_what_proves_it(tidegate: Command) -> None:
    said = tidegate("profile", "list", "--json")
    assert said.code == 0
    found = said.envelope
    assert found["schema"] == "tidegate.profile-list/1"
    profiles = found["result"]["profiles"]
    assert [one["profile"] for one in profiles] == list(SHIPPED)
    assert {one["proof"] for one in profiles} == {"capture", "manual example", "two sources", "one source", "nothing"}
    text = tidegate("profile", "list").out
    assert "abb/b23" in text
    assert "two sources" in text
    assert "两个来源一致" in tidegate("profile", "list", lang="zh").out


def test_words_narrow_the_list_in_either_language(tidegate: Command) -> None:
    for words in (("acrel", "prepaid"), ("安科瑞", "预付费")):
        found = tidegate("profile", "list", *words, "--json").envelope
        assert [one["profile"] for one in found["result"]["profiles"]] == ["acrel/ddsy1352"]
    none = tidegate("profile", "list", "no-such", "meter")
    assert (none.code, none.out) == (1, "")
    assert 'No profile fits "no-such meter".' in none.err


def test_the_list_is_narrowed_by_protocol_and_by_class_in_either_language(tidegate: Command) -> None:
    def listed(*words: str, lang: str = "en") -> dict[str, str]:
        found = tidegate("profile", "list", *words, "--json", lang=lang).envelope["result"]["profiles"]
        return {one["profile"]: one["protocol"] for one in found}

    assert set(listed("mbus").values()) == {"mbus"}
    assert {"kamstrup/multical-601", "sontex/supercal-531"} <= set(listed("mbus", "heat"))
    assert "kamstrup/382" not in listed("mbus", "heat")
    assert {"landis-gyr/g350", "itron/cyble-gas", "relay/padpuls2"} <= set(listed("mbus", "燃气", lang="zh"))
    assert "iec62056-21" in tidegate("profile", "list", "iec62056").out


def test_show_says_what_is_in_doubt_what_proves_it_and_what_the_site_has_to_answer(tidegate: Command) -> None:
    text = tidegate("profile", "show", "chint/dtsu666").out
    assert "proven by" in text
    assert "In doubt:" in text
    assert "0x401E" in text
    assert "ratios = { ct = 1, pt = 1 }" in text
    assert "Settings and outputs; only tidegate device set writes" in text
    chinese = tidegate("profile", "show", "chint/dtsu666", lang="zh").out
    assert "存疑：" in chinese
    assert "电流互感器变比" in chinese
    assert "A 相电压" in chinese


def test_show_says_how_a_model_is_recognised_or_that_it_is_not(tidegate: Command) -> None:
    assert "cannot be told apart from" in tidegate("profile", "show", "eastron/sdm120").out
    assert "holds the unit's own address" in tidegate("profile", "show", "generic/xy-md02").out
    assert "1648" in tidegate("profile", "show", "carlo-gavazzi/em340").out
    text = tidegate("profile", "show", "kamstrup/multical-601").out
    assert "it says manufacturer KAM, version 8, medium 0x04" in text
    assert "unit 1" not in text


def test_the_profile_of_a_meter_is_begun_with_places_instead_of_addresses(tidegate: Command) -> None:
    assert tidegate("profile", "new", "x/heat", "--like", "sontex/supercal-531", "--dir", tidegate.folder).code == 0
    file = tidegate.folder / "x" / "heat.toml"
    text = file.read_text(encoding="utf-8")
    assert "tidegate decode mbus" in text
    assert "count from 0" not in text
    assert tidegate("profile", "check", file).code == 0
    file.write_text(
        text.replace('"volume_flow"', '"volumeflow"').replace('record = "power"', 'recrd = "power"'), "utf-8"
    )
    wrong = tidegate("profile", "check", file)
    assert wrong.code == 65
    assert f"{file}: point[flow].at.record" in wrong.err
    assert "did you mean 'volume_flow'?" in wrong.err
    assert f"{file}: point[power].at.recrd" in wrong.err


@pytest.mark.parametrize("profile_id", SHIPPED)
def test_every_profile_can_be_shown_to_programs(tidegate: Command, profile_id: str) -> None:
    found = tidegate("profile", "show", profile_id, "--json").envelope
    profile = load_profile(builtin_roots()[-1] / f"{profile_id}.toml")
    assert found["ok"]
    assert found["result"]["proof"] == profile.proof
    assert len(found["result"]["doubts"]) == len(profile.doubts)
    assert [one["name"] for one in found["result"]["points"]] == [point.name for point in profile.points]


def test_what_is_not_there_is_answered_with_the_nearest(tidegate: Command) -> None:
    said = tidegate("profile", "show", "eastron/sdm12")
    assert said.code == 65
    assert "eastron/sdm120" in said.err


def test_new_copies_the_nearest_and_leaves_out_what_proved_it(tidegate: Command) -> None:
    said = tidegate("profile", "new", "acme/sdm125", "--dir", tidegate.folder, "--json")
    assert said.envelope["result"]["like"] == "eastron/sdm120"
    file = tidegate.folder / "acme" / "sdm125.toml"
    text = file.read_text(encoding="utf-8")
    assert text.startswith("# Profile of acme/sdm125, begun as a copy of eastron/sdm120.")
    data = tomllib.loads(text)
    assert (data["vendor"], data["model"]) == ("acme", "sdm125")
    assert not {"example", "doubt", "fingerprint", "confirmed_by"} & set(data)
    assert load_profile(file).proof == "nothing"
    assert tidegate("profile", "check", file).code == 0


@pytest.mark.parametrize("profile", ["acme/m1", "acrel/xyz"])
def test_new_without_a_similar_name_begins_with_a_plain_one_and_says_so(tidegate: Command, profile: str) -> None:
    said = tidegate("profile", "new", profile, "--dir", tidegate.folder)
    assert said.code == 0
    assert "as a copy of generic/xy-md02." in said.out
    assert "No profile has a name like that; name a similar device with --like" in said.err
    assert load_profile(tidegate.folder / f"{profile}.toml").protocol == "modbus"
    chinese = tidegate("profile", "new", profile, "--dir", tidegate.folder, "--yes", lang="zh")
    assert "没有名称相近的设备模板" in chinese.err


@pytest.mark.parametrize("like", ["acrel/adl400", "abb/b23", "waveshare/relay-8ch", "generic/level", "chint/dtsu666"])
def test_a_copy_of_any_profile_is_a_profile(tidegate: Command, like: str) -> None:
    assert tidegate("profile", "new", "x/y", "--like", like, "--dir", tidegate.folder).code == 0
    copy, shipped = load_profile(tidegate.folder / "x" / "y.toml"), load_profile(builtin_roots()[-1] / f"{like}.toml")
    assert (copy.points, copy.controls, copy.ratios) == (shipped.points, shipped.controls, shipped.ratios)


def test_new_overwrites_nothing_unasked_and_wants_a_well_formed_id(tidegate: Command) -> None:
    words = ("profile", "new", "x/y", "--like", "senseair/s8", "--dir", tidegate.folder)
    assert tidegate(*words).code == 0
    again = tidegate(*words)
    assert again.code == 2
    assert "is there already" in again.err
    assert tidegate(*words, "--yes").code == 0
    assert tidegate("profile", "new", "meter", "--dir", tidegate.folder).code == 2


def test_new_opens_with_comments_in_the_readers_language(tidegate: Command) -> None:
    tidegate("profile", "new", "x/z", "--like", "senseair/s8", "--dir", tidegate.folder, lang="zh")
    assert "请逐行核对" in (tidegate.folder / "x" / "z.toml").read_text(encoding="utf-8")
