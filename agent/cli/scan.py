"""``tidegate scan``: finds devices whose speed, parity and address nobody knows."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from agent.cli.exit_codes import ExitCode
from agent.cli.output import Answer
from agent.cli.session import Session
from agent.cli.verb import verb
from agent.errors import AgentError
from agent.finding import Finding
from agent.language import N_, _

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from agent.cli.lines import Target
    from agent.cli.scan_record import Proposals
    from agent.cli.scan_work import Work
    from drivers.profile import LineSettings, Profile
    from drivers.scan.plan import Stage
    from drivers.scan.search import Progress

_MOST_UNIT = 247
_NETWORK_SWITCH_S = 0.2  # a device server is asked for each setting and answers
_HELP = N_("""Find devices on a line without knowing speed, parity or address.

\b
  tidegate scan rs485-a
  tidegate scan /dev/serial/by-id/usb-... --unit 1:32 --baud 9600
  tidegate scan rs485-a --resume --deep

Likely settings come first; --deep goes through all that is left, once more and patiently. Ctrl-C keeps what was
found, --resume goes on there. On a line that is in production it asks for --yes and lets the agent poll in between.
""")


@verb("scan", help=_HELP)
@click.argument("line", metavar="BUS|PORT")
@click.option("--unit", "units", metavar="N|N:M", help=N_("Only these addresses, such as 1:32 or 5,17."))
@click.option("--baud", "bauds", type=int, multiple=True, help=N_("Only this speed; may be given more than once."))
@click.option("--deep", is_flag=True, help=N_("Go on through every address, speed and parity, patiently."))
@click.option("--stop-after", type=click.IntRange(0), default=0, help=N_("End when so many are found."))
@click.option("--resume", is_flag=True, help=N_("Go on where the last scan of this line ended."))
@click.option("--state", metavar="FILE", help=N_("Where the record of the scan is kept."))
@click.option("--listen", "listen_s", type=click.FloatRange(0, 60), default=3.0, help=N_("Seconds to listen first."))
@click.option("--yes", is_flag=True, help=N_("Also on a line that is in production or not silent."))
def command(session: Session, line: str, **wishes: object) -> Answer:
    """Search the line."""
    from agent.cli.lines import find_line, in_production  # noqa: PLC0415 - start-up time

    target = find_line(session, line, any_speed=False)
    work, plan = _prepare(session, target, wishes)
    announced_s = work.search.remaining_s()
    if in_production(target) and not wishes["yes"]:
        minutes = max(1, round(announced_s / 60))
        about: dict[str, str | int] = {"bus": target.bus.name, "devices": len(target.devices), "minutes": minutes}
        return Answer(code=ExitCode.TRY_LATER, findings=(Finding(code="line-in-production", params=about),))
    _announce(session, plan, work, announced_s)
    stopped = _run(work)
    return _answer(session, work, announced_s, stopped=stopped)


def _prepare(session: Session, target: Target, wishes: dict[str, object]) -> tuple[Work, Sequence[Stage]]:
    from pathlib import Path  # noqa: PLC0415 - start-up time

    from agent.cli.scan_text import Ticker  # noqa: PLC0415
    from agent.cli.scan_work import Wishes, Work  # noqa: PLC0415
    from agent.clock import SystemClock, TimerfdPause  # noqa: PLC0415
    from drivers.scan.modbus import ModbusProbes  # noqa: PLC0415
    from drivers.scan.plan import Place, factory_places, make_plan  # noqa: PLC0415
    from drivers.scan.search import Search  # noqa: PLC0415

    profiles = all_profiles()
    maker = ModbusProbes()
    bus = target.bus
    bauds, units = wishes["bauds"], wishes["units"]
    plan = make_plan(
        maker,
        known=[Place(line=one.line or bus.line, address=one.unit, name=one.name) for one in target.devices],
        neighbours=_neighbours(target),
        factory=factory_places(profiles),
        bauds=bauds if isinstance(bauds, tuple) else (),
        addresses=_units(units) if isinstance(units, str) else (),
        deep=bool(wishes["deep"]),
    )
    state = wishes["state"]
    record = Path(state) if isinstance(state, str) else _record_path(session, bus.port)
    progress, proposals = _earlier(session, record) if wishes["resume"] else (None, {})
    switch_s = _NETWORK_SWITCH_S if "://" in bus.port else bus.adapter.switch_ms / 1000
    search = Search(plan, {maker.protocol: maker}, progress=progress, switch_s=switch_s)
    ticker = Ticker(session.out)
    stop_after, listen_s = wishes["stop_after"], wishes["listen_s"]
    work = Work(
        target=target,
        search=search,
        makers={maker.protocol: maker},
        wishes=Wishes(
            listen_s=listen_s if isinstance(listen_s, float) else 0.0,
            anyway=bool(wishes["yes"]),
            polite=True,
            stop_after=stop_after if isinstance(stop_after, int) else 0,
            record=record,
            profiles=profiles,
        ),
        clock=SystemClock(),
        pause=TimerfdPause(),
        tell=lambda now_s: ticker.tell(search, now_s),
        done=ticker.clear,
        proposals=proposals,
    )
    return work, plan


def _announce(session: Session, plan: Sequence[Stage], work: Work, announced_s: float) -> None:
    from agent.cli.scan_text import duration  # noqa: PLC0415 - start-up time

    done = work.search.progress.done
    left = sum(max(0, len(stage.asks) - done.get(stage.key, 0)) for stage in plan)
    if work.wishes.listen_s:
        session.out.note(_("Listening {seconds} s before speaking ...").format(seconds=f"{work.wishes.listen_s:g}"))
    session.out.note(
        _(
            "Plan: {stages} stages, {probes} questions, likely ones first; at most {time}. Ctrl-C keeps results."
        ).format(stages=len(plan), probes=left, time=duration(announced_s))
    )


def _run(work: Work) -> bool:
    """Do the work; give whether a person stopped it."""
    import asyncio  # noqa: PLC0415 - start-up time

    try:
        asyncio.run(work.run())
    except KeyboardInterrupt:
        return True
    finally:
        work.done()
    return False


def _answer(session: Session, work: Work, announced_s: float, *, stopped: bool) -> Answer:
    from agent.cli.scan_text import findings_of, found_rows, result_of  # noqa: PLC0415 - start-up time
    from drivers.scan.conclude import conclude  # noqa: PLC0415

    search, target = work.search, work.target
    progress = search.progress
    names = {(device.unit, device.line or target.bus.line): device.name for device in target.devices}
    if progress.sightings:
        session.out.table(found_rows(progress, work.proposals, names), right=(0, 2))
    if search.stage is not None:
        session.out.note(
            _("Not all was searched; go on with: tidegate scan {line} --resume").format(line=target.bus.name)
        )
    elif not any(stage.patient for stage in search.plan[-1:]):
        session.out.note(_("Slow devices and odd parity are not ruled out yet: add --resume --deep"))
    result = result_of(
        search, work.proposals, names, port=target.bus.port, announced_s=announced_s, took_s=work.took_s
    )
    code = ExitCode.DONE if progress.sightings else ExitCode.NO
    findings = findings_of(conclude(progress), progress, target.bus.port)
    return Answer(code=ExitCode.INTERRUPTED if stopped else code, result=result, findings=findings)


def all_profiles() -> tuple[Profile, ...]:
    """Read every profile that can be read."""
    from drivers.profile_load import builtin_roots, find_profile, list_profiles, read_profile  # noqa: PLC0415

    roots = builtin_roots()
    parsed = (read_profile(find_profile(name, roots)) for name in list_profiles(roots))
    return tuple(one.profile for one in parsed if one.profile is not None)


def _neighbours(target: Target) -> tuple[LineSettings, ...]:
    if target.site is None:
        return (target.bus.line,) if target.in_site else ()
    return tuple(bus.line for bus in target.site.buses if "://" not in bus.port)


def _units(text: str) -> tuple[int, ...]:
    """Read ``1:32``, ``5,17``; UnitError names what cannot be an address."""
    found: dict[int, None] = {}
    for part in text.split(","):
        first, _colon, last = part.partition(":")
        try:
            numbers = range(int(first), int(last or first) + 1)
        except ValueError:
            raise UnitError(part) from None
        if not numbers or numbers[0] < 1 or numbers[-1] > _MOST_UNIT:
            raise UnitError(part)
        found.update(dict.fromkeys(numbers))
    return tuple(found)


class UnitError(AgentError):
    """An address that there is not."""

    code = "address-out-of-range"

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self.finding = Finding(code=self.code, params={"address": text, "low": 1, "high": _MOST_UNIT})


def _record_path(session: Session, port: str) -> Path:
    from pathlib import Path  # noqa: PLC0415 - start-up time

    home = session.environ.get("XDG_STATE_HOME") or str(Path.home() / ".local" / "state")
    name = "".join(letter if letter.isalnum() else "-" for letter in port).strip("-")
    return Path(home) / "tidegate" / f"scan-{name[-80:]}.json"


def _earlier(session: Session, record: Path) -> tuple[Progress | None, Proposals]:
    """Read how far the last scan came; nothing, with a note, where that cannot be told."""
    from agent.cli.scan_record import read_record  # noqa: PLC0415 - start-up time
    from drivers.scan.record import RecordError  # noqa: PLC0415

    try:
        return read_record(record)
    except FileNotFoundError:
        session.out.note(_("There is no record of an earlier scan of this line; it begins anew."))
    except RecordError:
        session.out.note(_("The record {path} cannot be read; the scan begins anew.").format(path=record))
    return None, {}
