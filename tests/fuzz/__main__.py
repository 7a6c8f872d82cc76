"""``python -m tests.fuzz``: one target in this process, or all in turn, each in a process of its own."""

from __future__ import annotations

import argparse
import os
import sys
import zlib
from pathlib import Path

from hil.sim.lifetime import die_with_parent
from tests.fuzz import engine, turn
from tests.fuzz.names import TARGETS

_ROOT = Path(__file__).parents[2]


def main() -> int:
    """Give the exit code: 0 nothing found, 1 something, 64 a wrong command line."""
    wanted = _parser().parse_args()
    folder = wanted.folder.resolve()
    seed = zlib.crc32(f"{wanted.seed} {' '.join(wanted.target)}".encode()) or 1
    unknown = [name for name in wanted.target if name not in TARGETS]
    if unknown:
        print(f"no target called {unknown[0]!r}; targets: {' '.join(TARGETS)}", file=sys.stderr)
        return 64
    if wanted.replay is not None:
        engine.replay(wanted.target[0], _input(wanted.replay))
        return 0
    if wanted.alone:
        die_with_parent()
        run = engine.Run(
            name=wanted.target[0],
            runs=wanted.runs,
            seconds=wanted.seconds,
            seed=seed,
            folder=folder,
            most_cpu_s=wanted.cpu_s,
        )
        (engine.by_chance if wanted.blind else engine.by_coverage)(run)
        return 0
    names = wanted.target or list(TARGETS)
    blind = wanted.blind or not engine.has_coverage()
    if blind and not wanted.blind:
        print("there is no atheris for this Python: inputs by chance, without coverage", file=sys.stderr)
    share = turn.Share(runs=wanted.runs, seconds=wanted.seconds, seed=wanted.seed, folder=folder, blind=blind)
    return turn.in_turn(names, share, jobs=wanted.jobs)


def _input(text: str) -> bytes:
    """Read hex digits, or the file of that name."""
    try:
        return bytes.fromhex(text)
    except ValueError:
        return Path(text).read_bytes()


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("target", nargs="*", help=f"all of them without one: {' '.join(TARGETS)}")
    parser.add_argument("--runs", type=int, default=0, help="inputs per target; 0: as many as fit into --seconds")
    parser.add_argument("--seconds", type=int, default=0, help="per target; 0: until --runs are done")
    parser.add_argument("--seed", default=os.environ.get("TIDEGATE_SEED", "1"))
    parser.add_argument("--folder", type=Path, default=_ROOT / ".fuzz", help="keeps the corpus and what is found")
    parser.add_argument("--jobs", type=int, default=2, help="targets at a time")
    parser.add_argument("--cpu-s", type=float, default=5.0, help="processor time that one input may take")
    parser.add_argument("--blind", action="store_true", help="by chance, without atheris")
    parser.add_argument("--replay", help="one input again: hex digits, or a file that a run has kept")
    parser.add_argument("--alone", action="store_true", help=argparse.SUPPRESS)
    return parser


if __name__ == "__main__":
    sys.exit(main())
