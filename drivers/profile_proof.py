"""What proves a profile: computed from its evidence, never claimed by it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from drivers.profile import Example
from drivers.profile_about import Evidence, Proof

UNSOURCED: Final = "none"
"""How a ``source`` begins that is no source: ``none: made up for the bench``."""


def proof_of(source: str, confirmed_by: Sequence[str], examples: Sequence[Example]) -> Proof:
    """Give the best thing that speaks for a profile.

    Frames heard on a wire come first, then frames printed in a manual, then independent sources that agree. Published
    frames of unsaid origin, computed and constructed ones prove nothing about the device.
    """
    found = {example.evidence for example in examples}
    if Evidence.CAPTURE in found:
        return Proof.CAPTURE
    if Evidence.MANUAL in found:
        return Proof.MANUAL
    if source.split(":", 1)[0].strip().lower() == UNSOURCED:
        return Proof.NOTHING
    return Proof.TWO_SOURCES if confirmed_by else Proof.ONE_SOURCE
