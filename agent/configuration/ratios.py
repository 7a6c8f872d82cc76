"""``ratios`` of a ``[[device]]``: the answers that a profile demands, CT and PT for instance."""

from __future__ import annotations

from decimal import Decimal
from typing import Final, TypeAlias

from agent.configuration.values import Table
from agent.language import Language, active
from drivers.profile import Profile
from drivers.profile_about import Label, Ratio

Answers: TypeAlias = tuple[tuple[str, Decimal], ...]
"""Name of the ratio, what the site answered; in the order of the profile."""

_ONE: Final = Decimal(1)


class Rated:
    """Profiles with the ratios of their place; devices of one model with the same answers share one."""

    def __init__(self) -> None:
        self._made: dict[tuple[str, Answers], Profile] = {}

    def answers(self, table: Table, profile: Profile | None) -> Answers:
        """Read the answers of one device; everything that is missing or wrong is reported in ``table``."""
        if profile is None:
            table.holds("ratios")
            return ()
        if not profile.ratios and not table.holds("ratios"):
            return ()
        given = table.table("ratios")
        answers = tuple((ratio.name, _answer(table, given, profile, ratio)) for ratio in profile.ratios)
        given.close()
        return answers

    def applied(self, profile: Profile, answers: Answers) -> Profile:
        """Give the profile by which the device is read."""
        from drivers.profile_ratios import with_ratios  # noqa: PLC0415 - few sites have transformers

        if not answers:
            return profile
        key = (profile.id, answers)
        if key not in self._made:
            self._made[key] = with_ratios(profile, dict(answers))
        return self._made[key]


def _answer(table: Table, given: Table, profile: Profile, ratio: Ratio) -> Decimal:
    from drivers.profile_ratios import read_ratio  # noqa: PLC0415

    if not given.holds(ratio.name):
        names = ", ".join(f"{one.name} = 1" for one in profile.ratios)
        table.report(
            "missing-ratio",
            "profile" if not table.holds("ratios") else "ratios",
            device=table.text("name"),
            ratio=ratio.name,
            meaning=_said(ratio.label),
            example=f"{{ {names} }}",
        )
        return _ONE
    raw = given.answer(ratio.name)
    if raw is None:
        return _ONE
    answer = read_ratio(raw)
    if answer is None:
        given.report("bad-ratio", ratio.name, key=ratio.name, value=str(raw))
        return _ONE
    if not ratio.low <= answer <= ratio.high:
        low, high = f"{ratio.low:f}", f"{ratio.high:f}"
        given.report("out-of-range", ratio.name, key=ratio.name, value=str(raw), low=low, high=high)
        return _ONE
    return answer


def _said(label: Label) -> str:
    return label.zh if active() is Language.ZH else label.en
