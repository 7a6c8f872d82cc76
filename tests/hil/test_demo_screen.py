"""The demo's screen on terminals of any size."""

from __future__ import annotations

import pytest
from rich.console import Console

from hil.demo.platform_view import Latest, Totals
from hil.demo.screen import Moment, draw
from hil.demo.words import words

NOW_MS = 1_795_535_000_000


def frame(width: int, height: int, *, devices: int = 16, chinese: bool = False) -> list[str]:
    """Draw sixteen devices with two quantities each, every age 87 s."""
    names = [f"cold-store-air-{number}" for number in range(devices)]
    latest = [
        Latest(
            device=name,
            quantity=quantity,
            value="1234.56",
            unit="kW.h",
            utc_ms=NOW_MS - 87_000,
            quality="bad-timeout",
        )
        for name in names
        for quantity in ("energy.active.import.l1", "energy.active.export.l1")
    ]
    moment = Moment(devices=names, latest=latest, totals=Totals(), sealed=43, now_ms=NOW_MS, note="broker killed")
    console = Console(width=width, height=height, force_terminal=False, color_system=None)
    with console.capture() as shown:
        console.print(draw(moment, words(chinese=chinese), width, height))
    return shown.get().rstrip("\n").split("\n")


@pytest.mark.parametrize("chinese", [False, True])
@pytest.mark.parametrize("width", [40, 60, 80, 140])
def test_a_name_is_cut_short_before_a_number_is(width: int, chinese: bool) -> None:
    shown = "\n".join(frame(width, 50, chinese=chinese))
    assert shown.count("1234.56") == shown.count("kW.h") == shown.count("87 s") == 32


@pytest.mark.parametrize("height", [8, 14, 24, 50])
def test_the_chain_stays_on_the_screen_and_what_is_left_out_shows(height: int) -> None:
    lines = frame(80, height)
    assert len(lines) <= height
    assert "sealed 43" in lines[-1]
    assert any(line.startswith("…") for line in lines) is (height < 24)
