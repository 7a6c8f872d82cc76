"""Finds the SunSpec models of a device: the marker, then model after model until the end (sans-io: reads are given).

A device puts ``SunS`` at 40000, 50000 or 0 of its holding registers; behind it stands a chain of number, length and
that many registers, ended by number FFFF.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final, TypeAlias

from drivers.errors import FrameError, RefusedError
from drivers.protocols.modbus_sunspec_models import HEADER_REGISTERS

MARKER: Final = b"SunS"
BASES: Final = (40000, 50000, 0)
END: Final = 0xFFFF
_MARKER_REGISTERS: Final = 2
_MOST_MODELS: Final = 200
_ADDRESSES: Final = 0x10000

ReadRegisters: TypeAlias = Callable[[int, int], Awaitable[bytes]]
"""Address and count to the bytes of holding registers; raises like ``Device.read``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelAt:
    """One model of a device.

    Attributes:
        address: of its first register, its number.
        length: registers behind the header, as the device says.
    """

    number: int
    address: int
    length: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Chain:
    """What a device has.

    Attributes:
        base: address of the marker.
        models: in the order of their addresses.
    """

    base: int
    models: tuple[ModelAt, ...]


async def find_models(read: ReadRegisters) -> Chain:
    """Find the marker and walk the chain.

    Raises:
        RefusedError: no marker at any of the three places; the device is none of SunSpec.
        FrameError: the chain leads nowhere: without end, or behind the last register.
    """
    for base in BASES:
        try:
            found = await read(base, _MARKER_REGISTERS)
        except RefusedError:
            continue
        if found == MARKER:
            return Chain(base=base, models=await _walk(read, base + _MARKER_REGISTERS))
    raise RefusedError("no SunSpec marker at 40000, 50000 or 0", 2)


async def _walk(read: ReadRegisters, address: int) -> tuple[ModelAt, ...]:
    models: list[ModelAt] = []
    while len(models) < _MOST_MODELS and address + HEADER_REGISTERS <= _ADDRESSES:
        try:
            header = await read(address, HEADER_REGISTERS)
        except RefusedError:
            if not models:
                raise
            return tuple(models)  # some devices end their chain with the end of their registers
        number, length = int.from_bytes(header[:2], "big"), int.from_bytes(header[2:4], "big")
        if number == END:
            return tuple(models)
        models.append(ModelAt(number=number, address=address, length=length))
        address += HEADER_REGISTERS + length
    raise FrameError(f"the chain of SunSpec models has no end after {len(models)} models")
