"""Words of profiles in the reader's language, and finding the file that a person named."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Final

from agent.finding import Finding
from agent.language import N_, Language, _, active

if TYPE_CHECKING:
    from drivers.profile_about import Label

PROOFS: Final = {
    "capture": N_("capture"),
    "manual example": N_("manual example"),
    "two sources": N_("two sources"),
    "one source": N_("one source"),
    "nothing": N_("nothing"),
}
EVIDENCE: Final = {
    "capture": N_("captured"),
    "manual example": N_("manual example"),
    "published": N_("published, origin not said"),
    "computed": N_("computed"),
    "constructed": N_("constructed"),
}
WRITES: Final = {
    "output": N_("output"),
    "setpoint": N_("set-point"),
    "config": N_("setting: one device on the line"),
    "calibration": N_("calibration"),
    "forbidden": N_("must never be written"),
}
FAMILIES: Final = {
    "electricity": N_("electricity"),
    "heat": N_("heat"),
    "water": N_("water"),
    "gas": N_("gas"),
    "soil": N_("soil"),
    "air": N_("air"),
    "weather": N_("weather"),
    "oxygen": N_("oxygen"),
    "relay": N_("relay"),
}


def said(label: Label) -> str:
    """Give a label in the language in use."""
    return label.zh if active() is Language.ZH else label.en


def proof_word(proof: str) -> str:
    """Give what proves a profile in the language in use."""
    return _(PROOFS[proof])


def family_word(family: str) -> str:
    """Give the class of a device in the language in use; as it stands in the profile where it has no other name."""
    return _(FAMILIES[family]) if family in FAMILIES else family


def path_of(which: str) -> Path | Finding:
    """Give the file of ``vendor/model``, or the file itself where a path to one was typed."""
    return Path(which) if which.endswith(".toml") else of_library(which)


def of_library(which: str) -> Path | Finding:
    """Give the file of ``vendor/model``; where there is none a finding, with the name that was probably meant."""
    from agent.configuration.values import nearest  # noqa: PLC0415 - start-up time
    from drivers.errors import ProfileError  # noqa: PLC0415
    from drivers.profile_load import builtin_roots, find_profile, list_profiles  # noqa: PLC0415

    roots = builtin_roots()
    try:
        return find_profile(which, roots)
    except ProfileError:
        known = list_profiles(roots)
        of_model = (one for one in known if one.endswith(f"/{which}"))
        return Finding(
            code="no-profile", params={"profile": which}, nearest=next(of_model, "") or nearest(which, known)
        )
