"""What real meters sent: telegrams and readouts of published captures, with what a foreign source makes of them.

``mbus.json`` holds telegrams of libmbus with every record as libmbus reads it (BSD-3-Clause, see ``README.md``). The
others hold texts and frames with the values that their sources or plain reading give. ``holds`` says which of them a
technician sees under which name; it was written apart from the profiles.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Final

_FOLDER: Final = Path(__file__).resolve().parent
_UNITS: Final = {"Wh": "W.h", "m^3": "m3", "m^3/h": "m3/h", "°C": "Cel", "-": ""}


@dataclass(frozen=True, slots=True, kw_only=True)
class Meant:
    """What a meter said under a name: a number in ``unit`` (UCUM), or a text with unit ""."""

    value: str
    unit: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """One record of a telegram as libmbus gives it, in its own words."""

    quantity: str
    function: str
    storage: int
    tariff: int
    device: int
    unit: str
    value: str


@dataclass(frozen=True, slots=True, kw_only=True)
class MbusReadout:
    """One telegram.

    Attributes:
        model: name of the profile that it proves.
        holds: quantity -> index of its record.
    """

    model: str
    source: str
    telegram: bytes
    records: tuple[Record, ...]
    holds: Mapping[str, int]

    @property
    def meant(self) -> dict[str, Meant]:
        """Give what libmbus makes of each named quantity."""
        named = {name: self.records[index] for name, index in self.holds.items()}
        return {name: Meant(value=one.value, unit=_UNITS.get(one.unit, one.unit)) for name, one in named.items()}


@dataclass(frozen=True, slots=True, kw_only=True)
class Readout:
    """One readout, telegram or reply of another protocol.

    Attributes:
        model: name of the profile that it proves.
        address: by which the meter is asked.
        identification: first line of a meter of IEC 62056-21; empty for others.
        data: the bytes that it sends, from STX to BCC, from ``/`` to the end, or the whole frame.
        meant: quantity -> what it said.
    """

    model: str
    protocol: str
    source: str
    address: str
    identification: str
    data: bytes
    meant: Mapping[str, Meant]


@cache
def mbus_readouts() -> tuple[MbusReadout, ...]:
    """Give the telegrams of M-Bus meters."""
    return tuple(
        MbusReadout(
            model=one["model"],
            source=one["source"],
            telegram=bytes.fromhex(one["telegram"]),
            records=tuple(_record(*record) for record in one["records"]),
            holds=one["holds"],
        )
        for one in _rows("mbus.json")
    )


@cache
def other_readouts() -> tuple[Readout, ...]:
    """Give those of meters that speak IEC 62056-21 or CJ/T 188."""
    return tuple(
        Readout(
            model=one["model"],
            protocol=one["protocol"],
            source=one["source"],
            address=one["address"],
            identification=one.get("identification", ""),
            data=bytes.fromhex(one["hex"]) if "hex" in one else one["text"].encode("ascii"),
            meant={name: Meant(value=value, unit=unit) for name, (value, unit) in one["holds"].items()},
        )
        for one in _rows("others.json")
    )


def _rows(name: str) -> list[dict[str, Any]]:
    rows = json.loads((_FOLDER / name).read_text(encoding="utf-8"))
    assert isinstance(rows, list)
    return rows


def _record(quantity: str, function: str, storage: int, tariff: int, device: int, unit: str, value: str) -> Record:
    return Record(
        quantity=quantity, function=function, storage=storage, tariff=tariff, device=device, unit=unit, value=value
    )
