"""OBIS codes (IEC 62056-6-1): six numbers A-B:C.D.E*F for what a meter measures, and the table of their names."""

from __future__ import annotations

import re
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

_FULL: Final = re.compile(
    r"(?:(\d{1,3})-(\d{1,3}):)?([0-9CFLP]{1,3})\.([0-9CFLP]{1,3})(?:\.(\d{1,3}))?(?:[*&](\d{1,3}))?",
    re.ASCII,
)
_LETTERS: Final = MappingProxyType({"C": 96, "F": 97, "L": 98, "P": 99})
_BYTES: Final = 6


@dataclass(frozen=True, slots=True, kw_only=True)
class Named:
    """What stands under a code.

    Attributes:
        name: of the quantity, as profiles write it.
        unit: UCUM code it is usually given in; None for text and states.
    """

    name: str
    unit: str | None


def obis_text(code: bytes) -> str:
    """Write the six bytes of a code as ``1-0:1.8.0*255``."""
    a, b, c, d, e, f = code
    return f"{a}-{b}:{c}.{d}.{e}*{f}"


def obis_bytes(text: str) -> bytes:
    """Read a code, also in its short forms ``1.8.0``, ``1.8.1*03``, ``C.1.0``; what is left out is 1-0, 0 and 255.

    Raises:
        ValueError: it is none.
    """
    match = _FULL.fullmatch(text)
    if match is None:
        raise ValueError(f"{text!r} is no OBIS code such as 1-0:1.8.0*255")
    a, b, c, d, e, f = match.groups()
    numbers = [_LETTERS.get(part) if part in _LETTERS else int(part) if part.isdigit() else None for part in (c, d)]
    parts = [int(a or 1), int(b or 0), *numbers, int(e or 0), int(f or 255)]
    if any(part is None or part > 255 for part in parts):
        raise ValueError(f"{text!r} has a part that is no number up to 255")
    return bytes(part for part in parts if part is not None)


def named(code: bytes) -> Named | None:
    """Give the name of a code; of a tariff 1 to 63 with ``.tariff1`` at the end. None for what is not in the table.

    Billing periods (F) and channels (B) do not matter for the name.
    """
    a, _, c, d, e, _ = code
    row = _NAMES.get((a, c, d, e))
    if row is not None:
        return Named(name=row[0], unit=row[1])
    row = _NAMES.get((a, c, d, 0)) if d in _WITH_TARIFFS and 1 <= e <= 63 and a in _TARIFF_MEDIA else None
    return None if row is None else Named(name=f"{row[0]}.tariff{e}", unit=row[1])


_WITH_TARIFFS: Final = (6, 8)
_TARIFF_MEDIA: Final = (1, 6, 7, 8)

# C of one phase: 20 more for L1, 40 for L2, 60 for L3
_PHASED: Final = (
    (1, "power.active.import", "W"), (2, "power.active.export", "W"), (3, "power.reactive.import", "var"),
    (4, "power.reactive.export", "var"), (9, "power.apparent.import", "VA"), (10, "power.apparent.export", "VA"),
    (11, "current", "A"), (12, "voltage", "V"), (13, "power.factor", "1"), (14, "frequency", "Hz"),
    (16, "power.active", "W"),
)  # fmt: skip
_ENERGIES: Final = (
    (1, "energy.active.import", "W.h"), (2, "energy.active.export", "W.h"), (3, "energy.reactive.import", "var.h"),
    (4, "energy.reactive.export", "var.h"), (5, "energy.reactive.q1", "var.h"), (6, "energy.reactive.q2", "var.h"),
    (7, "energy.reactive.q3", "var.h"), (8, "energy.reactive.q4", "var.h"), (9, "energy.apparent.import", "VA.h"),
    (10, "energy.apparent.export", "VA.h"), (15, "energy.active.total", "W.h"), (16, "energy.active.net", "W.h"),
)  # fmt: skip
_DEMANDS: Final = (
    (1, "demand.active.import.max", "W"), (2, "demand.active.export.max", "W"),
    (3, "demand.reactive.import.max", "var"), (4, "demand.reactive.export.max", "var"),
)  # fmt: skip
_PHASES: Final = ((0, ""), (20, ".l1"), (40, ".l2"), (60, ".l3"))
_OTHERS: Final = (
    (0, 0, 0, 0, "device_id", None), (0, 1, 0, 0, "meter_clock", None), (0, 96, 1, 0, "meter_serial", None),
    (0, 96, 14, 0, "tariff", None), (0, 97, 97, 0, "error_code", None), (0, 42, 0, 0, "logical_device_name", None),
    (1, 0, 0, 0, "meter_serial", None), (1, 0, 0, 9, "device_number", None), (1, 0, 2, 0, "firmware", None),
    (1, 0, 9, 1, "meter_time", None), (1, 0, 9, 2, "meter_date", None),
    (1, 91, 7, 0, "current.neutral", "A"), (1, 96, 1, 0, "server_id", None), (1, 96, 5, 0, "status_word", None),
    (1, 96, 50, 1, "manufacturer", None), (1, 81, 7, 1, "phase_angle_u_l2_l1", "deg"),
    (1, 81, 7, 2, "phase_angle_u_l3_l1", "deg"), (1, 81, 7, 4, "phase_angle_l1", "deg"),
    (1, 81, 7, 15, "phase_angle_l2", "deg"), (1, 81, 7, 26, "phase_angle_l3", "deg"),
    (0, 96, 1, 1, "device_id2", None), (0, 96, 1, 7, "device_id8", None), (0, 96, 1, 255, "device_id", None),
    (0, 96, 7, 21, "power_failures", None), (0, 24, 2, 1, "mbus.value", None),
    (1, 0, 0, 5, "electricity_id6", None), (1, 0, 2, 129, "list_version", None), (1, 96, 1, 1, "device_id2", None),
    (1, 96, 5, 5, "status_word2", None), (1, 96, 90, 2, "parameters_crc", None), (1, 97, 97, 0, "error_code", None),
    (1, 1, 17, 0, "energy.active.import.signed", "W.h"), (1, 1, 7, 255, "power.active.momentary", "W"),
    (1, 21, 7, 255, "power.active.momentary.l1", "W"), (1, 41, 7, 255, "power.active.momentary.l2", "W"),
    (1, 61, 7, 255, "power.active.momentary.l3", "W"), (129, 199, 130, 3, "manufacturer", None),
    (129, 199, 130, 5, "public_key", None),
    (6, 1, 0, 0, "energy.heat", "W.h"), (6, 2, 0, 0, "volume.heat", "m3"), (6, 8, 0, 0, "power.heat", "W"),
    (6, 9, 0, 0, "flow.heat", "m3/h"), (6, 10, 0, 0, "temperature.supply", "Cel"),
    (6, 11, 0, 0, "temperature.return", "Cel"),
    (7, 3, 0, 0, "volume.gas", "m3"), (7, 13, 2, 0, "volume.gas.corrected", "m3"),
    (8, 1, 0, 0, "volume", "m3"), (9, 1, 0, 0, "volume.hot", "m3"),
)  # fmt: skip


def _table() -> dict[tuple[int, int, int, int], tuple[str, str | None]]:
    table: dict[tuple[int, int, int, int], tuple[str, str | None]] = {
        (a, c, d, e): (name, unit) for a, c, d, e, name, unit in _OTHERS
    }
    for offset, phase in _PHASES:
        for c, name, unit in _PHASED:
            table[1, c + offset, 7, 0] = (name + phase, unit)
        for c, name, unit in _ENERGIES:
            table[1, c + offset, 8, 0] = (name + phase, unit)
        for c, name, unit in _DEMANDS:
            table[1, c + offset, 6, 0] = (name + phase, unit)
    return table


_NAMES: Final = MappingProxyType(_table())
