"""``tidegate profile check``: device profiles against their examples."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from agent.cli.exit_codes import ExitCode
from agent.cli.output import Answer, Json
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
    from agent.config_values import nearest  # noqa: PLC0415 - start-up time
    from drivers.errors import ProfileError  # noqa: PLC0415 - start-up time
    from drivers.profile_check import check_profile  # noqa: PLC0415
    from drivers.profile_load import builtin_roots, find_profile, list_profiles  # noqa: PLC0415

    roots = builtin_roots()
    findings: list[Finding] = []
    rows: list[tuple[str, str]] = []
    results: list[Json] = []
    for name in which or list_profiles(roots):
        try:
            path = Path(name) if name.endswith(".toml") else find_profile(name, roots)
        except ProfileError:
            near = nearest(name, list_profiles(roots))
            findings.append(Finding(code="no-profile", params={"profile": name}, nearest=near))
            continue
        found = [
            Finding(code=one.code, params=one.params, where=one.where, warning=one.warning)
            for one in check_profile(path)
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


command.add_command(check)
