"""Pytest plugin of the benches: seeds that are printed, rigs that may not be missing where it counts.

``TIDEGATE_SEED`` repeats a run; ``TIDEGATE_RIGS=required`` turns a missing rig from a skip into a failure.
"""

from __future__ import annotations

import os
import shutil
import time
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from hil.broker import Broker, BrokerOptions
from hil.ptys import PtyLine
from hil.wire import Line

_SEED_KEY = pytest.StashKey[str]()


def pytest_configure(config: pytest.Config) -> None:
    """Fix the seed of this run; workers of pytest-xdist inherit it through the environment."""
    config.stash[_SEED_KEY] = os.environ.setdefault("TIDEGATE_SEED", str(time.time_ns() & 0xFFFFFFFF))


def pytest_report_header(config: pytest.Config) -> str:
    """Print the seed."""
    return f"seed: {config.stash[_SEED_KEY]} (repeat with TIDEGATE_SEED={config.stash[_SEED_KEY]})"


def need(program: str, package: str) -> str:
    """Give the path of a foreign program; if it is missing, fail where rigs are required and skip elsewhere."""
    found = shutil.which(program) or shutil.which(program, path="/usr/sbin:/usr/local/sbin")
    if found is None:
        sentence = f"{program} is missing; type: apt-get install {package}"
        if os.environ.get("TIDEGATE_RIGS") == "required":
            pytest.fail(sentence, pytrace=False)
        pytest.skip(sentence)
    return found


@pytest.fixture
def seed(request: pytest.FixtureRequest) -> int:
    """Seed of this one test: from the run's seed and the test's name, so that tests do not hang on their order."""
    value = zlib.crc32(f"{request.config.stash[_SEED_KEY]}:{request.node.nodeid}".encode())
    print(f"seed of this test: {value}")
    return value


@pytest.fixture
def make_broker(tmp_path: Path) -> Iterator[Callable[..., Broker]]:
    """Give a function that starts a private mosquitto: ``make_broker(options=None, port=0)``."""
    need("mosquitto", "mosquitto")
    brokers: list[Broker] = []

    def make(options: BrokerOptions | None = None, port: int = 0) -> Broker:
        folder = tmp_path / f"broker{len(brokers)}"
        folder.mkdir()
        broker = Broker(folder, options, port)
        brokers.append(broker)
        broker.start()
        return broker

    yield make
    for broker in brokers:
        broker.stop()


@pytest.fixture
def broker(make_broker: Callable[..., Broker]) -> Broker:
    """Give a private mosquitto that allows everything."""
    return make_broker()


@pytest.fixture
def on_pty(tmp_path: Path) -> Iterator[Callable[[Line], PtyLine]]:
    """Give a function that puts a line on a pty: ``on_pty(line).path`` is what a client opens."""
    open_lines: list[PtyLine] = []

    def put(line: Line) -> PtyLine:
        pty = PtyLine(line, tmp_path / f"port{len(open_lines)}")
        open_lines.append(pty)
        pty.start()
        return pty

    yield put
    for pty in open_lines:
        pty.close()
