"""An MQTT client that stays connected: a new connection after every loss, full-jitter pauses, the true reason.

A PUBACK opens the window and is no custody: see ``uplink``.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable
from dataclasses import replace
from typing import Any, Final

from agent.delivery.mqtt_options import MqttOptions
from agent.delivery.mqtt_state import Incoming, LinkState, Outcome, Phase, PubAck, Trouble
from agent.delivery.mqtt_tls import explain
from agent.mqtt import Connection, Ended, Granted
from drivers.clock import Clock

BACKOFF_FIRST_S: Final = 1.0
BACKOFF_LEAST_S: Final = 0.05
STABLE_S: Final = 10.0
CLOSE_S: Final = 1.0
SUPERVISE_S: Final = 1.5


class MqttClient:
    """A client that stays connected; lives in one event loop.

    ``run`` has to be running. Between connections ``free`` is 0 and a publish is LOST at once.

    Args:
        options: what to connect to.
        clock: for ``LinkState.since_mono_ns`` and for the dates of certificates.
        rng: for the jitter of the pauses.
        on_message: called in the network thread for each message; it may block, which holds the broker back.
        on_change: called in the loop when ``state`` has changed.
        on_free: called in the loop when the window has opened.
    """

    def __init__(
        self,
        options: MqttOptions,
        *,
        clock: Clock,
        rng: random.Random,
        on_message: Callable[[Incoming], None] | None = None,
        on_change: Callable[[LinkState], None] | None = None,
        on_free: Callable[[], None] | None = None,
    ) -> None:
        self._options = options
        self._clock = clock
        self._rng = rng
        self._on_message = on_message
        self._on_change = on_change
        self._on_free = on_free
        self._connection: Connection | None = None
        self._granted = Granted(window=0, packet_bytes=0)
        self._state = LinkState(phase=Phase.STOPPED, since_mono_ns=clock.mono_ns(), protocol=options.protocol)

    @property
    def state(self) -> LinkState:
        """What is known about the connection now."""
        return self._state

    @property
    def free(self) -> int:
        """How many publishes the window takes in now; 0 while not connected."""
        if self._connection is None:
            return 0
        return max(0, self._granted.window - len(self._connection.pending))

    @property
    def window(self) -> int:
        """Most publishes without PUBACK: the smaller of ours and the broker's; 0 while not connected."""
        return self._granted.window

    @property
    def packet_bytes(self) -> int:
        """Largest packet that the broker takes; 0 while not connected."""
        return self._granted.packet_bytes

    def publish(
        self, topic: str, payload: bytes, *, retain: bool = False, content_type: str | None = None
    ) -> asyncio.Future[PubAck]:
        """Send one message at QoS 1. The future gives the broker's answer and never raises.

        Raises:
            ValueError: the window is full; ask ``free`` first.
        """
        if self._connection is None:
            future: asyncio.Future[PubAck] = asyncio.get_running_loop().create_future()
            future.set_result(PubAck(outcome=Outcome.LOST))
            return future
        if self.free == 0:
            raise ValueError("the window is full")
        return self._connection.publish(topic, payload, retain=retain, content_type=content_type)

    async def run(self) -> None:
        """Connect, stay connected, reconnect; until cancelled, then say goodbye to the broker."""
        failures = 0
        try:
            while True:
                self._set(Phase.CONNECTING, failures=failures)
                ended, stable = await self._one_connection()
                failures = 1 if stable else failures + 1
                if ended.trouble is Trouble.PROTOCOL_UNSUPPORTED and self._options.protocol == 5:
                    self._options = replace(self._options, protocol=4)
                self._state = replace(self._state, trouble=ended.trouble, facts=ended.facts)
                self._set(Phase.WAITING, failures=failures)
                await asyncio.sleep(self._pause_s(failures))
        finally:
            self._set(Phase.STOPPED, failures=failures)

    def utc_ns(self) -> int:
        """UTC as the injected clock has it."""
        return self._clock.utc_ns()

    def slot_freed(self) -> None:
        """A connection tells that the window has opened or is gone."""
        if self._on_free is not None:
            self._on_free()

    def incoming(self, message: Incoming) -> None:
        """A connection hands over a message, in its network thread."""
        if self._on_message is not None:
            self._on_message(message)

    async def _one_connection(self) -> tuple[Ended, bool]:
        """Live through one connection; tells why it ended and whether it had lasted."""
        loop = asyncio.get_running_loop()
        connection = Connection(self, self._options, loop)
        connection.start()
        began_s = loop.time()
        try:
            first: set[asyncio.Future[Any]] = {connection.granted, connection.ended}
            deadline_s = self._options.connect_deadline_s
            await asyncio.wait(first, timeout=deadline_s, return_when=asyncio.FIRST_COMPLETED)
            if connection.granted.done() and not connection.ended.done():
                self._open(connection, connection.granted.result())
                await self._supervise(connection)
            if not connection.ended.done():
                trouble, facts = explain(TimeoutError("no answer in time"), self._options, self.utc_ns())
                connection.end(Ended(trouble=trouble, facts=facts))
            connection.abort()
        except asyncio.CancelledError:
            connection.close()
            await asyncio.wait({connection.ended}, timeout=CLOSE_S)
            connection.abort()
            raise
        finally:
            self._connection = None
            self._granted = Granted(window=0, packet_bytes=0)
        ended = connection.ended.result()
        return ended, ended.connack and loop.time() - began_s >= STABLE_S

    def _open(self, connection: Connection, granted: Granted) -> None:
        self._connection = connection
        self._granted = replace(granted, window=min(granted.window, self._options.window))
        self._state = replace(self._state, trouble=None, facts=())
        self._set(Phase.CONNECTED, failures=self._state.failures)
        self.slot_freed()

    async def _supervise(self, connection: Connection) -> None:
        """Wait for the end; end it when publishes stay without any answer."""
        loop = asyncio.get_running_loop()
        while not connection.ended.done():
            await asyncio.wait({connection.ended}, timeout=SUPERVISE_S)
            silent_s = loop.time() - connection.last_heard_s
            if connection.pending and silent_s >= self._options.publish_deadline_s:
                facts = (("host", self._options.endpoint.host), ("reason", f"no PUBACK for {silent_s:.0f} s"))
                connection.end(Ended(trouble=Trouble.BROKER_SILENT, facts=facts, connack=True))

    def _pause_s(self, failures: int) -> float:
        """Full jitter: anything up to a bound that doubles from 1 s to ``backoff_max_s``."""
        bound = min(self._options.backoff_max_s, BACKOFF_FIRST_S * 2.0 ** min(failures - 1, 30))
        return self._rng.uniform(BACKOFF_LEAST_S, bound)

    def _set(self, phase: Phase, *, failures: int) -> None:
        before = self._state
        self._state = replace(
            before,
            phase=phase,
            failures=failures,
            since_mono_ns=self._clock.mono_ns(),
            protocol=self._options.protocol,
        )
        if self._on_change is not None:
            self._on_change(self._state)
