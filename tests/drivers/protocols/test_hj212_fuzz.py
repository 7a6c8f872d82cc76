"""Damaged packets at a station's port: no exception, bounded memory, no answer to what was not whole."""

from __future__ import annotations

import os
from random import Random
from typing import cast

import pytest

from drivers.codec.framing import Noise
from drivers.codec.hj212 import Hj212Frame, Rules, stream_decoder
from drivers.codec.hj212_segment import Segment
from drivers.profile_load import builtin_roots, find_profile, load_profile
from drivers.protocols.hj212 import Hj212Station
from drivers.wire_protocol import AnyLink, Placed
from hil.sim.hj212 import Station, Upload, check, period, realtime
from tests.drivers.codec.search_mutants import ROUNDS, mangled

MUTATED = 250_000 if os.environ.get("TIDEGATE_LONG") else ROUNDS // 3


class Still:
    """A clock that stands still."""

    def mono_ns(self) -> int:
        return 1

    def utc_ns(self) -> int:
        return 1


def uploads() -> list[Upload]:
    codes = {f"w2{number:04d}": (f"{number}.25", "N") for number in range(50)}
    return [
        realtime("20260101080000", {"w01018": ("40.5", "N"), "w01001": ("", "B")}),
        realtime("20260101080030", codes),
        period("2051", "20260101080000", {"w01018": ("1.0", "2.0", "3.0")}),
        period("2061", "20260101080000", {"w01018": ("1.0", "2.0", "3.0")}),
    ]


def station() -> Hj212Station:
    profile = load_profile(find_profile("generic/hj212-water", builtin_roots()))
    placed = Placed(index=0, unit=0, address="ANY", profile=profile, link=cast("AnyLink", None), clock=Still())
    return Hj212Station(placed)


def whole(data: bytes) -> int:
    """Count the packets in ``data`` that our own decoder takes, and see that each has the CRC of the standard."""
    decoder = stream_decoder(Rules(longest=9999))
    count = 0
    for event in (*decoder.feed(data), *decoder.flush()):
        if not isinstance(event, Noise):
            assert isinstance(event, Hj212Frame)
            assert int(event.raw[-6:-2], 16) == check(event.segment)
            count += 1
    return count


@pytest.mark.fuzz
def test_no_damaged_packet_is_answered_or_breaks_a_station(seed: int) -> None:
    dice = Random(seed)
    good = [data for upload in uploads() for _, data in Station().packets(upload)]
    device = station()
    for number in range(MUTATED):
        bad = mangled(dice.choice(good), dice)
        device._decoder = stream_decoder(Rules(longest=9999))
        answers = device._hear(bad) + device._take_in(device._decoder.flush())
        assert answers.count(b"##") <= whole(bad)
        if number % 500 == 0:
            assert len(device._messages._open) <= 8
            assert len(device._messages._known) <= 512
            assert all(len(waiting) <= 256 for waiting in device._waiting.values())
            for waiting in device._waiting.values():
                waiting.clear()


@pytest.mark.fuzz
def test_any_fields_of_a_sound_packet_are_borne(seed: int) -> None:
    dice = Random(seed)
    device = station()
    names = ("QN", "ST", "CN", "PW", "MN", "Flag", "PNUM", "PNO", "RF", "X")
    words = ("2011", "2051", "1", "2", "-1", "99999999999", "", "é", "20260101080000", "9" * 60, "N", "nan", "1e400")
    for _ in range(MUTATED // 4):
        header = tuple((dice.choice(names), dice.choice(words)) for _ in range(dice.randrange(9)))
        fields = ("DataTime", "w01018-Rtd", "w01018-Flag", "w01018-Avg", "w01018-SampleTime", "x")
        items = tuple(
            tuple((dice.choice(fields), dice.choice(words)) for _ in range(dice.randrange(1, 4)))
            for _ in range(dice.randrange(4))
        )
        said = Segment(header=(*header, ("MN", "A")), items=items)
        if device._is_ours(said):
            device._answer(said)
    for group in device._groups.values():
        while (message := device._take(group)) is not None:
            batch = device._batch(group, message)
            assert all(
                (value is None) is (status >> 30 >= 2)
                for value, status in zip(batch.values, batch.statuses, strict=True)
            )
