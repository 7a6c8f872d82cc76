"""``tidegate monitor`` shows no password that passes on a line, whoever sent it."""

from __future__ import annotations

from functools import reduce
from operator import xor

import pytest

from agent.cli.monitor_text import json_of, lines_of
from drivers.codec.dlms_request import LLC, association_request
from drivers.codec.hdlc import encode
from drivers.codec.hdlc_reply import information
from drivers.listening import Said
from drivers.overhear import Overhearing
from drivers.registry import listeners
from hil.sim.dlt645 import frame
from hil.sim.hj212 import wrap

METER = bytes.fromhex("610100000000")
CLOCK = bytes.fromhex("0C010004")
SECRET, OPERATOR, TIME = bytes.fromhex("02563412"), bytes.fromhex("78000000"), bytes.fromhex("00301824112501")


def shifted(data: bytes) -> bytes:
    return bytes((byte + 0x33) % 256 for byte in data)


def command(body: bytes) -> bytes:
    return b"\x01" + body + b"\x03" + bytes((reduce(xor, body + b"\x03"),))


WRITTEN = [
    ("dlt645 write", b"\xfe\xfe" + frame(METER, 0x14, CLOCK + SECRET + OPERATOR + TIME), shifted(SECRET)),
    ("dlt645 new password", frame(METER, 0x18, CLOCK + SECRET + SECRET), shifted(SECRET + SECRET)),
    ("dlt645 clear", frame(METER, 0x1A, SECRET + OPERATOR), shifted(SECRET)),
    ("dlms", encode(b"\x02\x23", b"\x41", information(0, 0), LLC + association_request(b"s3cret")), b"s3cret"),
    ("iec62056-21", command(b"P1\x02(s3cret)"), b"s3cret"),
    ("hj212", wrap("QN=20250102030405678;ST=32;CN=1011;PW=s3cret;MN=A;Flag=5;CP=&&&&"), b"s3cret"),
]


def hear(wire: bytes) -> Said:
    line = Overhearing(listeners())
    (said,) = [*line.heard(wire, 1_000_000), *line.idle(900_000_000, silence=True)][:1]
    return said


@pytest.mark.parametrize(("wire", "secret"), [one[1:] for one in WRITTEN], ids=[one[0] for one in WRITTEN])
def test_bytes_of_a_password_are_hidden_and_no_others(wire: bytes, secret: bytes) -> None:
    said = hear(wire)
    begin = wire.index(secret)
    hidden = wire[:begin].hex() + "**" * len(secret) + wire[begin + len(secret) :].hex()
    raw = str(dict(json_of(said, ()))["raw"])  # type: ignore[arg-type]
    assert hidden.endswith(raw)
    assert raw.count("**") == len(secret)
    (line,) = lines_of(said, (), all_bytes=True)
    assert secret.hex(" ").upper() not in line
    assert "s3cret" not in line
    assert said.raw == wire[-len(said.raw) :], "the capture keeps what passed"


def test_what_carries_none_is_shown_whole() -> None:
    for wire in (frame(METER, 0x11, CLOCK), frame(METER, 0x94, b""), command(b"R1\x021.8.0()")):
        assert "**" not in str(json_of(hear(wire), ()))
