"""The bench of an adapter's keys: on a pair of ptys it measures what can be measured and says what cannot."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from hil.bench.adapter import Figures, Place, measure, shown
from hil.characters import Characters
from hil.pair.crossing import Crossing
from hil.pair.far_end import FarEnd
from hil.sim.images import image_of
from hil.sim.modbus import RtuDevice

pytestmark = pytest.mark.bus

SETTINGS = Characters(baud=19200, stop_bits=2)


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    left, right = tmp_path / "left", tmp_path / "right"
    device = RtuDevice(1, image_of("generic/block-10", "bench"), settings=SETTINGS, turnaround_ns=0)
    with Crossing(left, right), FarEnd(right, SETTINGS, [device], 7) as far:
        yield Place(port=str(left), settings=SETTINGS, registers=10, seconds=0.3, far=far)


def test_keys_that_a_pty_can_bear_are_measured_and_the_others_named(place: Place) -> None:
    found = [measure(place, keys) for keys in ({}, {"drain": "wait"}, {"rs485": "kernel"}, {"echo": "true"})]
    plain, waiting, kernel, echo = found
    for one in (plain, waiting):
        assert one.requests > 5
        assert one.inside_silence == 0
        assert 0 < one.share <= 1
        assert one.pause_ms >= SETTINGS.silence_ns / 1e6
    assert "not measurable" in waiting.note
    assert kernel == Figures(keys="rs485 = kernel", note=kernel.note)
    assert kernel.note == f"not measurable here: {place.port}: Inappropriate ioctl for device"
    assert echo.note == "not measurable here: what is sent does not come back"
    lines = shown(found).splitlines()
    assert [line.split()[0] for line in lines[:3]] == ["keys", "-", "drain"]
    assert len(lines) == 6


def test_a_real_device_behind_a_port_is_measured_by_the_client_alone(place: Place) -> None:
    found = measure(replace(place, far=None), {})
    assert found.exchange_ms > 0
    assert (found.requests, found.pause_ms) == (0, 0.0)
