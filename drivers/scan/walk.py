"""A search on a real line: asks what ``Search`` wants asked, tells it what came."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from drivers.scan.line import ScanLine
from drivers.scan.probe import Heard, Probe, ProbeMaker
from drivers.scan.search import Search, Sighting


async def step(search: Search, line: ScanLine, makers: Mapping[str, ProbeMaker]) -> Sighting | None:
    """Do one probe; give the device if a new one was found. Does nothing when all is done.

    Raises:
        LinkDownError: the port is gone; the search can go on with a new line.
    """
    probe = search.next()
    if probe is None:
        return None
    return search.take(probe, await hear(probe, line, makers[probe.protocol]))


async def hear(probe: Probe, line: ScanLine, maker: ProbeMaker) -> Heard:
    """Send a probe and sort what came."""
    came = await line.ask(probe.request, probe.line, probe.window_s, lambda data: maker.is_whole(probe.request, data))
    heard = maker.hear(probe.request, came.data)
    return replace(heard, answered_s=came.answered_s if heard.raw else None, took_s=came.took_s)
