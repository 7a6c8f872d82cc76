"""Ways to call the command: in this process with its output as text, and as a real process."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from click.testing import CliRunner

from agent.cli.main import cli

ROOT = Path(__file__).resolve().parents[3]


@dataclass(frozen=True)
class Said:
    """How a call ended, and what it printed where."""

    code: int
    out: str
    err: str

    @property
    def envelope(self) -> dict[str, Any]:
        """The one object on stdout."""
        lines = self.out.splitlines()
        assert len(lines) == 1, self.out
        found: dict[str, Any] = json.loads(lines[0])
        assert set(found) == {"schema", "ok", "code", "result", "findings"}
        assert found["code"] == self.code
        assert found["ok"] is (self.code == 0)
        return found


class Command:
    """Calls ``tidegate`` in this process, in English unless told otherwise, in a folder of its own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __call__(self, *words: str | Path, lang: str = "en", stdin: bytes = b"", **environ: str | None) -> Said:
        given = {"TIDEGATE_LANG": lang, "TERM": "xterm", "TIDEGATE_SITE": None, "NO_COLOR": None, **environ}
        result = CliRunner().invoke(cli, [str(word) for word in words], input=stdin, env=given)
        if result.exception is not None and not isinstance(result.exception, SystemExit):
            raise result.exception
        return Said(result.exit_code, result.stdout, result.stderr)


class Process:
    """Calls ``tidegate`` as a process."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.environ = {**os.environ, "TIDEGATE_LANG": "en", "PYTHONPATH": str(ROOT), "TERM": "xterm"}
        self.environ.pop("TIDEGATE_SITE", None)

    def argv(self, *words: str | Path) -> list[str]:
        return [sys.executable, "-P", "-m", "agent", *map(str, words)]

    def __call__(self, *words: str | Path, stdin: bytes = b"", **environ: str) -> Said:
        done = subprocess.run(
            self.argv(*words),
            input=stdin,
            capture_output=True,
            cwd=self.folder,
            env={**self.environ, **environ},
            timeout=60,
            check=False,
        )
        return Said(done.returncode, done.stdout.decode("utf-8", "replace"), done.stderr.decode("utf-8", "replace"))

    def shell(self, script: str) -> subprocess.CompletedProcess[bytes]:
        """Run a shell line in which ``tidegate`` is the command."""
        command = " ".join(self.argv())
        return subprocess.run(
            ["bash", "-o", "pipefail", "-c", f'tidegate() {{ {command} "$@"; }}; {script}'],
            capture_output=True,
            cwd=self.folder,
            env=self.environ,
            timeout=60,
            check=False,
        )
