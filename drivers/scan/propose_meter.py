"""Which model may this meter be? For protocols whose values have names: what a profile reads has to be there.

A checked frame under a name of the standard proves a value by itself, so what ranks profiles is how much of them the
meter has, and what it says of itself: kind of meter, maker and version (``Fingerprint.told``).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Final

from drivers.batch import Value
from drivers.errors import DeviceFailedError, FrameError, NoReplyError, RefusedError
from drivers.profile import LineSettings, Profile
from drivers.quality import is_good
from drivers.scan.propose import RECOGNISED, Certainty, MakeDevice, Proposal, keep, shown
from drivers.sources import Device, SessionDevice

MOST_READS: Final = 8
ENOUGH: Final = (2, 3)  # of what was read has to have a value
MOST_SHOWN: Final = 4
FACTORY: Final = 0.5


async def propose_meter(
    profiles: Sequence[Profile],
    *,
    protocol: str,
    settings: LineSettings,
    family: str,
    said: Mapping[str, str],
    make_device: MakeDevice,
    most: int = 3,
) -> tuple[Proposal, ...]:
    """Read what each profile of the protocol promises and give the ones that keep it, best first.

    Args:
        profiles: what may be recognised.
        protocol: of the meter.
        settings: speed and parity at which it answers.
        family: what it says that it measures, empty if it does not say.
        said: what it says of itself, as ``Fingerprint.fits`` takes it.
        make_device: makes the polled device of a profile; a memory in its line makes this short.
        most: proposals given at most.

    Raises:
        LinkDownError: the port is gone.
    """
    mine, by_family = candidates(profiles, protocol, family, said)
    found: list[Proposal] = []
    for profile in mine:
        proposal = await _try(profile, settings, said, make_device)
        if proposal is not None:
            found.append(proposal)
    return ranked(found, by_family=by_family)[:most]


def candidates(
    profiles: Sequence[Profile], protocol: str, family: str, said: Mapping[str, str]
) -> tuple[tuple[Profile, ...], bool]:
    """Give the profiles that the meter may be, those that its mark fits first; and whether its kind chose them."""
    mine = [
        profile
        for profile in profiles
        if profile.protocol == protocol and not profile.controls and _may_be(profile, said)
    ]  # that there is something to switch no reading shows: a person says so
    same = [profile for profile in mine if not family or profile.family == family]
    ordered = sorted(same or mine, key=lambda profile: (not is_marked(profile, said), profile.id))
    return tuple(ordered), bool(family and same)


def is_marked(profile: Profile, said: Mapping[str, str]) -> bool:
    """Tell whether the meter says of itself what this model says."""
    return profile.fingerprint is not None and profile.fingerprint.fits(said)


def _may_be(profile: Profile, said: Mapping[str, str]) -> bool:
    """Tell whether what the meter says of itself does not speak against the model."""
    mark = profile.fingerprint
    if mark is None or not said or not any(name in said for name, _ in mark.told):
        return True
    return mark.fits(said)


async def _try(
    profile: Profile, settings: LineSettings, said: Mapping[str, str], make_device: MakeDevice
) -> Proposal | None:
    device = make_device(profile)
    try:
        values = await _read(device)
    finally:
        if isinstance(device, SessionDevice):
            await device.release()
    return None if values is None else _proposal(profile, values, settings, said)


async def _read(device: Device) -> dict[int, tuple[Value, int] | None] | None:
    """Give value and status of each point that was read; None if the meter answers nothing."""
    values: dict[int, tuple[Value, int] | None] = {}
    for read in tuple(device.reads)[:MOST_READS]:
        try:
            keep(values, await device.read(read))
        except (RefusedError, DeviceFailedError):
            values |= dict.fromkeys(read.points)  # it does not have these, and says so
        except (NoReplyError, FrameError):
            if not any(values.values()):
                return None
            values |= dict.fromkeys(read.points)
    return values


def _proposal(
    profile: Profile,
    values: Mapping[int, tuple[Value, int] | None],
    settings: LineSettings,
    said: Mapping[str, str],
) -> Proposal | None:
    """Make the proposal of what was read; None if too few of it has a value."""
    good = {i: one for i, one in values.items() if one is not None and one[0] is not None and is_good(one[1])}
    if not good or len(good) * ENOUGH[1] < len(values) * ENOUGH[0]:
        return None
    marked = is_marked(profile, said)
    factory = profile.line == settings
    return Proposal(
        profile=profile.id,
        certainty=Certainty.POSSIBLE,
        fingerprint=marked,
        factory=factory,
        plausible=len(good),
        tested=len(values),
        shown=tuple(shown(profile.points[i], *good[i]) for i in sorted(good)[:MOST_SHOWN]),
        weight=len(good) + FACTORY * factory + RECOGNISED * marked,
    )


def ranked(found: Sequence[Proposal], *, by_family: bool) -> tuple[Proposal, ...]:
    """Give proposals best first, each with how sure it is."""
    ordered = sorted(found, key=lambda one: (-one.weight, one.profile))
    return tuple(_with_certainty(ordered, by_family))


def _with_certainty(found: Sequence[Proposal], by_family: bool) -> list[Proposal]:
    """Tell how sure each is: by maker and version, by kind of meter, by values that no other one explains."""
    out: list[Proposal] = []
    for one in found:
        rivals = [other for other in found if other is not one]
        alone = all(other.weight < one.weight for other in rivals)
        if one.fingerprint and alone:
            certainty = Certainty.RECOGNISED
        elif alone and (by_family or one.plausible > 1):
            certainty = Certainty.LIKELY
        else:
            certainty = Certainty.POSSIBLE
        out.append(replace(one, certainty=certainty))
    return out
