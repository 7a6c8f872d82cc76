"""``tidegate device``: what a technician does with one device."""

from __future__ import annotations

from typing import Any

import click

from agent.cli import device_set
from agent.cli.verb import global_options, take_globals
from agent.language import N_


@global_options
@click.group("device", help=N_("Look after the devices of the site."))
@click.pass_context
def command(ctx: click.Context, /, **_globals: Any) -> None:  # noqa: ANN401 - click's own signature
    """Keep the global options that stand before the second word."""
    take_globals(ctx)


command.add_command(device_set.command)
