"""A solar inverter with SunSpec, register by register as the tables of models 1, 103 and 160 have it."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from typing import Final

from hil.sim.registers import Image
from hil.sim.words import words_image

NOT_THERE: Final = 0xFFFF
_NOT_THERE_SIGNED: Final = 0x8000


def text(value: str, registers: int) -> list[int]:
    """Give a text in registers, padded with NUL."""
    return list(struct.unpack(f">{registers}H", value.encode().ljust(2 * registers, b"\0")))


def common(maker: str, device: str, serial: str, length: int = 66) -> list[int]:
    """Give model 1; some devices leave out the pad and say 65."""
    body = (
        text(maker, 16)
        + text(device, 16)
        + text("", 8)
        + text("1.2.3", 8)
        + text(serial, 16)
        + [1, _NOT_THERE_SIGNED]
    )
    return [1, length, *body[:length]]


def three_phase(*, power: int, power_scale: int, energy: int, state: int = 4) -> list[int]:
    """Give model 103 (integers and scale factors): 25.31 A, 230.1 V, 50.02 Hz, and what is asked for."""
    words = [NOT_THERE] * 50
    for offset, word in {
        2: 2531, 6: -2,  # A, A_SF
        10: 2301, 11: 2302, 12: 2299, 13: -1,  # PhVphA to C, V_SF
        14: power, 15: power_scale, 16: 5002, 17: -2,  # W, Hz
        18: _NOT_THERE_SIGNED, 19: _NOT_THERE_SIGNED, 20: _NOT_THERE_SIGNED, 21: 0,  # VA, VAr
        22: _NOT_THERE_SIGNED, 23: _NOT_THERE_SIGNED,  # PF
        24: energy >> 16, 25: energy & 0xFFFF, 26: 0,  # WH
        31: 5601, 32: 0,  # DCW
        33: 412, 34: _NOT_THERE_SIGNED, 35: _NOT_THERE_SIGNED, 36: _NOT_THERE_SIGNED, 37: -1,  # Tmp
        38: state,
    }.items():  # fmt: skip
        words[offset - 2] = word & 0xFFFF
    return [103, 50, *words]


def inputs(powers: Sequence[int]) -> list[int]:
    """Give model 160 with one module for each of ``powers`` (W)."""
    head = [_NOT_THERE_SIGNED, _NOT_THERE_SIGNED, 0, 0, 0, 0, len(powers), NOT_THERE]
    words = [160, 8 + 20 * len(powers), *head]
    for number, power in enumerate(powers, 1):
        module = [NOT_THERE] * 20
        module[0] = number
        module[1:9] = text(f"string {number}", 8)
        module[11] = power
        words += module
    return words


def inverter(base: int = 40000, **three: int) -> Image:
    """Give the whole device with its marker at ``base``."""
    models = common("Tide", "TG-10K", "SN0042") + three_phase(**three) + inputs([2800, 2801])
    words = [*text("SunS", 2), *models, 0xFFFF, 0]
    return words_image("sunspec/inverter", [(base, words)], "SunSpec Information Model Reference, models 1, 103, 160")


def three_phase_meter(*, power: int, imported: int, exported: int) -> list[int]:
    """Give model 203 (integers and scale factors): power in units of 10 W, energies in hundreds of W.h."""
    words = [_NOT_THERE_SIGNED] * 105
    for offset, word in {
        2: 1234, 6: -2,  # A, A_SF
        8: 2304, 9: 2311, 10: 2298, 15: -1,  # PhVphA to C, V_SF
        16: 4998, 17: -2,  # Hz, Hz_SF
        18: power, 19: power // 2, 22: 1,  # W, WphA, W_SF
        28: -321, 32: 0,  # VAR, VAR_SF
        38: exported >> 16, 39: exported & 0xFFFF, 46: imported >> 16, 47: imported & 0xFFFF, 54: 2,  # TotWhExp, Imp
    }.items():  # fmt: skip
        words[offset - 2] = word & 0xFFFF
    return [203, 105, *words]


def meter(base: int = 40000, **three: int) -> Image:
    """Give a whole meter with its marker at ``base``."""
    models = common("Tide", "TM-3", "SN0043") + three_phase_meter(**three)
    words = [*text("SunS", 2), *models, 0xFFFF, 0]
    return words_image("sunspec/meter", [(base, words)], "SunSpec Information Model Reference, models 1 and 203")
