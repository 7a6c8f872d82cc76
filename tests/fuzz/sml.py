"""Targets: SML with either CRC."""

from __future__ import annotations

from collections.abc import Callable
from random import Random
from typing import Any, Final

from drivers.codec.sml import stream_decoder
from drivers.codec.sml_value import SmlError, SmlValue, parse
from tests.fuzz import checksums
from tests.fuzz.target import Stream, Tally, Target, Values, law
from tests.fuzz.vectors import wires

_ESCAPE: Final = b"\x1b\x1b\x1b\x1b"
_SML_START: Final = _ESCAPE + b"\x01\x01\x01\x01"
_SML_LONGEST: Final = 8192

Check = Callable[[bytes], bytes]


def _unescaped(body: bytes) -> bytes | None:
    """SML 1.04, 8: each escape in the content is doubled; None where one is not."""
    out, at = bytearray(), 0
    while at < len(body):
        if body.startswith(_ESCAPE, at):
            if not body.startswith(_ESCAPE, at + 4):
                return None
            out += _ESCAPE
            at += 8
        else:
            out.append(body[at])
            at += 1
    return bytes(out)


def _sml_sound(frame: Any) -> bool:
    """SML 1.04, 8: start, content, padding, end with the number of padding bytes, CRC over all before it."""
    raw = frame.raw
    check: Check = {"x25": checksums.x25, "kermit": checksums.kermit}[frame.check.value]
    if len(raw) < 16 or raw[:8] != _SML_START or raw[-8:-3] != _ESCAPE + b"\x1a" or check(raw[:-2]) != raw[-2:]:
        return False
    padding = raw[-3]
    content = raw[8 : len(raw) - 8 - padding]
    return padding <= 3 and not any(raw[len(raw) - 8 - padding : -8]) and _unescaped(content) == frame.payload


def _sml_vouched(wire: bytes) -> bool:
    """From some start to some end the CRC is right."""
    starts = [at for at in range(len(wire)) if wire.startswith(_SML_START, at)]
    ends = [at + 8 for at in range(len(wire)) if wire.startswith(_ESCAPE + b"\x1a", at)]
    return any(
        check(wire[start : end - 2]) == wire[end - 2 : end]
        for start in starts
        for end in ends
        if end > start
        for check in (checksums.x25, checksums.kermit)
    )


def _sml_mend(check: Check) -> Callable[[bytes, Random], bytes]:
    def mend(wire: bytes, dice: Random) -> bytes:
        if dice.randrange(4) == 0 and len(wire) > 10:
            return wire[:-2] + check(wire[:-2])
        content = wire[8:-8].replace(_ESCAPE, 2 * _ESCAPE) if dice.randrange(2) else wire[8:-8]
        padding = -len(content) % 4
        made = _SML_START + content + bytes(padding) + _ESCAPE + bytes((0x1A, padding))
        return made + check(made)

    return mend


def _values(tally: Tally) -> Callable[[int, bytes], None]:
    """What lies between the escapes, without asking for a CRC: each value has the bytes that its head tells."""

    def judge(cutting: int, wire: bytes) -> None:
        del cutting
        try:
            values = parse(wire[8:-8])
        except SmlError:
            return
        tally.values += len(values)
        law(b"".join(value.raw for value in values) == wire[8:-8], "bytes between the values")
        for value in values:
            _told_right(value)

    return judge


def _told_right(value: SmlValue) -> None:
    """SML 1.04, 6.3.1: four bits of length in each byte of the head, bit 7 where another follows."""
    told, head = 0, 0
    while True:
        byte = value.raw[head]
        told, head = told << 4 | byte & 0x0F, head + 1
        if not byte & 0x80:
            break
    if value.raw[0] >> 4 & 7 != 7:
        law(len(value.raw) == max(told, 1), f"{told} bytes are told, {len(value.raw)} taken")
        law(value.content == value.raw[head:], "the content is not what stands behind the head")
        return
    inside = b"".join(item.raw for item in value.items)
    law(len(value.items) == told and inside == value.raw[head:], f"{told} values are told, {len(value.items)} taken")
    for item in value.items:
        _told_right(item)


def _sml(name: str, check: Check) -> Target:
    tally = Tally()
    judges: list[Callable[[int, bytes], None]] = [
        Stream(decoder=stream_decoder, honest=_sml_sound, longest_bytes=_SML_LONGEST, tally=tally),
        Values(protocol="sml", vouched=_sml_vouched, tally=tally),
        _values(tally),
    ]
    seeds = [wire[:-2] + check(wire[:-2]) for wire in wires("sml/frames.json", protocol="sml") if len(wire) > 16]
    return Target(name=name, judges=judges, seeds=seeds, mend=_sml_mend(check), longest_bytes=1500, tally=tally)


def sml_x25() -> Target:
    """SML with the CRC of the standard."""
    return _sml("sml-x25", checksums.x25)


def sml_kermit() -> Target:
    """SML with the CRC of the meters that differ."""
    return _sml("sml-kermit", checksums.kermit)
