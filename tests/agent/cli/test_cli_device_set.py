"""``tidegate device set`` on paced pseudo-terminals: a meter's clock and a valve, beside an agent and without one."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest

import agent.clock
from hil.characters import Characters
from hil.ptys import PtyLine, now_ns
from hil.sim.cjt188 import Cjt188Meter, water
from hil.sim.dlt645 import Dlt645Meter, single_phase
from hil.sim.wall import showing
from hil.wire import Line
from tests.agent.cli.commands import ROOT, Command, Said

pytestmark = pytest.mark.technician
OnPty = Callable[[Line], PtyLine]
METER, WATER = "000000000161", "78331505104145"
FAST = Characters(baud=9600, parity="E")
SITE = """schema = 1
[site]
name = "hall"
timezone = "{zone}"
[state]
dir = "state"
[block]
max_age = "500 ms"
[[bus]]
name = "rs485-a"
port = "{port}"
baud = 9600
parity = "even"
[[device]]
name = "main-meter"
bus = "rs485-a"
address = "000000000161"
profile = "generic/dlt645-2007-single-phase"
[[device]]
name = "garden-water"
bus = "rs485-a"
address = "78331505104145"
profile = "generic/cjt188-water-valve"
"""


def utc_now() -> datetime:
    return datetime.fromtimestamp(agent.clock.SystemClock().utc_ns() / 1e9, UTC)


class Place:
    """The two meters, their port and their wall clock, on which it is about noon whenever this runs."""

    def __init__(self, folder: Path, on_pty: OnPty, off_s: float = -90) -> None:
        shift_h = 12 - utc_now().hour
        self.zone = timezone(timedelta(hours=shift_h))
        wall = showing(self.wall_now() + timedelta(seconds=off_s), now_ns())
        self.meter = Dlt645Meter(METER, single_phase("m"), settings=FAST, turnaround_ns=20_000_000, wall=wall)
        self.water = Cjt188Meter(
            WATER, 0x10, water("w"), settings=FAST, turnaround_ns=20_000_000, wall=wall, valve=True
        )
        self.port = on_pty(Line([self.meter, self.water], settings=FAST)).path
        text = SITE.format(port=self.port, zone=f"{'-' if shift_h < 0 else '+'}{abs(shift_h):02d}:00")
        (folder / "site.toml").write_text(text)
        self.secret = folder / "secret"
        self.secret.write_text("02123456\n")
        self.secret.chmod(0o600)

    def wall_now(self) -> datetime:
        return utc_now().astimezone(self.zone).replace(tzinfo=None)

    def off_s(self) -> float:
        """How far the meter's clock is ahead, as one sees who stands in front of it."""
        assert self.meter.clock.wall is not None
        return (self.meter.clock.wall(now_ns()) - self.wall_now()).total_seconds()


@pytest.fixture
def place(tmp_path: Path, on_pty: OnPty, tidegate: Command) -> Place:
    place = Place(tmp_path, on_pty)
    assert tidegate("init").code == 0
    return place


@pytest.fixture
def kept_right(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the kernel say of this machine's clock that it is kept right, to within 20 ms."""
    monkeypatch.setattr(agent.clock, "_kernel_bound_us", lambda: 20_000)


def commands(tidegate: Command) -> list[tuple[str, str, str, str]]:
    """Device, operation, what was said and how it ended, of each command in the sealed chain; it has to be intact."""
    assert tidegate("verify").code == 0
    Path("readings.jsonl").unlink(missing_ok=True)
    assert tidegate("export", "readings.jsonl").code == 0
    rows = [json.loads(line) for line in Path("readings.jsonl").read_text().splitlines()]
    return [
        (row["device"], row["quantity"], row["value"], row["quality"].split()[-1])
        for row in rows
        if row.get("kind") == "command"
    ]


def result(said: Said) -> Any:
    return said.envelope["result"]


@pytest.mark.usefixtures("kept_right")
def test_a_clock_is_shown_then_set_and_read_back(place: Place, tidegate: Command, tmp_path: Path) -> None:
    said = tidegate("device", "set", "main-meter", "clock", "--dry-run")
    assert said.code == 0, said.err
    assert "it is slow" in said.err
    assert "function 08" in said.err
    assert "it needs no password" in said.err
    assert "Nothing was written." in said.out
    assert place.meter.clock.asked == []
    words = ("device", "set", "main-meter", "clock", "--password-file", place.secret, "--operator", "00000007")
    said = tidegate(*words, stdin=b"other-meter\n")
    assert (said.code, place.meter.clock.asked) == (1, [])
    assert "TG-3183" in said.err
    said = tidegate(*words, stdin=b"main-meter\n")
    assert said.code == 0, said.err
    assert "function 14, 0400010C" in said.err
    assert "Done, and recorded" in said.out
    assert abs(place.off_s()) < 1
    assert place.meter.clock.operators == [bytes.fromhex("00000007")]
    accepted, done = commands(tidegate)
    assert accepted[:2] == ("main-meter", "clock")
    assert "function 14" in accepted[2]
    assert accepted[3] == "accepted"
    assert done[2].startswith("acknowledged, wrote ")
    assert done[3] == "done"
    kept = [path for path in tmp_path.rglob("*") if path.is_file() and path != place.secret]
    assert len(kept) > 3
    assert not [path.name for path in kept if b"02123456" in path.read_bytes()]
    assert "02123456" not in said.out + said.err


def test_refusals_write_nothing_and_are_sealed(
    place: Place, tidegate: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(agent.clock, "_kernel_bound_us", lambda: None)
    said = tidegate("device", "set", "main-meter", "clock", "--yes", "--json")
    assert (said.code, said.envelope["findings"][0]["tag"]) == (75, "TG-3162")
    monkeypatch.setattr(agent.clock, "_kernel_bound_us", lambda: 20_000)
    assert place.meter.clock.asked == []
    place.secret.chmod(0o644)
    words = ("device", "set", "main-meter", "clock", "--yes", "--password-file", place.secret)
    assert "TG-3171" in tidegate(*words).err
    place.secret.chmod(0o600)
    place.secret.write_text("02999999")
    said = tidegate(*words)
    assert said.code == 1
    assert "password wrong" in said.err
    assert "999999" not in said.err
    assert place.off_s() < -89
    assert [(what, end) for _, what, _, end in commands(tidegate)] == [
        ("clock", "refused"), ("clock", "accepted"), ("clock", "refused")
    ]  # fmt: skip
    assert tidegate("device", "set", "nobody", "clock").code == 2
    assert tidegate("device", "set", "main-meter", "valve", "close").code == 77


@pytest.mark.usefixtures("kept_right")
def test_a_lost_acknowledgement_is_not_sent_again(place: Place, tidegate: Command) -> None:
    place.meter.mute = True
    words = ("device", "set", "main-meter", "clock", "--yes", "--json", "--password-file", place.secret)
    said = tidegate(*words)
    assert said.code == 0
    assert [one["code"] for one in said.envelope["findings"]] == ["not-acknowledged"]
    after = result(said)["after"]
    assert (after["outcome"], after["acknowledged"]) == ("done", False)
    assert abs(after["difference_ms"]) < 2000
    assert len(place.meter.clock.asked) == 1
    assert commands(tidegate)[-1][2].startswith("not acknowledged, shows ")


@pytest.mark.usefixtures("kept_right")
def test_a_valve_is_closed_read_back_and_then_rests(place: Place, tidegate: Command) -> None:
    assert tidegate("device", "set", "garden-water", "valve", "shut").code == 2
    said = tidegate("device", "set", "garden-water", "valve", "close", stdin=b"garden-water\n", lang="zh")
    assert said.code == 0, said.err
    assert "1 (关)" in said.out
    assert place.water.written == [("A017", b"\x99")]
    again = tidegate("device", "set", "garden-water", "valve", "close", "--yes", "--json")
    assert (again.code, again.envelope["findings"][0]["code"]) == (0, "already-so")
    soon = tidegate("device", "set", "garden-water", "valve", "open", "--yes", "--json")
    assert (soon.code, soon.envelope["findings"][0]["code"]) == (75, "too-soon")
    assert place.water.written == [("A017", b"\x99")]
    ends = [(what, end) for _, what, _, end in commands(tidegate)]
    assert ends == [
        ("valve.command=close", "accepted"), ("valve.command=close", "done"),
        ("valve.command=close", "refused"), ("valve.command=open", "refused"),
    ]  # fmt: skip


@pytest.fixture
def running(place: Place, tmp_path: Path, tidegate: Command) -> Iterator[None]:  # noqa: ARG001 - it polls that place
    """An agent beside, whose machine's clock is kept right."""
    script = ROOT / "tests" / "agent" / "cli" / "synchronised.py"
    with (tmp_path / "run.log").open("wb") as log:
        words = [sys.executable, "-P", str(script), "run"]
        environ = {"PYTHONPATH": str(ROOT), "PATH": "/usr/bin", "TIDEGATE_LANG": "en"}
        child = subprocess.Popen(words, cwd=tmp_path, env=environ, stdout=log, stderr=log)
    deadline = time.monotonic() + 30
    while not (tidegate("status", "--json").envelope["result"] or {}).get("running"):
        assert child.poll() is None, (tmp_path / "run.log").read_text()
        assert time.monotonic() < deadline
        time.sleep(0.1)
    yield
    child.terminate()
    assert child.wait(timeout=30) == 0, (tmp_path / "run.log").read_text()
    assert "02123456" not in (tmp_path / "run.log").read_text()


@pytest.mark.usefixtures("running")
def test_the_running_agent_does_it_between_its_polls(place: Place, tidegate: Command) -> None:
    said = tidegate("device", "set", "main-meter", "clock", "--dry-run", "--json")
    assert (said.code, result(said)["via"], place.meter.clock.asked) == (0, "agent", [])
    said = tidegate("device", "set", "main-meter", "clock", "--yes", "--json", "--password-file", place.secret)
    assert said.code == 0, said.err
    assert abs(result(said)["after"]["difference_ms"]) < 2000
    assert abs(place.off_s()) < 1
    said = tidegate("device", "set", "garden-water", "clock", "--yes", "--json")
    assert (said.code, result(said)["before"]["way"]) == (0, "write")
    again = tidegate("device", "set", "garden-water", "clock", "--yes", "--json")
    assert (again.code, again.envelope["findings"][0]["code"]) == (0, "clock-agrees")
    ends = [(device, end) for device, _, _, end in commands(tidegate)]
    assert ends == [
        ("main-meter", "accepted"), ("main-meter", "done"), ("garden-water", "accepted"), ("garden-water", "done"),
        ("garden-water", "refused"),
    ]  # fmt: skip
