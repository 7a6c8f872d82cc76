"""Simulated devices for the tests of the whole agent."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from hil.sim.tcp import TcpFleet, start_fleet


@pytest.fixture
async def fleet() -> AsyncIterator[TcpFleet]:
    started = await start_fleet(3, 0, 1)
    yield started
    for server in started.servers:
        server.close()
