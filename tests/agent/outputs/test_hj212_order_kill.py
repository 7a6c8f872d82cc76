"""The gateway dies between the bureau's order and the disk: it has not said that the order is done."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from pathlib import Path

import pytest

from hil.hj212_bureau import Bureau
from tests.agent.outputs.bureau_site import site
from tests.agent.outputs.bureau_victim import QUIET
from tests.agent.outputs.running_output import answers, kept, request

ROOT = Path(__file__).resolve().parents[3]


@pytest.mark.crash
@pytest.mark.parametrize(
    ("command", "area"), [("1000", "OverTime=9;ReCount=5"), ("1062", "RtdInterval=60"), ("2011", ""), ("2012", "")]
)
async def test_who_dies_before_it_is_on_disk_has_not_said_that_it_is_done(
    command: str, area: str, tmp_path: Path
) -> None:
    async with Bureau() as bureau:
        words = [sys.executable, "-P", "-m", "tests.agent.outputs.bureau_victim", str(tmp_path), str(bureau.port)]
        victim = await asyncio.create_subprocess_exec(*words, cwd=ROOT, env={**os.environ, "PYTHONPATH": str(ROOT)})
        try:
            assert await bureau.until(lambda: bool(bureau.connections), 20)
            bureau.tell(request(command, area))
            async with asyncio.timeout(20):
                assert await victim.wait() == -signal.SIGKILL
        finally:
            if victim.returncode is None:
                victim.kill()
                await victim.wait()
        assert await bureau.until(lambda: not bureau._writers)
        assert answers(bureau) == []
        assert kept(site(tmp_path, bureau.port, usual=QUIET), tmp_path) == QUIET
