"""The demo as a person runs it: it proves its chain, ends by itself or by Ctrl-C, and leaves nothing behind."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from hil.process import wait_until

pytestmark = [pytest.mark.technician, pytest.mark.timeout(240)]

DEMO = (sys.executable, "-P", "-m", "hil.demo")
LONG = bool(os.environ.get("TIDEGATE_LONG"))


def left_behind() -> set[str]:
    """Folders of this test's demos, and processes that speak of one."""
    here = Path(os.environ["TMPDIR"])
    folders = {str(path) for path in here.glob("tidegate-demo-*")}
    processes = set()
    for entry in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            words = entry.read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:
            continue
        if f"{here}/tidegate-demo-" in words:
            processes.add(f"{entry.parent.name} {words}")
    return folders | processes


@pytest.fixture(autouse=True)
def nothing_stays_behind(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Give each test a folder of its own, with a short name: sockets lie in it."""
    with tempfile.TemporaryDirectory(prefix="td") as folder:
        monkeypatch.setenv("TMPDIR", folder)
        yield
        assert wait_until(lambda: not left_behind(), 10), left_behind()


def summary(*words: str) -> dict[str, object]:
    done = subprocess.run([*DEMO, "--json", *words], capture_output=True, text=True, timeout=200, check=False)
    assert done.returncode == 0, (done.stdout, done.stderr)
    told: dict[str, object] = json.loads(done.stdout)
    return told


def test_every_living_device_is_verified_and_receipted(seed: int) -> None:
    told = summary("--seconds", "12", "--seed", str(seed))
    assert told["ok"] is True
    assert told["seed"] == seed
    assert told["devices"] == {"living": 16, "heard": 16, "silent": []}
    readings = told["readings"]
    assert isinstance(readings, dict)
    assert readings["wrong"] == []
    assert 0 < readings["as_told"] <= readings["arrived"]


def test_the_embedded_archive_is_verified_on_the_spot(seed: int) -> None:
    told = summary("--seconds", "10", "--embedded", "--seed", str(seed))
    assert (told["ok"], told["embedded"], told["proven"]) == (True, True, True)


@pytest.mark.parametrize("nth", range(5 if LONG else 1))
def test_a_storm_loses_nothing_stores_nothing_twice_and_the_pulled_line_heals(seed: int, nth: int) -> None:
    told = summary("--storm", "--seconds", "60" if LONG else "25", "--seed", str(seed + nth))
    readings = told["readings"]
    assert isinstance(readings, dict)
    assert (readings["lost"], readings["twice"]) == (0, 0)
    assert readings["committed"] > 0
    assert readings["wrong"] == []
    assert len(told["kills"]) == 6  # type: ignore[arg-type]
    assert told["unplugged"] == {"devices": 3, "silent_since": []}


def test_plain_lines_without_a_terminal_and_a_summary_after_ctrl_c() -> None:
    process = subprocess.Popen(
        [*DEMO], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
    )
    time.sleep(9)
    os.killpg(process.pid, signal.SIGINT)  # as a terminal does: all that stand in its foreground hear it
    out, err = process.communicate(timeout=60)
    assert process.returncode == 0, (out, err)
    assert "\x1b" not in out
    assert "readings verified" in out
    assert " 0 lost, 0 twice" in out
    assert "proven from the genesis to the last block" in out


def test_a_killed_demo_takes_its_processes_along() -> None:
    process = subprocess.Popen([*DEMO], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    assert wait_until(lambda: any("hil.sim" in one or "-m agent" in one for one in left_behind()), 20)
    process.kill()
    process.wait()
    assert wait_until(lambda: not any(" " in one for one in left_behind()), 10), "processes are left"
    for folder in left_behind():  # stays, as after any kill -9
        shutil.rmtree(folder)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--seconds", "0"), "--seconds takes a number from 1 to 86400"),
        (("--storm", "--seconds", "5"), "--storm needs"),
        (("--frobnicate",), "unrecognized arguments"),
    ],
)
def test_wrong_words_get_one_sentence(words: tuple[str, ...], said: str) -> None:
    done = subprocess.run([*DEMO, *words], capture_output=True, text=True, timeout=30, check=False)
    assert done.returncode == 2
    assert said in done.stderr
