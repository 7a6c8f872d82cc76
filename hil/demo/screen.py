"""The demo's one view: readings as the collector verified them, beside the state of the chain."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from rich.console import Group, JustifyMethod, RenderableType
from rich.table import Table
from rich.text import Text

from hil.demo.platform_view import Latest, Totals

_SHOWN_PER_DEVICE = 3
_AROUND: Final = 5
"""Lines beside the rows: title, head of the table, the chain with a blank line above it, and one to spare."""
_COLUMNS: Final = ("device", "quantity", "value", "unit", "age", "quality")
_GAPS: Final = 2 * (len(_COLUMNS) - 1)
_NUMBERS: Final = {100: (14, 8, 8), 60: (9, 6, 5), 0: (7, 4, 4)}
"""From which width of the terminal on: cells for value, unit and age, whatever the names need."""
_SHARES: Final = (4, 5, 3)
"""How device, quantity and quality divide what is left."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Moment:
    """Everything one frame shows.

    Attributes:
        sealed: blocks that the agent committed, from its own store.
        note: what goes on, such as 'broker killed'.
    """

    devices: Sequence[str]
    latest: Sequence[Latest]
    totals: Totals
    sealed: int
    now_ms: int
    note: str


def draw(moment: Moment, words: dict[str, str], width: int, height: int) -> RenderableType:
    """Lay one frame out for a terminal of ``width`` cells and ``height`` lines; nothing is wrapped.

    Names are cut short before numbers are; the state of the chain stays when there is no room for all devices.
    """
    table = Table(pad_edge=False, box=None, header_style="bold")
    for column, cells in zip(_COLUMNS, _widths(width), strict=True):
        right: JustifyMethod = "right" if column == "value" else "left"
        table.add_column(words[column], width=cells, justify=right, no_wrap=True, overflow="ellipsis")
    room = max(1, height - _AROUND)
    per_device = max(1, min(_SHOWN_PER_DEVICE, room // max(1, len(moment.devices))))
    rows = [row for device in moment.devices for row in _rows_of(device, moment, words, per_device)]
    for row in rows if len(rows) <= room else (*rows[: room - 1], ("…",)):
        table.add_row(*row)
    return Group(_title(moment, words), table, _chain(moment, words))


def _widths(width: int) -> tuple[int, ...]:
    """Give the cells of each column."""
    value, unit, age = next(cells for least, cells in _NUMBERS.items() if width >= least)
    left = max(len(_SHARES), width - _GAPS - value - unit - age)
    device, quantity, quality = (max(1, left * share // sum(_SHARES)) for share in _SHARES)
    return device, quantity, value, unit, age, quality


def _rows_of(device: str, moment: Moment, words: dict[str, str], most: int) -> list[tuple[RenderableType, ...]]:
    mine = [one for one in moment.latest if one.device == device]
    if not mine:
        return [(device, Text(words["no reading yet"], style="dim"), "", "", "", "")]
    rows: list[tuple[RenderableType, ...]] = []
    for index, one in enumerate(mine[:most]):
        good = one.quality == "good"
        age = "" if one.utc_ms is None else f"{max(0, moment.now_ms - one.utc_ms) / 1000:.0f} s"
        rows.append(
            (
                device if index == 0 else "",
                one.quantity,
                Text(one.value if one.value is not None else "-", style="" if good else "red"),
                Text(one.unit or ""),  # units such as [ppm] are no markup
                age,
                Text(one.quality, style="green" if good else "red"),
            )
        )
    return rows


def _title(moment: Moment, words: dict[str, str]) -> Text:
    title = Text.assemble(("Tidegate", "bold"), "  ", words["as the collector verified them"], no_wrap=True)
    if moment.note:
        title.append(f"  ·  {words.get(moment.note, moment.note)}", style="yellow")
    return title


def _chain(moment: Moment, words: dict[str, str]) -> Text:
    totals = moment.totals
    cost = "-" if totals.bytes_per_reading is None else f"{totals.bytes_per_reading:.1f}"
    parts = (
        (moment.sealed, "sealed"),
        (totals.blocks, "verified"),
        (totals.receipted, "receipted"),
        (max(0, moment.sealed - totals.receipted), "pending"),
        (totals.readings, "readings"),
    )
    line = "   ".join(f"{words[word]} {count}" for count, word in parts)
    return Text(f"\n{line}   {cost} {words['bytes a reading']}   {words['Ctrl-C ends it']}", no_wrap=True)
