"""``tidegate ports``: what is plugged in, under which names, and who holds it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from agent.cli.exit_codes import ExitCode
from agent.cli.output import Answer, Json, Output
from agent.cli.session import Session
from agent.cli.verb import verb
from agent.finding import Finding
from agent.language import N_, _

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from agent.config import Bus
    from drivers.transport.ports import PortInfo

_LOOK_S = 1.0
_HELP = N_("""Show serial ports: stable names, adapters, who holds them, what is odd about them.

\b
  tidegate ports
  tidegate ports --watch
  tidegate ports /dev/pts/3

Looks at the ports of the system, those of the site file, and those named. Opens nothing. Ends with 0 if there is a
port, with 1 if there is none.
""")


@verb("ports", help=_HELP)
@click.option("--watch", is_flag=True, help=N_("Go on, and say what is plugged in and pulled."))
@click.argument("paths", metavar="[PORT]...", nargs=-1)
def command(session: Session, watch: bool, paths: tuple[str, ...]) -> Answer:
    """List ports."""
    from drivers.transport.ports import list_ports  # noqa: PLC0415 - start-up time

    on_ports, agent = _on_ports(session)
    buses = {bus.port: bus.name for bus in on_ports}
    ports = list_ports(also=(*buses, *paths))
    _show(session.out, ports, buses, agent)
    if watch:
        _watch(session.out, (*buses, *paths), {port.path: port for port in ports})
    unknown = _unknown(paths, buses)
    findings = (*_findings(ports, agent), *_missing(buses), *_untimed(ports, on_ports), *unknown)
    result = {"ports": [_json(port, buses) for port in ports]}
    code = ExitCode.USAGE if unknown else ExitCode.DONE if ports else ExitCode.NO
    return Answer(code=code, result=result, findings=findings)


def _on_ports(session: Session) -> tuple[tuple[Bus, ...], int | None]:
    """Give the buses on serial ports, none without a readable site file; and the process of the agent if it runs."""
    from agent.control.client import ControlClient  # noqa: PLC0415 - start-up time
    from agent.errors import ConfigError, ControlError  # noqa: PLC0415

    try:
        site = session.load_site()
    except ConfigError:
        return (), None
    buses = tuple(bus for bus in site.buses if "://" not in bus.port)
    try:
        with ControlClient(site.run_dir) as client:
            return buses, client.agent_pid
    except ControlError:
        return buses, None


def _show(out: Output, ports: Sequence[PortInfo], buses: Mapping[str, str], agent: int | None) -> None:
    if not ports:
        out.say(_("No serial port is there."))
        return
    rows = [(_("NAME"), _("DEVICE"), _("ADAPTER"), _("STATE"))]
    for port in ports:
        adapter = f"{port.adapter or '-'}  {port.socket}".rstrip()
        rows.append((_bus_of(port, buses) or "-", port.stable, adapter, _state(port, agent)))
    out.table(rows)


def _by_agent(port: PortInfo, agent: int | None) -> bool:
    """Tell whether nobody but the agent holds the port, which is as it should be: it lends it to who asks."""
    return bool(port.holders) and all(one.pid == agent for one in port.holders)


def _state(port: PortInfo, agent: int | None) -> str:
    if _by_agent(port, agent):
        return _("polled by the agent ({pid}), which lends it").format(pid=agent)
    if port.holders:
        holders = ", ".join(f"{one.name} ({one.pid})" for one in port.holders)
        return _("held by {holders}").format(holders=holders)
    codes = {oddity.value for oddity in port.oddities}
    if "port-denied" in codes:
        return _("no permission")
    return _("console of the system") if "serial-console" in codes else _("free, you may open it")


def _findings(ports: Sequence[PortInfo], agent: int | None) -> tuple[Finding, ...]:
    return tuple(
        Finding(code=oddity.value, params=_params(port), where=port.path, warning=True)
        for port in ports
        for oddity in port.oddities
        if oddity.value != "port-held" or not _by_agent(port, agent)
    )


def _params(port: PortInfo) -> dict[str, str | int]:
    return {
        "port": port.path,
        "detail": port.path,
        "stable": port.by_path or port.stable,
        "latency_ms": port.latency_ms or 0,
        "holders": ", ".join(f"{one.name} ({one.pid})" for one in port.holders),
    }


def _missing(buses: Mapping[str, str]) -> tuple[Finding, ...]:
    from pathlib import Path  # noqa: PLC0415 - start-up time

    gone = ((port, name) for port, name in buses.items() if not Path(port).exists())
    return tuple(Finding(code="port-missing", params={"bus": name, "port": port}) for port, name in gone)


def _unknown(paths: Sequence[str], buses: Mapping[str, str]) -> tuple[Finding, ...]:
    """Tell of what was named and is not there."""
    from pathlib import Path  # noqa: PLC0415 - start-up time

    known = ", ".join(buses.values()) or "-"
    gone = (path for path in paths if not Path(path).exists())
    return tuple(Finding(code="no-such-line", params={"value": path, "known": known}) for path in gone)


def _untimed(ports: Sequence[PortInfo], on_ports: Sequence[Bus]) -> tuple[Finding, ...]:
    """Tell of buses whose ``latency_ms`` has no timer to go to."""
    import os  # noqa: PLC0415 - start-up time

    bare = {os.path.realpath(port.path): port for port in ports if port.latency_ms is None}
    gone = (bare.get(os.path.realpath(bus.port)) for bus in on_ports if bus.adapter.latency_ms is not None)
    return tuple(
        Finding(code="latency-refused", params={"detail": port.stable}, where=port.path, warning=True)
        for port in gone
        if port is not None
    )


def _bus_of(port: PortInfo, buses: Mapping[str, str]) -> str:
    import os  # noqa: PLC0415 - start-up time

    real = os.path.realpath(port.path)
    return next((name for path, name in buses.items() if os.path.realpath(path) == real), "")


def _json(port: PortInfo, buses: Mapping[str, str]) -> Json:
    return {
        "bus": _bus_of(port, buses) or None,
        "path": port.path,
        "stable": port.stable,
        "by_id": port.by_id or None,
        "by_path": port.by_path or None,
        "adapter": port.adapter or None,
        "usb": port.usb or None,
        "socket": port.socket or None,
        "serial_number": port.serial_number or None,
        "driver": port.driver or None,
        "latency_ms": port.latency_ms,
        "holders": [{"pid": one.pid, "name": one.name} for one in port.holders],
        "oddities": [oddity.value for oddity in port.oddities],
    }


def _watch(out: Output, also: Sequence[str], before: dict[str, PortInfo]) -> None:
    """Say what comes and goes until Ctrl-C."""
    import time  # noqa: PLC0415 - start-up time

    from drivers.transport.ports import list_ports  # noqa: PLC0415

    while True:
        time.sleep(_LOOK_S)
        now = {port.path: port for port in list_ports(also=also)}
        for path in now.keys() - before.keys():
            out.say(_("plugged in: {port}  {adapter}").format(port=now[path].stable, adapter=now[path].adapter))
        for path in before.keys() - now.keys():
            out.say(_("pulled: {port}").format(port=before[path].stable))
        before = now
