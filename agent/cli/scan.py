"""``tidegate scan``: finds devices whose protocol, speed, parity and address nobody knows."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import click

from agent.cli.exit_codes import ExitCode, of_code
from agent.cli.number_types import BAUD, FiniteRange
from agent.cli.output import Answer
from agent.cli.session import Session
from agent.cli.verb import failure, verb
from agent.finding import Finding, of_error
from agent.language import N_, _

if TYPE_CHECKING:
    from agent.cli.lines import Target
    from agent.cli.scan_work import Work

_HELP = N_("""Find devices on a line without knowing protocol, speed, parity or address.

\b
  tidegate scan rs485-a
  tidegate scan /dev/serial/by-id/usb-... --unit 1:32 --baud 9600
  tidegate scan rs485-a --protocol dlt645 --protocol mbus
  tidegate scan rs485-a --resume --deep

Modbus, DL/T 645, CJ/T 188, M-Bus, IEC 62056-21, SML and DLMS are tried, and whoever speaks by itself is listened for,
likely settings first; --deep goes through all that is left, once more and patiently. Ctrl-C keeps what was found,
--resume goes on there. On a line that is in production it asks for --yes and lets the agent poll in between.
Then: tidegate add rs485-a --scan
""")


@verb("scan", help=_HELP)
@click.argument("line", metavar="BUS|PORT")
@click.option("--unit", "units", default="", metavar="N|N:M", help=N_("Only these Modbus addresses: 1:32 or 5,17."))
@click.option("--baud", "bauds", type=BAUD, multiple=True, help=N_("Only this speed; may be given more than once."))
@click.option("--protocol", "protocols", multiple=True, metavar="NAME", help=N_("Only this protocol, such as mbus."))
@click.option("--deep", is_flag=True, help=N_("Go on through every address, speed and parity, patiently."))
@click.option("--stop-after", type=click.IntRange(0), default=0, help=N_("End when so many are found."))
@click.option("--resume", is_flag=True, help=N_("Go on where the last scan of this line ended."))
@click.option("--state", default="", metavar="FILE", help=N_("Where the record of the scan is kept."))
@click.option("--listen", "listen_s", type=FiniteRange(0, 60), default=3.0, help=N_("Seconds to listen first."))
@click.option("--yes", "anyway", is_flag=True, help=N_("Also on a line that is in production or not silent."))
def command(session: Session, line: str, **wishes: object) -> Answer:
    """Search the line."""
    from agent.cli.lines import find_line  # noqa: PLC0415 - start-up time
    from agent.cli.scan_prepare import Asked, prepare  # noqa: PLC0415
    from drivers.errors import LinkDownError  # noqa: PLC0415

    target = find_line(session, line, any_speed=False)
    asked = Asked(**wishes)  # type: ignore[arg-type]  # click has made each what its option says
    work = prepare(session, target, asked)
    announced_s = work.announced_s
    refused = refuse_production(target, announced_s, anyway=asked.anyway)
    if refused is not None:
        return refused
    try:
        stopped = run(session, work, announced_s)
    except LinkDownError as error:
        if not work.search.progress.probes:
            raise
        return _answer(session, work, announced_s, lost=of_error(error))
    return _answer(session, work, announced_s, stopped=stopped)


def refuse_production(target: Target, announced_s: float, *, anyway: bool) -> Answer | None:
    """Give the answer where the line is in production and nobody said yes; None to go on."""
    from agent.cli.lines import in_production  # noqa: PLC0415 - start-up time
    from agent.cli.scan_work import with_rests_s  # noqa: PLC0415

    if anyway or not in_production(target):
        return None
    minutes = max(1, round(with_rests_s(announced_s) / 60))
    about: dict[str, str | int] = {"bus": target.bus.name, "devices": len(target.devices), "minutes": minutes}
    return Answer(code=ExitCode.TRY_LATER, findings=(Finding(code="line-in-production", params=about),))


def run(session: Session, work: Work, announced_s: float) -> bool:
    """Say what will be done and do it; give whether a person stopped it."""
    import asyncio  # noqa: PLC0415 - start-up time

    _announce(session, work, announced_s)
    try:
        asyncio.run(work.run())
    except KeyboardInterrupt:
        return True
    finally:
        work.done()
    return False


def _announce(session: Session, work: Work, announced_s: float) -> None:
    from agent.cli.lines import in_production  # noqa: PLC0415 - start-up time
    from agent.cli.scan_text import duration, span  # noqa: PLC0415
    from agent.cli.scan_work import with_rests_s  # noqa: PLC0415

    done, plan = work.search.progress.done, work.search.plan
    left = sum(max(0, len(stage.asks) - done.get(stage.key, 0)) for stage in plan)
    if work.wishes.listen_s:
        session.out.note(_("Listening {seconds} s before speaking ...").format(seconds=f"{work.wishes.listen_s:g}"))
    session.out.note(
        _(
            "Plan: {stages} stages, {probes} questions, likely ones first; at most {time} if nobody answers. "
            "Ctrl-C keeps results."
        ).format(stages=len(plan), probes=left, time=duration(announced_s))
    )
    each_s = work.courses.range_s(plan)
    if left and each_s[1]:
        session.out.note(
            _(
                "On top of that: about {each} for each device found, to tell its model, and what it takes to tell "
                "apart several that answer at once; both are shown (+) as they come up."
            ).format(each=span(*each_s))
        )
    if in_production(work.target):
        session.out.note(
            _("The agent polls in between: {time} until the end.").format(time=duration(with_rests_s(announced_s)))
        )


def _answer(
    session: Session, work: Work, announced_s: float, *, stopped: bool = False, lost: Finding | None = None
) -> Answer:
    """Show what was found, however the search ended: ``stopped`` by a person, or the line ``lost`` on the way."""
    from agent.cli.scan_text import duration, findings_of, found_rows, result_of  # noqa: PLC0415 - start-up time
    from drivers.scan.conclude import conclude  # noqa: PLC0415

    search, target = work.search, work.target
    progress = search.progress
    if progress.sightings:
        session.out.table(found_rows(progress, work.proposals, work.known), right=(0, 3))
    added_s = search.forecast.added_s
    session.out.note(
        _("Took {took}; announced were {announced}, and {added} for what was found.").format(
            took=duration(work.took_s), announced=duration(announced_s), added=duration(added_s)
        )
    )
    if search.agenda.hushed:
        session.out.note(
            _("Somebody speaks on this line, so it was only listened to; --resume --yes asks all the same.")
        )
    elif not search.is_done:
        session.out.note(
            _("Not all was searched; go on with: tidegate scan {line} --resume").format(line=target.typed)
        )
    elif not any(stage.patient for stage in search.plan[-1:]):
        session.out.note(_("Slow devices and odd parity are not ruled out yet: add --resume --deep"))
    result = result_of(
        search, work.proposals, work.known, port=target.bus.port, announced_s=announced_s, took_s=work.took_s
    )
    unkept = (replace(failure(work.unsaved).findings[0], warning=True),) if work.unsaved is not None else ()
    if lost is not None:  # of a line that went away nothing is concluded
        return Answer(code=of_code(lost.code), result=result, findings=(lost, *unkept))
    code = ExitCode.DONE if progress.sightings else ExitCode.NO
    findings = (*findings_of(conclude(progress), progress, target.bus.port), *unkept)
    return Answer(code=ExitCode.INTERRUPTED if stopped else code, result=result, findings=findings)
