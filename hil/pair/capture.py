"""What was on the wire: as a file for Wireshark (libpcap, DLT 147 told to be ``mbrtu``), and as text for people."""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence
from typing import Final

from hil.wire import Exchange

_HEADER: Final = struct.pack("<IHHiIII", 0xA1B23C4D, 2, 4, 0, 0, 65535, 147)  # nanosecond time stamps, USER0
_RECORD: Final = struct.Struct("<IIII")
_NS: Final = 1_000_000_000
_ROW: Final = 32


def pcap(exchanges: Sequence[Exchange], utc_offset_ns: int) -> bytes:
    """Give a capture with a packet for each request and each reply."""
    packets = sorted(packet for one in exchanges for packet in _packets(one))
    out = bytearray(_HEADER)
    for at_ns, data in packets:
        seconds, nanoseconds = divmod(at_ns + utc_offset_ns, _NS)
        out += _RECORD.pack(seconds & 0xFFFFFFFF, nanoseconds, len(data), len(data)) + data
    return bytes(out)


def _packets(one: Exchange) -> Iterator[tuple[int, bytes]]:
    yield one.start_ns, one.request
    if one.reply_start_ns is not None and one.reply:
        yield one.reply_start_ns, one.reply


def hexdump(exchanges: Sequence[Exchange], most: int) -> str:
    """Give the last ``most`` exchanges as text: time from the first of all, silence before, what was done, bytes."""
    if not exchanges:
        return "nothing was on the wire"
    first_ns = exchanges[0].start_ns
    lines = []
    for one in exchanges[-most:]:
        gap = "" if one.gap_ns is None else f"  silence {one.gap_ns / 1e6:.2f} ms"
        marks = [f"fault {one.fault.value}"] if one.fault.value != "none" else []
        marks += ["INSIDE t3.5"] if one.inside_silence else []
        marks += ["collided"] if one.collided else []
        lines.append(f"{(one.start_ns - first_ns) / 1e9:10.4f} s{gap}  {', '.join(marks)}".rstrip())
        lines += _rows("->", one.request)
        lines += _rows("<-", one.reply) if one.reply else ["             <-  silence"]
    left_out = len(exchanges) - most
    head = [f"{left_out} earlier exchanges are in the capture only"] if left_out > 0 else []
    return "\n".join([*head, *lines])


def _rows(arrow: str, data: bytes) -> Iterator[str]:
    for at in range(0, len(data), _ROW):
        yield f"             {arrow if not at else '  '}  {data[at : at + _ROW].hex(' ')}"
