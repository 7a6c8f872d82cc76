"""A Modbus ASCII server on a line, written from the standard (Serial Line V1.02, 2.5.2)."""

from __future__ import annotations

import re
from typing import Final

from hil.sim.modbus import RtuDevice, serve
from hil.wire import Reply

_FRAME: Final = re.compile(rb":((?:[0-9A-F]{2}){3,255})\r\n")


def frame(unit: int, pdu: bytes) -> bytes:
    """Give the ASCII frame of a PDU: the LRC makes the sum of all bytes 0."""
    body = bytes([unit]) + pdu
    check = (0x100 - sum(body) % 0x100) % 0x100
    return b":" + "".join(f"{byte:02X}" for byte in (*body, check)).encode("ascii") + b"\r\n"


class AsciiDevice(RtuDevice):
    """An ``RtuDevice`` whose frames are hex digits; everything else about it is the same."""

    def hear(self, frame_: bytes, now_ns: int) -> Reply | None:
        """Answer a frame; None if it is damaged, a broadcast, for another unit, or the device is dead."""
        taken = self._take(frame_)
        if taken is None:
            self.damaged += 1
            return None
        unit, pdu = taken
        if not self.alive or unit not in (self.unit, 0):
            return None
        self.heard += 1
        answer, held = serve(self.image, pdu, self.time_s(now_ns))
        if unit == 0:
            return None
        return Reply(data=frame(unit, answer), delay_ns=self.turnaround_ns, held=held)

    def stray(self, frame_: bytes, now_ns: int) -> bytes | None:
        """Give this unit's own, valid answer to a request that was meant for another."""
        taken = self._take(frame_)
        if not self.alive or taken is None:
            return None
        return frame(self.unit, serve(self.image, taken[1], self.time_s(now_ns))[0])

    @staticmethod
    def _take(frame_: bytes) -> tuple[int, bytes] | None:
        found = _FRAME.fullmatch(frame_)
        if found is None:
            return None
        body = bytes(int(found[1][at : at + 2], 16) for at in range(0, len(found[1]), 2))
        return None if sum(body) % 0x100 else (body[0], body[1:-1])
