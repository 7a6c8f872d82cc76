"""Damaged and foreign frames on a line that is only listened to: nothing raises, nothing damaged becomes a value."""

from __future__ import annotations

import random
from datetime import UTC

import pytest

from drivers.listening import Kind, Overheard
from drivers.overhear import Overhearing
from drivers.profile import Profile
from drivers.registry import find_listening, listeners
from tests.drivers.test_listening_examples import HEARD, address_of, hear, telegrams

MS = 1_000_000
ROUNDS = 400


def overheard_of(profile: Profile, address: str) -> Overheard:
    listening = find_listening(profile.protocol)
    assert listening is not None
    assert listening.overheard is not None
    return listening.overheard(profile, address, UTC)


def mutated(raw: bytes, rand: random.Random) -> bytes:
    at = rand.randrange(len(raw))
    match rand.randrange(5):
        case 0:
            return raw[:at] + bytes((raw[at] ^ 1 << rand.randrange(8),)) + raw[at + 1 :]
        case 1:
            return raw[:at]
        case 2:
            return raw[:at] + rand.randbytes(rand.randrange(1, 5)) + raw[at:]
        case 3:
            return raw[at:] + raw[:at]
        case _:
            return raw


@pytest.mark.fuzz
def test_whatever_passes_nothing_raises_in_any_device(seed: int) -> None:
    rand = random.Random(seed)
    lines = [(profile, telegrams(profile, example)) for profile, example in HEARD]
    devices = {profile.id: overheard_of(profile, address_of(profile, hear(parts, 4096))) for profile, parts in lines}
    line, now_ns = Overhearing(listeners()), 0
    for _ in range(ROUNDS):
        for part in rand.choice(lines)[1]:
            now_ns += rand.choice((MS, 30 * MS, 3000 * MS))
            wire = mutated(part, rand)
            said = [*line.heard(wire, now_ns), *line.idle(now_ns + 90 * MS, silence=rand.randrange(2) == 0)]
            for one in said:
                for device in devices.values():
                    device.take(one)


def test_a_frame_with_one_wrong_bit_gives_no_value(seed: int) -> None:
    rand = random.Random(seed)
    for profile, example in rand.sample(HEARD, 25):
        if profile.protocol == "iec62056-21-push":
            continue  # telegrams of mode D have no checksum, but for those of DSMR
        parts = telegrams(profile, example)
        said = hear(parts, 4096)
        device = overheard_of(profile, address_of(profile, said))
        good = [one.raw for one in said if device.take(one) is not None]
        at = rand.randrange(8 * len(parts[-1]))
        last = bytearray(parts[-1])
        last[at // 8] ^= 1 << at % 8
        device = overheard_of(profile, address_of(profile, said))
        for one in hear([*parts[:-1], bytes(last)], 4096):
            if device.take(one) is not None:
                assert one.kind in (Kind.REPLY, Kind.UNASKED)
                assert one.raw.lstrip(b"\xfe") in [raw.lstrip(b"\xfe") for raw in good]
