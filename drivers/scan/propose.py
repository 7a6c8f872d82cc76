"""Which model may this be? Profiles are tried on a device and ranked by what speaks for them, which is told."""

from __future__ import annotations

import math
from collections.abc import Callable, MutableMapping, Sequence
from dataclasses import dataclass, replace
from enum import Enum
from typing import Any, Final

from drivers.batch import Batch, Value
from drivers.codec.modbus_pdu import EXCEPTION_FLAG, read_request
from drivers.errors import FrameError, NoReplyError, RefusedError
from drivers.profile import LineSettings, Point, Profile
from drivers.quality import is_good
from drivers.reading import exact
from drivers.sources import Device, Line

_TEST_POINTS: Final = 3
MOST_TURNS: Final = 6
_ENOUGH_WEIGHT: Final = 4.0
_MARGIN: Final = 2.0  # a hundred times less to be expected of any other model; ranges a little narrower tell nothing
_FLOAT_CHANCE: Final = 0.02  # that 32 random bits are a float inside a plausible range and not about 0
RECOGNISED: Final = 10.0
"""Weight of a mark that tells models apart."""
_OWN_UNIT: Final = 3.0  # a register that holds the address: many makes have one, not at the same place
_WORTH_NAMING: Final = 0.25  # of the best one's weight
_FACTORY: Final = 1.0
MakeDevice = Callable[[Profile], Device]


class Certainty(Enum):
    """How sure a proposal is."""

    RECOGNISED = "recognised"  # the register that tells models apart holds what this model holds
    LIKELY = "likely"  # values that other models would hardly give
    POSSIBLE = "possible"  # it can be read so; so can much else


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """A value that the profile makes of the device, as evidence.

    Attributes:
        value: exact decimal or text, None where the device gave none or an implausible one.
    """

    point: str
    value: str | None
    unit: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Proposal:
    """A profile that fits.

    Attributes:
        fingerprint: the register that tells models apart was read and fits.
        factory: speed, parity and address are the model's factory settings.
        plausible: test points with a plausible value; tested: how many were read.
        weight: sum of what the evidence is worth; only for the order.
    """

    profile: str
    certainty: Certainty
    fingerprint: bool
    factory: bool
    plausible: int
    tested: int
    shown: tuple[Shown, ...]
    weight: float


async def propose(
    profiles: Sequence[Profile],
    *,
    unit: int,
    settings: LineSettings,
    line: Line,
    make_device: MakeDevice,
    most: int = 3,
) -> tuple[Proposal, ...]:
    """Try ``profiles`` on the device and give the best ones, best first; none if none fits.

    Args:
        profiles: what may be recognised.
        unit: its address.
        settings: speed and parity at which it answers.
        line: how it is asked; a memory in it makes the search short.
        make_device: makes the polled device of a profile, on ``line`` and at ``unit``.
        most: proposals given at most.

    Raises:
        LinkDownError: the port is gone.
    """
    found: list[Proposal] = []
    ordered = sorted(
        (p for p in profiles if p.protocol == "modbus"), key=lambda p: (p.unit != unit, p.line != settings, p.id)
    )
    for profile in ordered:
        proposal = await _try(profile, unit, settings, line, make_device)
        if proposal is not None:
            found.append(proposal)
    found.sort(key=lambda one: (-one.weight, one.profile))
    found = [one for one in found if one.weight >= found[0].weight * _WORTH_NAMING or one.fingerprint]
    return tuple(_with_certainty(found)[:most])


async def _try(
    profile: Profile, unit: int, settings: LineSettings, line: Line, make_device: MakeDevice
) -> Proposal | None:
    mark = await fingerprint(profile, unit, line)
    if mark is False and profile.fingerprint is not None and not profile.fingerprint.own_unit:
        return None  # a register that holds the address may be read-only or elsewhere in another firmware
    points = tested_points(profile)
    device = make_device(replace(profile, points=points))
    values: dict[int, tuple[Value, int]] = {}
    for _ in range(MOST_TURNS):
        read = next((one for one in device.reads if not values.keys() >= set(one.points)), None)
        if read is None:
            break
        try:
            keep(values, await device.read(read))
        except RefusedError as error:
            if not error.replanned:
                return None
        except (NoReplyError, FrameError):
            return None
    plausible = sum(is_good(status) and value is not None for value, status in values.values())
    if len(values) < len(points) or plausible * 3 < len(points) * 2:
        return None
    weight = sum(_weight(points[i], value) for i, (value, status) in values.items() if is_good(status))
    factory = profile.unit == unit and profile.line == settings
    return Proposal(
        profile=profile.id,
        certainty=Certainty.POSSIBLE,
        fingerprint=bool(mark),
        factory=factory,
        plausible=plausible,
        tested=len(points),
        shown=tuple(shown(points[i], *values[i]) for i in sorted(values)),
        weight=weight + _mark_weight(profile, mark) + _FACTORY * factory - 2.0 * (len(points) - plausible),
    )


def keep(values: MutableMapping[int, Any], batch: Batch) -> None:
    """Put value and status of each point of ``batch`` into ``values``."""
    for point, value, status in zip(batch.points, batch.values, batch.statuses, strict=True):
        values[point] = (value, status)


async def fingerprint(profile: Profile, unit: int, line: Line) -> bool | None:
    """Tell whether the register that tells models apart fits; None if there is none."""
    mark = profile.fingerprint
    if mark is None or mark.location is None:
        return None
    at = mark.location
    pdu = read_request(at.table, at.address, at.count)
    try:
        reply = await line.ask(unit, pdu, timeout_s=profile.limits.turnaround_ms / 1000)
    except (NoReplyError, FrameError):
        return False
    if reply[0] & EXCEPTION_FLAG or len(reply) < 3:
        return False
    bits = 8 * (len(reply) - 2)
    raw = int.from_bytes(reply[2:], "big") & (mark.mask if mark.mask is not None else (1 << bits) - 1)
    wanted = {unit} if mark.own_unit else {value & ((1 << bits) - 1) for value in mark.values}
    return raw in wanted


def _mark_weight(profile: Profile, fits: bool | None) -> float:
    if fits is None or profile.fingerprint is None:
        return 0.0
    if profile.fingerprint.own_unit:
        return _OWN_UNIT if fits else -_OWN_UNIT
    return RECOGNISED


def tested_points(profile: Profile) -> tuple[Point, ...]:
    """Choose the points whose plausible range is narrowest against what their registers can hold."""
    safe = [point for point in profile.points if not getattr(point, "side_effect", False)]
    ranked = sorted(safe or profile.points, key=_chance)
    return tuple(ranked[:_TEST_POINTS])


def _chance(point: Point) -> float:
    """Chance that random registers look plausible, 1 for a point without bounds."""
    if point.location.type.is_float:
        return _FLOAT_CHANCE
    if point.low is None or point.high is None or point.location.table.is_bits:
        return 1.0
    counts = float((point.high - point.low) / point.scale) + 1
    return min(1.0, counts / 2.0 ** (16 * point.location.count))


def _weight(point: Point, value: Value) -> float:
    """What a plausible value is worth: much where few others would be plausible; 0 may mean anything."""
    if not isinstance(value, int) or isinstance(value, bool) or value == 0:
        return 0.0
    return min(3.0, -math.log10(max(_chance(point), 1e-3)))


def shown(point: Point, value: Value, status: int) -> Shown:
    """Give a value as evidence."""
    text: str | None
    if value is None or not is_good(status):
        text = None
    elif isinstance(value, bool):
        text = str(value).lower()
    elif isinstance(value, int):
        text = format(exact(value, point.exponent), "f")
    else:
        text = value.hex() if isinstance(value, bytes) else str(value)
    return Shown(point=point.name, value=text, unit=point.unit)


def _with_certainty(found: Sequence[Proposal]) -> list[Proposal]:
    out: list[Proposal] = []
    for one in found:
        rivals = max((other.weight for other in found if other is not one), default=0.0)
        if one.weight >= RECOGNISED and rivals < RECOGNISED:
            certainty = Certainty.RECOGNISED
        elif one.weight >= _ENOUGH_WEIGHT and one.weight >= rivals + _MARGIN:
            certainty = Certainty.LIKELY
        else:
            certainty = Certainty.POSSIBLE
        out.append(replace(one, certainty=certainty))
    return out
