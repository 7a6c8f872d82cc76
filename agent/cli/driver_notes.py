"""What the drivers note while a verb is at work, as sentences: the agent has a log for that, a verb has none."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from agent.finding import Finding
from agent.messages import knows

if TYPE_CHECKING:
    from agent.cli.output import Output


class DriverNotes(logging.Handler):
    """Says a record that is a code and its detail as a warning, any other as it is; on stderr."""

    def __init__(self, out: Output) -> None:
        super().__init__(logging.WARNING)
        self._out = out

    def emit(self, record: logging.LogRecord) -> None:
        """Say it."""
        match record.args:
            case (str(code), str(detail)) if knows(code):
                self._out.finding(Finding(code=code, params={"detail": detail}, warning=True))
            case _:
                self._out.note(record.getMessage())


def say_notes(out: Output) -> None:
    """Say from now on what is noted, as long as nothing has set up a log."""
    logging.lastResort = DriverNotes(out)
