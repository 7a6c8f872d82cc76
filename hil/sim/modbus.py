"""Modbus server side, written from the standard: Application Protocol V1.1b3, Serial Line V1.02.

Shares no code with the drivers: a fault in their CRC or framing must not find its twin here.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from typing import Final

from hil.characters import Characters
from hil.faults import Fault, Injector
from hil.sim.registers import BIT_TABLES, COILS, HOLDING, Image, RefusedRequestError
from hil.sim.simulated import Simulated
from hil.wire import Reply

_BROADCAST: Final = 0


def crc16(data: bytes) -> bytes:
    """Give the CRC as it follows a frame, low byte first (Serial Line V1.02, 6.2.2: preset FFFF, polynomial A001)."""
    crc = 0xFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = (crc >> 1) ^ 0xA001 if crc & 1 else crc >> 1
    return struct.pack("<H", crc)


def frame(unit: int, pdu: bytes) -> bytes:
    """Give the RTU frame of a PDU."""
    body = bytes([unit]) + pdu
    return body + crc16(body)


def serve(image: Image, pdu: bytes, t: float) -> tuple[bytes, tuple[tuple[str, str], ...]]:
    """Answer one request PDU at time ``t``: the reply PDU and (quantity, value) of everything it tells."""
    function = pdu[0]
    try:
        if function in (1, 2, 3, 4):
            return _read(image, pdu, t)
        if function in (5, 6):
            return _write_one(image, pdu), ()
        if function in (15, 16):
            return _write_many(image, pdu), ()
    except RefusedRequestError as refused:
        return bytes([function | 0x80, refused.code]), ()
    return bytes([function | 0x80, 1]), ()


def _read(image: Image, pdu: bytes, t: float) -> tuple[bytes, tuple[tuple[str, str], ...]]:
    if len(pdu) != 5:
        raise RefusedRequestError(3)
    function, address, count = struct.unpack(">BHH", pdu)
    words = image.read(function, address, count, t)
    if function in BIT_TABLES:
        number = sum(bit << place for place, bit in enumerate(words))
        data = number.to_bytes((count + 7) // 8, "little")
    else:
        data = struct.pack(f">{count}H", *words)
    return bytes([function, len(data)]) + data, image.tells(function, address, count, t)


def _write_one(image: Image, pdu: bytes) -> bytes:
    if len(pdu) != 5:
        raise RefusedRequestError(3)
    function, address, word = struct.unpack(">BHH", pdu)
    if function == 5:
        if word not in (0x0000, 0xFF00):
            raise RefusedRequestError(3)
        image.write(COILS, address, [int(word == 0xFF00)])
    else:
        image.write(HOLDING, address, [word])
    return pdu


def _write_many(image: Image, pdu: bytes) -> bytes:
    if len(pdu) < 7 or len(pdu) != 6 + pdu[5]:
        raise RefusedRequestError(3)
    function, address, count, size = struct.unpack(">BHHB", pdu[:6])
    if function == 15:
        if not 1 <= count <= 1968 or size != (count + 7) // 8:
            raise RefusedRequestError(3)
        number = int.from_bytes(pdu[6:], "little")
        image.write(COILS, address, [number >> place & 1 for place in range(count)])
    else:
        if not 1 <= count <= 123 or size != 2 * count:
            raise RefusedRequestError(3)
        image.write(HOLDING, address, list(struct.unpack(f">{count}H", pdu[6:])))
    return pdu[:5]


class RtuDevice(Simulated):
    """A Modbus RTU server on a ``hil.wire.Line``.

    Attributes:
        unit: its address, 1 to 247.
        image: what it holds.
        turnaround_ns: time it takes before it answers.
        alive: False plays dead; may be changed at any time.
        rates: faults of its own, with probabilities.
        heard: good requests addressed to it.
        damaged: frames with a wrong CRC that it ignored.
    """

    def __init__(
        self,
        unit: int,
        image: Image,
        *,
        began_ns: int = 0,
        turnaround_ns: int = 5_000_000,
        settings: Characters | None = None,
        alive: bool = True,
        rates: Mapping[Fault, float] | None = None,
        seed: int = 0,
    ) -> None:
        """Take the address, the image and the time at which the image's own time is 0."""
        super().__init__(settings=settings or Characters(), injector=Injector(seed, rates), began_ns=began_ns)
        self.unit = unit
        self.image = image
        self.turnaround_ns = turnaround_ns
        self.alive = alive
        self.heard = 0
        self.damaged = 0

    def hear(self, frame_: bytes, now_ns: int) -> Reply | None:
        """Answer a frame; None if it is damaged, a broadcast, for another unit, or the device is dead."""
        if len(frame_) < 4 or crc16(frame_[:-2]) != frame_[-2:]:
            self.damaged += 1
            return None
        if not self.alive or (frame_[0] != self.unit and frame_[0] not in (_BROADCAST, self.image.any_unit)):
            return None
        self.heard += 1
        pdu, held = serve(self.image, frame_[1:-2], self.time_s(now_ns))
        if frame_[0] == _BROADCAST:
            return None
        fault = self._injector.pick(self.heard)
        return Reply(data=frame(frame_[0], pdu), delay_ns=self.turnaround_ns, fault=fault, held=held)

    def stray(self, frame_: bytes, now_ns: int) -> bytes | None:
        """Give this unit's own, valid answer to a request that was meant for another."""
        if not self.alive or len(frame_) < 4:
            return None
        return frame(self.unit, serve(self.image, frame_[1:-2], self.time_s(now_ns))[0])
