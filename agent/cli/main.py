"""The command ``tidegate``: one table of verbs, each in a file of its own that is imported when it is called."""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Sequence
from contextlib import suppress
from typing import Any, Final, NoReturn

import click

from agent.cli.exit_codes import ExitCode
from agent.cli.output import Answer, envelope
from agent.cli.session import Session
from agent.cli.speaking import silence, site_file, speak
from agent.cli.verb import global_options, localised, take_globals, verb_name
from agent.finding import Finding
from agent.language import N_, Language, _, active

VERBS: Final[dict[str, dict[str, str]]] = {
    N_("Start"): {
        "init": N_("Make the keys and a site file for this gateway."),
        "run": N_("Run the gateway: poll, seal, store, send."),
        "add": N_("Test a device and write it into the site file."),
        "collect": N_("Run the platform side: verify, store, receipt."),
        "simulate": N_("Run simulated devices on virtual lines."),
    },
    N_("Look"): {
        "status": N_("Lines, outbox, uplink, trust and clock on one screen."),
        "read": N_("Read devices now, also while the agent runs."),
        "scan": N_("Find devices of unknown speed, parity and address."),
        "monitor": N_("Listen to a line: requests, replies and noise, decoded."),
        "raw": N_("Send bytes to a line and show what comes back."),
        "solve": N_("Registers and a displayed value to type, word order and scale."),
        "ports": N_("Serial ports: names, adapters, who holds them."),
    },
    N_("Change"): {
        "device": N_("Set the clock of a meter, or open and close its valve."),
    },
    N_("Prove"): {
        "verify": N_("Check signatures and chain of a file or database."),
        "export": N_("Write sealed blocks, or readings as a table, to a file."),
        "decode": N_("Turn captured frames into quantities."),
    },
    N_("Know"): {
        "profile": N_("List, show, check and begin device profiles."),
        "explain": N_("Say what a TG code means and what to do."),
        "version": N_("Say which version this is."),
    },
}
"""Section -> verb -> one line. The verb ``v`` is ``command`` in ``agent.cli.v``."""

_NAMES: Final = {name: click.Command(name) for verbs in VERBS.values() for name in verbs}  # click suggests from these
_CHINESE_LETTERS: Final = 40
_HELP: Final = N_(
    "Field gateway: polls meters and sensors, seals readings into signed chained blocks, forwards them."
)
_EPILOG: Final = N_("Exit status: 0 yes or done, 1 no, 2 usage, 3 cannot judge, 65 to 78 as in sysexits(3).")


class LazyGroup(click.Group):
    """The verbs of the table; a verb's file is imported only when it is called."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's own signature
        """Give the verbs in the order of the table."""
        return list(_NAMES)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        """Import the verb, in the language in use; None for a word that is no verb."""
        if cmd_name not in _NAMES:
            return None
        command: click.Command = importlib.import_module(f"agent.cli.{cmd_name}").command
        return localised(command)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        """Write the verbs in their sections, without importing them."""
        for section, verbs in VERBS.items():
            with formatter.section(_(section)):
                formatter.write_dl([(name, _(line)) for name, line in verbs.items()])

    def main(self, args: Sequence[str] | None = None, *_args: Any, **_extra: Any) -> NoReturn:  # noqa: ANN401
        """Run the command with ``args`` and leave with its exit code."""
        words = list(sys.argv[1:] if args is None else args)
        speak(_value(words, "--lang"), site_file(_value(words, "--site"), os.environ), os.environ)
        sys.exit(int(_run(localised(self), words)))


@global_options
@click.group("tidegate", cls=LazyGroup, commands=_NAMES, help=_HELP, epilog=_EPILOG, subcommand_metavar="VERB ...")
@click.pass_context
def cli(ctx: click.Context, /, **_globals: Any) -> None:  # noqa: ANN401 - click's own signature
    """Keep the global options that stand before the verb."""
    take_globals(ctx)


def _run(group: click.Command, words: list[str]) -> ExitCode:
    try:
        # click counts characters, and a Chinese one takes two cells
        width = _CHINESE_LETTERS if active() is Language.ZH else None
        with group.make_context("tidegate", list(words), obj=Session(), terminal_width=width) as ctx:
            group.invoke(ctx)
        sys.stdout.flush()
    except click.exceptions.Exit as done:
        with suppress(ValueError):
            sys.stdout.flush()
        return ExitCode(done.exit_code)
    except click.UsageError as error:
        return _misused(error, words)
    except (click.Abort, EOFError, KeyboardInterrupt):
        click.echo(_("Stopped."), err=True)
        return ExitCode.INTERRUPTED
    except BrokenPipeError:
        silence()
        return ExitCode.IO
    return ExitCode.DONE


def _misused(error: click.UsageError, words: list[str]) -> ExitCode:
    """Say what was typed wrongly, and how it is typed."""
    finding = Finding(code="usage", params={"detail": error.format_message()})
    if wants_json(words):
        verb = verb_name(error.ctx) if error.ctx is not None else ""
        click.echo(envelope(verb or "usage", Answer(code=ExitCode.USAGE, findings=(finding,))))
    error.show()
    if not isinstance(error, click.exceptions.NoArgsIsHelpError):
        click.echo(f"   {finding.tag}", err=True)
    return ExitCode.USAGE


def _value(words: Sequence[str], option: str) -> str | None:
    """Find the value of a global option before click has parsed the words; the last one wins."""
    found = None
    for index, word in enumerate(words):
        if word == "--":
            break
        if word.startswith(f"{option}="):
            found = word.partition("=")[2]
        elif word == option and index + 1 < len(words):
            found = words[index + 1]
    return found


def wants_json(words: Sequence[str]) -> bool:
    """Tell whether ``--json`` is among the words, for errors that come before they are parsed."""
    return "--json" in (words[: words.index("--")] if "--" in words else words)
