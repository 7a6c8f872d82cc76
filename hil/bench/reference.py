"""The reference site, 40 points every 15 s on one RTU line, measured for minutes and extrapolated to a day."""

from __future__ import annotations

import asyncio
import json
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from hil.bench.measure import usage
from hil.bench.pipeline import staged, start_and_wait
from hil.bench.stored import stored
from hil.process import wait_until
from hil.proxy import FaultProxy
from hil.sim.control import ask
from hil.site_file import BusEntry, DeviceEntry, Sealing
from hil.stage import Stage, StageError

_DAY_S: Final = 86_400.0
_CYCLE_S: Final = 15.0
_DEVICES: Final = (("main-meter", 1, "chint/dtsu666"), ("workshop-meter", 2, "eastron/sdm120"))
"""27 and 13 points."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Day:
    """What the reference site costs in a day.

    Attributes:
        readings: verified readings.
        flash_mb: written to disk by the agent, 10^6 bytes.
        uplink_mb: TCP payload from the agent to the broker, 10^6 bytes.
        downlink_mb: and back.
        blocks: sealed blocks.
        cpu_s: CPU of the agent.
        wire_bytes: bytes of sealed blocks for each reading.
        inside_silence: requests begun inside t3.5 in the time measured.
        measured_s: how long was measured.
    """

    readings: float
    flash_mb: float
    uplink_mb: float
    downlink_mb: float
    blocks: float
    cpu_s: float
    wire_bytes: float
    inside_silence: int
    measured_s: float


class ProxyThread:
    """A fault proxy with a loop of its own, so that a plain program can stand it between agent and broker."""

    def __init__(self, target_port: int) -> None:
        self.proxy = FaultProxy(target_port)
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)

    def __enter__(self) -> Self:
        """Listen."""
        self._thread.start()
        asyncio.run_coroutine_threadsafe(self.proxy.__aenter__(), self._loop).result(10)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close everything."""
        asyncio.run_coroutine_threadsafe(self.proxy.__aexit__(None, None, None), self._loop).result(10)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()


def run(seconds: float, seed: int, sealing: Sealing) -> Day:
    """Measure for about ``seconds``, rounded up to whole polling cycles; StageError if the chain does not work."""
    with staged() as stage:
        assert stage.broker is not None
        child = stage.start_simulator("site", "--dir", str(stage.folder / "line"), "--seed", str(seed))
        if not wait_until(lambda: '"ready"' in child.last_words(), 30):
            raise StageError(f"the simulator does not start\n{child.last_words()}")
        ready = json.loads(child.last_words(1))
        with ProxyThread(stage.broker.port) as proxied:
            stage.write_site(
                [BusEntry(name="rs485-a", port=ready["port"])],
                [
                    DeviceEntry(name=name, bus="rs485-a", unit=unit, profile=profile, every="15 s")
                    for name, unit, profile in _DEVICES
                ],
                url=f"mqtt://127.0.0.1:{proxied.proxy.port}",
                sealing=sealing,
            )
            return _measure(stage, proxied.proxy, Path(ready["control"]), seconds)


def _measure(stage: Stage, proxy: FaultProxy, control: Path, seconds: float) -> Day:
    _, _, pid = start_and_wait(stage)
    time.sleep(2 * _CYCLE_S)  # the first cycles hold dictionary, epoch and learning
    before, held_before, up, down = usage(pid), stored(stage.collector_db), proxy.up_bytes, proxy.down_bytes
    cycles = max(1, -int(-seconds // _CYCLE_S))
    time.sleep(max(0.0, before.at_s + cycles * _CYCLE_S - time.monotonic()))
    after, held = usage(pid), stored(stage.collector_db)
    span = after.at_s - before.at_s
    window = held.since(held_before)
    if window.readings == 0:
        raise StageError(f"nothing arrived in {span:.0f} s\n{stage.agent.last_words()}")
    return Day(
        readings=window.readings * _DAY_S / span,
        flash_mb=(after.written_bytes - before.written_bytes) * _DAY_S / span / 1e6,
        uplink_mb=(proxy.up_bytes - up) * _DAY_S / span / 1e6,
        downlink_mb=(proxy.down_bytes - down) * _DAY_S / span / 1e6,
        blocks=window.blocks * _DAY_S / span,
        cpu_s=(after.cpu_s - before.cpu_s) * _DAY_S / span,
        wire_bytes=window.block_bytes / window.readings,
        inside_silence=int(ask(control, "counters")["line"]["inside_silence"]),
        measured_s=span,
    )
