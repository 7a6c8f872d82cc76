"""An HJ 212 output that dies without a word when it is about to write something: ``FOLDER PORT``."""

from __future__ import annotations

import asyncio
import os
import random
import signal
import sys
from collections.abc import Callable
from pathlib import Path

from agent.outputs.hj212 import Bureau as Output
from agent.outputs.hj212_settings import BureauSettings
from tests.agent.outputs.bureau_site import STATION, FastClock, site

QUIET = BureauSettings(overtime_s=5.0, realtime_on=False)


async def dies(_work: Callable[[], None]) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


async def main(folder: Path, port: int) -> None:
    settings = site(folder, port, usual=QUIET)
    output = Output(settings, folder, clock=FastClock(speed=0.0), rng=random.Random(1), off_loop=dies)
    output.prepare()
    output.register((STATION,))
    await output.run()


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]), int(sys.argv[2])))
