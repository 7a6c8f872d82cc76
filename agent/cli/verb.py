"""A verb: global options on either side of its name, one way to end, and texts in the language of the reader."""

from __future__ import annotations

import copy
from collections.abc import Callable
from functools import partial
from typing import Any, TypeVar

import click

from agent.cli.answer import Answer, answered
from agent.cli.answer import failure as failure  # noqa: PLC0414 - verbs find them here
from agent.cli.answer import refusal as refusal  # noqa: PLC0414
from agent.cli.answer import wrong_site as wrong_site  # noqa: PLC0414
from agent.cli.output import Output
from agent.cli.session import Session
from agent.language import N_, Language, active, translate

C = TypeVar("C", bound=click.Command)
GLOBALS = ("site", "json", "lang", "no_color")


def global_options(command: C) -> C:
    """Add ``--site --json --lang --no-color``."""
    command.params = [
        *command.params,
        click.Option(["--site"], metavar="FILE", help=N_("Site file, instead of ./site.toml or the system's.")),
        click.Option(["--json"], is_flag=True, help=N_("One JSON object on standard output, for programs.")),
        click.Option(
            ["--lang"],
            type=click.Choice([language.value for language in Language]),
            help=N_("Language of everything people read."),
        ),
        click.Option(["--no-color"], is_flag=True, help=N_("No colours.")),
    ]
    return command


def take_globals(ctx: click.Context) -> Session:
    """Move the global options of ``ctx`` into the session of the call; those after the verb win."""
    session = ctx.ensure_object(Session)
    site, as_json, _lang, no_color = (ctx.params.pop(name, None) for name in GLOBALS)
    session.site = site or session.site
    no_color = no_color or bool(session.environ.get("NO_COLOR")) or session.out.color is False
    session.out = Output(json=bool(as_json) or session.out.json, color=False if no_color else None)
    return session


class Verb(click.Command):
    """A command whose function is given a Session and gives an Answer, or None if it has said and done all."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:  # noqa: ANN401 - click's own signature
        super().__init__(*args, **kwargs)
        global_options(self)

    def invoke(self, ctx: click.Context) -> Any:  # noqa: ANN401 - click's own signature
        """Run the verb, turn what stopped it into a finding, print, and end with the exit code."""
        session = take_globals(ctx)
        answer = answered(partial(super().invoke, ctx))
        if answer is not None:
            session.out.finish(verb_name(ctx), answer)
            ctx.exit(int(answer.code))


def verb_name(ctx: click.Context) -> str:
    """Give the words of the verb: ``status``, ``profile check``."""
    return ctx.command_path.partition(" ")[2]


def localised(command: C) -> C:
    """Give a copy of ``command`` with its texts in the language in use: click reads them before that is known."""
    fresh = copy.copy(command)
    fresh.help, fresh.epilog = _said(command.help), _said(command.epilog)
    fresh.params = [copy.copy(param) for param in command.params]
    for param in fresh.params:
        if isinstance(param, click.Option):
            param.help = _said(param.help)
    if isinstance(fresh, click.Group):
        fresh.commands = {name: localised(child) for name, child in fresh.commands.items()}
    return fresh


def _said(text: str | None) -> str | None:
    return translate(text, active()) if text else text


def verb(name: str, **attributes: Any) -> Callable[[Callable[..., Answer | None]], Verb]:  # noqa: ANN401
    """Make a function the verb ``name``; it gets the Session first."""

    def make(function: Callable[..., Answer | None]) -> Verb:
        return click.command(name, cls=Verb, **attributes)(click.pass_obj(function))

    return make
