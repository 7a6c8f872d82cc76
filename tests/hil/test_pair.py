"""``pytest hil --pair``: the scenarios on two cross-wired ptys, the page, and that broken things make it red."""

from __future__ import annotations

import base64
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from hil.fixtures import need
from hil.pair.crossing import Crossing
from hil.process import Child, wait_until

pytestmark = [pytest.mark.bus, pytest.mark.timeout(240)]

ROOT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class Outcome:
    """How a run ended and what it wrote."""

    code: int
    said: str
    page: str

    @property
    def headline(self) -> str:
        found = re.search(r"<h1 class=\"(\w+)\">([^<]*)</h1>", self.page)
        assert found, self.said
        return f"{found[1]}: {found[2]}"


def run(folder: Path, *words: str) -> Outcome:
    report = folder / "page.html"
    argv = [sys.executable, "-P", "-m", "pytest", "hil", "-q", "-p", "no:cacheprovider", "--pair-report", str(report)]
    done = subprocess.run(
        [*argv, "--basetemp", str(folder / "t"), *words], cwd=ROOT, capture_output=True, text=True, timeout=200,
        check=False, env={**os.environ, "PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    page = report.read_text(encoding="utf-8") if report.exists() else ""
    return Outcome(done.returncode, done.stdout + done.stderr, page)


@pytest.fixture
def pair(tmp_path: Path) -> Iterator[str]:
    """Two cross-wired ports, made by a process of their own as adapters are."""
    left, right = tmp_path / "left", tmp_path / "right"
    argv = [sys.executable, "-P", "-m", "hil.pair.crossing", str(left), str(right)]
    child = Child(name="crossing", argv=argv, log_dir=tmp_path)
    child.start()
    try:
        assert wait_until(lambda: "ready" in child.last_words() or not child.alive, 20)
        yield f"{left},{right}"
    finally:
        child.stop()


def test_the_scenarios_run_and_one_page_tells_what_was_shown(pair: str, tmp_path: Path) -> None:
    done = run(tmp_path, "--pair", pair)
    assert done.code == 0, done.said
    assert "skipped" not in done.said
    assert re.fullmatch(r"shown: The bus on a pair of adapters: 2\d shown, 0 failed, 4 not shown", done.headline)
    for missing in ("a parity that shows", "modem lines", "a latency timer"):
        assert f"needs {missing}" in done.page
        assert f"<td>{missing}</td><td>no</td>" in done.page
    assert f"TIDEGATE_SEED={os.environ['TIDEGATE_SEED']}" in done.page
    assert "share of the wire: " in done.page
    assert "shortest silence: " in done.page
    assert not re.search(r"<script|(src|href)=\"(?!#|data:)", done.page)
    assert_captured(done.page, tmp_path)


def assert_captured(page: str, tmp_path: Path) -> None:
    """A foreign program reads the capture of plain polling out of the page."""
    found = re.search(r'download="plain_polling[^"]*" href="data:[^,]*,([^"]*)"', page)
    assert found
    file = tmp_path / "polling.pcap"
    file.write_bytes(base64.b64decode(found[1]))
    user = 'uat:user_dlts:"User 0 (DLT=147)","mbrtu","0","","0",""'
    words = [need("tshark", "tshark"), "-r", str(file), "-o", user, "-o", "mbrtu.crc_verification:TRUE"]
    fields = ["-Y", "modbus.func_code == 3", "-T", "fields", "-e", "mbrtu.crc16.status"]
    shown = subprocess.run([*words, *fields], capture_output=True, text=True, check=True).stdout.split()
    assert len(shown) >= 36
    assert shown.count("1") >= 36  # good, in the words of tshark
    assert " 03 14 " in page  # the same in the page's own dump: function 3, twenty bytes


@pytest.mark.parametrize(
    ("mutant", "scenario"),
    [("silence_not_kept", "silence"), ("checksum_not_checked", "wrong_checksum")],
)
def test_a_broken_agent_makes_the_page_red(pair: str, tmp_path: Path, mutant: str, scenario: str) -> None:
    broken = f"{sys.executable} -P {Path(__file__).with_name('broken_line_agent.py')} {mutant}"
    done = run(tmp_path, "--pair", pair, "--pair-agent", broken, "-k", scenario)
    assert done.code == 1, done.said
    assert done.headline.startswith("failed: ")
    assert "1 failed" in done.headline


def test_a_broken_device_makes_the_page_red(pair: str, tmp_path: Path) -> None:
    done = run(tmp_path, "--pair", pair, "-p", "tests.hil.broken_unit", "-k", "plain_polling")
    assert done.code == 1, done.said
    assert "1 failed" in done.headline
    assert "but held" in done.page


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["--pair", "/dev/one"], "--pair wants two ports: LEFT,RIGHT"),
        (["--pair", "/dev/no-such-port,/dev/nor-this"], "/dev/no-such-port: there is no such port"),
        (["--pair", "a,b", "--pair-lacks", "wheels"], "--pair-lacks wheels: not one of wire, baud, parity"),
    ],
)
def test_what_makes_no_pair_is_refused_in_one_sentence(words: list[str], sentence: str, tmp_path: Path) -> None:
    done = run(tmp_path, *words)
    assert done.code == 4
    assert sentence in done.said
    assert "Traceback" not in done.said


def test_two_ports_that_do_not_hear_each_other_are_no_pair(tmp_path: Path) -> None:
    (tmp_path / "one").mkdir()
    (tmp_path / "two").mkdir()
    with (
        Crossing(tmp_path / "one" / "a", tmp_path / "one" / "b") as one,
        Crossing(tmp_path / "two" / "a", tmp_path / "two" / "b"),
    ):
        done = run(tmp_path, "--pair", f"{one.left.path},{tmp_path / 'two' / 'b'}")
    assert done.code == 4
    assert "does not hear" in done.said


def test_without_a_pair_there_is_nothing_to_run(tmp_path: Path) -> None:
    done = run(tmp_path, "--collect-only")
    assert done.code == 5
    assert "no tests" in done.said
