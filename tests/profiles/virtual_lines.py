"""Every shipped profile on virtual lines: who stands where, what it holds, and the site file that says so."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from decimal import Decimal
from itertools import groupby
from pathlib import Path

from drivers.profile import LineSettings, Profile
from drivers.profile_load import builtin_roots, find_profile, list_profiles, load_profile
from hil.characters import Characters
from hil.ptys import PtyLine
from hil.sim.images import image_of
from hil.sim.modbus import RtuDevice
from hil.sim.motion import still
from hil.sim.registers import Image
from hil.wire import Line

ROOT = builtin_roots()[-1]
IDS = tuple(one for one in list_profiles((ROOT,)) if load_profile(ROOT / f"{one}.toml").protocol == "modbus")
"""Modbus profiles; those of other protocols are run on lines of their own."""
MOST_ON_A_LINE = 8
STEP = 16
ANSWERS = {"ct": Decimal(40), "pt": Decimal("1.5")}
"""What the site answers for its transformers; nothing is left unasked."""
FACTORS = {
    "acrel/adl400": {"voltage": "1.5", "current": "40", "power": "60", "energy": "60"},
    "chint/dtsu666": {"voltage": "1.5", "current": "40", "power": "60"},
}
"""By the first word of a quantity, as the manuals say it: E = data x PT x CT. Written apart from the profiles."""


def load(profile_id: str) -> Profile:
    """Read a shipped profile."""
    return load_profile(find_profile(profile_id, (ROOT,)))


def factor(profile_id: str, quantity: str) -> Decimal:
    """Give what the transformers of the site make of a quantity."""
    factors = FACTORS.get(profile_id, {})
    return (
        Decimal(1) if quantity.startswith("power.factor") else Decimal(factors.get(quantity.partition(".")[0], "1"))
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Placed:
    """One device: a profile, where it stands, and what its registers hold; they stand still."""

    name: str
    bus: str
    unit: int
    profile: Profile
    image: Image

    def meant(self) -> dict[str, Decimal]:
        """Give what its registers mean, behind the transformers of the site."""
        return {held.name: held.value(0) * factor(self.profile.id, held.name) for held in self.image.held}


def place_all(seed: int) -> list[Placed]:
    """Put one device of every profile on lines of its factory speed and parity, few enough to be read quickly."""
    placed: list[Placed] = []
    profiles = sorted(map(load, IDS), key=lambda one: (_key(one.line), one.id))
    for _, group in groupby(profiles, key=lambda one: _key(one.line)):
        for index, profile in enumerate(group):
            unit = index % MOST_ON_A_LINE + 1
            bus = placed[-1].bus if unit > 1 else f"line-{len({one.bus for one in placed}) + 1}"
            image = _standing(image_of(profile.id, f"{seed}:{profile.id}"), at_s=seed % 5000)
            name = profile.id.replace("/", "-")
            placed.append(Placed(name=name, bus=bus, unit=unit, profile=profile, image=image))
    return placed


def impostor(beside: Placed, seed: int) -> Placed:
    """Put a probe that swaps temperature and moisture under the profile of its twin: plausible numbers, all wrong."""
    image = _standing(image_of("generic/soil-7in1-temperature-first", f"{seed}:impostor"), at_s=seed % 5000)
    return Placed(
        name="impostor", bus=beside.bus, unit=MOST_ON_A_LINE + 1, profile=load("generic/soil-7in1"), image=image
    )


def _key(line: LineSettings) -> tuple[int, str, int]:
    return line.baud, line.parity.value, line.stop_bits


def _standing(image: Image, at_s: float) -> Image:
    held = tuple(replace(one, motion=still(one.motion(at_s))) for one in image.held)
    return replace(image, held=held, written={})


def plug_in(placed: Sequence[Placed], folder: Path, stack: ExitStack) -> dict[str, Path]:
    """Start the lines on pseudo-terminals; gives the port of each bus."""
    ports: dict[str, Path] = {}
    for bus, group in groupby(placed, key=lambda one: one.bus):
        devices = list(group)
        baud, parity, stop_bits = _key(devices[0].profile.line)
        settings = Characters(baud=baud, parity=parity, stop_bits=stop_bits)
        stations = [RtuDevice(one.unit, one.image, settings=settings, turnaround_ns=3_000_000) for one in devices]
        ports[bus] = folder / bus
        stack.enter_context(PtyLine(Line(stations, settings=settings, step=STEP), ports[bus]))
    return ports


def site_text(placed: Sequence[Placed], ports: dict[str, Path], folder: Path) -> str:
    """Write the site file as a technician would."""
    lines = ["schema = 1", "[site]", 'name = "profiles"', "[block]", 'max_age = "1 s"', "[state]"]
    lines += [f'dir = "{folder / "state"}"', f'run_dir = "{folder / "run"}"']
    for bus, port in ports.items():
        line = next(one.profile.line for one in placed if one.bus == bus)
        lines += ["[[bus]]", f'name = "{bus}"', f'port = "{port}"', f"baud = {line.baud}"]
        lines += [f'parity = "{line.parity.name.lower()}"', f"stop_bits = {line.stop_bits}", "retry = 1"]
    for one in placed:
        lines += ["[[device]]", f'name = "{one.name}"', f'bus = "{one.bus}"', f"unit = {one.unit}"]
        lines += [f'profile = "{one.profile.id}"']
        if one.profile.ratios:
            lines.append(
                "ratios = { " + ", ".join(f"{r.name} = {ANSWERS[r.name]}" for r in one.profile.ratios) + " }"
            )
    return "\n".join(lines) + "\n"
