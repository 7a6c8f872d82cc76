"""``tidegate add``: tests a device and writes it into ``site.toml``, which keeps its comments."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import click

from agent.cli.asking import said_yes
from agent.cli.exit_codes import ExitCode
from agent.cli.number_types import BAUD
from agent.cli.output import Answer, Json
from agent.cli.session import Session
from agent.cli.verb import verb
from agent.errors import AgentError
from agent.finding import Finding
from agent.language import N_, Language, _, active

if TYPE_CHECKING:
    from collections.abc import Mapping

    from agent.cli.lines import Target
    from agent.configuration.edit import NewDevice
    from drivers.profile import LineSettings, Profile
    from drivers.profile_about import Ratio
    from drivers.scan.sighting import Sighting

_OF_ONE_DEVICE = ("profile", "unit", "address", "name", "baud", "parity", "untested")
_HELP = N_("""Test a device and write it into the site file.

\b
  tidegate add rs485-a --scan
  tidegate add rs485-a --unit 1
  tidegate add rs485-a --address 000014359743
  tidegate add rs485-a --unit 7 --profile acrel/adl400 --name main --ratio ct=200/5
  tidegate add /dev/serial/by-id/usb-... --bus rs485-a --unit 1 --profile generic/xy-md02

What tidegate scan found is added so, with --scan all of it in one step (the line is searched if it was not yet);
without --profile the models that fit are proposed. The device is read before anything is written, the change is
shown, comments stay, and the file as it was is kept. A running agent takes the change at once.
""")


@verb("add", help=_HELP)
@click.argument("line", metavar="BUS|PORT")
@click.option("--profile", metavar="VENDOR/MODEL", default="", help=N_("What model it is; proposed if left out."))
@click.option("--unit", type=int, help=N_("Modbus address."))
@click.option("--address", default="", help=N_("Address of a protocol whose addresses are texts."))
@click.option("--scan", "scanned", is_flag=True, help=N_("Everything that a scan of the line has found."))
@click.option("--name", default="", help=N_("Name of the device; from model and address if left out."))
@click.option("--bus", "bus_name", default="", help=N_("Name of the bus to be made for a port that has none."))
@click.option("--baud", type=BAUD, help=N_("Speed of this device; that of the bus if left out."))
@click.option("--parity", type=click.Choice(["none", "even", "odd"]), help=N_("Parity of this device."))
@click.option("--every", default="", metavar="TIME", help=N_("Period, such as '10 s'; the profile's if left out."))
@click.option("--ratio", "ratios", metavar="NAME=NUMBER", multiple=True, help=N_("Answer that the profile needs."))
@click.option("--untested", is_flag=True, help=N_("Write it although it does not answer."))
@click.option("--dry-run", is_flag=True, help=N_("Test and show, write nothing."))
@click.option("--yes", is_flag=True, help=N_("Ask nothing."))
def command(session: Session, line: str, **wishes: object) -> Answer:
    """Test, show, write."""
    from agent.cli.add_write import checked, failed, show, test, write  # noqa: PLC0415 - start-up time
    from agent.cli.lines import find_line  # noqa: PLC0415
    from agent.cli.profile_words import of_library  # noqa: PLC0415
    from agent.configuration.edit import added_lines  # noqa: PLC0415

    target = find_line(session, line, serial=False)
    path = session.site_path()
    if target.site is None:
        session.load_site()  # says that there is none
    if wishes["scanned"]:
        return _found(session, target, wishes)
    if wishes["profile"] and isinstance(wrong := of_library(str(wishes["profile"])), Finding):
        return Answer(code=ExitCode.USAGE, findings=(replace(wrong, where="--profile"),))
    before = path.read_text(encoding="utf-8")
    ask = not (wishes["yes"] or session.out.json)
    seen = _seen(session, target, wishes)
    profile = wishes["profile"] or _proposed(session, target, wishes, seen, ask=ask)
    device = _wanted(target, wishes, profile, seen, ask=ask)
    text = _edited(before, target, device, str(wishes["bus_name"]))
    site, new = checked(path, text, device)
    values = test(site, new)
    show(session, values, site.identity.timezone)
    passed = bool(values.points) and not values.error_code
    if not passed and not wishes["untested"]:
        return failed(site, values)
    lines = added_lines(before, text)
    session.out.say(f"\n {path}")
    for added in lines:
        session.out.say(click.style(f" + {added}", fg="green"))
    result: dict[str, Json] = {"device": new.name, "bus": new.bus, "added": lines, "tested": passed, "written": False}
    if wishes["dry_run"]:
        return Answer(result=result)
    if not wishes["yes"] and (session.out.json or not said_yes(_("Write and reload"), default=True)):
        return Answer(code=ExitCode.NO, result=result, findings=(Finding(code="needs-yes"),))
    kept, findings = write(session, path, text, site)
    return Answer(result={**result, "written": True, "kept": str(kept)}, findings=findings)


def _found(session: Session, target: Target, wishes: dict[str, object]) -> Answer:
    """Add all that a scan has found; what is said of one device alone does not go with that."""
    from agent.cli.add_found import Common, add_found  # noqa: PLC0415 - start-up time

    alone = [f"--{name}" for name in _OF_ONE_DEVICE if wishes[name] not in (None, "", False)]
    if alone:
        detail = f"--scan, {', '.join(alone)}"
        return Answer(code=ExitCode.USAGE, findings=(Finding(code="usage", params={"detail": detail}),))
    common = Common(
        bus=target.bus.name if target.in_site else str(wishes["bus_name"]) or target.bus.name,
        ratios=dict(_pair(text) for text in _texts(wishes["ratios"])),
        every=str(wishes["every"]),
    )
    return add_found(session, target, common, dry_run=bool(wishes["dry_run"]), yes=bool(wishes["yes"]))


def _seen(session: Session, target: Target, wishes: dict[str, object]) -> Sighting | None:
    """Give what the last scan of the line saw at the address; None if it did not, or no address was given."""
    from agent.cli.scan_prepare import last_scan  # noqa: PLC0415 - start-up time
    from agent.cli.scan_text import setting  # noqa: PLC0415

    address: object = wishes["unit"] if isinstance(wishes["unit"], int) else str(wishes["address"]).replace(" ", "")
    progress, _proposals = last_scan(session, target.bus.port)
    found = [one for one in progress.sightings if one.address == address and one.whole] if progress else []
    if len(found) != 1:
        return None
    where = found[0].line
    if where != target.bus.line and wishes["baud"] is None and wishes["parity"] is None:
        session.out.note(_("The last scan saw it at {line}; it is written so.").format(line=setting(where)))
    return found[0]


def _proposed(
    session: Session, target: Target, wishes: dict[str, object], seen: Sighting | None, *, ask: bool
) -> str:
    """Find out what stands at the address; nothing where no address was given, which the check of the file says."""
    from agent.cli.add_choose import choose_profile  # noqa: PLC0415 - start-up time
    from agent.cli.lines import LineError  # noqa: PLC0415
    from agent.cli.scan_prepare import all_profiles  # noqa: PLC0415
    from drivers.scan.sighting import Sighting as Seen  # noqa: PLC0415

    unit = wishes["unit"]
    line = _line(target, wishes, seen) or target.bus.line
    if seen is not None:
        one = replace(seen, line=line)
    elif isinstance(unit, int):
        _in_range(target, unit)
        one = Seen(protocol="modbus", address=unit, line=line)
    elif wishes["address"]:
        params: dict[str, str | int] = {"address": str(wishes["address"]), "bus": target.typed}
        raise LineError(Finding(code="address-unscanned", params=params))
    else:
        return ""
    return choose_profile(session.out, target, one, all_profiles(), ask=ask)


def _wanted(
    target: Target, wishes: dict[str, object], profile: object, seen: Sighting | None, *, ask: bool
) -> NewDevice:
    """Put the entry together; asks for the ratios that are missing if it may."""
    from agent.configuration.edit import NewDevice  # noqa: PLC0415 - start-up time

    name, unit, address = str(wishes["name"]), wishes["unit"], str(wishes["address"]).replace(" ", "")
    profile = str(profile)
    place = address or str(unit)
    given = dict(_pair(text) for text in _texts(wishes["ratios"]))
    ratios = answered(profile, given, ask=ask)
    if isinstance(unit, int):
        _not_taken(target, unit, name)
    return NewDevice(
        name=name or f"{profile.rpartition('/')[2]}-{place}",
        bus=target.bus.name if target.in_site else str(wishes["bus_name"]) or target.bus.name,
        unit=unit if isinstance(unit, int) else None,
        address=address,
        profile=profile,
        line=_line(target, wishes, seen),
        ratios=ratios,
        every=str(wishes["every"]),
    )


def _texts(value: object) -> tuple[str, ...]:
    return tuple(str(one) for one in value) if isinstance(value, tuple) else ()


def _pair(text: str) -> tuple[str, str]:
    name, _equals, number = text.partition("=")
    return name.strip(), number.strip()


def answered(profile_id: str, given: Mapping[str, str], *, ask: bool) -> dict[str, str]:
    """Give the answers that a profile needs: those that were given, and the rest from the person if one may ask."""
    missing = [ratio for ratio in needed(profile_id) if ratio.name not in given] if ask else []
    return {**given, **{ratio.name: _ask(ratio) for ratio in missing}}


def needed(profile_id: str) -> tuple[Ratio, ...]:
    """Give the ratios that the site has to answer for a profile; none for one that cannot be read."""
    from drivers.errors import ProfileError  # noqa: PLC0415 - start-up time
    from drivers.profile_load import builtin_roots, find_profile, load_profile  # noqa: PLC0415

    try:
        profile: Profile = load_profile(find_profile(profile_id, builtin_roots()))
    except ProfileError:
        return ()  # the check of the whole file says it, with the nearest name
    return profile.ratios


def _ask(ratio: Ratio) -> str:
    label = ratio.label.zh if active() is Language.ZH else ratio.label.en
    question = _("{label} ({name}), from {low} to {high}").format(
        label=label, name=ratio.name, low=f"{ratio.low:f}", high=f"{ratio.high:f}"
    )
    answer: str = click.prompt(question, type=str)
    return answer.strip()


def _in_range(target: Target, unit: int) -> None:
    """Refuse an address that no device can have, before it is asked; with a profile the check of the file does."""
    from agent.configuration.address import unit_range  # noqa: PLC0415 - start-up time

    low, high = unit_range(over_tcp=target.bus.port.startswith("tcp:"))
    if not low <= unit <= high:
        params: dict[str, str | int] = {"address": unit, "low": low, "high": high}
        raise RefusedEntryError(Finding(code="address-out-of-range", params=params))


def _not_taken(target: Target, unit: int, name: str) -> None:
    other = next((one for one in target.devices if one.unit == unit and one.name != name), None)
    if other is not None:
        params: dict[str, str | int] = {"address": unit, "bus": target.bus.name, "other": other.name}
        raise RefusedEntryError(Finding(code="address-taken", params=params))


def _line(target: Target, wishes: dict[str, object], seen: Sighting | None) -> LineSettings | None:
    from drivers.profile import Parity  # noqa: PLC0415 - start-up time

    own = target.bus.line
    baud, parity = wishes["baud"], wishes["parity"]
    if baud is None and parity is None and seen is not None:
        own = seen.line
    if isinstance(baud, int):
        own = replace(own, baud=baud)
    if isinstance(parity, str):
        own = replace(own, parity=Parity[parity.upper()])
    return None if own == target.bus.line and target.in_site else own


def _edited(before: str, target: Target, device: NewDevice, bus_name: str) -> str:
    from agent.configuration.edit import NewBus, with_bus, with_device  # noqa: PLC0415

    if target.in_site:
        return with_device(before, device)
    line = device.line or target.bus.line
    text = with_bus(before, NewBus(name=bus_name or target.bus.name, port=target.bus.port, line=line))
    return with_device(text, replace(device, line=None))


class RefusedEntryError(AgentError):
    """The entry cannot be made; ``finding`` says why."""

    code = "address-taken"

    def __init__(self, finding: Finding) -> None:
        super().__init__(finding.sentence())
        self.finding = finding
