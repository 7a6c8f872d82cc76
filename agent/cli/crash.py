"""The last words of a command that met a fault of its own."""

from __future__ import annotations

import os
import sys
import traceback
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import click

from agent.cli.exit_codes import ExitCode
from agent.cli.main import VERBS, wants_json
from agent.cli.output import Answer, Output
from agent.finding import Finding

_SERVICES: Final = frozenset({"run", "collect"})
_NAMES: Final = frozenset(name for verbs in VERBS.values() for name in verbs)


def report(error: Exception, words: Sequence[str]) -> int:
    """Tell of ``error`` in one line with its place; give exit code 70.

    The whole traceback goes before it under TIDEGATE_DEBUG, and always into the log of a service: what ended it once
    in a month cannot be asked to happen again.
    """
    verb = next((word for word in words if word in _NAMES), "usage")
    if os.environ.get("TIDEGATE_DEBUG") or verb in _SERVICES:
        traceback.print_exception(error)
    cause = _first(error)
    frames = traceback.extract_tb(cause.__traceback__)
    place = f" ({'/'.join(Path(frames[-1].filename).parts[-2:])}:{frames[-1].lineno})" if frames else ""
    finding = Finding(code="internal-error", params={"detail": f"{type(cause).__name__}: {cause}{place}"})
    out = Output(json=wants_json(words))
    try:
        out.finish(verb, Answer(code=ExitCode.CRASH, findings=(finding,)))
    except OSError:
        click.echo(finding.tag, file=sys.stderr)
    return int(ExitCode.CRASH)


def _first(error: Exception) -> Exception:
    """Give what a group of tasks ended with: its own sentence tells nothing."""
    return _first(error.exceptions[0]) if isinstance(error, ExceptionGroup) else error
