"""What is the matter with a profile file: every fault at once, and whether its examples decode to what they claim.

``tidegate profile check`` prints it and CI runs it over every shipped profile. Needs no device.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from decimal import Decimal, InvalidOperation
from pathlib import Path

from drivers.batch import Value
from drivers.codec import modbus_rtu
from drivers.codec.checksum import crc16_modbus_bytes
from drivers.decoded import DecodeError
from drivers.errors import ProfileError
from drivers.profile import Example, Framing, Profile
from drivers.profile_load import read_profile
from drivers.profile_point import MODBUS
from drivers.reading import exact
from drivers.registry import find_protocol
from drivers.wire_protocol import WireProtocol


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing found in a profile file.

    Attributes:
        code: kebab-case and stable: ``bad-profile``, ``example-differs``, ``example-unreadable``, ``no-example``.
        where: ``file: key``.
        params: the fields of the code's sentence.
        warning: does not make the profile unusable.
    """

    code: str
    where: str
    params: Mapping[str, str | int] = field(default_factory=dict)
    warning: bool = False


def check_profile(path: Path) -> list[Finding]:
    """Check one profile file; an empty list means that nothing is wrong. Never raises."""
    parsed = read_profile(path)
    if parsed.profile is None:
        return [Finding(code=f.code, where=f.where, params={"detail": f.what}) for f in parsed.faults]
    profile = parsed.profile
    try:
        protocol = find_protocol(profile.protocol, f"{path}: protocol")
    except ProfileError as fault:
        return [_wrong(fault, fault.where)]
    faults = list(_wrong_places(profile, protocol))
    if faults:
        return [_wrong(fault, fault.where.replace(f"{profile.id}:", f"{path}:", 1)) for fault in faults]
    found = [f for number in range(len(profile.examples)) for f in _check_example(profile, protocol, number, path)]
    if not profile.examples:
        found.append(
            Finding(code="no-example", where=f"{path}: example", params={"profile": profile.id}, warning=True)
        )
    return found


def _wrong(fault: ProfileError, where: str) -> Finding:
    return Finding(code=fault.code, where=where, params={"detail": fault.what})


def _wrong_places(profile: Profile, protocol: WireProtocol) -> Iterator[ProfileError]:
    """Give what is wrong with each point alone, so that a person sees all of it; else with all of them together."""
    alone = 0
    for points in (*((point,) for point in profile.points), profile.points):
        if alone and points is profile.points:
            break
        try:
            protocol.check(replace(profile, points=points))
        except ProfileError as fault:
            alone += 1
            yield fault
    try:
        protocol.check_writes(profile)
    except ProfileError as fault:
        yield fault


def _check_example(profile: Profile, protocol: WireProtocol, number: int, path: Path) -> Iterator[Finding]:
    example = profile.examples[number]
    where = f"{path}: example[{number + 1}]"
    about: dict[str, str | int] = {"number": number + 1, "profile": profile.id}
    wrong = _wrong_checksum(example) if profile.protocol == MODBUS else ""
    if wrong:
        yield Finding(code="example-unreadable", where=where, params=about | {"detail": wrong})
        return
    try:
        values = protocol.covered(profile, example)
    except DecodeError as error:
        yield Finding(code="example-unreadable", where=where, params=about | {"detail": error.detail})
        return
    by_name = {profile.readable[index].name: index for index in values}
    for expected in example.expect:
        index = by_name.get(expected.point)
        shown = "nothing" if index is None else _shown(values[index], profile.readable[index].exponent)
        if not _agrees(shown, expected.value):
            params = about | {"point": expected.point, "found": shown, "expected": expected.value or "null"}
            yield Finding(code="example-differs", where=f"{where}.expect.{expected.point}", params=params)


def _wrong_checksum(example: Example) -> str:
    """Compute the checksum of the request anew and say what it should be; the reply's decoder does the same."""
    request = example.request
    if example.framing is not Framing.RTU or len(request) < modbus_rtu.OVERHEAD + 1:
        return ""
    right = crc16_modbus_bytes(request[:-2])
    if right == request[-2:]:
        return ""
    return f"the request ends with {request[-2:].hex(' ').upper()}, its checksum is {right.hex(' ').upper()}"


def _shown(value: Value, exponent: int) -> str:
    if value is None:
        return "null"
    if isinstance(value, bool):
        return str(value).lower()
    return str(exact(value, exponent)) if isinstance(value, int) else str(value)


def _agrees(shown: str, expected: str | None) -> bool:
    if expected is None:
        return shown == "null"
    try:
        return Decimal(shown) == Decimal(expected)
    except InvalidOperation:
        return shown == expected
