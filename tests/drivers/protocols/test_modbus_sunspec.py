"""SunSpec: discovery, the models that a device shows, values with their scale factors, and a foreign judge."""

from __future__ import annotations

import asyncio
import json
import random
import struct
from collections.abc import Sequence
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import pytest
from sunspec2 import device as foreign

from drivers.batch import Value
from drivers.decode import decode_exchange
from drivers.errors import FrameError, ProfileError, RefusedError
from drivers.link import Link
from drivers.link_rtu import RtuLink
from drivers.profile import Profile
from drivers.profile_check import check_profile
from drivers.profile_load import builtin_roots, find_profile, load_profile
from drivers.protocols import modbus_sunspec_place
from drivers.protocols.modbus_sunspec import SunspecDevice
from drivers.protocols.modbus_sunspec_decode import values_of
from drivers.protocols.modbus_sunspec_models import model_of
from drivers.protocols.modbus_sunspec_walk import ModelAt, find_models
from drivers.quality import Quality
from drivers.registry import build_device
from hil.memory import LineStream
from hil.sim.modbus import RtuDevice, frame
from hil.sim.registers import Image
from hil.sim.sunspec import common, inputs, inverter, text, three_phase
from hil.sim.words import words_image
from hil.virtualtime import VirtualClock, VirtualPause, virtual
from hil.wire import Line

_VECTORS = json.loads((Path(__file__).parents[2] / "vectors/sunspec/exchanges.json").read_text(encoding="utf-8"))
_MODELS = (1, *range(101, 104), *range(111, 114), 160, *range(201, 205), *range(211, 215), 701)
_GOOD = {"power": 5432, "power_scale": 0, "energy": 123_456_789}


def _profile() -> Profile:
    return load_profile(find_profile("sunspec/inverter", builtin_roots()))


class Bench:
    """A simulated inverter on a line in memory, and the device that reads it."""

    def __init__(self, image: Image, profile: Profile | None = None) -> None:
        self.profile = profile or _profile()
        clock = VirtualClock(asyncio.get_running_loop())  # type: ignore[arg-type]  # the loop that @virtual makes
        self.line = Line([RtuDevice(1, image)])
        link = Link(
            LineStream(self.line),
            name="memory",
            clock=clock,
            pause=VirtualPause(clock),
            line=replace(self.profile.line),
        )
        made = build_device("sunspec", index=3, unit=1, profile=self.profile, link=RtuLink(link), clock=clock)
        assert isinstance(made, SunspecDevice)
        self.device = made

    async def read_all(self) -> dict[str, tuple[Value, int]]:
        found: dict[str, tuple[Value, int]] = {}
        for read in tuple(self.device.reads):
            batch = await self.device.read(read)
            for index, value, status in zip(batch.points, batch.values, batch.statuses, strict=True):
                found[self.profile.points[index].name] = (value, status)
        return found

    async def discover(self) -> None:
        with pytest.raises(RefusedError) as caught:
            await self.device.read(self.device.reads[0])
        assert caught.value.replanned


@pytest.mark.parametrize("base", [40000, 50000, 0])
@virtual
async def test_an_inverter_is_found_wherever_it_puts_its_marker_and_read(base: int) -> None:
    bench = Bench(inverter(base, **_GOOD))
    await bench.discover()
    chain = bench.device.chain
    assert chain is not None
    assert chain.base == base
    assert [(m.number, m.address - base, m.length) for m in chain.models] == [
        (1, 2, 66),
        (103, 70, 50),
        (160, 122, 48),
    ]
    values = await bench.read_all()
    absent = (None, int(Quality.BAD_NO_DATA))
    assert values == {
        "manufacturer": ("Tide", 0),
        "model": ("TG-10K", 0),
        "serial_number": ("SN0042", 0),
        "current": (2531, 0),
        "voltage.l1": (2301, 0),
        "power.active": (5432, 0),
        "power.apparent": absent,
        "power.reactive": absent,
        "frequency": (5002, 0),
        "energy.active.export": (123_456_789, 0),
        "dc.power": (5601, 0),
        "temperature.cabinet": (412, 0),
        "state": (4, 0),
        "dc.power.string1": (2800, 0),
        "dc.power.string2": (2801, 0),
    }


@pytest.mark.parametrize(("raw", "scale", "watts"), [(5432, 1, 54320), (5435, -1, 544), (5445, -1, 544), (9, -10, 0)])
@virtual
async def test_the_sealed_exponent_stays_while_the_device_changes_its_scale(raw: int, scale: int, watts: int) -> None:
    bench = Bench(inverter(power=raw, power_scale=scale, energy=1))
    await bench.discover()
    assert (await bench.read_all())["power.active"] == (watts, 0)


@virtual
async def test_a_model_or_point_that_is_not_there_is_said_to_be_not_supported_without_asking() -> None:
    words = [*text("SunS", 2), *common("T", "X", "1", 65), *three_phase(**_GOOD)[:1], 30, *three_phase(**_GOOD)[2:32]]
    bench = Bench(words_image("short", [(40000, [*words, 0xFFFF, 0])], "model 103 cut to 30 registers"))
    await bench.discover()
    exchanges = bench.line.counters.requests
    values = await bench.read_all()
    missing = (None, int(Quality.BAD_NOT_SUPPORTED))
    for name in ("dc.power", "dc.power.string1", "state", "temperature.cabinet"):
        assert values[name] == (missing if name != "dc.power" else values[name])
    assert values["power.active"] == (5432, 0)
    assert bench.line.counters.requests - exchanges == len(bench.device.reads) - 1


@virtual
async def test_a_device_that_is_another_one_after_a_reconnection_is_planned_anew() -> None:
    bench = Bench(inverter(**_GOOD))
    await bench.discover()
    before = await bench.read_all()
    bench.device.use(bench.device._line)
    assert await bench.read_all() == before  # looked again, nothing changed
    bench.line.stations = [RtuDevice(1, inverter(50000, **_GOOD))]
    bench.device.use(bench.device._line)
    with pytest.raises(RefusedError) as caught:
        await bench.device.read(bench.device.reads[0])
    assert caught.value.replanned
    assert await bench.read_all() == before


@virtual
async def test_a_device_without_a_marker_is_refused_and_lives() -> None:
    bench = Bench(words_image("none", [(0, [1, 2, 3])], "no SunSpec device"))
    with pytest.raises(RefusedError, match="no SunSpec marker") as caught:
        await bench.device.read(bench.device.reads[0])
    assert not caught.value.replanned
    await bench.device.probe()


async def _chain_of(words: Sequence[int], last: int = 0xFFFF) -> tuple[ModelAt, ...]:
    async def read(address: int, count: int) -> bytes:
        if not 40000 <= address <= last + 1 - count:
            raise RefusedError("no such register", 2)
        at = address - 40000
        return struct.pack(f">{count}H", *[*words, *[7] * 0x10000][at : at + count])

    return (await find_models(read)).models


async def test_a_chain_without_an_end_is_no_chain() -> None:
    with pytest.raises(FrameError, match="no end"):
        await _chain_of([*text("SunS", 2)] + [5, 0] * 300)
    with pytest.raises(FrameError, match="no end"):
        await _chain_of([*text("SunS", 2), 1, 0xFFF0])


async def test_a_chain_may_end_where_the_registers_do() -> None:
    words = [*text("SunS", 2), *common("T", "X", "1")]
    assert [m.number for m in await _chain_of(words, 40000 + len(words) - 1)] == [1]
    assert await _chain_of([*text("SunS", 2), 0xFFFF, 0]) == ()


def test_shipped_profiles_name_points_that_the_definitions_know() -> None:
    for name in ("sunspec/inverter", "sunspec/meter"):
        path = find_profile(name, builtin_roots())
        assert [f for f in check_profile(path) if not f.warning] == []


@pytest.mark.parametrize(
    ("at", "what"),
    [
        ("model = 103, point = 'WW'", "no point 'WW'"),
        ("model = 999, point = 'W'", "no SunSpec model 999"),
        ("model = 'x', point = 'W'", "number of a model"),
        ("model = 103, point = 'A_SF', phase = 1", "unknown key"),
        ("model = 160, point = 'DCW'", "no point 'DCW'"),
        ("model = 103, point = 'St'", "a state, not an amount"),
        ("model = 103, point = 'A'", "is in A, which is no W"),
    ],
)
def test_a_wrong_place_is_told(tmp_path: Path, at: str, what: str) -> None:
    path = tmp_path / "x" / "y.toml"
    path.parent.mkdir()
    path.write_text(
        'schema = 1\nvendor = "x"\nmodel = "y"\nname = { en = "x", zh = "x" }\nprotocol = "sunspec"\nsource = "x"\n'
        '[[point]]\nname = "p"\nlabel = { en = "x", zh = "x" }\nunit = "W"\ndecimals = 0\n'
        f"at = {{ {at} }}\n",
        encoding="utf-8",
    )
    with pytest.raises(ProfileError, match=what):
        modbus_sunspec_place.check(load_profile(path))


def test_without_definitions_it_says_what_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(modbus_sunspec_place, "folder", lambda: None)
    with pytest.raises(ProfileError, match="pysunspec2"):
        modbus_sunspec_place.check(_profile())


def _exchange(words: Sequence[int], first: int = 40070) -> tuple[bytes, bytes]:
    data = struct.pack(f">{len(words)}H", *words)
    request = struct.pack(">BHH", 3, first, len(words))
    return frame(1, request), frame(1, bytes((3, len(data))) + data)


def _said(words: Sequence[int]) -> dict[str, object]:
    return {q.quantity: q.json_value() for q in decode_exchange("sunspec", *_exchange(words)).quantities}


@pytest.mark.parametrize("vector", _VECTORS, ids=[v["id"] for v in _VECTORS])
def test_published_exchanges(vector: dict) -> None:  # type: ignore[type-arg]  # as JSON has it
    """The bytes of the second name no quantity; where its value and its scale stand has to be said."""
    context = (
        {} if vector["request"] else {"points": [{"quantity": "voltage", "register_offset": 0, "scale_from": 1}]}
    )
    request = bytes.fromhex(vector["request"]) if vector["request"] else None
    decoded = decode_exchange("sunspec", request, bytes.fromhex(vector["response"]), context)
    assert [(q.quantity, q.json_value(), q.unit) for q in decoded.quantities] == [
        (e["quantity"], e["value"], e["unit"]) for e in vector["expect"]
    ]


def test_captured_registers_say_what_they_are() -> None:
    said = _said([*text("SunS", 2), *common("Tide", "TG", "7"), *three_phase(**_GOOD)])
    assert (said["marker"], said["1.Mn"], said["1.SN"]) == ("SunS", "Tide", "7")
    assert (said["103.A"], said["103.W"], said["103.VA"], said["103.TmpCab"]) == (25.31, 5432, None, 41.2)
    assert _said(inputs([5, 6]))["160.2.DCW"] == 6
    assert _said([12345, 1]) == {"reg_40070": 12345, "reg_40071": 1}


def _random_words(number: int, chance: random.Random) -> list[int]:
    model = model_of(number)
    assert model is not None
    size = model.registers + 2 * model.group_registers
    words = [chance.choice([chance.randrange(0x10000), 0xFFFF, 0x8000, 0]) for _ in range(size)]
    words[:2] = [number, size - 2]
    for point in model.points.values():
        if point.type == "sunssf":
            words[point.offset] = chance.randrange(-3, 4) & 0xFFFF
    return words


def _their_words(number: int, words: Sequence[int]) -> dict[str, object]:
    """What the code of the people who wrote the definitions makes of the same registers."""
    theirs = foreign.Model(number, data=struct.pack(f">{len(words)}H", *words))
    return {name: point.cvalue for name, point in theirs.points.items()}


_TAKEN_FOR_NONE = Decimal("2.1432893E+9")
"""7FC00000 as a number: pysunspec2 1.3 holds the value, not its bits, against the bits of a float that is none."""


@pytest.mark.peers
@pytest.mark.parametrize("number", _MODELS)
def test_pysunspec2_reads_the_same(number: int, seed: int) -> None:
    chance = random.Random(seed)
    model = model_of(number)
    assert model is not None
    compared = 0
    for _ in range(10):
        words = _random_words(number, chance)
        theirs = _their_words(number, words)
        ours = {q.quantity: q.value for q in values_of(model, struct.pack(f">{len(words)}H", *words), len(words) - 2)}
        for name, point in model.points.items():
            mine = ours.get(f"{number}.{name}")
            if f"{number}.{name}" not in ours or isinstance(mine, str) or point.type == "string":
                continue
            value = theirs[name]
            if value is None and point.type == "float32" and mine == _TAKEN_FOR_NONE:
                continue
            assert (value is None) == (mine is None), (name, value, mine)
            if isinstance(value, int | float) and mine is not None:
                assert float(mine) == pytest.approx(value, rel=1e-6), name
                compared += 1
    assert compared > 20 or number in (1, 160)
