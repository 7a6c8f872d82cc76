"""Registers of a simulated device, each beside what it means.

An ``Image`` is filled from the facts collected about real devices and from captured frames, never from a profile: the
profile is what is under test.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import Final

from hil.sim.motion import Motion

COILS: Final = 1
DISCRETE_INPUTS: Final = 2
HOLDING: Final = 3
INPUT: Final = 4
BIT_TABLES: Final = (COILS, DISCRETE_INPUTS)

_FORMATS: Final = {
    "u16": ">H", "s16": ">h", "u32": ">I", "s32": ">i", "u64": ">Q", "s64": ">q", "f32": ">f", "f64": ">d",
    "bit": ">H",
}  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """One quantity that a device holds.

    Attributes:
        name: dotted quantity.
        table: 1 coils, 2 discrete inputs, 3 holding registers, 4 input registers (the read function).
        address: as sent on the wire, from 0.
        type: ``u16 s16 u32 s32 u64 s64 f32 f64 bit``.
        words: ``big`` (bytes ABCD), ``little`` (CDAB), ``dcba`` or ``badc``.
        scale: what one count is worth in ``unit``.
        unit: UCUM code, None for a state.
        motion: the value in ``unit`` over time.
        writable: functions 5, 6, 15 and 16 may change it.
    """

    name: str
    table: int
    address: int
    type: str
    motion: Motion
    words: str = "big"
    scale: Decimal = Decimal(1)
    unit: str | None = None
    writable: bool = False

    @property
    def count(self) -> int:
        """Addresses it takes in its table."""
        return 1 if self.type == "bit" else struct.calcsize(_FORMATS[self.type]) // 2

    def raw(self, t: float) -> int | float:
        """Give the number in the registers at ``t``, which is all that a reader can know."""
        value = self.motion(t)
        if self.type == "f32":
            return float(struct.unpack(">f", struct.pack(">f", round(value / float(self.scale), 5)))[0])
        if self.type == "f64":
            return round(value / float(self.scale), 5)
        return round(value / float(self.scale))

    def value(self, t: float) -> Decimal:
        """Give the exact value in ``unit`` that the registers tell at ``t``; of a float its shortest decimal."""
        raw = self.raw(t)
        if isinstance(raw, float):
            number = Decimal(shortest_f32(raw) if self.type == "f32" else repr(raw))
        else:
            number = Decimal(raw)
        return number * self.scale

    def registers(self, t: float) -> tuple[int, ...]:
        """Give the registers at ``t``, in the order of their addresses."""
        data = struct.pack(_FORMATS[self.type], self.raw(t))
        if self.words in ("dcba", "badc"):
            data = b"".join(data[at : at + 2][::-1] for at in range(0, len(data), 2))
        words = struct.unpack(f">{len(data) // 2}H", data)
        return words if self.words in ("big", "badc") else words[::-1]


def shortest_f32(value: float) -> str:
    """Give the shortest decimal that reads back as the same 32-bit float: 230.2 and not 230.1999969482422."""
    for digits in range(1, 10):
        text = f"{value:.{digits}g}"
        if struct.pack(">f", float(text)) == struct.pack(">f", value):
            return text
    return repr(value)


class RefusedRequestError(Exception):
    """The device answers with a Modbus exception.

    Attributes:
        code: 1 illegal function, 2 illegal data address, 3 illegal data value.
    """

    def __init__(self, code: int) -> None:
        super().__init__(f"exception {code}")
        self.code = code


@dataclass(slots=True, kw_only=True)
class Image:
    """Everything a device holds.

    Attributes:
        model: ``vendor/model``, a name only.
        held: the quantities.
        spans: (table, first, last) that may be read; holes inside read as 0.
        any_unit: an address the device answers beside its own, None for none.
        max_registers: longest read it takes (Modbus Application Protocol V1.1b3 allows 125).
        source: where the addresses and meanings come from.
    """

    model: str
    held: tuple[Held, ...]
    spans: tuple[tuple[int, int, int], ...]
    source: str
    any_unit: int | None = None
    max_registers: int = 125
    written: dict[tuple[int, int], int] = field(default_factory=dict)

    def read(self, table: int, address: int, count: int, t: float) -> list[int]:
        """Give ``count`` registers or bits from ``address`` at ``t``; RefusedRequestError as the device would."""
        if not any(span == table for span, _, _ in self.spans):
            raise RefusedRequestError(1)
        if not 1 <= count <= (2000 if table in BIT_TABLES else self.max_registers):
            raise RefusedRequestError(3)
        last = address + count - 1
        if not any(t0 == table and first <= address and last <= end for t0, first, end in self.spans):
            raise RefusedRequestError(2)
        out = [0] * count
        for held in self.held:
            if held.table != table or held.address > last or held.address + held.count <= address:
                continue
            for offset, word in enumerate(held.registers(t)):
                at = held.address + offset - address
                if 0 <= at < count:
                    out[at] = self.written.get((table, held.address + offset), word)
        return out

    def write(self, table: int, address: int, words: list[int]) -> None:
        """Change registers or coils; RefusedRequestError unless every one of them is writable."""
        places = {
            (held.table, held.address + offset) for held in self.held if held.writable for offset in range(held.count)
        }
        if not places:
            raise RefusedRequestError(1)
        if any((table, address + offset) not in places for offset in range(len(words))):
            raise RefusedRequestError(2)
        for offset, word in enumerate(words):
            self.written[table, address + offset] = word

    def tells(self, table: int, address: int, count: int, t: float) -> tuple[tuple[str, str], ...]:
        """Give (quantity, exact value) of everything that lies whole within a read at ``t``."""
        return tuple(
            (held.name, format(held.value(t), "f"))
            for held in self.held
            if held.table == table and address <= held.address and held.address + held.count <= address + count
        )


def strict(image: Image) -> Image:
    """Give the image of a firmware that refuses every read touching an undefined address (exception 2)."""
    places = sorted({(one.table, one.address + offset) for one in image.held for offset in range(one.count)})
    spans: list[tuple[int, int, int]] = []
    for table, address in places:
        if spans and spans[-1][0] == table and spans[-1][2] == address - 1:
            spans[-1] = (table, spans[-1][1], address)
        else:
            spans.append((table, address, address))
    return replace(image, spans=tuple(spans), written={})
