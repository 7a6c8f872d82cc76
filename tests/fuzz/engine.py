"""One target in this process: led by coverage with atheris, or by chance alone where this Python has none.

The only importer of atheris. What is found ends the process with a traceback, and the input is kept as a file; how
deep the inputs came stands in ``NAME.tally``.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import os
import resource
import signal
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, Any, Final

from tests.fuzz.names import TARGETS

if TYPE_CHECKING:
    from tests.fuzz.target import Target

_MOST_WAIT_S: Final = 120
_MOST_RESIDENT_MB: Final = 700
_MOST_ADDRESS_SPACE: Final = 2 << 30


class HangError(Exception):
    """One input takes far too long."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """What is asked of one run.

    Attributes:
        runs: inputs, 0 for no limit.
        seconds: time, 0 for no limit.
        folder: where the corpus is kept and what is found is written.
        most_cpu_s: processor time of one input, not time of the clock: a machine that is busy makes no hang.
    """

    name: str
    runs: int
    seconds: int
    seed: int
    folder: Path
    most_cpu_s: float


def has_coverage() -> bool:
    """Tell whether atheris is installed: its wheels are for Linux on x86-64 only."""
    return find_spec("atheris") is not None


def load(name: str) -> Target:
    """Make a target. Codecs that are not loaded yet get loaded."""
    module, maker = TARGETS[name]
    target: Target = getattr(import_module(module), maker)()
    return target


def by_coverage(run: Run) -> None:
    """Fuzz with atheris; never returns where something is found."""
    import atheris  # noqa: PLC0415 - not every machine has it

    said = io.StringIO()
    with contextlib.redirect_stderr(said), atheris.instrument_imports(include=["drivers", "agent"]):
        target = load(run.name)
        for data in target.inputs():
            target.run(data)  # a protocol is loaded when it is first named: while this lasts
    one = _limited(target, run)
    corpus = run.folder / "corpus" / run.name
    corpus.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as seeds:
        for data in target.inputs():
            (Path(seeds) / hashlib.sha1(data).hexdigest()).write_bytes(data)
        atheris.Setup(
            [
                "fuzz", f"-runs={run.runs or -1}", f"-max_total_time={run.seconds}", f"-seed={run.seed}",
                f"-max_len={target.longest_bytes + 2}", f"-timeout={_MOST_WAIT_S}",
                f"-rss_limit_mb={_MOST_RESIDENT_MB}", "-print_final_stats=1",
                f"-artifact_prefix={run.folder}/{run.name}-", str(corpus), seeds,
            ],
            one,
            custom_mutator=lambda data, size, seed: _mutator(target)(data, Random(seed), atheris.Mutate)[:size],
        )  # fmt: skip
        atheris.Fuzz()


def by_chance(run: Run) -> None:
    """Fuzz without coverage: the same targets, laws and changes, and no corpus that grows."""
    from tests.fuzz.mutation import unknowing  # noqa: PLC0415 - the codecs come with it

    target = load(run.name)
    one, change = _limited(target, run), _mutator(target)
    dice = Random(run.seed)
    inner = unknowing(dice)
    pool = list(target.inputs())
    for number in range(run.runs):
        data = pool[number] if number < len(pool) else change(dice.choice(pool), dice, inner)
        try:
            one(data)
        except BaseException:
            path = run.folder / f"{run.name}-crash-{hashlib.sha1(data).hexdigest()}"
            path.write_bytes(data)
            print(f"Test unit written to {path}", file=sys.stderr)
            raise


def replay(name: str, data: bytes) -> None:
    """Judge one input again; raises what it raised."""
    load(name).run(data)


def _mutator(target: Target) -> Callable[[bytes, Random, Callable[[bytes, int], bytes]], bytes]:
    from tests.fuzz.mutation import mutated  # noqa: PLC0415 - the codecs come with it

    return lambda data, dice, inner: mutated(target, data, dice, inner)


def _limited(target: Target, run: Run) -> Callable[[bytes], None]:
    """Judge with a limit of processor time for each input, and of memory for the process; count after each.

    libFuzzer ends the process without a word to Python, so the count has to stand somewhere at all times.
    """

    def hang(_signal: int, _frame: Any) -> None:
        raise HangError(f"one input took more than {run.most_cpu_s} s of processor time")

    resource.setrlimit(resource.RLIMIT_AS, (_MOST_ADDRESS_SPACE, _MOST_ADDRESS_SPACE))
    signal.signal(signal.SIGVTALRM, hang)
    run.folder.mkdir(parents=True, exist_ok=True)
    tally = os.open(tally_file(run.folder, target.name), os.O_WRONLY | os.O_CREAT | os.O_TRUNC)

    def one(data: bytes) -> None:
        signal.setitimer(signal.ITIMER_VIRTUAL, run.most_cpu_s)
        try:
            target.run(data)
        finally:
            signal.setitimer(signal.ITIMER_VIRTUAL, 0)
            os.pwrite(tally, b"%d %d" % (target.tally.frames, target.tally.values), 0)

    return one


def tally_file(folder: Path, name: str) -> Path:
    """Where a run counts what its target accepted: frames and values."""
    return folder / f"{name}.tally"
