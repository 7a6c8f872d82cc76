"""What ``tidegate add`` does with the file: checks it as it would be, reads the device, saves, reloads the agent."""

from __future__ import annotations

import asyncio
import tempfile
from dataclasses import replace
from pathlib import Path

from agent.cli.exit_codes import ExitCode, of_code
from agent.cli.lines import Borrowed, Target
from agent.cli.other_line import other_lines
from agent.cli.output import Answer
from agent.cli.read import show_devices
from agent.cli.read_direct import read_directly
from agent.cli.session import Session
from agent.clock import SystemClock
from agent.config import Site, SiteDevice
from agent.configuration.edit import NewDevice, save
from agent.configuration.load import check_site
from agent.control.client import ControlClient
from agent.control.protocol import AskReload, DeviceValues
from agent.errors import AgentError, ConfigError, ControlError
from agent.finding import Finding, of_error
from agent.language import _
from drivers.profile_load import builtin_roots


def checked(path: Path, text: str, device: NewDevice) -> tuple[Site, SiteDevice]:
    """Read the file as it would be.

    Raises:
        ConfigError: it would be wrong, with every finding.
    """
    with tempfile.NamedTemporaryFile("w", dir=path.parent, prefix=f".{path.name}.", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        check = check_site(Path(file.name), builtin_roots())
        errors = tuple(_renamed(one, file.name, str(path)) for one in check.findings if not one.warning)
    if check.site is None:
        raise ConfigError(errors[0].where, errors[0].sentence(), errors[0].act(), findings=errors)
    return check.site, next(one for one in check.site.devices if one.name == device.name)


def _renamed(finding: Finding, temporary: str, path: str) -> Finding:
    return replace(finding, where=finding.where.replace(temporary, path))


def test(site: Site, device: SiteDevice) -> DeviceValues:
    """Read a device that is in no site file yet; what went wrong stands in the values."""
    bus = next(one for one in site.buses if one.name == device.bus)
    with Borrowed(target=Target(bus=bus, site=site, in_site=True)):
        (values,) = asyncio.run(read_directly(site, (device,)))
    return values


def show(session: Session, values: DeviceValues, timezone: str) -> None:
    """Show what was read, for a person to compare; the device's own time in ``timezone``."""
    show_devices(session.out, (values,), timezone=timezone)
    if values.points:
        session.out.say(_("Please compare these values with the display of the device."))


def failed(site: Site, values: DeviceValues) -> Answer:
    """Give the answer for a device of ``site`` that did not pass its test."""
    detail = values.error.rstrip(".") or values.error_code or "-"
    finding = Finding(code="not-tested", params={"device": values.device, "detail": detail})
    code = of_code(values.error_code) if values.error_code else ExitCode.NO_ANSWER
    return Answer(code=code, findings=(finding, *other_lines(site, (values,))))


def write(session: Session, path: Path, text: str, site: Site) -> tuple[Path, tuple[Finding, ...]]:
    """Save the file and let a running agent read it; give where the file as it was is kept."""
    kept = save(path, text, utc_ns=SystemClock().utc_ns())
    session.out.say(_("Saved. To undo it: cp {kept} {path}").format(kept=kept, path=path))
    try:
        with ControlClient(site.run_dir) as agent:
            agent.ask(AskReload())
    except ControlError as error:
        if isinstance(error.__cause__, FileNotFoundError | ConnectionRefusedError):
            return kept, ()  # none runs
        return kept, (of_error(error),)
    except AgentError as error:
        return kept, (of_error(error),)
    session.out.say(_("The agent polls it now."))
    return kept, ()
