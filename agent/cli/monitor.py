"""``tidegate monitor``: who says what on a line, decoded, and into a file for Wireshark."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import click

from agent.cli.exit_codes import ExitCode
from agent.cli.number_types import BAUD, FiniteRange
from agent.cli.output import Answer
from agent.cli.session import Session
from agent.cli.verb import verb
from agent.finding import Finding
from agent.language import N_, _

if TYPE_CHECKING:
    from agent.cli.lines import Target
    from agent.cli.monitor_work import Listener
    from drivers.profile import LineSettings

_HELP = N_("""Listen to a line: requests, replies and noise, decoded.

\b
  tidegate monitor rs485-a
  tidegate monitor rs485-a --pcap line.pcap --seconds 60
  tidegate monitor /dev/serial/by-id/usb-... --baud 9600 --parity even
  tidegate monitor rs485-a --protocol dlt645-2007 --protocol modbus-rtu

Sends nothing. While the agent runs its own traffic is shown; else the port is opened and what others say is heard.
Frames of all protocols are told apart, as long as they come at one speed and parity: what others say at another
speed is noise here. Wireshark opens the file with DLT 147; set it to mbrtu for Modbus.
""")


@verb("monitor", help=_HELP)
@click.argument("line", metavar="BUS|PORT")
@click.option("--pcap", metavar="FILE", help=N_("Write what passes to this file too, passwords and all."))
@click.option("--seconds", type=FiniteRange(0), default=0.0, help=N_("End after so long; 0 goes on until Ctrl-C."))
@click.option("--baud", type=BAUD, help=N_("Speed to listen at; that of the bus if left out."))
@click.option("--parity", type=click.Choice(["none", "even", "odd"]), help=N_("Parity to listen with."))
@click.option("--find-speed", is_flag=True, help=N_("Try speeds, 2 s each, until frames are heard; at most 32 s."))
@click.option(
    "--protocol", "protocols", metavar="NAME", multiple=True,
    help=N_("Hear this protocol alone; may be given more than once."),
)  # fmt: skip
@click.option("--hex", "all_bytes", is_flag=True, help=N_("Show every byte of long frames."))
def command(session: Session, line: str, pcap: str | None, protocols: tuple[str, ...], **wishes: object) -> Answer:
    """Listen until it is enough."""
    import asyncio  # noqa: PLC0415 - start-up time

    from agent.cli.lines import agent_of, find_line  # noqa: PLC0415
    from agent.cli.monitor_source import find_speed  # noqa: PLC0415
    from agent.cli.monitor_work import Listener  # noqa: PLC0415
    from agent.clock import SystemClock  # noqa: PLC0415

    unknown = _unknown(protocols)
    if unknown is not None:
        return Answer(code=ExitCode.USAGE, findings=(unknown,))
    target, clock = find_line(session, line, speaks=False), SystemClock()
    client = agent_of(target) if target.devices else None
    settings = _settings(target, wishes)
    if wishes["find_speed"] and client is None:
        found = asyncio.run(find_speed(target, clock, protocols, tell=partial(_trying, session)))
        if found is None:
            params: dict[str, str | int] = {"port": target.bus.port}
            return Answer(code=ExitCode.NO, findings=(Finding(code="nothing-heard", params=params),))
        settings = found
    seconds = wishes["seconds"] if isinstance(wishes["seconds"], float) else 0.0
    listener = Listener(
        session.out, target, clock, line=settings, client=client, pcap=pcap, all_bytes=bool(wishes["all_bytes"]),
        protocols=protocols,
    )  # fmt: skip
    _begin(session, target, settings, by_agent=client is not None)
    if client is not None and any(wishes[name] for name in ("baud", "parity", "find_speed")):
        session.out.note(_("It listens at its own settings: --baud, --parity and --find-speed are not used."))
    stopped = _listen(listener, seconds)
    code = ExitCode.DONE if listener.heard or not stopped else ExitCode.INTERRUPTED
    return _answer(session, listener, code)


def _unknown(protocols: tuple[str, ...]) -> Finding | None:
    """Give what to say of a name that no protocol has."""
    from agent.configuration.values import nearest  # noqa: PLC0415 - start-up time
    from drivers.registry import listeners  # noqa: PLC0415

    known = sorted(listeners()) if protocols else []
    wrong = next((name for name in protocols if name not in known), None)
    if wrong is None:
        return None
    params: dict[str, str | int] = {"key": "--protocol", "value": wrong, "known": ", ".join(known)}
    return Finding(code="unknown-value", params=params, nearest=nearest(wrong, known))


def _settings(target: Target, wishes: dict[str, object]) -> LineSettings:
    from dataclasses import replace  # noqa: PLC0415 - start-up time

    from drivers.profile import Parity  # noqa: PLC0415

    line = target.bus.line
    baud, parity = wishes["baud"], wishes["parity"]
    if isinstance(baud, int):
        line = replace(line, baud=baud)
    if isinstance(parity, str):
        line = replace(line, parity=Parity[parity.upper()])
    return line


def _trying(session: Session, line: LineSettings) -> None:
    from agent.cli.scan_text import setting  # noqa: PLC0415 - start-up time

    session.out.note(_("Trying {line} ...").format(line=setting(line)))


def _begin(session: Session, target: Target, line: LineSettings, *, by_agent: bool) -> None:
    from agent.cli.scan_text import setting  # noqa: PLC0415 - start-up time

    if by_agent:
        session.out.note(_("Traffic of the running agent on {bus}; Ctrl-C ends.").format(bus=target.bus.name))
    else:
        session.out.note(
            _("Listening on {port} at {line}; nothing is sent. Ctrl-C ends.").format(
                port=target.bus.port, line=setting(line)
            )
        )


def _listen(listener: Listener, seconds: float) -> bool:
    """Listen; give whether a person ended it."""
    import asyncio  # noqa: PLC0415 - start-up time

    try:
        asyncio.run(listener.run(seconds))
    except KeyboardInterrupt:
        return True
    finally:
        listener.close()
    return False


def _answer(session: Session, listener: Listener, code: ExitCode) -> Answer:
    counts = listener.counts
    session.out.note(
        _("{requests} requests, {replies} replies, {silent} without reply, {noise} bytes of noise").format(**counts)
    )
    if counts["unasked"]:
        session.out.note(_("{unasked} messages that nobody asked for").format(**counts))
    return Answer(code=code, result=dict(counts))
