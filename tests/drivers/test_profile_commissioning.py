"""Doubts, ratios, fingerprints, write limits, evidence: what is read, and that every fault names its key."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import pytest

from drivers.errors import ProfileError
from drivers.profile import Fingerprint, Profile
from drivers.profile_about import Access, Evidence, Proof, WriteClass
from drivers.profile_load import load_profile

HEAD = """schema = 1
vendor = "Example"
model = "EX1"
name = { en = "Example meter", zh = "示例电表" }
protocol = "modbus"
source = "Example EX1 register map"
"""
CURRENT = """
[[point]]
name = "current"
label = { en = "Current", zh = "电流" }
at = { table = "input", address = 0 }
unit = "A"
"""
RATIO = """
[ratios.ct]
label = { en = "Current transformer", zh = "电流互感器变比" }
points = ["current"]
range = [1, 5000]
"""
RELAY = """
[[point]]
name = "relay"
label = { en = "Relay", zh = "继电器" }
at = { table = "coil", address = 3 }
"""
EXAMPLE = """
[[example]]
source = "bench"
request = "01 04 00 00 00 01 31 CA"
reply = "01 04 02 00 05 79 33"
expect = { current = "5" }
"""


def load(tmp_path: Path, body: str, head: str = HEAD) -> Profile:
    path = tmp_path / "example" / "ex1.toml"
    path.parent.mkdir(exist_ok=True)
    path.write_text(head + body, encoding="utf-8")
    return load_profile(path)


def test_a_doubt_is_said_in_both_languages_and_may_name_points(tmp_path: Path) -> None:
    body = '[[doubt]]\nen = "Scale unsure."\nzh = "倍率存疑。"\npoints = ["current"]\n' + CURRENT
    (doubt,) = load(tmp_path, body).doubts
    assert (doubt.says.en, doubt.says.zh, doubt.points) == ("Scale unsure.", "倍率存疑。", ("current",))


def test_a_ratio_names_its_points_and_bounds(tmp_path: Path) -> None:
    (ratio,) = load(tmp_path, RATIO + CURRENT).ratios
    assert (ratio.name, ratio.points, ratio.low, ratio.high) == ("ct", ("current",), Decimal(1), Decimal(5000))


def test_a_fingerprint_is_a_register_or_the_models_it_is_mistaken_for(tmp_path: Path) -> None:
    at = '[fingerprint]\nat = { table = "holding", address = 11 }\nvalues = [1648]\nmask = 0xFFF0\n'
    mark = load(tmp_path, at + CURRENT).fingerprint
    assert mark is not None
    assert mark.location is not None
    assert (mark.location.address, mark.values, mark.mask) == (11, (1648,), 0xFFF0)
    alike = load(tmp_path, '[fingerprint]\nalike = ["a/b"]\n' + CURRENT).fingerprint
    assert alike is not None
    assert (alike.location, alike.alike) == (None, ("a/b",))
    assert load(tmp_path, CURRENT).fingerprint is None


def test_a_meter_says_who_it_is_instead_of_holding_a_register(tmp_path: Path) -> None:
    text = '[fingerprint]\nidentity = { manufacturer = "KAM", version = ["8", "11*"] }\n' + CURRENT
    mark = load(tmp_path, text).fingerprint
    assert mark is not None
    assert mark.told == (("manufacturer", ("KAM",)), ("version", ("8", "11*")))
    assert mark.fits({"manufacturer": "KAM", "version": "8", "medium": "0x04"})
    assert mark.fits({"manufacturer": "KAM", "version": "117"})
    assert not mark.fits({"manufacturer": "KAM", "version": "80"})
    assert not mark.fits({"manufacturer": "KAM"})
    assert not Fingerprint(location=None).fits({"manufacturer": "KAM"})


def test_what_can_be_written_is_polled_only_where_a_period_is_written(tmp_path: Path) -> None:
    writable = 'access = "rw"\nwrite = { class = "output", values = { on = 0xFF00 } }\n'
    quiet = load(tmp_path, CURRENT + RELAY + writable)
    assert ([p.name for p in quiet.points], [p.name for p in quiet.controls]) == (["current"], ["relay"])
    loud = load(tmp_path, CURRENT + RELAY + "every_s = 5\n" + writable)
    assert [p.name for p in loud.points] == ["current", "relay"]
    rule = loud.points[1].write
    assert rule is not None
    assert (loud.points[1].access, rule.klass, rule.function) == (Access.READ_WRITE, WriteClass.OUTPUT, 5)
    assert rule.values == (("on", 0xFF00),)


@pytest.mark.parametrize(
    ("head", "evidence", "proof"),
    [
        (HEAD, "capture", Proof.CAPTURE),
        (HEAD, "manual example", Proof.MANUAL),
        (HEAD, "published", Proof.ONE_SOURCE),
        (HEAD, "constructed", Proof.ONE_SOURCE),
        (HEAD + 'confirmed_by = ["another map"]\n', "computed", Proof.TWO_SOURCES),
        (HEAD.replace("Example EX1 register map", "none: made up"), "constructed", Proof.NOTHING),
        (HEAD.replace("Example EX1 register map", "None"), "capture", Proof.CAPTURE),
    ],
)
def test_the_proof_follows_from_the_evidence(tmp_path: Path, head: str, evidence: str, proof: Proof) -> None:
    body = CURRENT + EXAMPLE.replace('source = "bench"', f'source = "bench"\nevidence = "{evidence}"')
    profile = load(tmp_path, body, head)
    assert profile.proof is proof
    assert profile.examples[0].evidence is Evidence(evidence)


def test_an_example_without_evidence_counts_as_constructed(tmp_path: Path) -> None:
    assert load(tmp_path, CURRENT + EXAMPLE).examples[0].evidence is Evidence.CONSTRUCTED


@pytest.mark.parametrize(
    ("body", "key", "what"),
    [
        ('[[doubt]]\nen = "x"\n' + CURRENT, "doubt[1].zh", "is missing"),
        (
            '[[doubt]]\nen = "x"\nzh = "y"\npoints = ["curent"]\n' + CURRENT,
            "doubt[1].points",
            "did you mean 'current'",
        ),
        (RATIO.replace("[1, 5000]", "[0, 5000]") + CURRENT, "ratios.ct.range", "above 0"),
        (RATIO.replace("[1, 5000]", "[9, 9]") + CURRENT, "ratios.ct.range", "not below"),
        (RATIO.replace('["current"]', "[]") + CURRENT, "ratios.ct.points", "has to name"),
        (RATIO.replace('"current"', '"voltage"') + CURRENT, "ratios.ct.points", "no such point"),
        ("[ratios]\nct = 40\n" + CURRENT, "ratios.ct", "is not a table"),
        ("[fingerprint]\n" + CURRENT, "fingerprint.at", "is missing"),
        ("[fingerprint]\nalike = []\nown_unit = true\n" + CURRENT, "fingerprint.own_unit", "only with at"),
        ("[fingerprint]\nidentity = {}\n" + CURRENT, "fingerprint.identity", "has to be a table"),
        ("[fingerprint]\nidentity = { version = 8 }\n" + CURRENT, "fingerprint.identity.version", "text in quotes"),
        (
            '[fingerprint]\nidentity = { version = "8" }\nvalues = [1]\n' + CURRENT,
            "fingerprint.values",
            "is about a register",
        ),
        ('[fingerprint]\nat = { table = "input", address = 1 }\n' + CURRENT, "fingerprint.values", "give either"),
        (
            '[fingerprint]\nat = { table = "input", address = 1 }\nvalues = [65536]\n' + CURRENT,
            "fingerprint.values",
            "can never come",
        ),
        (CURRENT + 'write = { class = "config" }\n', "point[current].write", "goes only with access"),
        (CURRENT + 'access = "rw"\n', "point[current].access", "only coils and holding"),
        (CURRENT + RELAY + 'access = "rw"\n', "point[relay].write", "is missing"),
        (CURRENT + RELAY + 'access = "w"\nevery_s = 1\n', "point[relay].every_s", "is never read"),
        (CURRENT + RELAY + 'access = "w"\nwrite = { class = "out" }\n', "write.class", "did you mean 'output'"),
        (CURRENT + RELAY + 'access = "w"\nwrite = { class = "output", function = 6 }\n', "write.function", "5 or 15"),
        (CURRENT + RELAY + 'access = "w"\nwrite = { class = "output", range = [3, 1] }\n', "write.range", "lowest"),
        (
            CURRENT + RELAY + 'access = "w"\nwrite = { class = "output", values = { on = -1 } }\n',
            "values.on",
            "whole raw",
        ),
        (RELAY + 'access = "w"\nwrite = { class = "output" }\n', "point", "none of them is polled"),
        (
            CURRENT + EXAMPLE.replace("[[example]]", '[[example]]\nevidence = "rumour"'),
            "example[1].evidence",
            "rumour",
        ),
    ],
)
def test_every_fault_names_its_key(tmp_path: Path, body: str, key: str, what: str) -> None:
    with pytest.raises(ProfileError) as caught:
        load(tmp_path, body)
    assert key in caught.value.where
    assert what in str(caught.value)
