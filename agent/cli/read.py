"""``tidegate read``: devices, now; through the running agent, or else through the port itself."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import click

from agent.cli.exit_codes import ExitCode, of_code
from agent.cli.number_types import FiniteRange
from agent.cli.output import Answer, Json, Output
from agent.cli.session import Session
from agent.cli.state_names import StateNames
from agent.cli.verb import verb
from agent.errors import ControlError
from agent.finding import Finding
from agent.language import N_, _
from agent.messages import knows

if TYPE_CHECKING:
    from agent.cli.selection import Selected
    from agent.config import Site
    from agent.control.protocol import DeviceValues, PointValue

_HELP = N_("""Read devices now.

\b
  tidegate read
  tidegate read rs485-a/main-meter
  tidegate read 'rs485-a/*/voltage.*'
  tidegate read rs485-a --watch --every 5

While the agent runs it is asked and reads between its own polls; else the port is opened for this one time.
Ends with 0 if all is good, 1 if something is bad, 69 if nothing answers.
""")


@verb("read", help=_HELP)
@click.argument("selectors", metavar="[BUS[/DEVICE[/POINT]]]", nargs=-1)
@click.option("--watch", is_flag=True, help=N_("Go on reading and show a live table."))
@click.option(
    "--every", "every_s", type=FiniteRange(0.1, 86400), default=2.0, show_default=True,
    help=N_("Seconds between two rounds of --watch."),
)  # fmt: skip
@click.option(
    "--count", type=click.IntRange(0), default=0, help=N_("End --watch after so many rounds; 0 goes on until Ctrl-C.")
)
def command(session: Session, selectors: tuple[str, ...], watch: bool, every_s: float, count: int) -> Answer:
    """Read what the selectors name."""
    from agent.cli.driver_notes import say_notes  # noqa: PLC0415 - start-up time
    from agent.cli.other_line import other_lines  # noqa: PLC0415
    from agent.cli.selection import NothingSelectedError, select  # noqa: PLC0415

    say_notes(session.out)
    site = session.load_site()
    try:
        selected = select(site, selectors)
    except NothingSelectedError as error:
        params = {"selector": error.selector, "known": error.known}
        return Answer(code=ExitCode.USAGE, findings=(Finding(code=error.code, params=params, nearest=error.near),))
    if watch:
        return _watch(session, site, selected, every_s=every_s, count=count)
    through_agent, devices = _ask(site, selected)
    names = StateNames(site.devices)
    show_devices(session.out, devices, names, site.identity.timezone)
    findings = (*(_finding(one) for one in devices if one.error_code), *other_lines(site, devices))
    result = {"via": "agent" if through_agent else "port", "devices": [_json(device, names) for device in devices]}
    return Answer(code=_code(devices), result=result, findings=findings)


def _watch(session: Session, site: Site, selected: Selected, *, every_s: float, count: int) -> Answer:
    """Read again and again; the answer is that of the last round."""
    from agent.cli.read_watch import watch  # noqa: PLC0415 - start-up time

    names = StateNames(site.devices)
    as_json = partial(_json, names=names)
    devices = watch(session.out, lambda: _ask(site, selected)[1], as_json, names, every_s=every_s, rounds=count)
    findings = tuple(_finding(device) for device in devices if device.error_code)
    result = {"devices": [as_json(device) for device in devices]}
    return Answer(code=_code(devices), result=result, findings=findings)


def _ask(site: Site, selected: Selected) -> tuple[bool, tuple[DeviceValues, ...]]:
    """Ask the agent; read directly where there is none."""
    from agent.control.client import ControlClient  # noqa: PLC0415 - start-up time
    from agent.control.protocol import AskRead  # noqa: PLC0415

    try:
        with ControlClient(site.run_dir) as agent:
            names = tuple(device.name for device in selected.devices)
            return True, agent.ask(AskRead(devices=names, points=selected.points)).devices
    except ControlError as error:
        if not isinstance(error.__cause__, FileNotFoundError | ConnectionRefusedError):
            raise  # it runs and does not answer us: opening its port would disturb it
    return False, _directly(site, selected)


def _directly(site: Site, selected: Selected) -> tuple[DeviceValues, ...]:
    import asyncio  # noqa: PLC0415 - start-up time
    from dataclasses import replace  # noqa: PLC0415

    from agent.cli.read_direct import read_directly  # noqa: PLC0415

    wanted = selected.points
    devices = asyncio.run(read_directly(site, selected.devices))
    if not wanted:
        return devices
    return tuple(replace(one, points=tuple(p for p in one.points if p.quantity in wanted)) for one in devices)


def show_devices(
    out: Output, devices: tuple[DeviceValues, ...], names: StateNames | None = None, timezone: str = "UTC"
) -> None:
    """Print one line for each point, with the device's own time where one is told.

    Args:
        out: where to.
        devices: what they said.
        names: of states.
        timezone: in which the device's time is shown.
    """
    names = names or StateNames()
    points = [point for device in devices for point in device.points]
    timed = any(point.device_utc_ms is not None or point.device_flags for point in points)
    heads = (_("DEVICE"), _("POINT"), _("VALUE"), _("UNIT"), _("QUALITY"))
    rows = [(*heads, _("DEVICE TIME")) if timed else heads]
    for device in devices:
        for point in device.points:
            value = names.shown(device.device, point)
            row = (device.device, point.quantity, value, point.unit or "", _quality(point))
            rows.append((*row, _device_time(point, timezone)) if timed else row)
        if not device.points:
            rows.append((device.device, "-", "-", "", device.error_code or "-"))
    out.table(rows, right=(2,))


def _device_time(point: PointValue, timezone: str) -> str:
    """Give when the device says that it took a value, empty if it says nothing."""
    from datetime import datetime  # noqa: PLC0415 - start-up time

    from agent.zones import zone_of  # noqa: PLC0415
    from drivers.batch import DeviceTimeFlag  # noqa: PLC0415

    unset = _("its clock is not set") if point.device_flags & DeviceTimeFlag.CLOCK_UNSET else ""
    if point.device_utc_ms is None:
        return unset or ("-" if point.device_flags else "")
    try:
        moment = datetime.fromtimestamp(point.device_utc_ms // 1000, zone_of(timezone))
    except (ValueError, OverflowError):
        return unset or "-"
    text = moment.isoformat(sep=" ", timespec="seconds")
    return f"{text} ({unset})" if unset else text


def _quality(point: PointValue) -> str:
    from drivers.quality import name_of  # noqa: PLC0415 - start-up time

    return name_of(point.status)


def _finding(device: DeviceValues) -> Finding:
    code = device.error_code if knows(device.error_code) else "driver-error"
    return Finding(code=code, params={"detail": device.error.rstrip(".")}, where=f"{device.bus}/{device.device}")


def _code(devices: tuple[DeviceValues, ...]) -> ExitCode:
    from drivers.quality import is_good  # noqa: PLC0415 - start-up time

    points = [point for device in devices for point in device.points]
    if not points:
        codes = {of_code(device.error_code) for device in devices}
        return codes.pop() if len(codes) == 1 else ExitCode.NO_ANSWER
    if any(device.error_code for device in devices) or not all(is_good(point.status) for point in points):
        return ExitCode.NO
    return ExitCode.DONE


def _json(device: DeviceValues, names: StateNames) -> Json:
    from drivers.batch import flag_words  # noqa: PLC0415 - start-up time

    return {
        "device": device.device,
        "bus": device.bus,
        "utc_ms": device.utc_ms,
        "error": device.error_code or None,
        "points": [
            {
                "quantity": point.quantity,
                "value": point.value,
                "state": names.told(device.device, point),
                "unit": point.unit,
                "quality": _quality(point),
                "status": point.status,
                "device_utc_ms": point.device_utc_ms,
                "device_flags": flag_words(point.device_flags) or None,
            }
            for point in device.points
        ],
    }
