"""``tidegate verify``: is what these files hold all there, in order and unaltered? Needs only public keys."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from agent.cli.exit_codes import ExitCode
from agent.cli.output import Answer
from agent.cli.session import Session
from agent.cli.verb import verb
from agent.finding import Finding
from agent.language import N_, _

if TYPE_CHECKING:
    from agent.cli.verdict import Opinion
    from agent.keys import NamedKey

_HELP = N_("""Check signatures and chain of sealed blocks; works offline, needs only public keys.

FILE is a .cbseq file, the outbox.db of a gateway or the database of a collector. Without FILE it is the outbox of
this gateway, judged by its own key.

\b
  tidegate verify haimen-07.cbseq --trust trust.txt
  tidegate verify collector.db --trust trust.txt

Ends with 0 only if all is proven, with 1 if something is wrong or missing, with 3 if it cannot be judged.
""")


@verb("verify", help=_HELP)
@click.argument("files", metavar="FILE", nargs=-1, type=click.Path(path_type=Path))
@click.option(
    "--trust",
    metavar="FILE",
    type=click.Path(path_type=Path),
    help=N_("Identity keys to judge by: the lines that tidegate init printed."),
)
def command(session: Session, files: tuple[Path, ...], trust: Path | None) -> Answer:
    """Judge files."""
    from agent.cli.judge import judge  # noqa: PLC0415 - start-up time
    from agent.keys import load_trust  # noqa: PLC0415

    keys = load_trust(trust) if trust is not None else ()
    if not files:
        files, keys = _own(session, keys)
    if not keys:
        return Answer(code=ExitCode.CANNOT_JUDGE, findings=(Finding(code="no-trust"),))
    opinion = judge(files, keys)
    return _answer(session, opinion)


def _own(session: Session, keys: tuple[NamedKey, ...]) -> tuple[tuple[Path, ...], tuple[NamedKey, ...]]:
    """Give the outbox of this gateway, and its own public key where no other was given."""
    from agent.keys import FileKeyStore, NamedKey  # noqa: PLC0415 - start-up time

    site = session.load_site()
    if not keys:
        key = FileKeyStore(site.state_dir / "keys").identity()
        keys = (NamedKey(spki=key.spki, name=site.identity.name),)
        session.out.note(_("Judged by the key that lies beside the records; for a proof to others give --trust."))
    return (site.state_dir / "outbox.db",), keys


def _answer(session: Session, opinion: Opinion) -> Answer:
    opinion.print(session.out)
    return Answer(code=opinion.code, result=opinion.result(), findings=opinion.findings(), told=not session.out.json)
