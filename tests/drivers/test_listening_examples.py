"""What is overheard against what is polled: every example of the shipped profiles, as another client would do it."""

from __future__ import annotations

from datetime import UTC

import pytest

from drivers.batch import Value
from drivers.codec import mbus
from drivers.codec.framing import Noise
from drivers.listening import Kind, Said
from drivers.overhear import Overhearing
from drivers.profile import Example, Framing, Profile
from drivers.profile_load import builtin_roots, find_profile, list_profiles, load_profile
from drivers.registry import find_listening, find_protocol, listeners

MS = 1_000_000
SILENCE = 200 * MS
PROFILES = [load_profile(find_profile(name, builtin_roots())) for name in list_profiles(builtin_roots())]
HEARD = [
    (profile, example)
    for profile in PROFILES
    for example in profile.examples
    if (listening := find_listening(profile.protocol)) is not None
    and listening.overheard is not None
    and example.framing is not Framing.TCP
    and (example.request or profile.protocol != "modbus")
]


def name_of(value: object) -> str:
    return value.id if isinstance(value, Profile) else ""


def telegrams(profile: Profile, example: Example) -> list[bytes]:
    """Give what passes on the line, request first where there is one; M-Bus readouts from their beginning."""
    if profile.protocol != "mbus":
        return [part for part in (example.request, example.reply) if part]
    decoder = mbus.MbusStreamDecoder()
    frames = [one for one in (*decoder.feed(example.reply), *decoder.flush()) if not isinstance(one, Noise)]
    unit = next((one.address for one in frames if one.address is not None), 0)
    said = [mbus.short(mbus.Function.SND_NKE, unit), bytes((mbus.ACK,))]
    for number, frame in enumerate(frames):
        said += [mbus.short(mbus.with_count_bit(mbus.Function.REQ_UD2, on=number % 2 == 0), unit), frame.raw]
    return said


def hear(parts: list[bytes], size: int) -> list[Said]:
    line, now_ns = Overhearing(listeners()), 0
    said: list[Said] = []
    for part in parts:
        for at in range(0, len(part), size):
            now_ns += MS
            said += line.heard(part[at : at + size], now_ns)
        now_ns += SILENCE
        said += line.idle(now_ns, silence=True)
    assert b"".join(one.raw for one in said) == b"".join(parts)
    return said


def address_of(profile: Profile, said: list[Said]) -> str:
    found = next((one.address for one in said if one.kind in (Kind.REPLY, Kind.UNASKED) and one.address), "")
    return "ANY" if profile.protocol.startswith(("iec", "sml")) else found


@pytest.mark.parametrize(("profile", "example"), HEARD, ids=name_of)
def test_an_overheard_exchange_gives_the_values_of_a_polled_one(profile: Profile, example: Example) -> None:
    protocol, listening = find_protocol(profile.protocol, profile.id), find_listening(profile.protocol)
    assert listening is not None
    assert listening.overheard is not None
    wanted = protocol.covered(profile, example)
    points = {index: value for index, value in wanted.items() if index < len(profile.points)}
    parts = telegrams(profile, example)
    heard: list[dict[int, Value]] = [{}, {}]
    for found, size in zip(heard, (1, 4096), strict=True):
        said = hear(parts, size)
        overheard = listening.overheard(profile, address_of(profile, said), UTC)
        other = listening.overheard(profile, "7" * 12 if profile.protocol != "modbus" else "246", UTC)
        for one in said:
            taken = overheard.take(one)
            if taken is not None:
                found |= dict(zip(taken.points, taken.values, strict=True))
            if profile.protocol.startswith(("dlt645", "modbus")):
                assert other.take(one) is None
    assert heard[0] == heard[1]
    assert {index: value for index, value in heard[0].items() if index in points} == points


@pytest.mark.parametrize(
    ("profile", "example"),
    [one for one in HEARD if one[0].protocol.startswith(("dlt645", "cjt188", "mbus"))],
    ids=name_of,
)
def test_who_answered_another_client_is_told_beside_the_values(profile: Profile, example: Example) -> None:
    listening = find_listening(profile.protocol)
    assert listening is not None
    assert listening.overheard is not None
    said = hear(telegrams(profile, example), 4096)
    overheard = listening.overheard(profile, address_of(profile, said), UTC)
    plates = [taken.plate for one in said if (taken := overheard.take(one)) is not None]
    assert plates
    assert all(plate.get("serial" if profile.protocol == "mbus" else "address") for plate in plates)
