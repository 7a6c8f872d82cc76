"""``tidegate decode --jsonl``: one line in, one line out, whatever the line holds."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import BinaryIO, Final, NoReturn

from agent.cli.bytes_text import parse_hex
from agent.cli.output import Json, Output
from drivers.decode import decode_exchange

MAX_LINE_BYTES: Final = 1 << 20
_NO_REQUEST: Final = "bad-line"
_NO_HEX: Final = "bad-hex"


def answer_lines(source: BinaryIO, out: Output) -> None:
    """Answer every line of ``source`` at once; a bad one with an error. Ends with the input."""
    for line in _lines(source):
        if line is None or line.strip():
            out.line(_answer(line))


def _lines(source: BinaryIO) -> Iterator[bytes | None]:
    """Give the lines; None for one that is longer than MAX_LINE_BYTES, whose rest is read past."""
    while line := source.readline(MAX_LINE_BYTES):
        if line.endswith(b"\n") or len(line) < MAX_LINE_BYTES:
            yield line
            continue
        while (rest := source.readline(MAX_LINE_BYTES)) and not rest.endswith(b"\n"):
            pass
        yield None


def _answer(line: bytes | None) -> Mapping[str, Json]:
    try:
        asked = json.loads(line.decode("utf-8"), parse_constant=_refuse) if line is not None else None
        json.dumps(asked, allow_nan=False)  # 1e999 is JSON and becomes infinity, which no reader of ours could take
    except (ValueError, RecursionError):
        return _refused(None, _NO_REQUEST)
    if not isinstance(asked, dict):
        return _refused(None, _NO_REQUEST)
    ident, protocol, context = asked.get("id"), asked.get("protocol"), asked.get("context")
    if not isinstance(protocol, str) or not (context is None or isinstance(context, dict)):
        return _refused(ident, _NO_REQUEST)
    try:
        request, response = _bytes(asked.get("request")), _bytes(asked.get("response"))
    except ValueError:
        return _refused(ident, _NO_HEX)
    decoded = decode_exchange(protocol, request, response, context)
    if decoded.fault is not None:
        return _refused(ident, decoded.fault.value)
    readings = [{"quantity": one.quantity, "value": one.json_value(), "unit": one.unit} for one in decoded.quantities]
    return {"id": ident, "readings": readings, "error": None}


def _refused(ident: Json, code: str) -> Mapping[str, Json]:
    return {"id": ident, "readings": [], "error": code}


def _refuse(constant: str) -> NoReturn:
    raise ValueError(constant)


def _bytes(value: object) -> bytes | None:
    if value is None:
        return None
    if isinstance(value, str):
        return parse_hex(value)
    raise ValueError(value)
