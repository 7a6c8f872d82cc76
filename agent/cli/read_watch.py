"""``tidegate read --watch``: the same read again and again, as a live table or as JSON lines."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

from agent.cli.output import Json, Output
from agent.cli.state_names import StateNames
from agent.control.protocol import DeviceValues, PointValue
from agent.language import _
from drivers.quality import is_good, name_of

Key = tuple[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One line of the table.

    Attributes:
        point: as it was read last; with the last good value where that one is bad.
        good_s: when the value shown was read, of the clock of the watch; None if there never was one.
        trouble: why nothing newer is there, empty if all is well.
        shown: the value as a person reads it, with the name of a state.
    """

    device: str
    point: PointValue
    good_s: float | None
    trouble: str = ""
    shown: str = "-"


@dataclass(slots=True)
class Board:
    """What the table shows: keeps the last good value of each point."""

    names: StateNames = field(default_factory=StateNames)
    rows: dict[Key, Row] = field(default_factory=dict)

    def take(self, devices: tuple[DeviceValues, ...], now_s: float) -> None:
        """Take one round."""
        for device in devices:
            if device.points:
                self.rows.pop((device.device, "-"), None)
            for point in device.points:
                self._put(device, point, now_s)
            if device.error_code:
                self._fail(device)

    def _put(self, device: DeviceValues, point: PointValue, now_s: float) -> None:
        key = (device.device, point.quantity)
        before = self.rows.get(key)
        if is_good(point.status) or point.value is not None or before is None or before.good_s is None:
            good_s = now_s if point.value is not None else None
            shown = self.names.shown(device.device, point)
            self.rows[key] = Row(device=device.device, point=point, good_s=good_s, shown=shown)
        else:
            kept = replace(point, value=before.point.value)
            self.rows[key] = replace(before, point=kept, trouble=_("last good"))

    def _fail(self, device: DeviceValues) -> None:
        """Mark what was not read in this round."""
        read = {point.quantity for point in device.points}
        mine = [key for key in self.rows if key[0] == device.device and key[1] not in read]
        kept = _("last good")
        for key in mine:
            row = self.rows[key]
            trouble = device.error_code if row.good_s is None else f"{kept}, {device.error_code}"
            self.rows[key] = replace(row, trouble=trouble)
        if not mine and not read:
            nothing = PointValue(quantity="-", value=None, unit=None, status=0x80000000)
            self.rows[device.device, "-"] = Row(
                device=device.device, point=nothing, good_s=None, trouble=device.error_code
            )


def cells(row: Row, now_s: float) -> tuple[str, ...]:
    """Give the texts of one row: device, point, value, unit, age, quality."""
    point = row.point
    age = "-" if row.good_s is None else f"{max(0.0, now_s - row.good_s):.1f} s"
    return row.device, point.quantity, row.shown, point.unit or "", age, row.trouble or name_of(point.status)


def watch(
    out: Output,
    read: Callable[[], tuple[DeviceValues, ...]],
    as_json: Callable[[DeviceValues], Json],
    names: StateNames,
    *,
    every_s: float,
    rounds: int,
) -> tuple[DeviceValues, ...]:
    """Read every ``every_s`` seconds, ``rounds`` times (0: until Ctrl-C); give the last round."""
    board = Board(names=names)
    last: tuple[DeviceValues, ...] = ()
    screen = _Screen(out, every_s)
    began_s = time.monotonic()
    number = 0
    try:
        with screen:
            while not rounds or number < rounds:
                number += 1
                last = read()
                now_s = time.monotonic()
                board.take(last, now_s)
                if out.json:
                    out.line(
                        {"schema": "tidegate.read/1", "event": "round", "devices": [as_json(one) for one in last]}
                    )
                else:
                    screen.show(board.rows, number, now_s)
                if not rounds or number < rounds:
                    screen.wait(began_s + number * every_s, board.rows, number)
    except KeyboardInterrupt:
        pass  # that is how a watch ends
    return last


class _Screen:
    """A table that is drawn over on a terminal, and printed round after round elsewhere."""

    def __init__(self, out: Output, every_s: float) -> None:
        from rich.console import Console  # noqa: PLC0415 - start-up time
        from rich.live import Live  # noqa: PLC0415

        self._out = out
        self._every_s = every_s
        self._live: Live | None = None
        if sys.stdout.isatty() and not out.json:
            console = Console(no_color=out.color is False)
            self._live = Live(console=console, auto_refresh=False, screen=False)

    def __enter__(self) -> None:
        if self._live is not None:
            self._live.start()

    def __exit__(self, *_what: object) -> None:
        if self._live is not None:
            self._live.stop()

    def wait(self, until_s: float, rows: Mapping[Key, Row], number: int) -> None:
        """Wait for the next round; the ages in a live table go on meanwhile."""
        while (left_s := until_s - time.monotonic()) > 0:
            time.sleep(left_s if self._live is None else min(left_s, 0.5))
            if self._live is not None:
                self.show(rows, number, time.monotonic())

    def show(self, rows: Mapping[Key, Row], number: int, now_s: float) -> None:
        """Draw the table."""
        heads = (_("DEVICE"), _("POINT"), _("VALUE"), _("UNIT"), _("AGE"), _("QUALITY"))
        if self._live is None:
            if number > 1:
                self._out.say()
            self._out.table([heads, *(cells(row, now_s) for row in rows.values())], right=(2, 4))
            return
        from rich.table import Table  # noqa: PLC0415 - start-up time

        every = f"{self._every_s:g}"
        table = Table(
            box=None,
            title=_("round {number}, every {seconds} s, Ctrl-C ends").format(number=number, seconds=every),
            title_justify="right",
        )
        for place, head in enumerate(heads):
            table.add_column(head, justify="right" if place in (2, 4) else "left", no_wrap=True)
        for row in rows.values():
            good = is_good(row.point.status) and not row.trouble
            table.add_row(*cells(row, now_s), style=None if good else "yellow")
        self._live.update(table, refresh=True)
