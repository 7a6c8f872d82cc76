"""``tidegate add --scan``: everything that a scan of a line has found goes into the site file in one step."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import click

from agent.cli.add import answered, needed
from agent.cli.add_choose import choose
from agent.cli.add_write import checked, failed, show, test, write
from agent.cli.asking import said_yes
from agent.cli.exit_codes import ExitCode
from agent.cli.lines import LineError
from agent.cli.output import Answer, Json
from agent.cli.scan import refuse_production, run
from agent.cli.scan_identify import spots_of
from agent.cli.scan_prepare import Asked, last_scan, last_unasked, prepare, scanned_at
from agent.cli.scan_record import unasked_of
from agent.cli.scan_text import setting, unfinished
from agent.configuration.edit import NewBus, NewDevice, added_lines, with_bus, with_device
from agent.finding import Finding
from agent.language import Language, _, active

if TYPE_CHECKING:
    from agent.cli.lines import Target
    from agent.cli.scan_record import Proposals
    from agent.cli.session import Session
    from drivers.profile import LineSettings
    from drivers.scan.sighting import Progress, Sighting


@dataclass(frozen=True, slots=True, kw_only=True)
class _Chosen:
    """What is to be written, and what could not be; ``bus_line`` is that of the bus, if need be of one to be made."""

    bus_line: LineSettings
    devices: tuple[NewDevice, ...]
    findings: tuple[Finding, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Common:
    """What was typed for all that was found.

    Attributes:
        bus: name of the bus, if need be of one to be made.
        ratios: answers; each goes to the profiles that ask for it.
        every: period, empty for those of the profiles.
    """

    bus: str
    ratios: Mapping[str, str]
    every: str


def add_found(session: Session, target: Target, common: Common, *, dry_run: bool, yes: bool) -> Answer:
    """Search the line if it has not been, test what was found, show, write.

    Raises:
        ConfigError: the file would be wrong.
        LinkDownError: the port is gone.
    """
    ask = not (yes or session.out.json)
    progress, proposals = last_scan(session, target.bus.port)
    if progress is None or not progress.sightings:
        work = prepare(session, target, Asked(anyway=yes))
        announced_s = work.announced_s
        refused = refuse_production(target, announced_s, anyway=yes)
        if refused is not None:
            return refused
        run(session, work, announced_s)  # whoever stops it goes on with what was found
        progress, proposals, left = work.search.progress, work.proposals, unasked_of(work.search)
    else:
        when, left = scanned_at(session, target.bus.port), last_unasked(session, target.bus.port)
        session.out.note(
            _("Taken from the scan of {when}; scan again if the line has changed since.").format(when=when)
        )
    chosen = _choose(session, target, common, progress, proposals, ask=ask)
    early = unfinished(left, target.typed)
    if not chosen.devices:
        nobody = Finding(code="nothing-new", params={"bus": common.bus}, warning=bool(chosen.findings))
        return Answer(code=ExitCode.NO, findings=(*chosen.findings, nobody, *early))
    chosen = replace(chosen, findings=(*chosen.findings, *early))
    return _tested_and_written(session, target, common, chosen, dry_run=dry_run, yes=yes)


def _choose(
    session: Session, target: Target, common: Common, progress: Progress, proposals: Proposals, *, ask: bool
) -> _Chosen:
    """Choose a profile for each new device.

    One for which none is likely enough, or whose profile asks for what nobody answers, is left out, and said.
    """
    known = spots_of(target.devices, target.bus.line)
    new = [one for one in progress.sightings if one.whole and one.spot not in known]
    devices: list[NewDevice] = []
    findings: list[Finding] = []
    usual = Counter(one.line for one in new).most_common(1)
    bus_line = target.bus.line if target.in_site or not usual else usual[0][0]
    for one in new:
        session.out.say(f"\n{one.protocol} {one.address}, {setting(one.line)}  {one.who}")
        try:
            profile = choose(session.out, target, one, proposals.get(one.spot, ()), ask=ask)
        except LineError as error:
            findings.append(replace(error.finding, warning=True))
            continue
        device = _device(common, one, profile, bus_line, ask=ask)
        unanswered = _unanswered(device, one)
        if unanswered is None:
            devices.append(device)
        else:
            findings.append(unanswered)
    return _Chosen(bus_line=bus_line, devices=tuple(devices), findings=tuple(findings))


def _device(common: Common, one: Sighting, profile: str, bus_line: LineSettings, *, ask: bool) -> NewDevice:
    by_number = isinstance(one.address, int)
    asked_for = {ratio.name for ratio in needed(profile)}
    given = {name: number for name, number in common.ratios.items() if name in asked_for}
    return NewDevice(
        name=f"{profile.rpartition('/')[2]}-{one.address}".lower(),
        bus=common.bus,
        unit=one.address if isinstance(one.address, int) else None,
        address="" if by_number else str(one.address),
        profile=profile,
        line=None if one.line == bus_line else one.line,
        ratios=answered(profile, given, ask=ask),
        every=common.every,
    )


def _unanswered(device: NewDevice, one: Sighting) -> Finding | None:
    """Give what to say of a device whose profile asks for a ratio that nobody has given."""
    ratio = next((ratio for ratio in needed(device.profile) if ratio.name not in device.ratios), None)
    if ratio is None:
        return None
    meaning = ratio.label.zh if active() is Language.ZH else ratio.label.en
    params: dict[str, str | int] = {
        "address": one.address,
        "profile": device.profile,
        "ratio": ratio.name,
        "meaning": meaning,
    }
    return Finding(code="ratio-unanswered", params=params, warning=True)


def _tested_and_written(
    session: Session, target: Target, common: Common, chosen: _Chosen, *, dry_run: bool, yes: bool
) -> Answer:
    path = session.site_path()
    before = path.read_text(encoding="utf-8")
    site, _first = checked(
        path, _edited(before, target, common.bus, chosen.bus_line, chosen.devices), chosen.devices[0]
    )
    findings, passed = list(chosen.findings), []
    for device in chosen.devices:
        values = test(site, next(one for one in site.devices if one.name == device.name))
        show(session, values, site.identity.timezone)
        if values.points and not values.error_code:
            passed.append(device)
        else:
            findings += [replace(finding, warning=True) for finding in failed(site, values).findings]
    if not passed:
        return Answer(code=ExitCode.NO, findings=tuple(findings))
    text = _edited(before, target, common.bus, chosen.bus_line, passed)
    site, _first = checked(path, text, passed[0])
    lines = added_lines(before, text)
    session.out.say(f"\n {path}")
    for added in lines:
        session.out.say(click.style(f" + {added}", fg="green"))
    result: dict[str, Json] = {"devices": [device.name for device in passed], "bus": common.bus, "added": lines}
    if dry_run:
        return Answer(result={**result, "written": False}, findings=tuple(findings))
    if not yes and (session.out.json or not said_yes(_("Write and reload"), default=True)):
        return Answer(
            code=ExitCode.NO,
            result={**result, "written": False},
            findings=(*findings, Finding(code="needs-yes")),
        )
    kept, more = write(session, path, text, site)
    return Answer(result={**result, "written": True, "kept": str(kept)}, findings=(*findings, *more))


def _edited(before: str, target: Target, bus: str, bus_line: LineSettings, devices: Sequence[NewDevice]) -> str:
    """Give the file with the devices, and with their bus if it has none yet."""
    text = before
    if not target.in_site:
        text = with_bus(text, NewBus(name=bus, port=target.bus.port, line=bus_line))
    for device in devices:
        text = with_device(text, device)
    return text
