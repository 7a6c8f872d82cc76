"""The last words of a command that met a fault of its own."""

from __future__ import annotations

import os
import sys
import traceback
from collections.abc import Sequence
from pathlib import Path

import click

from agent.cli.exit_codes import ExitCode
from agent.cli.main import wants_json
from agent.cli.output import Answer, Output
from agent.finding import Finding


def report(error: Exception, words: Sequence[str]) -> int:
    """Tell of ``error`` in one line with its place, the whole traceback under TIDEGATE_DEBUG; give exit code 70."""
    if os.environ.get("TIDEGATE_DEBUG"):
        traceback.print_exception(error)
    frames = traceback.extract_tb(error.__traceback__)
    place = f" ({'/'.join(Path(frames[-1].filename).parts[-2:])}:{frames[-1].lineno})" if frames else ""
    finding = Finding(code="internal-error", params={"detail": f"{type(error).__name__}: {error}{place}"})
    verb = next((word for word in words if not word.startswith("-")), "usage")
    out = Output(json=wants_json(words))
    try:
        out.finish(verb, Answer(code=ExitCode.CRASH, findings=(finding,)))
    except OSError:
        click.echo(finding.tag, file=sys.stderr)
    return int(ExitCode.CRASH)
