"""The Modbus codecs against the conformance suite, and the suite against broken codecs: it has to catch every one."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path
from random import Random
from types import ModuleType
from typing import Any

import pytest

import drivers.codec.checksum
import drivers.codec.modbus_rtu
from drivers.codec.conformance import Chance, Codec, Vector, check_codec
from drivers.codec.modbus_rtu import RtuFrame, RtuReplyDecoder, RtuStreamDecoder, encode
from drivers.codec.modbus_tcp import TcpFrame, TcpReplyDecoder, TcpStreamDecoder
from drivers.codec.modbus_tcp import encode as encode_tcp

SEED = 20251104
EXCHANGES = (
    # source, request, reply, unit and PDU of the reply
    (
        "i.MX6ULL and STM32 water quality bus log (capture)",
        "01 03 00 00 00 07 04 08",
        "01 03 0E 02 D4 09 C8 01 30 03 38 00 00 00 00 01 30 EA 2B",
        0x01,
        "03 0E 02 D4 09 C8 01 30 03 38 00 00 00 00 01 30",
    ),
    (
        "Vaisala GMP252 user guide M211897EN-D, appendix A.3",
        "F0 03 00 00 00 02 D1 2A",
        "F0 03 04 D4 7A 43 E8 33 AB",
        0xF0,
        "03 04 D4 7A 43 E8",
    ),
    (
        "e-tinkers SHT20 README (capture)",
        "01 04 00 01 00 02 20 0B",
        "01 04 04 01 31 02 22 2A CE",
        1,
        "04 04 01 31 02 22",
    ),
    ("Senseair S8 Modbus manual", "FE 04 00 03 00 01 D5 C5", "FE 04 02 01 90 AC D8", 0xFE, "04 02 01 90"),
    ("novabo modbusrtu-sqr-2 product page", "FF 02 00 00 00 08 6C 12", "FF 02 01 00 90 60", 0xFF, "02 01 00"),
    ("Erriez R421A08 README (capture)", "01 06 00 01 02 00 D9 6A", "01 06 00 01 02 00 D9 6A", 1, "06 00 01 02 00"),
    (
        "Simphoenix E500 manual, page 100",
        "01 10 10 01 00 02 04 00 01 01 90 AF 9F",
        "01 10 10 01 00 02 14 C8",
        1,
        "10 10 01 00 02",
    ),
)
REQUEST_TO = {bytes.fromhex(reply): bytes.fromhex(request) for _, request, reply, _, _ in EXCHANGES}


class Seeded(Random):
    """A ``Chance``."""


def chance() -> Chance:
    return Seeded(SEED)


def replies(module: Any) -> list[Vector[RtuFrame]]:
    return [
        Vector(
            source=source,
            wire=bytes.fromhex(reply),
            frame=module.RtuFrame(unit=unit, pdu=bytes.fromhex(pdu), raw=bytes.fromhex(reply)),
        )
        for source, _, reply, unit, pdu in EXCHANGES
    ]


REPLY: Codec[RtuFrame] = Codec(
    name="modbus-rtu reply",
    decoder=lambda frame: RtuReplyDecoder(REQUEST_TO[frame.raw]),
    encode=lambda frame: encode(frame.unit, frame.pdu),
    longest_bytes=256,
    guarded=True,
)
STREAM: Codec[RtuFrame] = Codec(
    name="modbus-rtu stream",
    decoder=lambda _frame: RtuStreamDecoder(),
    encode=lambda frame: encode(frame.unit, frame.pdu),
    longest_bytes=256,
    guarded=True,
)


@pytest.mark.parametrize("codec", [REPLY, STREAM], ids=lambda codec: codec.name)
def test_rtu_holds_what_a_codec_has_to_hold(codec: Codec[RtuFrame]) -> None:
    assert check_codec(codec, replies(drivers.codec.modbus_rtu), chance()) == ()


def test_requests_on_an_overheard_line_are_frames_too() -> None:
    requests = [
        Vector(source=source, wire=wire, frame=RtuFrame(unit=wire[0], pdu=wire[1:-2], raw=wire))
        for source, request, _, _, _ in EXCHANGES
        for wire in (bytes.fromhex(request),)
    ]
    assert check_codec(STREAM, requests, chance()) == ()


TCP_VECTORS = [
    Vector(
        source="Modbus Messaging on TCP/IP V1.0b, 3.1.3: the example of function 3, header with unit FF",
        wire=bytes.fromhex("15 01 00 00 00 06 FF 03 00 04 00 01"),
        frame=TcpFrame(
            transaction=0x1501,
            unit=0xFF,
            pdu=bytes.fromhex("03 00 04 00 01"),
            raw=bytes.fromhex("15 01 00 00 00 06 FF 03 00 04 00 01"),
        ),
    ),
    Vector(
        source="the same, its reply",
        wire=bytes.fromhex("15 01 00 00 00 05 FF 03 02 00 05"),
        frame=TcpFrame(
            transaction=0x1501,
            unit=0xFF,
            pdu=bytes.fromhex("03 02 00 05"),
            raw=bytes.fromhex("15 01 00 00 00 05 FF 03 02 00 05"),
        ),
    ),
]
TCP: Codec[TcpFrame] = Codec(
    name="modbus-tcp",
    decoder=lambda _frame: TcpStreamDecoder(),
    encode=lambda frame: encode_tcp(frame.transaction, frame.unit, frame.pdu),
    longest_bytes=260,
    guarded=False,
)


TCP_REPLIES = [
    *TCP_VECTORS[1:],
    Vector(
        source="V1.1b3, 6.3: three registers from 108, under a header",
        wire=bytes.fromhex("00 02 00 00 00 09 11 03 06 02 2B 00 00 00 64"),
        frame=TcpFrame(
            transaction=2,
            unit=0x11,
            pdu=bytes.fromhex("03 06 02 2B 00 00 00 64"),
            raw=bytes.fromhex("00 02 00 00 00 09 11 03 06 02 2B 00 00 00 64"),
        ),
    ),
]
TCP_REPLY = replace(
    TCP,
    name="modbus-tcp reply",
    decoder=lambda frame: TcpReplyDecoder(
        encode_tcp(frame.transaction, frame.unit, bytes((3, 0, 4, 0, frame.pdu[1] // 2)))
    ),
)


def test_tcp_holds_what_a_codec_without_a_checksum_can_hold() -> None:
    assert check_codec(TCP, TCP_VECTORS, chance()) == ()
    assert check_codec(TCP_REPLY, TCP_REPLIES, chance()) == ()


CHECKSUM, RTU = "drivers.codec.checksum", "drivers.codec.modbus_rtu"
MUTANTS: dict[str, tuple[tuple[str, str, str], ...]] = {
    # what is wrong: module, its text, what stands there instead
    "the checksum starts at 0, both ways": ((CHECKSUM, "(0xFFFF << 8 * len(data))", "0"),),
    "the checksum is high byte first, both ways": (
        (CHECKSUM, 'to_bytes(2, "little")', 'to_bytes(2, "big")'),
        (RTU, "elif crc16_modbus(raw := bytes(self._buffer[at : at + size])):", "elif _swapped(raw := {here}):"),
        (RTU, "not crc16_modbus(bytes(self._buffer[at : at + size]))", "not _swapped({here})"),
    ),
    "unit and function change places, both ways": (
        (RTU, "body = bytes((unit,)) + pdu", "body = pdu[:1] + bytes((unit,)) + pdu[1:]"),
        (RTU, "unit=raw[0], pdu=raw[1:-2]", "unit=raw[1], pdu=raw[:1] + raw[2:-2]"),
    ),
    "the checksum is not checked": (
        (RTU, "elif crc16_modbus(raw := bytes(self._buffer[at : at + size])):", "elif not (raw := {here}):"),
        (RTU, "if not crc16_modbus(bytes(self._buffer[at : at + size]))", "if True"),
    ),
    "a false start drops two bytes": (
        (RTU, "if size is None:\n                at += 1", "if size is None:\n                at += 2"),
        (RTU, "elif complete or last:\n                at += 1", "elif complete or last:\n                at += 2"),
    ),
    "noise is not reported": (
        (
            RTU,
            "return cut_overheard(self._buffer, end, RtuStreamDecoder(), self._whole, otherwise)",
            "return iter([*cut_overheard(self._buffer, end, RtuStreamDecoder(), self._whole, otherwise)][:0])",
        ),
        (RTU, "return cut_noise(self._buffer, end)", "return iter([*cut_noise(self._buffer, end)][:0])"),
    ),
    "it waits for one byte too many": (
        (
            RTU,
            "elif size == 0 or at + size > len(self._buffer):",
            "elif size == 0 or at + size >= len(self._buffer):",
        ),
        (RTU, "if size <= len(head))", "if size < len(head))"),
    ),
    "what it holds has no limit": (
        (RTU, "elif last or (at < 0 and len(self._buffer) > LONGEST):", "elif last:"),
        (RTU, "elif len(self._buffer) > 2 * LONGEST:", "elif False:"),
        (RTU, "if size <= LONGEST)", ")"),
        (RTU, "            elif complete or last:\n", "            elif last:\n"),
    ),
}
SWAPPED = """
def _swapped(raw: bytes) -> bool:
    return crc16_modbus(raw[:-2]) != int.from_bytes(raw[-2:], "big")
"""


def mutant(changes: tuple[tuple[str, str, str], ...], monkeypatch: pytest.MonkeyPatch) -> Any:
    """The RTU codec with these changes in its source, as fresh modules."""
    copy = ModuleType(RTU)
    for module in (drivers.codec.checksum, drivers.codec.modbus_rtu):
        source = Path(str(module.__file__)).read_text()
        for name, text, other in changes:
            if name == module.__name__:
                assert source.count(text) == 1, f"found {source.count(text)} times, mend the mutant: {text}"
                source = source.replace(text, other.replace("{here}", "bytes(self._buffer[at : at + size])"))
        copy = ModuleType(module.__name__)
        monkeypatch.setitem(sys.modules, module.__name__, copy)
        exec(compile(source + SWAPPED, f"mutant of {module.__name__}", "exec"), vars(copy))
    return copy


@pytest.mark.parametrize("decoder", ["RtuReplyDecoder", "RtuStreamDecoder"])
@pytest.mark.parametrize("wrong", MUTANTS)
def test_the_suite_catches_a_codec_in_which(wrong: str, decoder: str, monkeypatch: pytest.MonkeyPatch) -> None:
    changed = mutant(MUTANTS[wrong], monkeypatch)
    codec: Codec[RtuFrame] = Codec(
        name=wrong,
        decoder=lambda frame: (
            changed.RtuStreamDecoder() if "Stream" in decoder else changed.RtuReplyDecoder(REQUEST_TO[frame.raw])
        ),
        encode=lambda frame: bytes(changed.encode(frame.unit, frame.pdu)),
        longest_bytes=256,
        guarded=True,
    )
    assert check_codec(codec, replies(changed), chance(), rounds=10)


def test_the_copy_that_the_mutants_are_made_of_is_sound(monkeypatch: pytest.MonkeyPatch) -> None:
    copy = mutant((), monkeypatch)
    codec: Codec[RtuFrame] = Codec(
        name="copy",
        decoder=lambda frame: copy.RtuReplyDecoder(REQUEST_TO[frame.raw]),
        encode=lambda frame: bytes(copy.encode(frame.unit, frame.pdu)),
        longest_bytes=256,
        guarded=True,
    )
    assert check_codec(codec, replies(copy), chance()) == ()
