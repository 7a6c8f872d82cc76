"""Sentences of click, so that they are translated too: click asks gettext for exactly these."""

from __future__ import annotations

from typing import Final

from agent.language import N_

TEXTS: Final = (
    N_("Usage:"),
    N_("Options"),
    N_("Commands"),
    N_("Positional arguments"),
    N_("Show this message and exit."),
    N_("Error: {message}"),
    N_("Try '{command} {option}' for help."),
    N_("Missing command."),
    N_("Missing argument"),
    N_("Missing option"),
    N_("Missing parameter"),
    N_("Invalid value: {message}"),
    N_("Invalid value for {param_hint}: {message}"),
    N_("No such option {name!r}."),
    N_("No such command {name!r}."),
    N_("Option {name!r} does not take a value."),
    N_("{value!r} is not a valid {number_type}."),
    N_("{value} is not in the range {range}."),
    N_("Choose from:\n\t{choices}"),
    N_("default: {default}"),
    N_("required"),
    N_("Aborted!"),
    N_("file"),
    N_("directory"),
    N_("path"),
    N_("{name} {filename!r} does not exist."),
    N_("{name} {filename!r} is a file."),
    N_("{name} {filename!r} is a directory."),
    N_("{name} {filename!r} is not readable."),
    N_("{name} {filename!r} is not writable."),
)


def _plural(one: str, many: str) -> tuple[str, str]:
    """Mark a sentence with two forms."""
    return one, many


PLURALS: Final = (
    _plural("Got unexpected extra argument ({args})", "Got unexpected extra arguments ({args})"),
    _plural("Did you mean {possibility}?", "(Did you mean one of: {possibilities}?)"),
    _plural("Option {name!r} requires an argument.", "Option {name!r} requires {nargs} arguments."),
    _plural("{value!r} is not {choice}.", "{value!r} is not one of {choices}."),
)
