"""Which profile is proposed for a meter: by what it says of itself, by its kind, by how much of a profile it has."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pytest

from drivers.decode import decode_exchange
from drivers.profile import LineSettings, Profile
from drivers.registry import build_device
from drivers.scan.face import ScanFace
from drivers.scan.line import ScanLine
from drivers.scan.propose import Certainty, Proposal
from drivers.scan.propose_meter import propose_meter
from drivers.scan.search import Search
from drivers.scan.sighting import Sighting
from drivers.scan.walk import step
from drivers.sources import Device
from hil.sim import dlt645, mbus
from hil.virtualtime import VirtualClock, VirtualPause, here, run
from hil.wire import Station
from tests.drivers.scan.meter_bench import PROBERS, electricity, even, head, heat, plan_of, water, wired
from tests.drivers.scan.parity_wire import ParityStream, parity_line
from tests.drivers.scan.test_scan_search import profiles


def proposed(station: Station, protocol: str) -> tuple[tuple[Proposal, ...], int]:
    """Find the device and propose; give how many questions that took."""

    async def work() -> tuple[tuple[Proposal, ...], int]:
        clock, line = VirtualClock(here()), parity_line([station])
        scan = ScanLine(ParityStream(line), clock=clock, pause=VirtualPause(clock), line=LineSettings())
        search = Search(plan_of((protocol,)))
        while not (search.is_between and search.progress.sightings):
            await step(search, scan, PROBERS)
        (one,) = search.progress.sightings
        face = ScanFace(scan, one.line, patience_s=0.25)

        def make(profile: Profile) -> Device:
            return build_device(
                profile.protocol, index=0, unit=0, address=str(one.address), profile=profile, link=face, clock=clock,
                settings=one.line,
            )  # fmt: skip

        found = await propose_meter(
            _all(), protocol=protocol, settings=one.line, family=one.family, said=_said(one), make_device=make
        )
        return found, face.exchanges

    return run(work())


def _all() -> Sequence[Profile]:
    return profiles()


def _said(one: Sighting) -> Mapping[str, str]:
    told = decode_exchange(one.protocol, None, one.frame).quantities
    return {quantity.quantity: str(quantity.value) for quantity in told if quantity.value is not None}


@pytest.mark.parametrize(
    ("station", "protocol", "profile"),
    [
        (electricity("000014359743"), "dlt645-2007", "generic/dlt645-2007-three-phase"),
        (
            dlt645.Dlt645Meter("000014359743", dlt645.single_phase("x"), settings=even(2400)),
            "dlt645-2007",
            "generic/dlt645-2007-single-phase",
        ),
        (
            dlt645.Dlt645Meter("000014359743", dlt645.old("x"), later=False, settings=even(1200)),
            "dlt645-1997",
            "generic/dlt645-1997",
        ),
        (water("00001234567890"), "cjt188", "generic/cjt188-water"),
        (heat("00001234567890"), "cjt188", "generic/cjt188-heat"),
        (wired(5, "12345678"), "mbus", "generic/mbus-heat"),
        (head(), "iec62056-21", "generic/iec62056-readout"),
    ],
)
def test_the_profile_that_explains_most_of_a_meter_comes_first(station: Station, protocol: str, profile: str) -> None:
    found, exchanges = proposed(station, protocol)
    assert found[0].profile == profile
    assert found[0].certainty is Certainty.LIKELY
    assert found[0].shown
    assert exchanges <= 24  # what two profiles read alike is read once


def test_a_meter_that_says_who_made_it_is_recognised() -> None:
    meter = mbus.MbusMeter(5, mbus.identity("12345678", "SLB", 2, 4), mbus.heat("x"), settings=even(2400))
    found, _ = proposed(meter, "mbus")
    assert found[0].profile == "allmess/cf-50"
    assert found[0].fingerprint
    assert found[0].certainty is Certainty.RECOGNISED
