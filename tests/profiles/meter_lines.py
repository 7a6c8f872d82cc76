"""Every shipped profile of a meter on virtual lines: who stands where, and what it means by what it sends.

Meters of a make send what real ones sent (``hil.sim.readouts``); the generic ones are simulated from the standards
and stand still. What they mean comes from there, never from a profile.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from drivers.profile import Profile
from drivers.profile_load import list_profiles
from hil.characters import Characters
from hil.ptys import PtyLine, now_ns
from hil.sim import dlt645, sunspec
from hil.sim.meters import METERS, Plate
from hil.sim.modbus import RtuDevice
from hil.sim.readouts import Meant, Readout, mbus_readouts, other_readouts
from hil.sim.recorded import RecordedCjt188, RecordedIec, RecordedMbus, RecordedPush
from hil.site_file import BusEntry, DeviceEntry, Sealing, SiteFile
from hil.wire import Line, Speaker, Station
from tests.profiles.virtual_lines import ROOT, load

PROTOCOLS = ("sunspec", "dlt645-2007", "dlt645-1997", "cjt188", "mbus", "iec62056-21", "iec62056-21-push")
IDS = tuple(one for one in list_profiles((ROOT,)) if load(one).protocol in PROTOCOLS)
"""Profiles of meters that are read here."""
MOST_ON_A_LINE = 6
_NEVER_NS = 1 << 62
"""A meter whose own time begins then stands still at 0."""
_ADDRESSES = {
    "dlt645-2007": "00002310006{}",
    "dlt645-1997": "00001435974{}",
    "cjt188": "7833150510414{}",
    "mbus": "{}",
}
_UNITS = {"kWh": "kW.h"}
_HEAD = Characters(baud=300, parity="E", data_bits=7)


@dataclass(frozen=True, slots=True, kw_only=True)
class PlacedMeter:
    """One meter.

    Attributes:
        address: as the site file names it; empty where ``unit`` does.
        meant: quantity -> what it sends; a unit of None is that of the profile, where the source gives none.
        whole: whether the source says something about every point.
    """

    profile: Profile
    address: str
    station: Station
    meant: Mapping[str, tuple[str, str | None]]
    whole: bool
    unit: int = 0

    @property
    def name(self) -> str:
        """What the site file calls it."""
        return self.profile.id.replace("/", "-")


@dataclass(frozen=True, slots=True, kw_only=True)
class MeterLine:
    """One line with its meters; ``speaks`` if the only one sends by itself."""

    settings: Characters
    meters: Sequence[PlacedMeter] = field(default_factory=list)
    speaks: bool = False


def _characters(profile: Profile) -> Characters:
    line = profile.line
    return Characters(baud=line.baud, parity=line.parity.value, stop_bits=line.stop_bits, data_bits=line.data_bits)


def _said(meant: Mapping[str, Meant]) -> dict[str, tuple[str, str | None]]:
    return {name: (one.value, one.unit) for name, one in meant.items()}


def _generic(profile: Profile, number: int) -> PlacedMeter:
    """Simulate a meter of no make, standing still."""
    address = _ADDRESSES.get(profile.protocol, "12345678").format(number)
    plate = Plate(
        address=address, seed="profiles", began_ns=_NEVER_NS, turnaround_ns=40_000_000,
        settings=_characters(profile), rates={}, number=number,
    )  # fmt: skip
    if profile.id == "generic/dlt645-1997-water":  # digits of litres under the identifier of an energy
        cell = dlt645.Cell(name="volume", size=4, decimals=2, value=lambda _t: 88.12)
        station: Station = dlt645.Dlt645Meter(address, {"9010": (cell,)}, later=False, settings=plate.settings)
        return PlacedMeter(
            profile=profile, address=address, station=station, meant={"volume": ("88.12", "m3")}, whole=True
        )
    meter = METERS[profile.id](plate)
    shown = {cell.name: (cell.shown(0), getattr(cell, "unit", None)) for cell in meter.cells}
    meant = {
        name: (value, _UNITS.get(unit or "", unit)) for name, (value, unit) in shown.items() if value is not None
    }
    return PlacedMeter(profile=profile, address=address, station=meter.station, meant=meant, whole=False)


def _recorded(readout: Readout) -> PlacedMeter:
    """Put up a meter that sends what a real one sent."""
    make: Mapping[str, Callable[[], Station]] = {
        "iec62056-21": partial(RecordedIec, readout.identification, readout.data),
        "iec62056-21-push": partial(
            RecordedPush, readout.data, _characters(load(readout.model)), began_ns=now_ns() + 1_000_000_000
        ),
        "cjt188": partial(RecordedCjt188, readout.data),
    }
    return PlacedMeter(
        profile=load(readout.model), address=readout.address, station=make[readout.protocol](),
        meant=_said(readout.meant), whole=True,
    )  # fmt: skip


def _push() -> PlacedMeter:
    """Let the generic meter of mode D send what one of the makes sent."""
    readout = next(one for one in other_readouts() if one.model == "logarex/lk13be")
    profile = load("generic/iec62056-push")
    station = RecordedPush(readout.data, _characters(profile), began_ns=now_ns() + 1_000_000_000)
    names = {"energy.import": "energy.active.import", "power": "power.active", "voltage.l3": "voltage.l3"}
    meant = _said({name: readout.meant[theirs] for name, theirs in names.items()})
    return PlacedMeter(profile=profile, address="any", station=station, meant=meant, whole=False)


def _sunspec() -> list[PlacedMeter]:
    """Give the inverter and the meter that tell their own map; what they mean is reckoned from the tables."""
    settings = Characters()
    inverter = sunspec.inverter(power=5234, power_scale=0, energy=12_345_678)
    meter = sunspec.meter(power=-512, imported=70_000, exported=123_456)
    held: Mapping[str, tuple[str, str | None]] = {
        "manufacturer": ("Tide", ""), "model": ("TG-10K", ""), "serial_number": ("SN0042", ""),
        "current": ("25.31", "A"), "voltage.l1": ("230.1", "V"), "power.active": ("5234", "W"),
        "frequency": ("50.02", "Hz"), "energy.active.export": ("12345678", "W.h"), "dc.power": ("5601", "W"),
        "temperature.cabinet": ("41.2", "Cel"), "state": ("4", ""), "dc.power.string1": ("2800", "W"),
        "dc.power.string2": ("2801", "W"),
    }  # fmt: skip
    metered: Mapping[str, tuple[str, str | None]] = {
        "current": ("12.34", "A"), "voltage.l1": ("230.4", "V"), "frequency": ("49.98", "Hz"),
        "power.active": ("-5120", "W"), "power.active.l1": ("-2560", "W"), "power.reactive": ("-321", "var"),
        "energy.active.import": ("7000000", "W.h"), "energy.active.export": ("12345600", "W.h"),
    }  # fmt: skip
    images = (("sunspec/inverter", inverter, held), ("sunspec/meter", meter, metered))
    return [
        PlacedMeter(
            profile=load(one), address="", unit=unit, meant=meant, whole=one == "sunspec/meter",
            station=RtuDevice(unit, image, settings=settings, turnaround_ns=3_000_000),
        )
        for unit, (one, image, meant) in enumerate(images, 1)
    ]  # fmt: skip


def place_meters() -> list[MeterLine]:
    """Put every meter on a line: M-Bus a few together, the others by their speed, a head and an eye for each."""
    mbus = [
        PlacedMeter(
            profile=load(one.model), address=(meter := RecordedMbus(one.telegram)).secondary, station=meter,
            meant=_said(one.meant), whole=True,
        )
        for one in mbus_readouts()
    ]  # fmt: skip
    generic = [_generic(load(one), number % 10) for number, one in enumerate(sorted(GENERIC), 1)]
    everyone = [*mbus, *generic, *map(_recorded, other_readouts()), _push(), *_sunspec()]
    lines: list[MeterLine] = []
    together: dict[Characters, list[PlacedMeter]] = {}
    for one in everyone:
        if one.profile.protocol.startswith("iec62056"):
            speaks = one.profile.protocol.endswith("push")
            lines.append(
                MeterLine(settings=_characters(one.profile) if speaks else _HEAD, meters=[one], speaks=speaks)
            )
        else:
            together.setdefault(_characters(one.profile), []).append(one)
    for settings, meters in together.items():
        by_bus = sorted(meters, key=lambda one: one.profile.protocol != "mbus")
        chunks = [by_bus[at : at + MOST_ON_A_LINE] for at in range(0, len(by_bus), MOST_ON_A_LINE)]
        lines += [MeterLine(settings=settings, meters=chunk) for chunk in chunks]
    return lines


GENERIC = frozenset(METERS) | {"generic/dlt645-1997-water"}


def plug_in(lines: Sequence[MeterLine], folder: Path, stack: ExitStack) -> SiteFile:
    """Start the lines on pseudo-terminals; gives the site file that reads them."""
    buses: list[BusEntry] = []
    devices: list[DeviceEntry] = []
    for number, one in enumerate(lines, 1):
        name = f"meters-{number}"
        stations = [meter.station for meter in one.meters]
        speakers: list[Speaker] = [one for one in stations if isinstance(one, RecordedPush)]
        wires = Line([] if speakers else stations, settings=one.settings, step=16, speakers=speakers)
        stack.enter_context(PtyLine(wires, folder / name))
        buses.append(BusEntry(name=name, port=str(folder / name), settings=one.settings))
        devices += [
            DeviceEntry(name=meter.name, bus=name, profile=meter.profile.id, address=meter.address, unit=meter.unit)
            for meter in one.meters
        ]
    return SiteFile(name="meters", buses=buses, devices=devices, sealing=Sealing(max_age="1 s"))
