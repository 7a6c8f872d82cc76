"""The work of ``tidegate monitor``: bytes to lines of text or JSON, and to a capture file."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Final

from agent.cli.lines import Target
from agent.cli.monitor_source import Passed, from_agent, from_port
from agent.cli.monitor_text import json_of, lines_of
from agent.cli.monitor_values import Values
from agent.cli.output import Output
from agent.control.client import ControlClient
from drivers.clock import Clock
from drivers.listening import Kind, Said
from drivers.overhear import Overhearing
from drivers.profile import LineSettings
from drivers.registry import listeners
from drivers.transport.pcap import PcapSink

_PATIENT_LOOKS: Final = 4  # the agent hands over later than the line does
_COUNTED: Final = {
    Kind.REQUEST: "requests", Kind.REPLY: "replies", Kind.UNASKED: "unasked", Kind.NO_REPLY: "silent",
}  # fmt: skip


class _At:
    """The clock of a capture: the time of what is being written."""

    utc = 0

    def utc_ns(self) -> int:
        """Give that time."""
        return self.utc

    def mono_ns(self) -> int:
        """Give it too; captures know no other."""
        return self.utc


class Listener:
    """Hears, shows and writes.

    Attributes:
        counts: requests, replies, what was told unasked, requests without a reply, bytes of noise, pieces lost.
    """

    def __init__(
        self,
        out: Output,
        target: Target,
        clock: Clock,
        *,
        line: LineSettings,
        client: ControlClient | None,
        pcap: str | None,
        all_bytes: bool,
        protocols: Collection[str] = (),
    ) -> None:
        self.counts = {"requests": 0, "replies": 0, "unasked": 0, "silent": 0, "noise": 0, "lost": 0}
        self._out = out
        self._clock = clock
        self._all_bytes = all_bytes
        self._client = client
        self._source = (
            from_port(target, line, clock) if client is None else from_agent(client, target.bus.name, clock)
        )
        self._hearing = Overhearing(listeners(protocols))
        self._values = Values(target)
        self._at = _At()
        self._file = Path(pcap).open("wb") if pcap else None  # noqa: SIM115 - closed by close()
        self._pcap = PcapSink(self._file, self._at) if self._file is not None else None
        self._quiet = 0

    @property
    def heard(self) -> int:
        """How many things were heard."""
        return sum(self.counts.values())

    async def run(self, seconds: float) -> None:
        """Listen for so long, or for ever with 0.

        Raises:
            LinkDownError: the port is gone; ControlError: the agent is.
        """
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds or None):
                async for passed in self._source:
                    for said in self._take(passed):
                        self._tell(said)
        for said in self._hearing.idle(self._clock.utc_ns(), silence=True):
            self._tell(said)

    def close(self) -> None:
        """Close the file and the connection."""
        if self._pcap is not None:
            self._pcap.finish()
        if self._file is not None:
            self._file.close()
        if self._client is not None:
            self._client.close()

    def _take(self, passed: Passed) -> Iterator[Said]:
        self.counts["lost"] += passed.lost
        at_ns = passed.utc_ns
        if not passed.data:
            self._quiet += 1
            yield from self._hearing.idle(at_ns, silence=self._quiet > (_PATIENT_LOOKS if self._client else 1))
            return
        self._quiet = 0
        if passed.sent is None:
            yield from self._hearing.heard(passed.data, at_ns)
        elif passed.sent:
            yield from self._hearing.sent(passed.data, at_ns)
        else:
            yield from self._hearing.received(passed.data, at_ns)

    def _tell(self, said: Said) -> None:
        if said.kind is Kind.NOISE:
            self.counts["noise"] += len(said.raw)
        else:
            self.counts[_COUNTED[said.kind]] += 1
        if self._pcap is not None and said.raw:
            self._at.utc = said.at_ns
            self._pcap.sent(said.raw)
        values = self._values.of(said)
        if self._out.json:
            self._out.line(json_of(said, values))
            return
        for line in lines_of(said, values, all_bytes=self._all_bytes):
            self._out.say(line)
