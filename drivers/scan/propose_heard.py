"""Which model may this device be that speaks by itself? What was heard already tells; nothing more is waited for.

Each profile takes its values from the telegrams as ``profile check`` takes them from an example, with the code that
polls. Nobody was heard out, since minutes, hours and days come in telegrams of their own: a profile may be proposed
of which little was heard.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Final

from drivers.batch import Value
from drivers.decoded import DecodeError
from drivers.profile import LineSettings, Profile
from drivers.quality import Quality
from drivers.scan.propose import RECOGNISED, Certainty, Proposal, shown
from drivers.scan.propose_meter import ENOUGH, FACTORY, MOST_SHOWN, candidates, is_marked, ranked

TakeValues = Callable[[Profile], Mapping[int, Value]]
_NOT_HEARD: Final = 4
_CLEARLY: Final = 2


def propose_heard(
    profiles: Sequence[Profile],
    *,
    protocol: str,
    settings: LineSettings,
    family: str,
    said: Mapping[str, str],
    take_values: TakeValues,
    most: int = 3,
) -> tuple[Proposal, ...]:
    """Give the profiles that what was heard fits, best first.

    Args:
        profiles: what may be recognised.
        protocol: of the device.
        settings: speed and parity at which it was heard.
        family: what it says that it measures, empty if it does not say.
        said: what it says of itself, as ``Fingerprint.fits`` takes it.
        most: proposals given at most.
        take_values: mantissa of each point of a profile that was heard, by its index; DecodeError if none was.
    """
    mine, by_family = candidates(profiles, protocol, family, said)
    heard = [(profile, values) for profile in mine if (values := _taken(take_values, profile))]
    found = [_proposal(profile, values, settings, said) for profile, values in heard]
    ordered = ranked(found, by_family=by_family)
    return tuple(one if _is_enough(one, ordered) else replace(one, certainty=Certainty.POSSIBLE) for one in ordered)[
        :most
    ]


def _proposal(
    profile: Profile, values: Mapping[int, Value], settings: LineSettings, said: Mapping[str, str]
) -> Proposal:
    """Make a proposal: what was heard speaks for it, what was not a little against."""
    points, marked, factory = len(profile.points), is_marked(profile, said), profile.line == settings
    return Proposal(
        profile=profile.id,
        certainty=Certainty.POSSIBLE,
        fingerprint=marked,
        factory=factory,
        plausible=len(values),
        tested=points,
        shown=tuple(shown(profile.points[i], values[i], Quality.GOOD) for i in sorted(values)[:MOST_SHOWN]),
        weight=len(values) - (points - len(values)) / _NOT_HEARD + FACTORY * factory + RECOGNISED * marked,
    )


def _is_enough(one: Proposal, found: Sequence[Proposal]) -> bool:
    """Tell whether enough was heard to be sure: most of the profile, or clearly more than others make of it."""
    others = [other.plausible for other in found if other is not one]
    most_of_it = one.plausible * ENOUGH[1] >= one.tested * ENOUGH[0]
    return one.fingerprint or most_of_it or (bool(others) and one.plausible >= max(others) + _CLEARLY)


def _taken(take_values: TakeValues, profile: Profile) -> Mapping[int, Value]:
    try:
        found = take_values(profile)
    except DecodeError:
        return {}
    return {index: value for index, value in found.items() if value is not None}
