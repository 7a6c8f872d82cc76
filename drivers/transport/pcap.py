"""A capture file of what was on a line, for Wireshark and tshark (libpcap format, nanosecond time stamps).

Modbus RTU has no link type of its own; DLT 147 (USER0) is told by preference to be ``mbrtu``:
``-o 'uat:user_dlts:"User 0 (DLT=147)","mbrtu","0","","0",""'``.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterable
from typing import BinaryIO, Final

from drivers.clock import Clock

USER0: Final = 147
_MAGIC_NS: Final = 0xA1B23C4D
_LONGEST: Final = 65535
_HEADER: Final = struct.Struct("<IHHiIII")
_RECORD: Final = struct.Struct("<IIII")


def whole(data: bytes) -> Iterable[bytes]:
    """Take all bytes of one direction between two of the other as one packet."""
    return (data,)


class PcapSink:
    """A ``tap.Sink`` that writes one packet for each thing said.

    Bytes that come in are gathered until something is sent, then cut into packets by ``split``.

    Args:
        file: open for writing in binary; flushed after each exchange, closed by its owner.
        clock: gives the time stamps.
        link_type: a DLT number.
        split: cuts the bytes that came in between two requests into packets, such as the frames of a decoder.
    """

    def __init__(
        self,
        file: BinaryIO,
        clock: Clock,
        *,
        link_type: int = USER0,
        split: Callable[[bytes], Iterable[bytes]] = whole,
    ) -> None:
        self._file = file
        self._clock = clock
        self._split = split
        self._came = bytearray()
        self._came_ns = 0
        file.write(_HEADER.pack(_MAGIC_NS, 2, 4, 0, 0, _LONGEST, link_type))

    def sent(self, data: bytes) -> None:
        """Write what came before and then ``data``."""
        self.finish()
        self._packet(data, self._clock.utc_ns())

    def received(self, data: bytes) -> None:
        """Gather ``data``."""
        if not self._came:
            self._came_ns = self._clock.utc_ns()
        self._came += data
        if len(self._came) >= _LONGEST:
            self.finish()

    def finish(self) -> None:
        """Write what has been gathered."""
        came = bytes(self._came)
        self._came.clear()
        for packet in self._split(came):
            if packet:
                self._packet(packet, self._came_ns)
        self._file.flush()

    def _packet(self, data: bytes, utc_ns: int) -> None:
        seconds, nanoseconds = divmod(utc_ns, 1_000_000_000)
        for at in range(0, len(data), _LONGEST):
            piece = data[at : at + _LONGEST]
            self._file.write(_RECORD.pack(seconds & 0xFFFFFFFF, nanoseconds, len(piece), len(piece)) + piece)
