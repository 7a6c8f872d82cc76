"""``tidegate profile``: the library of device profiles."""

from __future__ import annotations

from typing import Any

import click

from agent.cli import profile_list, profile_new, profile_show
from agent.cli.exit_codes import ExitCode
from agent.cli.output import Answer, Json
from agent.cli.profile_words import path_of
from agent.cli.session import Session
from agent.cli.verb import global_options, take_globals, verb
from agent.finding import Finding
from agent.language import N_, _

_CHECK_HELP = N_("""Check profiles: form, units, overlaps, and whether their examples decode to what they claim.

WHICH is a file or an id such as eastron/sdm120; without any, every profile that is installed is checked.
""")


@global_options
@click.group("profile", help=N_("Look after the device profiles."))
@click.pass_context
def command(ctx: click.Context, /, **_globals: Any) -> None:  # noqa: ANN401 - click's own signature
    """Keep the global options that stand before the second word."""
    take_globals(ctx)


@verb("check", help=_CHECK_HELP, short_help=N_("Check profiles against their examples."))
@click.argument("which", nargs=-1)
def check(session: Session, which: tuple[str, ...]) -> Answer:
    """Check files or ids."""
    from drivers.profile_check import check_profile  # noqa: PLC0415 - start-up time
    from drivers.profile_load import builtin_roots, list_profiles  # noqa: PLC0415

    findings: list[Finding] = []
    rows: list[tuple[str, str]] = []
    results: list[Json] = []
    for name in which or list_profiles(builtin_roots()):
        path = path_of(name)
        if isinstance(path, Finding):
            findings.append(path)
            continue
        found = [
            Finding(code=one.code, params=one.params, where=one.where, warning=one.warning)
            for one in check_profile(path)
            if which or not one.warning  # of the whole library, list says what proves each
        ]
        bad = any(not one.warning for one in found)
        findings += found
        rows.append((name, _("wrong") if bad else _("good")))
        results.append({"profile": name, "file": str(path), "ok": not bad})
    session.out.table(rows)
    wrong = any(not finding.warning for finding in findings)
    return Answer(
        code=ExitCode.BAD_DATA if wrong else ExitCode.DONE, result={"profiles": results}, findings=tuple(findings)
    )


for one in (profile_list.command, profile_show.command, check, profile_new.command):
    command.add_command(one)
