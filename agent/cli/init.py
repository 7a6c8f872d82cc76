"""``tidegate init``: the keys of this gateway and a first site file."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import click

from agent.cli.exit_codes import ExitCode
from agent.cli.output import Answer
from agent.cli.session import Session
from agent.cli.speaking import SITE_VARIABLE, SYSTEM_SITE
from agent.cli.verb import verb
from agent.finding import Finding
from agent.language import N_, _

_HELP = N_("""Make the keys and a site file for this gateway.

An identity key that is there already is kept, always. A site file that is there is kept too, unless --yes is given;
then the old one stays beside it as site.toml.old.

\b
  tidegate init --name haimen-07
  tidegate --site ./site.toml init --state-dir ./state --yes
""")


@verb("init", help=_HELP)
@click.option("--name", help=N_("Name of the site: letters, digits, dash."))
@click.option("--state-dir", metavar="DIR", help=N_("Where keys and blocks lie, instead of the system's place."))
@click.option("--yes", is_flag=True, help=N_("Ask nothing, and write the site file anew."))
def command(session: Session, name: str | None, state_dir: str | None, yes: bool) -> Answer:
    """Set up what ``run`` needs."""
    from agent.cli.setup import Setup, valid_name  # noqa: PLC0415 - start-up time

    site_path = _site_path(session)
    ask = sys.stdin.isatty() and not yes and not session.out.json
    setup = Setup(site_path=site_path, state_dir=Path(state_dir).absolute() if state_dir else None)
    if name is None and ask and not setup.site_exists():
        name = click.prompt(_("Site name"), default=setup.usual_name(), err=True)
    name = name or setup.usual_name()
    if not valid_name(name):
        return Answer(code=ExitCode.USAGE, findings=(Finding(code="bad-name", params={"value": name}),))
    overwrite = yes or not setup.site_exists()
    if not overwrite and ask:
        question = _("{path} is there already. Write it anew (the old one is kept as {old})?")
        overwrite = click.confirm(question.format(path=site_path, old=setup.old_site().name), default=False, err=True)
    made = setup.run(name, overwrite=overwrite)
    _tell(session, made.lines())
    return Answer(result=made.result())


def _site_path(session: Session) -> Path:
    """Give the file to write: the one that every verb would read; where there is none, root writes the system's."""
    named = session.site or session.environ.get(SITE_VARIABLE)
    here = Path("site.toml").absolute()
    if named:
        return Path(named).absolute()
    return Path(SYSTEM_SITE) if os.geteuid() == 0 and not here.exists() else here


def _tell(session: Session, lines: list[str]) -> None:
    for line in lines:
        session.out.say(line)
