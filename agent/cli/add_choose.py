"""Which profile ``tidegate add`` writes where none was named: what fits is shown with its evidence, one is chosen."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import TYPE_CHECKING

from agent.cli.asking import chosen
from agent.cli.lines import Borrowed, LineError, Target
from agent.cli.output import Output
from agent.cli.scan_identify import identify
from agent.cli.scan_text import certainty, evidence
from agent.clock import SystemClock, TimerfdPause
from agent.finding import Finding
from agent.language import _
from drivers.profile import Profile
from drivers.registry import open_stream
from drivers.scan.line import ScanLine
from drivers.scan.propose import Certainty, Proposal
from drivers.scan.sighting import Sighting

if TYPE_CHECKING:
    from drivers.clock import Clock


def choose_profile(out: Output, target: Target, one: Sighting, profiles: Sequence[Profile], *, ask: bool) -> str:
    """Try ``profiles`` on the device and give the id of the chosen one.

    Raises:
        LineError: nothing fits, or nobody may be asked and nothing is likely enough.
        LinkDownError: the port is gone.
    """
    clock = SystemClock()
    with Borrowed(target=target):
        found = asyncio.run(_identify(target, one, profiles, clock))
    return choose(out, target, one, found, ask=ask)


def choose(out: Output, target: Target, one: Sighting, found: Sequence[Proposal], *, ask: bool) -> str:
    """Show what was proposed and give the id of the chosen one; LineError as ``choose_profile`` says."""
    if not found:
        raise LineError(Finding(code="nothing-proposed", params={"address": one.address, "bus": target.bus.name}))
    rows = [("#", _("PROFILE PROPOSED"), "", _("EVIDENCE"))]
    rows += [(str(n), choice.profile, certainty(choice), evidence(choice)) for n, choice in enumerate(found, 1)]
    out.table(rows)
    if ask:
        number = chosen(_("Which"), most=len(found), default=1)
        if number is not None:
            return found[number - 1].profile
    if ask or found[0].certainty is Certainty.POSSIBLE:
        names = ", ".join(choice.profile for choice in found)
        raise LineError(Finding(code="choose-profile", params={"address": one.address, "profiles": names}))
    return found[0].profile


async def _identify(target: Target, one: Sighting, profiles: Sequence[Profile], clock: Clock) -> tuple[Proposal, ...]:
    bus, pause = target.bus, TimerfdPause()
    stream = await open_stream(bus.port, bus.line, bus.adapter)
    line = ScanLine(stream, clock=clock, pause=pause, line=bus.line, switch_s=bus.adapter.switch_ms / 1000)
    try:
        return await identify(line, bus.port, one, profiles, clock)
    finally:
        await line.aclose()
        pause.close()
