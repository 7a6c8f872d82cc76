"""Changes to ``site.toml`` that keep every comment; the file as it was stays beside it. The only user of tomlkit."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import tomlkit
from tomlkit.items import AoT

from agent.durable import replace_file
from drivers.profile import LineSettings, Parity

HISTORY: Final = "site-history"
_PARITIES: Final = {Parity.NONE: "none", Parity.EVEN: "even", Parity.ODD: "odd"}


@dataclass(frozen=True, slots=True, kw_only=True)
class NewBus:
    """A ``[[bus]]`` to add."""

    name: str
    port: str
    line: LineSettings


@dataclass(frozen=True, slots=True, kw_only=True)
class NewDevice:
    """A ``[[device]]`` to add.

    Attributes:
        line: settings that differ from the bus's, None for the bus's own.
        address: of a protocol whose addresses are texts, instead of ``unit``.
        ratios: answers to the profile's questions, as a person writes them: ``40`` or ``200/5``.
        every: period as it is written, empty for the profile's.
    """

    name: str
    bus: str
    profile: str
    unit: int | None = None
    address: str = ""
    line: LineSettings | None = None
    ratios: Mapping[str, str] = field(default_factory=dict)
    every: str = ""


def with_bus(text: str, bus: NewBus) -> str:
    """Give the site file ``text`` with one more bus."""
    table = tomlkit.table()
    table["name"] = bus.name
    table["port"] = bus.port
    for key, value in _line_keys(bus.line).items():
        table[key] = value
    return _appended(text, "bus", table)


def with_device(text: str, device: NewDevice) -> str:
    """Give the site file ``text`` with one more device."""
    table = tomlkit.table()
    table["name"] = device.name
    table["bus"] = device.bus
    if device.unit is not None:
        table["unit"] = device.unit
    if device.address:
        table["address"] = device.address
    table["profile"] = device.profile
    if device.every:
        table["every"] = device.every
    if device.line is not None:
        line = tomlkit.inline_table()
        line.update(_line_keys(device.line))
        table["line"] = line
    if device.ratios:
        ratios = tomlkit.inline_table()
        ratios.update({name: int(ratio) if ratio.isdecimal() else ratio for name, ratio in device.ratios.items()})
        table["ratios"] = ratios
    return _appended(text, "device", table)


def added_lines(before: str, after: str) -> tuple[str, ...]:
    """Give the lines that ``after`` has and ``before`` has not."""
    old = before.split("\n")
    new = after.split("\n")
    head = 0
    while head < min(len(old), len(new)) and old[head] == new[head]:
        head += 1
    tail = 0
    while tail < min(len(old), len(new)) - head and old[-1 - tail] == new[-1 - tail]:
        tail += 1
    return tuple(new[head : len(new) - tail])


def save(path: Path, text: str, *, utc_ns: int) -> Path:
    """Replace the site file in one step; give where the file as it was is kept.

    Raises:
        OSError: it cannot be written; nothing has changed.
    """
    kept = _keep(path, utc_ns)
    replace_file(path, text.encode())
    return kept


def _keep(path: Path, utc_ns: int) -> Path:
    folder = path.parent / HISTORY
    folder.mkdir(exist_ok=True)
    stamp = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime(utc_ns // 1_000_000_000))
    content = path.read_bytes()
    number = 0
    while True:
        kept = folder / f"{stamp}-{number}.toml"
        try:
            with kept.open("xb") as file:
                file.write(content)
        except FileExistsError:
            number += 1
        else:
            return kept


def _appended(text: str, key: str, table: tomlkit.items.Table) -> str:
    document = tomlkit.parse(text)
    found = document.get(key)
    if isinstance(found, AoT):
        _end_with_blank_line(found[-1])
        found.append(table)
    elif found is None:
        array = tomlkit.aot()
        array.append(table)
        document.append(key, array)
    else:  # one [bus] alone, or an array in a line: tables of both kinds cannot be mixed, so the text is continued
        return f"{text.rstrip()}\n\n[[{key}]]\n{tomlkit.dumps(table)}"
    return tomlkit.dumps(document)


def _end_with_blank_line(table: tomlkit.items.Table) -> None:
    """Part a table from the one that comes behind it, as a person would."""
    text = table.as_string()
    for _ in range(2 - min(2, len(text) - len(text.rstrip("\n")))):
        table.add(tomlkit.nl())


def _line_keys(line: LineSettings) -> dict[str, int | str]:
    """Give the keys of a line that are not the usual ones, and its speed always."""
    keys: dict[str, int | str] = {"baud": line.baud}
    if line.parity is not Parity.NONE:
        keys["parity"] = _PARITIES[line.parity]
    if line.stop_bits != 1:
        keys["stop_bits"] = line.stop_bits
    if line.data_bits != 8:
        keys["data_bits"] = line.data_bits
    return keys
