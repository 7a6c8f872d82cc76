"""How far a scan is: one line, what is left of the time first."""

from __future__ import annotations

import shutil
import sys
from typing import Final

import click

from agent.cli.output import Output, width
from agent.cli.scan_text import duration, setting, stage_name
from agent.language import _
from drivers.scan.search import Search
from drivers.scan.stage import Stage

_TELL_EVERY_S: Final = 5.0
_DRAW_EVERY_S: Final = 0.2


class Ticker:
    """Progress on stderr: one line that is drawn over on a terminal, a line each 5 s elsewhere."""

    def __init__(self, out: Output) -> None:
        self._out = out
        self._terminal = sys.stderr.isatty()
        self._told_s = 0.0
        self._drawn = False

    def tell(self, search: Search, now_s: float) -> None:
        """Say how far the search is, if it is time to."""
        idle = search.is_done and search.forecast.under_way is None
        if idle or now_s - self._told_s < (_DRAW_EVERY_S if self._terminal else _TELL_EVERY_S):
            return
        self._told_s = now_s
        text = progress_text(search)
        if self._terminal:
            click.echo(f"\r\x1b[K{_in_one_line(text)}", err=True, nl=False)
            self._drawn = True
        else:
            self._out.note(text)

    def clear(self) -> None:
        """Take the line away, for others to print."""
        if self._drawn:
            click.echo("\r\x1b[K", err=True, nl=False)
            self._drawn = False


def progress_text(search: Search) -> str:
    """Say how long it takes and what is being asked; one who has just answered comes before the stage at work.

    The time comes first: a narrow terminal shows the beginning.
    """
    return _("at most {left} left; found {found} (+{added}); {work}").format(
        left=duration(search.remaining_s()),
        found=len(search.progress.sightings),
        added=duration(search.forecast.added_s),
        work=_work(search, search.stage),
    )


def _in_one_line(text: str) -> str:
    """Cut what the terminal would break: it could not be drawn over."""
    room = shutil.get_terminal_size().columns - 1
    while width(text) > room:
        text = text[: len(text) - max(1, (width(text) - room) // 2)]
    return text


def _work(search: Search, stage: Stage | None) -> str:
    progress, naming = search.progress, search.forecast.under_way
    if naming is not None:
        return _("model of {address} ({protocol}), {line}: question {asked} of about {expected}").format(
            address=naming.one.address,
            protocol=naming.one.protocol,
            line=setting(naming.one.line),
            asked=naming.asked,
            expected=max(naming.asked, naming.expected),
        )
    if progress.open:
        first = progress.open[0]
        return _("following up ({protocol}), {line}: {open} questions").format(
            protocol=first.protocol, line=setting(first.line), open=len(progress.open)
        )
    if search.agenda.is_late or stage is None:
        first = progress.later[0]
        return _("behind those who answer at once ({protocol}), {line}: {open} questions").format(
            protocol=first.protocol, line=setting(first.line), open=len(progress.later)
        )
    return _("{stage}, {line}: {done} of {all}").format(
        stage=stage_name(stage),
        line=setting(stage.line),
        done=progress.done.get(stage.key, 0),
        all=len(stage.asks),
    )
