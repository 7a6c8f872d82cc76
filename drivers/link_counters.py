"""What a link has lived through, in numbers."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkCounters:
    """Counts since the link was opened; a snapshot.

    Attributes:
        exchanges: requests sent.
        replies: answers given to the caller, refusals among them.
        no_reply: exchanges without an answer in time.
        bad_checksum: exchanges whose answer had a wrong checksum.
        bad_frame: exchanges whose answer was damaged in another way, or a line that never fell silent.
        link_down: exchanges that found the port or connection gone.
        late_replies: answers that came after their exchange had been given up; dropped.
        glitch: stretches of 00, FE and FF that belong to nothing.
        echo: our own requests heard back on a line that is not said to echo.
        echo_missing: requests not heard back on a line that is said to echo.
        other_unit: whole replies of units that were not asked.
        other_reply: whole replies that answer something else.
        cut_short: beginnings of replies whose rest never came.
        surplus: the same reply once more.
        garbage: other stretches of bytes that belong to nothing.
        noise_bytes: bytes of all of these stretches.
    """

    exchanges: int = 0
    replies: int = 0
    no_reply: int = 0
    bad_checksum: int = 0
    bad_frame: int = 0
    link_down: int = 0
    late_replies: int = 0
    glitch: int = 0
    echo: int = 0
    echo_missing: int = 0
    other_unit: int = 0
    other_reply: int = 0
    cut_short: int = 0
    surplus: int = 0
    garbage: int = 0
    noise_bytes: int = 0
