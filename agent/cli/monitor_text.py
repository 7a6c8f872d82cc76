"""What ``tidegate monitor`` writes about one thing that was said: a line for people, an object for programs."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Final

import click

from agent.cli.monitor_values import Shown
from agent.cli.output import Json
from agent.language import N_, _
from drivers.listening import Act, Kind, Said

_MOST_BYTES: Final = 16
_MOST_VALUES: Final = 8
HIDDEN: Final = "**"
_MODBUS: Final = "modbus-"
_MARKS: Final = {Kind.REQUEST: "->", Kind.REPLY: "<-", Kind.UNASKED: "<<", Kind.NO_REPLY: "!!", Kind.NOISE: "??"}
_ACTS: Final = {
    Act.READ: N_("read {what}"),
    Act.WRITE: N_("write {what}"),
    Act.ASK: N_("ask: {what}"),
    Act.DATA: N_("{what}: {count} bytes"),
    Act.CONFIRM: N_("confirms {what}"),
    Act.REFUSE: N_("refuses: {what}"),
}


def lines_of(said: Said, values: Sequence[Shown], *, all_bytes: bool) -> list[str]:
    """Give the lines for people."""
    when = time.strftime("%H:%M:%S", time.localtime(said.at_ns // 1_000_000_000))
    clock = f"{when}.{said.at_ns // 1_000_000 % 1000:03}"
    after = "" if said.after_ns is None else f"{said.after_ns / 1e6:.1f} ms"
    mark = _MARKS[said.kind]
    if said.kind is Kind.NO_REPLY:
        return [f"{clock}  {mark}  " + _("no reply of {who} in {after}").format(who=who(said), after=after)]
    lines = [f"{clock}  {mark}  {_words(said):<44} {after:>9}  {_hex(said, all_bytes=all_bytes)}"]
    if values:
        chosen = values[: None if all_bytes else _MOST_VALUES]
        shown = "   ".join(f"{one.name} = {one.value or '-'} {one.unit or ''}".rstrip() for one in chosen)
        lines.append(" " * 18 + click.style(shown, fg="green"))
    return lines


def json_of(said: Said, values: Sequence[Shown]) -> Json:
    """Give the object for programs; all values."""
    return {
        "schema": "tidegate.monitor/1",
        "event": said.kind.value,
        "utc_ms": said.at_ns // 1_000_000,
        "protocol": said.protocol or None,
        "address": said.address or None,
        "unit": int(said.address) if said.address and said.protocol.startswith(_MODBUS) else None,
        "act": None if said.act is None else said.act.value,
        "what": said.what or None,
        "raw": "".join(_bytes(said)),
        "after_ms": None if said.after_ns is None else round(said.after_ns / 1e6, 1),
        "reason": None if said.reason is None else said.reason.value,
        "values": [{"point": one.name, "value": one.value, "unit": one.unit} for one in values],
    }


def who(said: Said) -> str:
    """Name who speaks or is spoken to."""
    if said.protocol.startswith(_MODBUS):
        return _("unit {unit}").format(unit=said.address)
    return f"{said.protocol} {said.address}".strip()


def _words(said: Said) -> str:
    if said.kind is Kind.NOISE:
        reason = "" if said.reason is None else said.reason.value
        return _("{count} bytes of noise ({reason})").format(count=len(said.raw), reason=reason)
    act = "" if said.act is None else _(_ACTS[said.act]).format(what=said.what, count=said.data_bytes)
    return f"{who(said)}  {act.strip(': ')}"


def _hex(said: Said, *, all_bytes: bool) -> str:
    shown = _bytes(said)
    if not all_bytes and len(shown) > _MOST_BYTES:
        shown = [*shown[: _MOST_BYTES - 4], "...", *shown[-2:]]
    return " ".join(shown).upper()


def _bytes(said: Said) -> list[str]:
    """Give each byte in hexadecimal, ``**`` for those of a password."""
    begin, end = said.secret
    return [HIDDEN if begin <= at < end else f"{byte:02x}" for at, byte in enumerate(said.raw)]
