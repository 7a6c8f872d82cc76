"""Shipped profiles of meters that send by themselves: published telegrams, verified readings of one real agent."""

from __future__ import annotations

from contextlib import ExitStack
from decimal import Decimal
from pathlib import Path

import pytest

from drivers.profile import Example, Profile
from hil.ptys import PtyLine, now_ns
from hil.site_file import BusEntry, DeviceEntry, Sealing, SiteFile
from hil.stage import Stage
from hil.wire import Line
from tests.profiles.reading import Rows, run_until_all_is_read, verified
from tests.profiles.test_pushing_profiles_on_a_line import CASES, Recording, characters

pytestmark = pytest.mark.bus

FULLEST: dict[str, tuple[Profile, Example]] = {
    profile.id: (profile, example) for profile, example in sorted(CASES, key=lambda case: len(case[1].expect))
}
"""Of each profile the example that says most."""


def faults_of(profile: Profile, example: Example, found: Rows) -> list[str]:
    wrong = []
    for expected in example.expect:
        rows = [row for row in found.get((_name(profile), expected.point), []) if row["value"] is not None]
        point = next(point for point in profile.points if point.name == expected.point)
        same = {_same(str(row["value"]), str(expected.value)) and row["unit"] == point.unit for row in rows}
        wrong += [] if same == {True} else [f"{profile.id} {point.name}: {rows[:1]}, meant {expected.value}"]
    return wrong


def _same(read: str, meant: str) -> bool:
    return read == meant or (read.replace(".", "").lstrip("-").isdigit() and Decimal(read) == Decimal(meant))


def _name(profile: Profile) -> str:
    return profile.id.replace("/", "-")


def test_every_pushing_meter_is_read_as_it_meant(tmp_path: Path) -> None:
    stage = Stage(folder=tmp_path, broker=None)
    buses, devices = [], []
    with ExitStack() as stack:
        stage.prepare("pushes")
        for profile, example in FULLEST.values():
            name, settings = _name(profile), characters(profile)
            every_ns = 2 * settings.duration_ns(len(example.reply)) + 500_000_000
            speaker = Recording(example.reply, settings, began_ns=now_ns(), every_ns=every_ns)
            stack.enter_context(PtyLine(Line([], settings=settings, step=16, speakers=[speaker]), tmp_path / name))
            buses.append(BusEntry(name=name, port=str(tmp_path / name), settings=settings))
            devices.append(DeviceEntry(name=name, bus=name, profile=profile.id, address="any"))
        SiteFile(name="pushes", buses=buses, devices=devices, sealing=Sealing(max_age="1 s")).write(stage.site)
        try:
            run_until_all_is_read(stage, {_name(profile): profile for profile, _ in FULLEST.values()})
        finally:
            stage.stop()
    found = verified(stage)
    wrong = [fault for profile, example in FULLEST.values() for fault in faults_of(profile, example, found)]
    assert not wrong, "\n".join(wrong)
    profile, example = FULLEST["dzg/dvs74"]
    others = {(_name(profile), name): [{"value": "1", "unit": "W"}] for name in ("power", "energy.import")}
    assert len(faults_of(profile, example, others)) == len(example.expect), "a reading that differs is seen"
    assert any(row["raw"] for row in found["emh-signed", "energy.signed"]), "what is signed is kept"
