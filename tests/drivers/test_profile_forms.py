"""Keys of a profile for bytes, fields, BCD, text, moments, states, scale registers and reads with side effects."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import pytest

from drivers.codec.modbus_rtu import encode
from drivers.errors import ProfileError
from drivers.plan import plan
from drivers.profile import Encoding, Kind, Label, Limits, NumberType, Point, Profile
from drivers.profile_at import AT_KEYS
from drivers.profile_check import check_profile
from drivers.profile_load import load_profile

_HEAD = """schema = 1
vendor = "Example"
model = "EX2"
name = { en = "Example", zh = "示例" }
protocol = "modbus"
source = "Example EX2 register map, rev 2"
"""
_LABEL = 'label = { en = "X", zh = "X" }\n'


def _load(tmp_path: Path, *points: str, head: str = _HEAD) -> Profile:
    path = tmp_path / "example" / "ex2.toml"
    path.parent.mkdir(exist_ok=True)
    text = head + "".join(f'[[point]]\nname = "p{i}"\n{_LABEL}{body}\n' for i, body in enumerate(points))
    path.write_text(text, encoding="utf-8")
    return load_profile(path)


def _at(rest: str) -> str:
    return f'at = {{ table = "holding", {rest} }}\n'


def test_parts_of_one_register(tmp_path: Path) -> None:
    parts = ['type = "u8", byte = "high"', 'type = "i8"', 'type = "u16", mask = 0x0F00', 'type = "u16"']
    profile = _load(tmp_path, *(_at(f"address = 7, {part}") + 'unit = "1"' for part in parts))
    high, low, field, _ = (point.location for point in profile.points)
    assert (high.type, high.high_byte, low.high_byte, field.mask) == (NumberType.U8, True, False, 0x0F00)


def test_text_and_moments_are_states_without_unit(tmp_path: Path) -> None:
    serial = 'address = 0, type = "text", length = 8, encoding = "utf-8", words = "badc"'
    text, clock = _load(tmp_path, _at(serial), _at('address = 8, type = "ymdhms_bcd"')).points
    assert (text.kind, text.location.count, text.location.encoding) == (Kind.STATE, 8, Encoding.UTF_8)
    assert (clock.kind, clock.location.count, clock.unit) == (Kind.STATE, 6, None)


def test_states_name_numbers(tmp_path: Path) -> None:
    (point,) = _load(
        tmp_path, _at("address = 0") + 'states = { 0 = "off", "0x0A" = { en = "run", zh = "运行" } }'
    ).points
    assert point.kind is Kind.STATE
    assert point.state_of(10) == Label(en="run", zh="运行")
    assert point.state_of(0) == Label(en="off", zh="off")
    assert point.state_of(7) is None


def test_a_scale_register_is_read_with_its_value(tmp_path: Path) -> None:
    value = _at('address = 10, type = "i16"') + 'unit = "V"\nscale_from = 14\ndecimals = 1\nsaturated = [0x7FFF]\n'
    (point,) = _load(tmp_path, value).points
    assert (point.location.scale_address, point.exponent, point.saturated) == (14, -1, (0x7FFF,))
    (block,) = plan([point], Limits())
    assert (block.first, block.count) == (10, 5)


def test_what_belongs_together_is_never_torn(tmp_path: Path) -> None:
    far = _at('address = 20, type = "u32"') + 'unit = "V"\nscale_from = 3\ndecimals = 0\n'
    near = _at("address = 0") + 'unit = "V"\n'
    points = _load(tmp_path, near, far, _at("address = 22") + 'unit = "V"\n').points
    for limit in (19, 20, 23, 125):
        blocks = plan(points, Limits(block_registers=limit))
        block = next(b for b in blocks if 1 in b.points)
        assert block.first <= 3
        assert block.first + block.count >= 22


def test_a_read_with_a_side_effect_stands_alone(tmp_path: Path) -> None:
    usual = [_at(f"address = {n}") + 'unit = "V"\n' for n in (0, 1, 3, 4)]
    profile = _load(tmp_path, *usual, _at("address = 2") + 'unit = "1"\nside_effect = true\n')
    blocks = plan(profile.points, profile.limits)
    assert [(b.first, b.count) for b in blocks] == [(0, 2), (3, 2), (2, 1)]
    due_without_it = plan(profile.points, profile.limits, (0, 1, 2, 3))
    assert [(b.first, b.count) for b in due_without_it] == [(0, 2), (3, 2)]


def test_a_control_whose_reading_has_a_side_effect_is_not_read_along(tmp_path: Path) -> None:
    usual = [_at(f"address = {n}") + 'unit = "V"\n' for n in (0, 2)]
    control = _at("address = 1") + 'unit = "1"\nside_effect = true\naccess = "rw"\nwrite = { class = "config" }\n'
    profile = _load(tmp_path, *usual, control)
    assert [(b.first, b.count) for b in plan(profile.points, profile.limits)] == [(0, 1), (2, 1)]


@pytest.mark.parametrize(
    ("body", "where", "what"),
    [
        (_at('address = 0, byte = "high"') + 'unit = "1"', "p0].at.byte", "goes only with"),
        (_at('address = 0, type = "u8", byte = "upper"') + 'unit = "1"', "p0].at.byte", "high"),
        (_at("address = 0, mask = 0x0F0F") + 'unit = "1"', "p0].at.mask", "has a hole"),
        (_at("address = 0, mask = 0x10000") + 'unit = "1"', "p0].at.mask", "outside"),
        (_at('address = 0, type = "i16", mask = 3') + 'unit = "1"', "p0].at.mask", "unsigned"),
        (_at('address = 0, type = "text"'), "p0].at.length", "is missing"),
        (_at('address = 0, type = "u16", length = 2') + 'unit = "1"', "p0].at.length", "goes only with"),
        (_at('address = 65535, type = "text", length = 2'), "p0].at.address", "behind the last"),
        (_at('address = 0, type = "text", length = 2') + 'unit = "V"', "p0].unit", "has none"),
        (_at('address = 0, type = "unix32"') + 'kind = "gauge"\nunit = "s"', "p0].kind", "is a state"),
        (_at('address = 0, type = "unix32"') + "sentinels = [0]", "p0].sentinels", "neither"),
        (_at('address = 0, type = "bcd16"') + 'unit = "V"\nsentinels = [10000]', "p0].sentinels", "can never come"),
        (_at("address = 0, mask = 0x30") + 'unit = "V"\nsaturated = [4]', "p0].saturated", "can never come"),
        (_at("address = 0") + 'unit = "V"\nscale_from = 1', "p0].decimals", "promised"),
        (_at("address = 0") + 'unit = "V"\nscale_from = 125\ndecimals = 1', "p0].scale_from", "too far"),
        (
            _at('address = 0, type = "f32"') + 'unit = "V"\nscale_from = 9\ndecimals = 1',
            "p0].scale_from",
            "whole number",
        ),
        (_at("address = 0") + 'states = { x = "off" }', "p0].states.x", "can never come"),
        (_at("address = 0") + 'states = { -1 = "off" }', "p0].states.-1", "can never come"),
        (_at("address = 0") + 'states = { 1 = "on", "0x1" = "off" }', "p0].states", "twice"),
        (_at("address = 0") + "states = {}", "p0].states", "has to be a table"),
        (_at("address = 0") + 'states = { 0 = "off" }\nkind = "gauge"\nunit = "1"', "p0].kind", "with states"),
    ],
)
def test_every_wrong_key_is_named(tmp_path: Path, body: str, where: str, what: str) -> None:
    with pytest.raises(ProfileError) as caught:
        _load(tmp_path, body)
    assert where in caught.value.where
    assert what in caught.value.what


def test_no_point_may_need_a_register_whose_reading_has_a_side_effect(tmp_path: Path) -> None:
    scaled = _at("address = 0") + 'unit = "V"\nscale_from = 4\ndecimals = 1\n'
    with pytest.raises(ProfileError, match="side effect"):
        _load(tmp_path, scaled, _at("address = 2") + 'unit = "1"\nside_effect = true\n')


def test_fields_may_share_registers_and_whole_values_may_not(tmp_path: Path) -> None:
    field = _at('address = 0, type = "u32", mask = 0xF') + 'unit = "1"\n'
    _load(tmp_path, field, _at('address = 0, type = "u32"') + 'unit = "1"\n')
    with pytest.raises(ProfileError, match="overlap"):
        _load(tmp_path, field, _at('address = 0, type = "i32"') + 'unit = "1"\n')
    with pytest.raises(ProfileError, match="overlap"):
        _load(
            tmp_path,
            _at('address = 0, type = "u8"') + 'unit = "1"\n',
            _at('address = 0, type = "bcd16"') + 'unit = "1"\n',
        )


def test_every_key_of_a_location_is_documented() -> None:
    text = (Path(__file__).parents[2] / "profiles" / "README.md").read_text(encoding="utf-8")
    for key in (*AT_KEYS, "scale_from", "saturated", "states", "side_effect", *(t.value for t in NumberType)):
        assert f"`{key}`" in text, key


def test_a_scaled_point_keeps_its_own_scale_too(tmp_path: Path) -> None:
    body = _at("address = 0") + 'unit = "W.h"\nscale = "1000"\nscale_from = 1\nexponent = 2\n'
    point: Point = _load(tmp_path, body).points[0]
    assert (point.scale, point.exponent) == (Decimal(1000), 2)


_OWN = 'at = { request = "41 01", reply_bytes = 7, address = 0, type = "u32" }\nunit = "V"\nscale = "0.1"\n'
_OWN_BYTE = 'at = { request = "41 01", reply_bytes = 7, address = 1, type = "u8" }\nunit = "1"\n'


def test_a_vendor_function_gives_its_points_in_one_exchange(tmp_path: Path) -> None:
    high = _OWN.replace("u32", "i16")
    profile = _load(tmp_path, high, _at("address = 0") + 'unit = "V"\n', _OWN_BYTE)
    table, own = plan(profile.points, profile.limits)
    assert (table.points, table.raw) == ((1,), None)
    assert own.points == (0, 2)
    assert own.raw is not None
    assert (own.raw.request, own.raw.reply_bytes, own.raw.skip, own.count) == (b"\x41\x01", 7, 2, 2)


@pytest.mark.parametrize(
    ("at", "where", "what"),
    [
        ('request = "41 01", reply_bytes = 7, address = 1, type = "u32"', "at.address", "behind the 2 registers"),
        ('request = "C1 01", reply_bytes = 7, address = 0', "at.request", "no request PDU"),
        ('request = "41 01", address = 0', "at.reply_bytes", "missing"),
        ('request = "41 01", reply_bytes = 7, table = "holding", address = 0', "at.table", "not both"),
        ('table = "holding", address = 0, skip = 1', "at.skip", "goes only with request"),
        ('request = "41 01", reply_bytes = 4, skip = 3, address = 0', "at.skip", "outside 1 to 2"),
    ],
)
def test_a_wrong_vendor_function_is_named(tmp_path: Path, at: str, where: str, what: str) -> None:
    with pytest.raises(ProfileError) as caught:
        _load(tmp_path, f'at = {{ {at} }}\nunit = "V"\n')
    assert where in caught.value.where
    assert what in caught.value.what


def test_an_example_of_a_vendor_function_is_decoded(tmp_path: Path) -> None:
    request, reply = encode(9, bytes.fromhex("41 01")), encode(9, bytes.fromhex("41 AA 00 00 08 FD 55"))
    example = f"""[[example]]
source = "made for this test"
request = "{request.hex()}"
reply = "FF {reply.hex()}"
expect = {{ p0 = "230.1" }}
"""
    path = tmp_path / "example" / "ex2.toml"
    path.parent.mkdir()
    path.write_text(_HEAD + f'[[point]]\nname = "p0"\n{_LABEL}{_OWN}\n' + example, encoding="utf-8")
    assert check_profile(path) == []
    path.write_text(path.read_text(encoding="utf-8").replace("0008fd", "0008fe"), encoding="utf-8")
    assert [finding.code for finding in check_profile(path)] == ["example-unreadable"]
