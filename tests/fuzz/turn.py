"""All targets in turn, some at a time, and a table of what each has done."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter
from typing import Final

from tests.fuzz import engine

_EXECUTED: Final = re.compile(r"stat::number_of_executed_units: (\d+)")
_EDGES: Final = re.compile(r"cov: (\d+) ft: \d+ corp: (\d+)")
_KEPT: Final = re.compile(r"Test unit written to (\S+)")
_TRACEBACK: Final = re.compile(
    r"(?s)(=== Uncaught Python exception: ===.*?|Traceback .*?)(?=\nINFO: |\n==\d+==|\n\n|\Z)"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Share:
    """What each target gets; see ``engine.Run``."""

    runs: int
    seconds: int
    seed: str
    folder: Path
    blind: bool = False


def in_turn(names: Sequence[str], share: Share, *, jobs: int) -> int:
    """Run the targets, print a line for each and what was found; 1 if anything was."""
    print(f"seed {share.seed}; corpus and findings in {share.folder}")
    print(f"{'target':14}{'inputs':>10}{'edges':>8}{'corpus':>8}{'frames':>10}{'values':>10}{'s':>7}", flush=True)
    with ThreadPoolExecutor(jobs) as pool:
        found = list(pool.map(lambda name: _one(name, share), names))
    return int(any(found))


def _one(name: str, share: Share) -> bool:
    begin = perf_counter()
    environment = {**os.environ, "PYTHONHASHSEED": "0"}  # one seed, one run
    done = subprocess.run(command(name, share), env=environment, capture_output=True, text=True, check=False)
    tally = engine.tally_file(share.folder, name)
    frames, values = tally.read_text().split() if tally.exists() else ("-", "-")
    executed = _EXECUTED.search(done.stderr)
    inputs = int(executed[1]) if executed else share.runs
    edges, corpus = (_EDGES.findall(done.stderr) or [("-", "-")])[-1]
    seconds = perf_counter() - begin
    row = f"{name:14}{inputs:>10}{edges:>8}{corpus:>8}{frames:>10}{values:>10}{seconds:>7.1f}"
    print(row if done.returncode == 0 else f"{row}\n{_what(name, done.stdout + done.stderr)}", flush=True)
    return done.returncode != 0


def command(name: str, share: Share) -> list[str]:
    """Give the command line of one target in a process of its own."""
    words = [sys.executable, "-P", "-m", "tests.fuzz", name, "--alone", "--seed", share.seed]
    words += ["--runs", str(share.runs), "--seconds", str(share.seconds), "--folder", str(share.folder)]
    return [*words, *(["--blind"] if share.blind else [])]


def _what(name: str, said: str) -> str:
    """The traceback, and the input as hex."""
    told = _TRACEBACK.search(said)
    kept = _KEPT.findall(said)
    lines = [f"FOUND by {name}:", told[1].strip() if told else said[-3000:]]
    if kept:
        digits = Path(kept[-1]).read_bytes().hex()
        lines += [f"input: {digits}", f"again: python -m tests.fuzz {name} --replay {kept[-1]}"]
    return "\n".join(lines)
