"""A waste water station for the tests of the HJ 212 output: three points, a clock that may run fast, readings."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path

from agent.config import SiteDevice
from agent.outputs.hj212_settings import BureauSettings, FactorRule, Hj212Output
from drivers.batch import Batch
from drivers.profile import Label, Limits, LineSettings, ModbusLocation, Point, Profile, Table
from drivers.quality import Quality

MN = "010000A8900016F000169DC0"
BASE_NS = 1_767_225_600_000_000_000
"""2026-01-01 08:00:00 in Shanghai."""


def point(name: str, unit: str, exponent: int, address: int) -> Point:
    place = ModbusLocation(table=Table.HOLDING_REGISTER, address=address)
    return Point(
        name=name, label=Label(en=name, zh=name), place=place, unit=unit, scale=Decimal(1), exponent=exponent
    )


PROFILE = Profile(
    id="test/station",
    vendor="test",
    model="station",
    label=Label(en="station", zh="站"),
    protocol="modbus",
    digest=bytes(16),
    source="made for tests",
    proof="nothing",
    line=LineSettings(),
    unit=1,
    limits=Limits(),
    points=(point("flow", "m3/h", -2, 0), point("cod", "mg/L", -1, 1), point("ph", "[pH]", -2, 2)),
    examples=(),
)
STATION = SiteDevice(name="station", bus="a", unit=1, profile=PROFILE)
RULES = (
    FactorRule(code="w00000", device="station", point="flow", unit="L/s", decimals=2, total=True),
    FactorRule(code="w01018", device="station", point="cod", unit="mg/L", decimals=1, total=True),
    FactorRule(code="w01001", device="station", point="ph", unit="[pH]", decimals=2),
)


@dataclass(slots=True)
class FastClock:
    """Real time from ``BASE_NS`` on, ``speed`` times as fast; ``ahead_s`` may be moved."""

    speed: float = 1.0
    ahead_s: float = 0.0
    began_ns: int = field(default_factory=time.monotonic_ns)

    def mono_ns(self) -> int:
        return time.monotonic_ns()

    def utc_ns(self) -> int:
        return BASE_NS + round((time.monotonic_ns() - self.began_ns) * self.speed + self.ahead_s * 1e9)


def site(folder: Path, port: int, **changes: object) -> Hj212Output:
    """Give an output toward ``port`` with short time-outs; the password lies in ``folder``."""
    secret = folder / "bureau.pw"
    secret.write_text("123456\n")
    secret.chmod(0o600)
    words: dict[str, object] = {
        "name": "bureau",
        "host": "127.0.0.1",
        "port": port,
        "mn": MN,
        "password_file": secret,
        "system": "32",
        "factors": RULES,
        "usual": BureauSettings(overtime_s=0.2, recount=2, realtime_s=0.5, minute_s=1),
    }
    return Hj212Output(**{**words, **changes})  # type: ignore[arg-type]


def readings(flow: int | None, cod: int | None, ph: int | None = 712, *, device: int = 0) -> Batch:
    """Give one exchange; None is a point that could not be read."""
    values = (flow, cod, ph)
    statuses = tuple(int(Quality.BAD_TIMEOUT) if value is None else 0 for value in values)
    return Batch(device=device, mono_ns=0, points=(0, 1, 2), values=values, statuses=statuses)
