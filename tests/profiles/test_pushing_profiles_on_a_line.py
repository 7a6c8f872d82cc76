"""Shipped profiles of meters that send by themselves: published telegrams, sent on a line, become what they mean."""

from __future__ import annotations

from decimal import Decimal

import pytest

from drivers.profile import Example, Parity, Profile
from drivers.profile_load import list_profiles
from hil.characters import Characters
from hil.virtualtime import virtual
from hil.wire import Reply
from tests.hil.listening_bench import ListeningBench
from tests.profiles.virtual_lines import ROOT, load

pytestmark = pytest.mark.bus

PROTOCOLS = ("sml", "dlms-push")
CASES = [
    (profile, example)
    for profile in map(load, list_profiles((ROOT,)))
    if profile.protocol in PROTOCOLS
    for example in profile.examples
]
_EVERY_NS = 4_000_000_000


class Recording:
    """Sends one telegram again and again."""

    def __init__(self, data: bytes, settings: Characters, began_ns: int = 0, every_ns: int = _EVERY_NS) -> None:
        self.settings = settings
        self._every_ns = every_ns
        self.due_ns = began_ns + 700_000_000
        self._data = data

    def speak(self, now_ns: int) -> Reply:
        self.due_ns = now_ns + self._every_ns
        return Reply(data=self._data)

    def hear(self, frame: bytes, now_ns: int) -> Reply | None:  # noqa: ARG002
        return None

    def stray(self, frame: bytes, now_ns: int) -> bytes | None:  # noqa: ARG002
        return None


def characters(profile: Profile) -> Characters:
    assert profile.line.parity in (Parity.NONE, Parity.EVEN)
    return Characters(baud=profile.line.baud, parity=profile.line.parity.value)


def test_every_maker_is_there() -> None:
    vendors = {profile.vendor for profile, _ in CASES}
    assert vendors >= {"EMH", "Iskraemeco", "DZG", "Holley", "eBZ", "Aidon", "Kamstrup", "Kaifa"}


@pytest.mark.parametrize(("profile", "example"), CASES, ids=[f"{p.id} {e.reply[-3:].hex()}" for p, e in CASES])
@virtual
async def test_a_published_telegram_is_read_from_the_line(profile: Profile, example: Example) -> None:
    rig = ListeningBench(profile.id, [Recording(example.reply, characters(profile))], characters(profile))
    await rig.poll()
    assert not rig.errors
    exponents = {point.name: point.exponent for point in profile.points}
    assert example.expect
    for expected in example.expect:
        value = rig.values[expected.point]
        assert expected.value is not None
        if isinstance(value, int) and not isinstance(value, bool):
            assert Decimal(value).scaleb(exponents[expected.point]) == Decimal(expected.value)
        else:
            assert str(value) == expected.value
