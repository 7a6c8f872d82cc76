"""A search on a real line: asks what ``Search`` wants asked, tells it what came."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from drivers.errors import LinkDownError
from drivers.scan.line import LONGEST_BYTES, ScanLine, SettingRefusedError
from drivers.scan.probe import Heard, Probe, Prober
from drivers.scan.search import Search
from drivers.scan.sighting import Sighting

_READOUT_BYTES = 16384  # what a device says although it was told to stop is heard to its end


async def step(search: Search, line: ScanLine, probers: Mapping[str, Prober]) -> Sighting | None:
    """Do one probe; give the device if a new one was found. Does nothing when all is done.

    Raises:
        LinkDownError: the port is gone; the search can go on with a new line. SettingRefusedError if that is because
            it does not take the settings, which are then not tried again.
    """
    probe = search.next()
    if probe is None:
        return None
    try:
        heard = await hear(probe, line, probers[probe.protocol])
    except SettingRefusedError:
        search.agenda.give_up(probe.line)
        raise
    except LinkDownError:
        search.progress.open.appendleft(probe)  # to be asked when the port is back
        raise
    return search.take(probe, heard)


async def hear(probe: Probe, line: ScanLine, prober: Prober) -> Heard:
    """Send a probe, or listen, and sort what came."""
    ask = probe.ask
    if not ask.request and not ask.binding:
        came = await line.listen(probe.line, probe.window_s, lambda data: prober.is_whole(ask, data))
        return replace(prober.hear(ask, came.data), took_s=came.took_s)
    came = await line.ask(
        ask.request,
        probe.line,
        probe.window_s,
        lambda data: prober.is_whole(ask, data),
        gap_s=ask.gap_s,
        rouse=ask.rouse,
        reply_line=ask.reply_line,
        longest=_READOUT_BYTES if ask.binding else LONGEST_BYTES,
    )
    heard = prober.hear(ask, came.data)
    return replace(heard, answered_s=came.answered_s if heard.raw else None, took_s=came.took_s)
