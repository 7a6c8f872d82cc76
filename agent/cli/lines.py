"""The line a person means: a bus of the site, or a port; and how it is got hold of beside a running agent."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from agent.cli.driver_notes import say_notes
from agent.cli.session import Session
from agent.config import Bus, Site, SiteDevice
from agent.control.client import ControlClient
from agent.control.protocol import AskLease, RequestFailedError
from agent.errors import AgentError, ControlError
from agent.finding import Finding
from drivers.errors import LinkDownError
from drivers.port_url import read_port

LEASE_S: Final = 60.0


class LineError(AgentError):
    """What was typed names no line that can be used; ``finding`` says why."""

    code = "no-such-line"

    def __init__(self, finding: Finding) -> None:
        super().__init__(finding.sentence())
        self.finding = finding


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """A line.

    Attributes:
        bus: what the site file says of it, or a bus made up for a bare port.
        site: None without a site file.
        devices: those of the site that stand on it.
        in_site: whether the bus stands in the site file.
    """

    bus: Bus
    site: Site | None
    devices: tuple[SiteDevice, ...] = ()
    in_site: bool = False

    @property
    def typed(self) -> str:
        """What to type for it: the name of a bus of the site, or the port."""
        return self.bus.name if self.in_site else self.bus.port


def find_line(
    session: Session, name: str, *, serial: bool = True, any_speed: bool = True, speaks: bool = True
) -> Target:
    """Find the bus or port called ``name``.

    Args:
        session: tells the site file.
        name: as it was typed.
        serial: it has to be a serial line, be it behind a network.
        any_speed: a line whose speed cannot be set from here will do too (``rtu+tcp://``).
        speaks: something will be sent on it.

    Raises:
        LineError: there is no such bus and no such port, it is no serial line and has to be one, or it is only
            listened to and something would be sent.
        ConfigError: the site file is wrong.
    """
    say_notes(session.out)
    site = session.load_site() if session.site_path().exists() or session.site else None
    buses = () if site is None else site.buses
    bus = next((one for one in buses if one.name == name), None)
    if bus is None:
        real = os.path.realpath(name)
        bus = next((one for one in buses if "://" not in one.port and os.path.realpath(one.port) == real), None)
    in_site = bus is not None
    if bus is None:
        if not _is_port(name):
            known = ", ".join(one.name for one in buses) or "-"
            raise LineError(Finding(code="no-such-line", params={"value": name, "known": known}))
        bus = Bus(name=Path(name).name, port=name)
    if serial and bus.port.startswith(("tcp:", *(() if any_speed else ("rtu+tcp:",)))):
        raise LineError(Finding(code="no-serial-line", params={"port": bus.port}))
    if bus.listen and speaks:
        raise LineError(Finding(code="listen-only", params={"detail": bus.name}))
    devices = tuple(device for device in site.devices if device.bus == bus.name) if site and in_site else ()
    return Target(bus=bus, site=site, devices=devices, in_site=in_site)


def _is_port(name: str) -> bool:
    """Tell whether ``name`` is the path of something that is there, or a URL of a form that can be opened."""
    try:
        return read_port(name).way.is_network or Path(name).exists()
    except LinkDownError:
        return False


@dataclass(slots=True, kw_only=True)
class Borrowed:
    """The right to use a line: lent by the agent while it runs, free otherwise. A context manager.

    Attributes:
        target: which line.
        seconds: for how long at most.
        by_agent: whether the agent lent it; known inside the context.
    """

    target: Target
    seconds: float = LEASE_S
    by_agent: bool = False
    _client: ControlClient | None = field(default=None, repr=False)

    def __enter__(self) -> Self:
        client = agent_of(self.target)
        if client is None:
            return self
        try:
            client.ask(AskLease(bus=self.target.bus.name, seconds=self.seconds))
        except RequestFailedError as error:
            client.close()
            if error.failure.code != "unknown-bus":  # a bus without devices is not opened by the agent
                raise
            return self
        except ControlError:
            client.close()
            raise
        self._client, self.by_agent = client, True
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        client, self._client = self._client, None
        if client is not None:
            client.close()


def agent_of(target: Target) -> ControlClient | None:
    """Connect to the agent that serves the line's site; None if none runs.

    Raises:
        ControlError: it runs and does not let us ask.
    """
    if target.site is None or not target.in_site:
        return None
    try:
        return ControlClient(target.site.run_dir)
    except ControlError as error:
        if isinstance(error.__cause__, FileNotFoundError | ConnectionRefusedError):
            return None
        raise


def in_production(target: Target) -> bool:
    """Tell whether a running agent polls devices on the line."""
    client = agent_of(target) if target.devices else None
    if client is not None:
        client.close()
    return client is not None
