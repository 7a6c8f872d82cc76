"""``tidegate raw``: sends bytes as they are typed and shows what comes back; asks first, for they may do anything."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from agent.cli.asking import said_yes
from agent.cli.bytes_text import parse_hex
from agent.cli.exit_codes import ExitCode
from agent.cli.number_types import FiniteRange
from agent.cli.output import Answer, Json
from agent.cli.session import Session
from agent.cli.verb import verb
from agent.finding import Finding
from agent.language import N_, _

if TYPE_CHECKING:
    from agent.cli.lines import Target
    from drivers.scan.line import Came

_SHORTEST_FRAME = 4
_SHORTEST_REQUEST = 6  # unit, function, address and count, as people type them
_MOST_UNIT = 247
_FUNCTIONS = frozenset((1, 2, 3, 4, 5, 6, 15, 16, 22, 23))
_HELP = N_("""Send bytes to a line and show what comes back.

\b
  tidegate raw rs485-a '01 03 00 00 00 02' --crc
  tidegate raw rs485-a 68AAAAAAAAAAAA681300DF16

Bytes may switch, set or erase something: it asks before it sends. While the agent runs it lends the line for this one
exchange. Ends with 0 if something came, with 69 if nothing did.
""")


@verb("raw", help=_HELP)
@click.argument("line", metavar="BUS|PORT")
@click.argument("data", metavar="HEX...", nargs=-1, required=True)
@click.option("--crc", is_flag=True, help=N_("Add the Modbus checksum."))
@click.option("--wait", "wait_s", type=FiniteRange(0.01, 30), default=1.0, help=N_("Seconds to wait for an answer."))
@click.option("--yes", is_flag=True, help=N_("Ask nothing."))
def command(session: Session, line: str, data: tuple[str, ...], crc: bool, wait_s: float, yes: bool) -> Answer:
    """Ask, send, show."""
    import asyncio  # noqa: PLC0415 - start-up time

    from agent.cli.lines import Borrowed, find_line  # noqa: PLC0415
    from drivers.codec.checksum import crc16_modbus_bytes  # noqa: PLC0415

    target = find_line(session, line)
    try:
        request = parse_hex(" ".join(data))
    except ValueError as error:
        return Answer(code=ExitCode.USAGE, findings=(Finding(code="bad-hex", params={"detail": str(error)}),))
    if not request:
        return Answer(
            code=ExitCode.USAGE, findings=(Finding(code="bad-hex", params={"detail": _("no byte at all")}),)
        )
    request += crc16_modbus_bytes(request) if crc else b""
    session.out.note(_("to send: {bytes}").format(bytes=_hex(request)))
    if _lacks_checksum(request):
        session.out.note(_("This looks like Modbus without its checksum, which nobody answers; --crc adds it."))
    if not yes and (session.out.json or not said_yes(_("Send it"), default=False)):
        return Answer(code=ExitCode.NO, findings=(Finding(code="needs-yes"),))
    with Borrowed(target=target):
        came = asyncio.run(_exchange(target, request, wait_s))
    return _answer(session, target, request, came)


def _lacks_checksum(request: bytes) -> bool:
    """Tell whether a Modbus request was typed and its last two bytes are no checksum of the rest."""
    from drivers.codec.checksum import crc16_modbus_bytes  # noqa: PLC0415 - start-up time

    like = len(request) >= _SHORTEST_REQUEST and request[0] <= _MOST_UNIT and request[1] in _FUNCTIONS
    return like and crc16_modbus_bytes(request[:-2]) != request[-2:]


async def _exchange(target: Target, request: bytes, wait_s: float) -> Came:
    from agent.clock import SystemClock, TimerfdPause  # noqa: PLC0415 - start-up time
    from drivers.registry import open_stream  # noqa: PLC0415
    from drivers.scan.line import ScanLine  # noqa: PLC0415

    bus, clock, pause = target.bus, SystemClock(), TimerfdPause()
    line = ScanLine(await open_stream(bus.port, bus.line, bus.adapter), clock=clock, pause=pause, line=bus.line)
    try:
        return await line.ask(request, bus.line, wait_s, lambda data: _is_whole(request, data))
    finally:
        await line.aclose()
        pause.close()


def _is_whole(request: bytes, data: bytes) -> bool:
    """Tell whether a Modbus reply is there; other protocols end with silence."""
    from drivers.scan.modbus import reply_is_whole  # noqa: PLC0415 - start-up time

    return len(request) >= _SHORTEST_FRAME and reply_is_whole(request, data)


def _answer(session: Session, target: Target, request: bytes, came: Came) -> Answer:
    echo = bool(came.data) and came.data.startswith(request)
    reply = came.data.removeprefix(request) if echo else came.data
    result: dict[str, Json] = {
        "sent": request.hex(),
        "received": reply.hex(),
        "echo": echo,
        "answered_ms": None if came.answered_s is None else round(came.answered_s * 1000, 1),
    }
    if not reply:
        params: dict[str, str | int] = {"detail": target.bus.port}
        return Answer(code=ExitCode.NO_ANSWER, result=result, findings=(Finding(code="no-reply", params=params),))
    session.out.say(
        _("received: {bytes}   ({count} bytes after {after} ms)").format(
            bytes=_hex(reply), count=len(reply), after=round((came.answered_s or 0.0) * 1000)
        )
    )
    return Answer(result=result)


def _hex(data: bytes) -> str:
    return data.hex(" ").upper()
