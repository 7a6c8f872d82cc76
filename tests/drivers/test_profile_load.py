"""Profile files: what is read, and that every fault names file and key."""

from __future__ import annotations

import hashlib
from decimal import Decimal
from pathlib import Path

import pytest

from drivers.errors import ProfileError
from drivers.profile import Framing, Kind, NumberType, Parity, PointClass, Table, WordOrder
from drivers.profile_load import builtin_roots, find_profile, list_profiles, load_profile, read_profile

_HEAD = """schema = 1
vendor = "Example"
model = "EX1"
name = { en = "Example meter", zh = "示例电表" }
protocol = "modbus"
source = "Example EX1 register map, rev 1.4, page 8"
"""
_POINT = """
[[point]]
name = "voltage"
label = { en = "Voltage", zh = "电压" }
at = { table = "input", address = 0x10, type = "u32", words = "little" }
unit = "V"
scale = "0.1"
kind = "gauge"
class = "billing"
range = [-1.5, 600]
sentinels = [0xFFFFFFFF]
every_s = 2.5
urgent = true
"""
_EXAMPLE = """
[[example]]
source = "bench"
framing = "tcp"
request = "0001 0000 0006 01 04 00 10 00 02"
reply = "00 01 00 00 00 07 01 04 04 08 FC 00 00"
expect = { voltage = "230.0" }
"""


def _write(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "example" / "ex1.toml"
    path.parent.mkdir(exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path


def _fault(tmp_path: Path, text: str) -> ProfileError:
    with pytest.raises(ProfileError) as caught:
        load_profile(_write(tmp_path, text))
    return caught.value


def test_a_whole_profile(tmp_path: Path) -> None:
    text = _HEAD + '[line]\nbaud = 4800\nparity = "even"\nunit = 9\n[limits]\ngap_registers = 3\n' + _POINT + _EXAMPLE
    text = text.replace(
        "gap_registers = 3", 'gap_registers = 3\nforbidden = [{ table = "input", first = 1, last = 2 }]'
    )
    path = _write(tmp_path, text)
    profile = load_profile(path)
    assert (profile.id, profile.vendor, profile.label.zh, profile.unit) == ("example/ex1", "Example", "示例电表", 9)
    assert profile.digest == hashlib.sha256(path.read_bytes()).digest()[:16]
    assert (profile.line.baud, profile.line.parity) == (4800, Parity.EVEN)
    assert profile.limits.gap_registers == 3
    assert profile.limits.forbidden == ((Table.INPUT_REGISTER, 1, 2),)
    (point,) = profile.points
    assert (point.location.table, point.location.address) == (Table.INPUT_REGISTER, 16)
    assert (point.location.type, point.location.words) == (NumberType.U32, WordOrder.LITTLE)
    assert (point.scale, point.exponent, point.kind, point.klass) == (
        Decimal("0.1"),
        -1,
        Kind.GAUGE,
        PointClass.BILLING,
    )
    assert (point.low, point.high, point.sentinels) == (Decimal("-1.5"), Decimal(600), (0xFFFFFFFF,))
    assert (point.period_s, point.urgent) == (2.5, True)
    assert profile.examples[0].framing is Framing.TCP
    assert profile.examples[0].expect[0].value == "230.0"


def test_a_bit_is_a_state_without_unit(tmp_path: Path) -> None:
    point = '[[point]]\nname = "door"\nlabel = { en = "Door", zh = "门" }\nat = { table = "discrete", address = 7 }\n'
    (door,) = load_profile(_write(tmp_path, _HEAD + point)).points
    assert (door.kind, door.unit, door.location.type) == (Kind.STATE, None, NumberType.BIT)


@pytest.mark.parametrize(
    ("change", "where", "what"),
    [
        (('unit = "V"', 'units = "V"'), "point[voltage].units", "did you mean 'unit'?"),
        (('unit = "V"', 'unit = "v"'), "point[voltage].unit", "not on the list"),
        (('unit = "V"', 'unit = "kWh"'), "point[voltage].unit", "kW.h"),
        (('unit = "V"', ""), "point[voltage].unit", "is missing"),
        (('scale = "0.1"', "scale = 0.1"), "point[voltage].scale", "in quotes"),
        (('scale = "0.1"', 'scale = "0"'), "point[voltage].scale", "must not be 0"),
        (('scale = "0.1"', 'scale = "x"'), "point[voltage].scale", "not a decimal"),
        (('scale = "0.1"', "decimals = 1\nexponent = -1"), "point[voltage].exponent", "not both"),
        (('type = "u32"', 'type = "u33"'), "point[voltage].at.type", "did you mean"),
        (('type = "u32"', 'type = "f32"'), "point[voltage].decimals", "is missing"),
        (('table = "input"', 'table = "coil"'), "point[voltage].at.type", "hold bits"),
        (("address = 0x10", "address = 65535"), "point[voltage].at.address", "behind the last address"),
        (("address = 0x10", "address = 65536"), "point[voltage].at.address", "outside 0 to 65535"),
        (("address = 0x10", "adress = 0x10"), "point[voltage].at.adress", "did you mean 'address'?"),
        (('words = "little"', "bit = 3"), "point[voltage].at.bit", 'only with type = "bit"'),
        (("range = [-1.5, 600]", "range = [600, 1]"), "point[voltage].range", "not below"),
        (("range = [-1.5, 600]", "range = [1]"), "point[voltage].range", "[lowest, highest]"),
        (("[0xFFFFFFFF]", "[-1]"), "point[voltage].sentinels", "can never come"),
        (("every_s = 2.5", "every_s = 0"), "point[voltage].every_s", "0.05 to 86400"),
        (('kind = "gauge"', 'kind = "state"'), "point[voltage].scale", "not scaled"),
        (('zh = "电压"', 'zh = ""'), "point[voltage].label.zh", "text in quotes"),
        (('name = "voltage"', 'name = "Voltage L1"'), "point[Voltage L1].name", "lower-case"),
        (("schema = 1", "schema = 2"), "schema", "outside 1 to 1"),
        (('protocol = "modbus"', 'protocol = "modbus"\nproof = "capture"'), "proof", "unknown key"),
        (('protocol = "modbus"', 'protocol = "modbux"'), "protocol", "did you mean 'modbus'?"),
        (('model = "EX1"', "model = 1"), "model", "text in quotes"),
        (('voltage = "230.0"', 'voltag = "230.0"'), "example[1].expect.voltag", "did you mean 'voltage'?"),
        (('reply = "00', 'reply = "0x'), "example[1].reply", "pairs of hex"),
        (('source = "bench"', ""), "example[1].source", "is missing"),
        (('kind = "gauge"', 'kind = "gauge"\ndigits = 6'), "point[voltage].digits", 'kind = "counter"'),
        (('kind = "gauge"', 'kind = "counter"\ndigits = 0'), "point[voltage].digits", "outside 1 to 18"),
        (('kind = "gauge"', 'kind = "gauge"\nnameplate = "serial"'), "point[voltage].nameplate", "no amount"),
        (('kind = "gauge"', 'kind = "gauge"\nnameplate = "serail"'), "point[voltage].nameplate", "did you mean"),
        (('kind = "gauge"', 'kind = "gauge"\nkeep_raw = 1'), "point[voltage].keep_raw", "true or false"),
    ],
)
def test_a_fault_names_file_and_key(tmp_path: Path, change: tuple[str, str], where: str, what: str) -> None:
    text = _HEAD + _POINT + _EXAMPLE
    assert change[0] in text
    fault = _fault(tmp_path, text.replace(*change, 1))
    assert fault.where == f"{tmp_path / 'example' / 'ex1.toml'}: {where}"
    assert what in fault.what


def test_overlapping_points_are_named_with_their_address(tmp_path: Path) -> None:
    second = _POINT.replace('"voltage"', '"current"').replace("0x10", "0x11")
    fault = _fault(tmp_path, _HEAD + _POINT + second)
    assert "voltage and current overlap at 0x0011" in fault.what


def test_a_word_and_its_bits_may_share_a_register(tmp_path: Path) -> None:
    text = "".join(
        f'[[point]]\nname = "{name}"\nlabel = {{ en = "x", zh = "x" }}\nkind = "state"\nat = {{ {at} }}\n'
        for name, at in (
            ("status", 'table = "holding", address = 4'),
            ("status.alarm", 'table = "holding", address = 4, type = "bit", bit = 0'),
            ("status.fault", 'table = "holding", address = 4, type = "bit", bit = 1'),
        )
    )
    assert len(load_profile(_write(tmp_path, _HEAD + text)).points) == 3


def test_a_point_inside_a_forbidden_range_is_a_fault(tmp_path: Path) -> None:
    limits = '[limits]\nforbidden = [{ table = "input", first = 17, last = 17 }]\n'
    assert "forbidden" in _fault(tmp_path, _HEAD + limits + _POINT).what


def test_all_faults_of_a_file_are_found_at_once(tmp_path: Path) -> None:
    text = (
        _HEAD.replace("EX1", "")
        + "[line]\nbaud = 1\n"
        + _POINT.replace('"V"', '"volt"')
        + _EXAMPLE.replace('source = "bench"', "")
    )
    wheres = [f.where.rpartition(": ")[2] for f in read_profile(_write(tmp_path, text)).faults]
    assert wheres == ["model", "line.baud", "point[voltage].unit", "example[1].source"]


@pytest.mark.parametrize(
    ("content", "what"),
    [
        (b"schema = ", "is not TOML"),
        (b"\xff", "not UTF-8"),
        (b"schema = 1\nx = 1e99999999999999999999", "exponent"),
        (b"", "schema"),
    ],
)
def test_a_file_that_is_no_profile_is_one_sentence(tmp_path: Path, content: bytes, what: str) -> None:
    path = tmp_path / "x.toml"
    path.write_bytes(content)
    with pytest.raises(ProfileError, match=what):
        load_profile(path)


def test_a_missing_file_is_a_profile_error(tmp_path: Path) -> None:
    with pytest.raises(ProfileError, match="cannot be read"):
        load_profile(tmp_path / "none.toml")


def test_the_first_root_wins(tmp_path: Path) -> None:
    (tmp_path / "etc").mkdir()
    own = _write(tmp_path / "etc", _HEAD + _POINT)
    _write(tmp_path, _HEAD + _POINT)
    roots = (tmp_path / "etc", tmp_path)
    assert find_profile("example/ex1", roots) == own
    assert list_profiles(roots) == ("example/ex1",)


@pytest.mark.parametrize("wrong", ["../etc/passwd", "ex1", "example/../x", "", "Example/EX1", "/example/ex1"])
def test_an_id_never_leaves_its_root(tmp_path: Path, wrong: str) -> None:
    with pytest.raises(ProfileError, match="vendor/model"):
        find_profile(wrong, (tmp_path,))


def test_an_unknown_profile_names_the_nearest() -> None:
    with pytest.raises(ProfileError, match="eastron/sdm120"):
        find_profile("eastron/sdm12", builtin_roots())
