"""An output on the status screen: how it is, and why nothing arrives, in both languages."""

from __future__ import annotations

from typing import Any

from agent.delivery.mqtt_state import Phase
from agent.language import Language, use
from agent.outputs.status import OutputStatus, OutputTrouble
from tests.agent.cli.test_cli_status_view import NOW_MS, screen

OUTPUT: dict[str, Any] = {"name": "city", "kind": "hj212", "where": "b:8212", "phase": Phase.CONNECTED, "told": 12}


def shown(**changes: Any) -> list[str]:
    (line,) = [line for line in screen(outputs=(OutputStatus(**(OUTPUT | changes)),)).lines() if "city   " in line][
        -1:
    ]
    return line.split(maxsplit=1)


def test_an_output_that_is_well_shows_what_was_acknowledged() -> None:
    assert shown() == ["output", "city   connected   12 packets acknowledged, 0 periods waiting"]


def test_an_output_in_trouble_says_since_when_and_why() -> None:
    facts = (("output", "city"), ("where", "b:8212"), ("detail", "refused"))
    trouble = {
        "trouble": OutputTrouble.UNREACHABLE,
        "facts": facts,
        "since_mono_ms": NOW_MS - 840_000,
        "waiting": 3,
        "lost": 2,
    }
    assert shown(**trouble)[1] == (
        "city   3 periods waiting   for 14 min 0 s: city (b:8212) cannot be reached: refused."
    )
    found = screen(outputs=(OutputStatus(**(OUTPUT | trouble)),)).findings()
    assert [finding.tag for finding in found] == ["TG-4201", "TG-4205"]
    assert "2 periods" in found[1].sentence()
    use(Language.ZH)
    assert "无法连接" in shown(**trouble)[1]


def test_programs_get_every_field_of_an_output() -> None:
    result: Any = screen(outputs=(OutputStatus(**OUTPUT),)).result()
    assert result["outputs"][0]["phase"] == "connected"
    assert result["outputs"][0]["told"] == 12
