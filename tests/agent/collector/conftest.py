"""A gateway that has sealed blocks in two epochs."""

from __future__ import annotations

import pytest

from tests.agent.block.chains import Gateway


@pytest.fixture
def gateway() -> Gateway:
    gateway = Gateway()
    for epoch in range(2):
        if epoch:
            gateway.open()
        for _ in range(20):
            gateway.seal(10)
    return gateway
