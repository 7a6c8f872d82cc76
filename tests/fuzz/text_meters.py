"""Targets whose frames are text: IEC 62056-21, HJ 212, SDI-12."""

from __future__ import annotations

import re
from collections.abc import Callable
from random import Random
from typing import Any, Final

from drivers.codec.hj212 import Rules, stream_decoder
from drivers.codec.hj212_segment import compose, joined, parse, split
from drivers.codec.iec62056_21 import IecDecoder, Kind
from drivers.codec.iec62056_21_reply import ANSWER_TO, IecReplyDecoder
from drivers.codec.sdi12 import Sdi12Decoder
from drivers.protocols.sdi12_listen import Sdi12Command, Sdi12LineDecoder
from tests.fuzz import checksums
from tests.fuzz.target import BrokenLawError, Stream, Tally, Target, Values
from tests.fuzz.vectors import wires

_LONGEST_READOUT: Final = 512
_TELEGRAM: Final = re.compile(
    rb"(/[A-Za-z]{3}[^\r\n]+\r\n.*\n!|/[A-Za-z]{3}[^\r\n]+\r\n!)([0-9A-F]{4})?\r\n", re.DOTALL
)
_LINES: Final = {
    Kind.SIGN_ON: re.compile(rb"/\?[0-9A-Za-z ]{0,32}!\r\n"),
    Kind.IDENTIFICATION: re.compile(rb"/[A-Za-z]{3}[\x21-\x7e][\x20-\x7e]*\r\n"),
    Kind.OPTION: re.compile(rb"\x06[\x21-\x7e]{3}\r\n"),
    Kind.ACK: re.compile(rb"\x06"),
    Kind.NAK: re.compile(rb"\x15"),
}


def seven(raw: bytes) -> bytes | None:
    """The characters, where no byte has bit 7 or every byte has even parity; None for anything else."""
    if not any(byte & 0x80 for byte in raw):
        return raw
    text = bytes(byte & 0x7F for byte in raw)
    return text if checksums.even(text) == raw else None


def _iec_sound(frame: Any) -> bool:
    """IEC 62056-21, 6.3: a block by its BCC, a telegram by its CRC if it has one, a line by its form."""
    raw = frame.raw
    if frame.kind in (Kind.ACK, Kind.NAK):
        return raw[0] & 0x7F in (0x06, 0x15) and len(raw) == 1
    text = seven(raw)
    if text is None:
        return False
    if frame.kind in (Kind.BLOCK, Kind.COMMAND):
        start = 0x02 if frame.kind is Kind.BLOCK else 0x01
        ends = text[-2] in (0x03, 0x04) and frame.more is (text[-2] == 0x04)
        content = frame.text if frame.kind is Kind.BLOCK else frame.command + frame.text
        return (
            text[0] == start
            and ends
            and checksums.bcc(text[1:-1]) == text[-1]
            and content.encode() == text[1:-2].replace(b"\x02", b"", 1)
        )
    if frame.kind is Kind.TELEGRAM:
        found = _TELEGRAM.fullmatch(text)
        crc = None if frame.check is None else b"%04X" % frame.check
        return found is not None and found[2] == crc and crc in (None, checksums.dsmr(found[1]))
    return _LINES[frame.kind].fullmatch(text) is not None


def _iec_mend(wire: bytes, dice: Random) -> bytes:
    parity = dice.randrange(4) == 0
    text = bytes(byte & 0x7F for byte in wire)
    if text[:1] == b"/" and dice.randrange(2):
        text = text.rpartition(b"!")[0] or text
        text = text.rstrip(b"\r\n") + b"\r\n!"
        text += (checksums.dsmr(text) if dice.randrange(3) else b"") + b"\r\n"
    elif dice.randrange(4):
        start, end = dice.choice(((0x02, 0x03), (0x02, 0x04), (0x01, 0x03)))
        inside = bytes(byte for byte in text[1:-2] if byte >= 0x20 or byte in b"\r\n")
        if start == 0x01:
            inside = b"R1\x02" + inside if dice.randrange(2) else b"P0"
        body = inside + bytes((end,))
        text = bytes((start,)) + body + bytes((checksums.bcc(body),))
    return checksums.even(text) if parity else text


def iec62056_21() -> Target:
    """Blocks, lines and telegrams, with and without parity bits, and what they tell."""
    tally = Tally()
    kinds = (
        frozenset((Kind.BLOCK, Kind.COMMAND)),
        frozenset((Kind.SIGN_ON, Kind.IDENTIFICATION, Kind.OPTION, Kind.NAK)),
        frozenset((Kind.TELEGRAM,)),
        frozenset((Kind.IDENTIFICATION, Kind.BLOCK, Kind.COMMAND, Kind.ACK, Kind.NAK)),
    )
    judges: list[Callable[[int, bytes], None]] = []
    for wanted in kinds:

        def decoder(wanted: frozenset[Kind] = wanted) -> IecDecoder:
            return IecDecoder(wanted, _LONGEST_READOUT)

        judges.append(Stream(decoder=decoder, honest=_iec_sound, longest_bytes=_LONGEST_READOUT, tally=tally))
    for sent in (Kind.SIGN_ON, Kind.OPTION, Kind.TELEGRAM):

        def reply(sent: Kind = sent) -> IecReplyDecoder:
            return IecReplyDecoder(sent, "1", _LONGEST_READOUT, b"/?1!\r\n")

        def honest(frame: Any, sent: Kind = sent) -> bool:
            return _iec_sound(frame) and frame.kind in ANSWER_TO[sent]

        judges.append(Stream(decoder=reply, honest=honest, longest_bytes=_LONGEST_READOUT, tally=tally))
    judges += [  # lines have no checksum; the streams above judge blocks and telegrams
        Values(protocol="iec62056-21", vouched=lambda _wire: True, request=request, tally=tally)
        for request in (None, b"/?!\r\n", b"\x06000\r\n")
    ]
    block = b"1-0:1.8.0*255(0001234.5*kWh)\r\n0.0.0(12345678)\r\n!\r\n\x03"
    pushed = b"/ISK5\\2M550T-1012\r\n\r\n1-3:0.2.8(50)\r\n1-0:1.8.1(000123.456*kWh)\r\n!"
    seeds = [
        *wires("iec62056_21/frames.json"),
        pushed + checksums.dsmr(pushed) + b"\r\n",
        b"\x02" + block + bytes((checksums.bcc(block),)),
        checksums.even(b"\x02" + block + bytes((checksums.bcc(block),))),
    ]
    return Target(name="iec62056-21", judges=judges, seeds=seeds, mend=_iec_mend, longest_bytes=1500, tally=tally)


def packet(segment: bytes) -> bytes:
    """HJ 212-2017, 6.2."""
    return b"##%04d" % len(segment) + segment + checksums.hj212(segment) + b"\r\n"


def _hj212_sound(frame: Any) -> bool:
    raw = frame.raw
    made = packet(frame.segment)
    return bool(raw[:-6] == made[:-6] and raw[-6:].upper() == made[-6:])


def _hj212_vouched(wire: bytes) -> bool:
    for at in (found.start() for found in re.finditer(rb"(?=##\d{4})", wire)):
        end = at + 6 + int(wire[at + 2 : at + 6])
        if checksums.hj212(wire[at + 6 : end]) == wire[end : end + 4].upper() and wire[end + 4 : end + 6] == b"\r\n":
            return True
    return False


def _hj212_mend(wire: bytes, dice: Random) -> bytes:
    segment = wire[6:-6][:1024]
    if dice.randrange(2) and b"CP=&&" in segment:
        segment = segment.rstrip(b"&") + b"&&"
    made = packet(segment)
    return made if dice.randrange(5) else made[:2] + b"%04d" % dice.randrange(10000) + made[6:]


def _segments(tally: Tally) -> Callable[[int, bytes], None]:
    """What one segment says goes into packets and comes back the same."""

    def judge(cutting: int, wire: bytes) -> None:
        said = parse(wire[6:-6])
        if said is None:
            return
        tally.values += 1
        if parse(compose(said)) != said:
            raise BrokenLawError(f"{said} is written as {compose(said)!r}")
        try:
            packets = split(said, 80 + cutting)
        except ValueError:
            return  # one item alone is longer
        if len(packets) > 1 and any(len(compose(one)) > 80 + cutting for one in packets):
            raise BrokenLawError("a packet is longer than it may be")
        joined(packets)

    return judge


def hj212() -> Target:
    """Packets, both limits of their length, segments, and what they tell."""
    tally = Tally()
    judges: list[Callable[[int, bytes], None]] = [
        Stream(decoder=stream_decoder, honest=_hj212_sound, longest_bytes=1036, tally=tally),
        Stream(
            decoder=lambda: stream_decoder(Rules(longest=9999)), honest=_hj212_sound, longest_bytes=10011, tally=tally
        ),
        Values(protocol="hj212", vouched=_hj212_vouched, tally=tally),
        _segments(tally),
    ]
    seeds = wires("hj212/frames.json")
    return Target(name="hj212", judges=judges, seeds=seeds, mend=_hj212_mend, longest_bytes=2400, tally=tally)


def _sdi12_sound(frame: Any) -> bool:
    """SDI-12, 4.4: address, body, CRC if there is one, CR LF."""
    text = seven(frame.raw)
    if text is None or len(text) > 96 or text[-2:] != b"\r\n" or not (text[:1].isalnum() or text[:1] == b"?"):
        return False
    data = (frame.address + frame.body).encode()
    crc = checksums.sdi12(data) if frame.crc else b""
    return bool(text == data + crc + b"\r\n")


def _sdi12_line_sound(frame: Any) -> bool:
    """An answer, or a command up to its ``!`` (4.4)."""
    if not isinstance(frame, Sdi12Command):
        return _sdi12_sound(frame)
    return seven(frame.raw) == f"{frame.address}{frame.body}!".encode()


def _sdi12_vouched(wire: bytes) -> bool:
    """Some line ends with a right CRC, from whichever character on it counts."""
    for text in (wire, bytes(byte & 0x7F for byte in wire)):
        at = -1
        while (at := text.find(b"\r\n", at + 1)) >= 0:
            crc = text[max(0, at - 3) : at]
            if any(checksums.sdi12(text[start : at - 3]) == crc for start in range(max(0, at - 99), at - 3)):
                return True
    return False


def _sdi12_mend(wire: bytes, dice: Random) -> bytes:
    text = bytes(byte & 0x7F for byte in wire).rstrip(b"\r\n")
    data = text[:-3] if dice.randrange(4) else text
    if data[:1].isalnum():
        text = data + checksums.sdi12(data)
    else:
        data = b"0" + data[1:]
        text = data + checksums.sdi12(data)
    text += b"\r\n"
    return checksums.even(text) if dice.randrange(4) == 0 else text


def sdi12() -> Target:
    """Answers that must have a CRC, that have none, that show it; and what they tell."""
    tally = Tally()
    judges: list[Callable[[int, bytes], None]] = []
    for crc, address in ((True, None), (None, None), (False, None), (True, "0"), (None, "0")):

        def decoder(crc: bool | None = crc, address: str | None = address) -> Sdi12Decoder:
            return Sdi12Decoder(address, crc=crc, command=b"0D0!" if address else b"")

        def honest(frame: Any, crc: bool | None = crc, address: str | None = address) -> bool:
            asked = address is None or frame.address == address
            return _sdi12_sound(frame) and asked and (crc is None or bool(frame.crc) is crc)

        judges.append(Stream(decoder=decoder, honest=honest, longest_bytes=96, tally=tally))
    judges.append(Stream(decoder=Sdi12LineDecoder, honest=_sdi12_line_sound, longest_bytes=96, tally=tally))
    for request in (b"0RC0!", b"0D0!", b"0I!", b"0M!", None):
        vouched = _sdi12_vouched if request == b"0RC0!" else lambda _wire: True
        judges.append(Values(protocol="sdi12", vouched=vouched, request=request, tally=tally))
    seeds = wires("sdi12/frames.json")
    return Target(name="sdi12", judges=judges, seeds=seeds, mend=_sdi12_mend, longest_bytes=400, tally=tally)
