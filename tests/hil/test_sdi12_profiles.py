"""Shipped profiles of SDI-12 sensors: each value means what its maker's manual says."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

import pytest

from drivers.profile_load import builtin_roots, find_profile, list_profiles, load_profile
from hil.sim.sdi12 import Cell, Sdi12Sensor
from hil.virtualtime import virtual
from tests.hil.sdi12_bench import Bench

pytestmark = pytest.mark.bus

MAPS: dict[str, tuple[str, str, dict[str, tuple[str, str]]]] = {
    "campbell/cs650": (  # table 8-3 of its manual, M3
        "3",
        "13CampbellCS65X 000Std.00.35=2196405",
        {
            "soil.moisture": ("+0.275", "27.5"),
            "soil.conductivity": ("+0.412", "0.412"),
            "soil.temperature": ("-1.25", "-1.25"),
            "soil.permittivity": ("+15.31", "15.31"),
            "signal.period": ("+2.417", "2.417"),
            "signal.voltage_ratio": ("+1.083", "1.083"),
        },
    ),
    "campbell/cs451": (  # table 8-3 of its manual, M3
        "3",
        "13CampbellCS451 001",
        {"pressure": ("+17.4213", "17.421"), "water.temperature": ("+11.38", "11.38")},
    ),
    "campbell/cs475": (  # table 7-1 of its manual
        "",
        "13VEGA    PS61  100",
        {"level": ("+100.050", "100.050"), "distance": ("+25.000", "25"), "error": ("+0", "0")},
    ),
    "decagon/gs3": (  # data command of its integrator guide
        "",
        "13DECAGON GS3   402",
        {
            "soil.permittivity": ("+22.0", "22.0"),
            "soil.temperature": ("+21.8", "21.8"),
            "soil.conductivity": ("+1302", "1302"),
        },
    ),
    "generic/sdi12": (  # 4.4.8.4, example c
        "",
        "14TIDEGATESIM12 100",
        {f"value{n}": (f"+{n}.{n}{n}", f"{n}.{n}{n}") for n in range(1, 10)},
    ),
}
"""Model -> measurement, identification, and by the name of the point what is sent and what it means."""


@dataclass(frozen=True)
class Said(Cell):
    """A value that is always sent in the same way."""

    text: str = ""

    def shown(self, t: float) -> str:  # noqa: ARG002 - it stands still
        return self.text


@pytest.mark.parametrize("model", MAPS)
@virtual
async def test_a_shipped_profile_means_what_the_maker_says(model: str) -> None:
    group, identity, values = MAPS[model]
    profile = load_profile(find_profile(model, builtin_roots()))
    assert {point.name for point in profile.points} == set(values)
    cells = tuple(Said(name=name, decimals=0, value=float, text=text) for name, (text, _) in values.items())
    one = Bench([Sdi12Sensor("0", {group: cells}, identity=identity)], profile)
    (read,) = one.device.reads
    batch = await one.device.read(read)
    assert not any(batch.statuses)
    for index, value in zip(batch.points, batch.values, strict=True):
        point = profile.points[index]
        assert isinstance(value, int)
        assert Decimal(value).scaleb(point.exponent) == Decimal(values[point.name][1])


def test_every_shipped_profile_of_a_sensor_is_read_here() -> None:
    profiles = (load_profile(find_profile(one, builtin_roots())) for one in list_profiles(builtin_roots()))
    assert {profile.id for profile in profiles if profile.protocol == "sdi12"} == set(MAPS)
