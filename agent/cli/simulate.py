"""``tidegate simulate``: runs ``python -m hil.sim`` with the remaining words."""

from __future__ import annotations

import os
import sys

import click

from agent.cli.session import Session
from agent.cli.verb import verb
from agent.language import N_

_HELP = N_("""Run simulated devices on virtual lines; all words go to the simulator, see tidegate simulate -- --help.

\b
  tidegate simulate site --dir /tmp/demo --seed 1
  tidegate simulate tcp --devices 4 --port 5020
""")


@verb("simulate", help=_HELP, context_settings={"ignore_unknown_options": True})
@click.argument("words", nargs=-1, type=click.UNPROCESSED)
def command(session: Session, words: tuple[str, ...]) -> None:  # noqa: ARG001 - every verb is given it
    """Become the simulator: signals, output and exit status are its own."""
    sys.stdout.flush()
    os.execv(sys.executable, [sys.executable, "-P", "-m", "hil.sim", *words])  # noqa: S606 - no shell, our own module
