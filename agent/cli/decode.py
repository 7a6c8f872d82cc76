"""``tidegate decode``: captured frames into quantities, one from the command line or many from standard input."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import click

from agent.cli.bytes_text import parse_hex
from agent.cli.exit_codes import ExitCode, of_code
from agent.cli.output import Answer
from agent.cli.session import Session
from agent.cli.verb import verb
from agent.finding import Finding
from agent.language import N_, _

if TYPE_CHECKING:
    from drivers.decoded import Decoded, DecodeFault

_HELP = N_("""Turn captured frames into quantities.

\b
  tidegate decode modbus-rtu 01 04 04 43 66 33 34 1B 38 --request 01040000000271CB
  tidegate decode --jsonl < frames.jsonl

With --jsonl every line {"id", "protocol", "request", "response", "context"} of standard input is answered by a line
{"id", "readings": [{"quantity", "value", "unit"}], "error": code or null}; a bad line is answered with an error.
""")


@verb("decode", help=_HELP)
@click.argument("protocol", required=False)
@click.argument("frame", metavar="HEX", nargs=-1)
@click.option("--request", metavar="HEX", help=N_("The request that was answered, if it is known."))
@click.option("--key", metavar="HEX", help=N_("Key of the device, for protocols that encrypt."))
@click.option("--jsonl", is_flag=True, help=N_("Answer line by line on standard input."))
def command(
    session: Session, protocol: str | None, frame: tuple[str, ...], request: str | None, key: str | None, jsonl: bool
) -> Answer | None:
    """Decode one frame, or lines of frames."""
    from agent.configuration.values import nearest  # noqa: PLC0415 - start-up time
    from drivers.decode import decode_exchange  # noqa: PLC0415
    from drivers.registry import DECODERS  # noqa: PLC0415

    if jsonl:
        from agent.cli.decode_lines import answer_lines  # noqa: PLC0415

        answer_lines(sys.stdin.buffer, session.out)
        return None
    known = ", ".join(sorted(DECODERS))
    if protocol is None or not frame:
        raise click.UsageError(
            _("A protocol and the bytes of a reply are needed; protocols: {known}").format(known=known)
        )
    if protocol not in DECODERS:
        params = {"protocol": protocol, "known": known}
        wrong = Finding(code="unknown-protocol", params=params, nearest=nearest(protocol, sorted(DECODERS)))
        return Answer(code=ExitCode.USAGE, findings=(wrong,))
    try:
        reply, asked = parse_hex(" ".join(frame)), parse_hex(request) if request is not None else None
        context = {"key": parse_hex(key).hex()} if key is not None else {}
    except ValueError as error:
        return Answer(code=ExitCode.USAGE, findings=(Finding(code="bad-hex", params={"detail": str(error)}),))
    return _answer(session, protocol, decode_exchange(protocol, asked, reply, context))


def _code(fault: DecodeFault) -> str:
    """Name a fault for a person: bytes without a reply are no device that is silent."""
    from drivers.decoded import DecodeFault as Fault  # noqa: PLC0415 - start-up time

    return "reply-needed" if fault is Fault.NO_REPLY else fault.value


def _answer(session: Session, protocol: str, decoded: Decoded) -> Answer:
    if decoded.fault is not None:
        finding = Finding(code=_code(decoded.fault), params={"detail": decoded.detail})
        return Answer(code=of_code(finding.code), findings=(finding,))
    rows = [(_("QUANTITY"), _("VALUE"), _("UNIT"))]
    rows += [
        (one.quantity, "-" if one.value is None else str(one.value), one.unit or "") for one in decoded.quantities
    ]
    session.out.table(rows, right=(1,))
    readings = [
        {
            "quantity": one.quantity,
            "value": one.value if one.value is None or isinstance(one.value, bool) else str(one.value),
            "unit": one.unit,
        }
        for one in decoded.quantities
    ]
    return Answer(result={"protocol": protocol, "readings": readings})
