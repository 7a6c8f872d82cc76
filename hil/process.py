"""Child processes of demo, scenarios and benches: a group each, none outlives its parent, output kept in a file."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path


@dataclass(slots=True, kw_only=True)
class Child:
    """One process that can be stopped, killed and started again with the same words.

    Attributes:
        name: for people, and the name of its log file.
        argv: command line.
        log_dir: folder of ``<name>.log``.
        environment: variables beside those of this process.
    """

    name: str
    argv: Sequence[str]
    log_dir: Path
    process: subprocess.Popen[bytes] | None = None
    environment: dict[str, str] = field(default_factory=dict)
    starts: int = field(default=0)

    @property
    def log(self) -> Path:
        """Where its output goes."""
        return self.log_dir / f"{self.name}.log"

    @property
    def alive(self) -> bool:
        """Whether it runs now."""
        return self.process is not None and self.process.poll() is None

    def start(self) -> None:
        """Start it; output is appended to its log."""
        dying = ["setpriv", "--pdeathsig", "TERM"] if shutil.which("setpriv") else []
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [*dying, *self.argv],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                env={**os.environ, "PYTHONUNBUFFERED": "1", **self.environment},
            )
        self.starts += 1

    def freeze(self) -> None:
        """SIGSTOP: what others send piles up unread, and nobody notices."""
        if self.process is not None:
            self.process.send_signal(signal.SIGSTOP)

    def kill(self) -> None:
        """SIGKILL: no time to tidy anything."""
        if self.process is not None:
            self.process.kill()
            self.process.wait()

    def stop(self, patience_s: float = 15.0) -> int | None:
        """SIGTERM, then SIGKILL after ``patience_s``; give the exit status."""
        if self.process is None:
            return None
        if self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(patience_s)
            except subprocess.TimeoutExpired:
                self.kill()
        return self.process.returncode

    def last_words(self, lines: int = 6) -> str:
        """Give the end of its log, for the sentence that says why it ended."""
        try:
            text = self.log.read_text(errors="backslashreplace")
        except OSError:
            return ""
        return "\n".join(text.strip().splitlines()[-lines:])


def wait_until(condition: Callable[[], bool], patience_s: float, step_s: float = 0.05) -> bool:
    """Poll ``condition`` until it holds; False after ``patience_s``."""
    deadline = time.monotonic() + patience_s
    while time.monotonic() < deadline:
        if condition():
            return True
        time.sleep(step_s)
    return condition()
