"""One connection to a bureau: a packet goes out, its acknowledgement is waited for, it goes out again (6.2).

One packet at a time, since the standard has no window. A packet that is sent again is the same packet, ``QN`` and
all: the number identifies one interaction (table 3), so a bureau that heard it before can tell. When a packet stays
without acknowledgement after ``recount`` repetitions, communication is unusable and ends (6.2.1): the caller hangs
up.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final, NoReturn

from agent.errors import AgentError
from agent.outputs.hj212_cipher import AreaCipher, is_enciphered
from agent.outputs.hj212_settings import BureauSettings
from drivers.codec.framing import Noise
from drivers.codec.hj212 import MARK, Hj212Frame, Rules, crc, encode, stream_decoder
from drivers.codec.hj212_segment import DATA_ANSWER, NOTICE_ANSWER, Segment, compose, parse
from drivers.sources import ByteStream

_LONGEST: Final = 9999  # what a bureau sends is read whatever its length


class BureauSilentError(AgentError):
    """A packet stayed without acknowledgement: hang up, keep it, connect again."""

    code = "output-silent"


@dataclass(slots=True)
class TalkCounts:
    """What has happened: packets sent, acknowledged, not acknowledged in time, and strange ones from there."""

    sent: int = 0
    told: int = 0
    unanswered: int = 0
    strange: int = 0


class Talk:
    """Both directions of one connection.

    Args:
        stream: the connection.
        counts: go on over connections.
        settings: gives the time-outs that are in force now.
        hear: is given every packet that is no acknowledgement.
        cipher: enciphers data areas, None for plain text.
    """

    def __init__(
        self,
        stream: ByteStream,
        counts: TalkCounts,
        settings: Callable[[], BureauSettings],
        hear: Callable[[Segment], None],
        cipher: AreaCipher | None = None,
    ) -> None:
        self._stream = stream
        self._counts = counts
        self._settings = settings
        self._hear = hear
        self._cipher = cipher
        self._decoder = stream_decoder(Rules(longest=_LONGEST))
        self._waits_for = ""
        self._came = asyncio.Event()

    async def deliver(self, packets: Sequence[Segment]) -> None:
        """Send packets in order, each until it is acknowledged.

        Raises:
            BureauSilentError: one was not, after all repetitions.
            LinkDownError: the connection is gone.
        """
        for packet in packets:
            await self._deliver(packet)

    def say(self, packet: Segment) -> None:
        """Send a packet that nobody acknowledges; LinkDownError if the connection is gone."""
        self._stream.write(self._wire(packet))
        self._counts.sent += 1

    async def listen(self) -> NoReturn:
        """Take in what comes, until the connection is gone (LinkDownError)."""
        while True:
            for event in self._decoder.feed(await self._stream.read()):
                self._take(event)

    async def _deliver(self, packet: Segment) -> None:
        wire, self._waits_for = self._wire(packet), packet.head("QN")
        self._came.clear()
        tries = 0
        try:
            while tries <= self._settings().recount:
                self._stream.write(wire)
                self._counts.sent += 1
                tries += 1
                if await self._acknowledged(self._settings().overtime_s):
                    self._counts.told += 1
                    return
                self._counts.unanswered += 1
        finally:
            self._waits_for = ""
        raise BureauSilentError(f"packet {packet.head('CN')} {packet.head('QN')} was sent {tries} times")

    async def _acknowledged(self, seconds: float) -> bool:
        try:
            async with asyncio.timeout(seconds):
                await self._came.wait()
        except TimeoutError:
            for event in self._decoder.flush():  # the answer may hide behind what looked like a longer packet
                self._take(event)
            return self._came.is_set()
        return True

    def _take(self, event: Hj212Frame | Noise) -> None:
        said = None if isinstance(event, Noise) else parse(event.segment)
        if said is None:  # a wrong CRC ends it (table 2): no answer
            self._counts.strange += 1
        elif said.head("CN") not in (DATA_ANSWER, NOTICE_ANSWER):
            self._hear(said)
        elif said.head("QN") == self._waits_for:
            self._came.set()
        else:
            self._counts.strange += 1

    def _wire(self, packet: Segment) -> bytes:
        plain = compose(packet)
        if self._cipher is None or not is_enciphered(packet.head("CN")):
            return encode(plain)
        return MARK + b"%04d" % len(plain) + self._cipher.segment(plain) + b"%04X\r\n" % crc(plain)
