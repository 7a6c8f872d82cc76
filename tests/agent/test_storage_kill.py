"""SIGKILL wherever custody changes hands: the chain verifies end to end, nothing that left the machine is gone."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from agent.block.sequence import verify_sequence
from agent.block.verify import Trust
from agent.keys import FileKeyStore
from agent.killpoint import VARIABLE, KillPoint
from agent.outbox import read_blocks

pytestmark = pytest.mark.crash


class Victim:
    """One gateway's folder, and everything that ever left it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.published: dict[tuple[int, int], tuple[str, bytes]] = {}
        FileKeyStore(folder / "keys").create_identity()

    def live(self, *, kill_at: str = "", seconds: float = 5.0) -> int:
        """Run until it is killed or its time is up; gives the exit status."""
        done = subprocess.run(
            [sys.executable, "-m", "tests.agent.storage_victim", str(self.folder), str(seconds)],
            env={**os.environ, VARIABLE: kill_at},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        for line in done.stdout.splitlines(keepends=True):
            if line.endswith("\n"):
                self._left(*line.split())
        if done.returncode not in (0, -signal.SIGKILL):
            pytest.fail(done.stderr)
        return done.returncode

    def _left(self, epoch: str, number: str, head: str, message: str) -> None:
        place = (int(epoch), int(number))
        before = self.published.setdefault(place, (head, bytes.fromhex(message)))
        assert before == (head, bytes.fromhex(message)), f"block {place} left the machine twice with different bytes"

    def judge(self) -> int:
        """Verify everything stored, end to end, and that it holds all that left; gives the number of blocks."""
        stored = {(b.epoch, b.number): (b.head.hex(), b.message) for b in read_blocks(self.folder / "outbox.db")}
        if not stored and not self.published:
            return 0  # killed before the first commit
        identity = FileKeyStore(self.folder / "keys").identity()
        verdict = verify_sequence([message for _, message in stored.values()], Trust.of([identity.spki]))
        assert verdict.proven, verdict
        assert verdict.chains[0].begins == 0
        for place, block in self.published.items():
            assert stored.get(place) == block, f"block {place} left the machine and is not what is stored"
        return len(stored)


@pytest.mark.parametrize("point", list(KillPoint))
def test_killed_at_a_named_point_the_chain_goes_on(tmp_path: Path, point: KillPoint) -> None:
    victim = Victim(tmp_path)
    seen = 0
    for visit in (1, 2, 5):
        assert victim.live(kill_at=f"{point.value}:{visit}") == -signal.SIGKILL
        if (tmp_path / "outbox.db").exists():
            seen = max(seen, victim.judge())
    assert victim.live(seconds=0.3) == 0
    assert victim.judge() > seen
    assert len(victim.published) > 0


def test_killed_at_any_point_of_many_epochs(tmp_path: Path, seed: int) -> None:
    rng = random.Random(seed)
    victim = Victim(tmp_path)
    for _ in range(6):
        point = rng.choice(list(KillPoint))
        victim.live(kill_at=f"{point.value}:{rng.randint(1, 8)}", seconds=1.2)
    victim.live(seconds=2.5)
    victim.judge()
    assert len(FileKeyStore(tmp_path / "keys").sessions()) == 1
    assert max(epoch for epoch, _ in victim.published) >= 1


def test_the_judge_sees_a_second_block_under_one_number(tmp_path: Path) -> None:
    """A rig first shows that it catches a broken agent: here one whose outbox was put back to an older copy."""
    victim = Victim(tmp_path)
    victim.live(seconds=0.1)
    copy = {path: path.read_bytes() for path in tmp_path.iterdir() if path.is_file()}
    keys = {path: path.read_bytes() for path in (tmp_path / "keys").iterdir()}
    victim.live(seconds=0.1)
    for path in (*tmp_path.glob("outbox.db*"), *(tmp_path / "keys").iterdir()):
        path.unlink()
    for path, data in {**copy, **keys}.items():
        path.write_bytes(data)
        path.chmod(0o600)
    with pytest.raises(AssertionError, match="left the machine twice"):
        victim.live(seconds=0.5)
