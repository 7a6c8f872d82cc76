"""What a search shows about the line as a whole. Pure; each conclusion names its evidence."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from drivers.scan.sighting import Progress, Sighting, Voice


class Conclusion(Enum):
    """What is the matter with a line; the value is the code of its sentence."""

    NOBODY = "scan-nobody"
    """Not one byte came, at no setting: the whole line is silent."""
    OTHER_SPEED = "scan-other-speed"
    """Bytes came that make no sense at any setting that was tried: somebody, at others."""
    CROWDED = "scan-crowded"
    """Replies of one address collide: several devices have it."""
    SEVERAL = "scan-several"
    """Answers to one question come spoilt: of several that cannot be told apart, or of one on a bad line."""
    BAD_LINE = "scan-bad-line"
    """Many addresses give damaged replies: the line, not the addresses."""
    ECHO = "echo-heard"
    """The adapter gives back what we send."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Concluded:
    """One conclusion with its evidence.

    Attributes:
        sighting: whom it is about, None for the line.
        voices: bytes that it rests on.
    """

    what: Conclusion
    sighting: Sighting | None = None
    voices: tuple[Voice, ...] = ()


def conclude(progress: Progress) -> tuple[Concluded, ...]:
    """Say what the search has shown so far."""
    out: list[Concluded] = []
    if progress.echo:
        out.append(Concluded(what=Conclusion.ECHO))
    talks = any(sighting.unasked for sighting in progress.sightings)  # and may have spoken where an answer was due
    crowded = [one for one in progress.sightings if one.crowded and (one.whole or not talks)]
    clean = [sighting for sighting in progress.sightings if not sighting.damaged]
    numbered = [sighting for sighting in crowded if isinstance(sighting.address, int)]
    if len(numbered) > 1 and not clean:
        out.append(Concluded(what=Conclusion.BAD_LINE))
    else:
        out += [Concluded(what=_crowd(sighting), sighting=sighting) for sighting in crowded]
    voices = () if talks else tuple(voice for voice in progress.voices if not _explained(voice, progress))
    if voices:
        out.append(Concluded(what=Conclusion.OTHER_SPEED, voices=voices))
    elif not progress.sightings and progress.probes:
        out.append(Concluded(what=Conclusion.NOBODY))
    return tuple(out)


def _crowd(sighting: Sighting) -> Conclusion:
    return Conclusion.CROWDED if isinstance(sighting.address, int) else Conclusion.SEVERAL


def _explained(voice: Voice, progress: Progress) -> bool:
    """Tell whether somebody was found who must have been the one that was heard."""
    return any(
        sighting.line.baud == voice.line.baud
        and (sighting.address == voice.address or isinstance(voice.address, str))
        for sighting in progress.sightings
    )
