"""Questions to a person, who may not be there: a script or a service has nobody at its standard input."""

from __future__ import annotations

import click


def said_yes(question: str, *, default: bool) -> bool:
    """Ask for a yes; where standard input has ended nobody says it, whatever the default is.

    Raises:
        click.Abort: Ctrl-C.
    """
    try:
        return click.confirm(question, default=default)
    except click.Abort as stopped:
        _go_on_if_ended(stopped)
        return False


def chosen(question: str, *, most: int, default: int) -> int | None:
    """Ask for a number from 1 to ``most``; None where standard input has ended.

    Raises:
        click.Abort: Ctrl-C.
    """
    try:
        number: int = click.prompt(question, type=click.IntRange(1, most), default=default)
    except click.Abort as stopped:
        _go_on_if_ended(stopped)
        return None
    return number


def typed(question: str) -> str:
    """Ask for a word on standard error; empty where standard input has ended.

    Raises:
        click.Abort: Ctrl-C.
    """
    try:
        word: str = click.prompt(question, default="", show_default=False, err=True)
    except click.Abort as stopped:
        _go_on_if_ended(stopped)
        return ""
    return word.strip()


def _go_on_if_ended(stopped: click.Abort) -> None:
    """Pass Ctrl-C on; click makes the same of both."""
    if not isinstance(stopped.__context__, EOFError):
        raise stopped
    click.echo(err=True)  # the question stands in a line without an end
