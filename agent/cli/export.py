"""``tidegate export``: sealed blocks as a file that anyone can verify, or readings as a table."""

from __future__ import annotations

from datetime import UTC, datetime, tzinfo
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from agent.cli.exit_codes import ExitCode
from agent.cli.output import Answer
from agent.cli.session import Session
from agent.cli.verb import verb
from agent.finding import Finding
from agent.language import N_, Language, _, active
from agent.zones import zone_of

if TYPE_CHECKING:
    from agent.keys import NamedKey

_SUFFIXES: Final = (".cbseq", ".csv", ".jsonl")
_HELP = N_("""Write sealed blocks, or readings as a table, to a file.

\b
  tidegate export haimen-07.cbseq
  tidegate export october.csv --from 2026-10-01 --to 2026-11-01

The end of the name says what is written: .cbseq holds the blocks as they were signed, for tidegate verify; .csv and
.jsonl hold the readings of verified blocks. Times without a zone are those of the site. A .cbseq file that does not
begin with the first block of the gateway's life gets a .cbdict beside it: the two belong together.
""")


@verb("export", help=_HELP)
@click.argument("file", required=False)
@click.option("--to", "ends", multiple=True, metavar="TIME|FILE", help=N_("Up to when; or the file to write."))
@click.option("--from", "start", metavar="TIME", help=N_("From when on: 2026-10-01 or 2026-10-01T08:30."))
@click.option("--db", metavar="FILE", help=N_("Take the blocks from here, instead of the gateway's own outbox."))
@click.option("--trust", metavar="FILE", help=N_("Identity keys to judge by, instead of the gateway's own."))
@click.option("--bom/--no-bom", default=None, help=N_("Mark the CSV as UTF-8 for Excel; usual with --lang zh."))
@click.option("--sep", default=",", metavar="CHARACTER", help=N_("What separates the columns of a CSV."))
@click.option("--yes", is_flag=True, help=N_("Overwrite a file that is there."))
def command(
    session: Session,
    file: str | None,
    ends: tuple[str, ...],
    start: str | None,
    db: str | None,
    trust: str | None,
    bom: bool | None,
    sep: str,
    yes: bool,
) -> Answer:
    """Find out what is wanted, then write it."""
    from agent.cli.exporting import Job, write  # noqa: PLC0415 - start-up time

    files = [end for end in (file, *ends) if end is not None and end.endswith(_SUFFIXES)]
    times = [end for end in ends if not end.endswith(_SUFFIXES)]
    if len(files) != 1 or len(times) > 1 or file not in (None, *files):
        wanted = _("Name one file; it ends with {suffixes}")
        raise click.UsageError(wanted.format(suffixes=", ".join(_SUFFIXES)))
    if len(sep) != 1:
        raise click.UsageError(_("--sep takes one character"))
    target = Path(files[0])
    if target.exists() and not yes:
        return Answer(code=ExitCode.USAGE, findings=(Finding(code="file-exists", params={"path": str(target)}),))
    source, keys, zone = _source(session, db, trust)
    if not keys:
        return Answer(code=ExitCode.CANNOT_JUDGE, findings=(Finding(code="no-trust"),))
    job = Job(
        source=source,
        keys=keys,
        target=target,
        zone=zone,
        from_ms=_moment(start, zone),
        to_ms=_moment(times[0] if times else None, zone),
        bom=active() is Language.ZH if bom is None else bom,
        separator=sep,
    )
    return write(job, session.out)


def _source(session: Session, db: str | None, trust: str | None) -> tuple[Path, tuple[NamedKey, ...], tzinfo]:
    from agent.keys import FileKeyStore, NamedKey, load_trust  # noqa: PLC0415

    keys = load_trust(Path(trust)) if trust is not None else ()
    if db is not None and keys:
        return Path(db), keys, UTC
    site = session.load_site()
    if not keys:
        key = FileKeyStore(site.state_dir / "keys").identity()
        keys = (NamedKey(spki=key.spki, name=site.identity.name),)
    return Path(db) if db is not None else site.state_dir / "outbox.db", keys, zone_of(site.identity.timezone)


def _moment(text: str | None, zone: tzinfo) -> int | None:
    """Read a time as milliseconds since 1970; one without a zone is the site's."""
    if text is None:
        return None
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise click.UsageError(_("{text} is no time; it looks like 2026-10-01T08:30").format(text=text)) from None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=zone)
    return round(moment.timestamp() * 1000)
