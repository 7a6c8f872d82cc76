"""``tidegate profile show``: everything a profile says, with what is in doubt."""

from __future__ import annotations

import click

from agent.cli.exit_codes import of_code
from agent.cli.output import Answer
from agent.cli.profile_words import path_of
from agent.cli.session import Session
from agent.cli.verb import verb
from agent.finding import Finding
from agent.language import N_

_HELP = N_("""Show a profile: what it reads, what proves it, what is in doubt, what the site has to answer.

WHICH is an id such as acrel/adl400, or a file.
""")


@verb("show", help=_HELP, short_help=N_("Show a profile, with what is in doubt."))
@click.argument("which")
def command(session: Session, which: str) -> Answer:
    """Read the profile and print it."""
    from agent.cli.profile_view import lines, result  # noqa: PLC0415 - start-up time
    from drivers.profile_load import read_profile  # noqa: PLC0415

    path = path_of(which)
    if isinstance(path, Finding):
        return Answer(code=of_code(path.code), findings=(path,))
    parsed = read_profile(path)
    if parsed.profile is None:
        found = tuple(
            Finding(code="bad-profile", where=fault.where, params={"detail": fault.what}) for fault in parsed.faults
        )
        return Answer(code=of_code("bad-profile"), findings=found)
    for line in lines(parsed.profile):
        session.out.say(line)
    return Answer(result=result(parsed.profile, path))
