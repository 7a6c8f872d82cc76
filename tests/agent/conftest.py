"""What several tests of the agent stand on: simulated devices, the key of a platform."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from agent.keys import FileKeyStore, SigningKey
from hil.sim.tcp import TcpFleet, start_fleet


@pytest.fixture
async def fleet() -> AsyncIterator[TcpFleet]:
    started = await start_fleet(3, 0, 1)
    yield started
    for server in started.servers:
        server.close()


@pytest.fixture
def platform(tmp_path: Path) -> SigningKey:
    return FileKeyStore(tmp_path / "platform").create_identity()
