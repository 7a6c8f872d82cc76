"""Which profile is proposed for a device that was found, and on what evidence."""

from __future__ import annotations

from dataclasses import replace

import pytest

from drivers.profile import Fingerprint, Framing, LineSettings, Profile
from drivers.registry import build_device
from drivers.scan.face import ScanFace
from drivers.scan.line import ScanLine
from drivers.scan.propose import Certainty, Proposal, propose
from drivers.sources import Device
from hil.virtualtime import VirtualClock, VirtualPause, here, run
from tests.drivers.scan.parity_wire import ParityStream, parity_line
from tests.drivers.scan.test_scan_search import at, profiles


def proposed(
    model: str,
    unit: int,
    baud: int,
    among: tuple[Profile, ...] | None = None,
    *,
    asked: int | None = None,
    seen: bool = True,
) -> tuple[tuple[Proposal, ...], int, float]:
    settings, asked = LineSettings(baud=baud), unit if asked is None else asked

    async def work() -> tuple[tuple[Proposal, ...], int, float]:
        clock = VirtualClock(here())
        line = parity_line([at(model, unit, baud)])
        scan = ScanLine(ParityStream(line), clock=clock, pause=VirtualPause(clock), line=LineSettings())
        face = ScanFace(scan, settings, patience_s=0.25, seen=seen)

        def make(profile: Profile) -> Device:
            return build_device(
                "modbus", index=0, unit=asked, profile=profile, link=face, clock=clock,
                framing=Framing.RTU, settings=settings,
            )  # fmt: skip

        found = await propose(
            among or profiles(), unit=asked, settings=settings, line=face, make_device=make, most=99
        )
        return found, face.exchanges, here().time()

    return run(work())


@pytest.mark.parametrize(
    ("model", "unit", "baud"),
    [
        ("eastron/sdm120", 1, 2400),
        ("peacefair/pzem-004t", 1, 9600),
        ("chint/dtsu666", 1, 9600),
        ("renke/soil-4in1", 1, 4800),
        ("generic/xy-md02", 1, 9600),
    ],
)
def test_the_right_profile_is_among_the_first_three(model: str, unit: int, baud: int) -> None:
    found, exchanges, seconds = proposed(model, unit, baud)
    assert model in [one.profile for one in found[:3]], [(one.profile, one.weight) for one in found[:6]]
    assert exchanges <= 120
    assert seconds < 20
    assert all(one.shown for one in found)


def test_nobody_is_soon_asked_no_more_and_who_answers_late_in_the_list_is_still_tried() -> None:
    nobody, exchanges, seconds = proposed("eastron/sdm120", 1, 9600, asked=77, seen=False)
    assert (nobody, exchanges) == ((), 12)
    assert seconds < 4
    somebody, exchanges, _ = proposed("eastron/sdm120", 77, 9600, asked=77, seen=False)
    assert exchanges > 12
    assert "eastron/sdm120" in [one.profile for one in somebody[:3]]


def test_a_proposal_without_telling_values_is_only_possible() -> None:
    found, _, _ = proposed("waveshare/relay-8ch", 1, 9600)
    assert all(one.certainty is Certainty.POSSIBLE for one in found)


@pytest.mark.parametrize("model", ["renke/soil-4in1", "generic/soil-7in1", "supmea/do7013"])
def test_of_probes_that_differ_by_nothing_none_is_likelier(model: str) -> None:
    """Soil and water probes answer the same request: narrower ranges make none of them the right one."""
    found, _, _ = proposed(model, 5, 9600)
    assert len(found) > 1
    assert {one.certainty for one in found if not one.fingerprint} == {Certainty.POSSIBLE}


def test_a_fingerprint_with_a_value_of_its_own_is_recognised_and_a_wrong_one_rules_out() -> None:
    soil = next(one for one in profiles() if one.id == "renke/soil-4in1")
    mark = soil.points[0].location
    right = replace(soil, fingerprint=Fingerprint(location=replace(mark, address=2001), values=(2,)))
    wrong = replace(soil, id="other/soil", fingerprint=Fingerprint(location=replace(mark, address=2001), values=(3,)))
    found, _, _ = proposed("renke/soil-4in1", 1, 4800, (wrong, right))
    assert [(one.profile, one.certainty) for one in found] == [("renke/soil-4in1", Certainty.RECOGNISED)]
