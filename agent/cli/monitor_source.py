"""Where ``tidegate monitor`` hears from: the tap of the running agent, or the port itself, where it only listens."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Collection
from contextlib import suppress
from dataclasses import dataclass
from typing import Final

from agent.cli.lines import Target
from agent.control.client import ControlClient
from agent.control.protocol import AskTap
from agent.polling.tapping import Piece
from drivers.clock import Clock
from drivers.contest import Contest
from drivers.listening import WEAK
from drivers.profile import LineSettings, Parity
from drivers.registry import listeners, open_stream
from drivers.scan.plan import BAUDS
from drivers.sources import ByteStream

LOOK_S: Final = 0.2
_TRY_S: Final = 2.0
_CLEAR_FRAMES: Final = 2
_CLEAR_SHARE: Final = 0.5  # of the bytes; a frame that was cut off at either end of a try is the rest
_SILENCE_BYTES: Final = 3.5


@dataclass(frozen=True, slots=True, kw_only=True)
class Passed:
    """Something passed, or nothing did for a while.

    Attributes:
        sent: by our agent; None on a line of others.
        data: empty where it is time to look at the clock.
        lost: pieces that were not kept in between.
    """

    utc_ns: int
    sent: bool | None
    data: bytes
    lost: int = 0


async def from_agent(client: ControlClient, bus: str, clock: Clock) -> AsyncIterator[Passed]:
    """Follow the traffic of the agent on ``bus``; ends with the exception that ended it."""
    known: int | None = None
    while True:
        pieces = client.ask(AskTap(bus=bus, after=known or 0)).pieces
        for piece in pieces:
            yield _passed(piece, known)
            known = piece.number
        yield Passed(utc_ns=clock.utc_ns(), sent=None, data=b"")
        await asyncio.sleep(LOOK_S)


def _passed(piece: Piece, known: int | None) -> Passed:
    lost = 0 if known is None else piece.number - known - 1
    return Passed(utc_ns=piece.utc_ns, sent=piece.sent, data=piece.data, lost=lost)


async def from_port(target: Target, line: LineSettings, clock: Clock) -> AsyncIterator[Passed]:
    """Listen on the port; nothing is ever sent."""
    stream = await open_stream(target.bus.port, line, target.bus.adapter)
    try:
        while True:
            data = await _read(stream, LOOK_S)
            yield Passed(utc_ns=clock.utc_ns(), sent=None, data=data)
    finally:
        await stream.aclose()


async def find_speed(
    target: Target, clock: Clock, protocols: Collection[str] = (), *, tell: Callable[[LineSettings], None]
) -> LineSettings | None:
    """Listen at one speed after the other, usual ones first, until frames make up most of what is heard.

    Args:
        target: the line.
        clock: measures how long.
        protocols: frames that count; all without any.
        tell: is told each setting before it is listened at.

    Returns:
        That setting; else the one at which most whole frames came; None if none did anywhere.
    """
    stream = await open_stream(target.bus.port, target.bus.line, target.bus.adapter)
    best: tuple[int, LineSettings] | None = None
    try:
        for baud in BAUDS:
            for parity in (Parity.NONE, Parity.EVEN):
                line = LineSettings(baud=baud, parity=parity)
                tell(line)
                heard = await _heard_at(stream, line, clock)
                frames, share = _whole_frames(heard, protocols)
                if frames >= _CLEAR_FRAMES and share >= _CLEAR_SHARE:
                    return line
                if frames and (best is None or frames > best[0]):
                    best = (frames, line)
    finally:
        await stream.aclose()
    return None if best is None else best[1]


async def _heard_at(stream: ByteStream, line: LineSettings, clock: Clock) -> bytes:
    """Listen at one setting for as long as a try takes."""
    await stream.set_line(line)
    stream.discard_input()
    heard, until_ns = b"", clock.mono_ns() + round(_TRY_S * 1e9)
    while clock.mono_ns() < until_ns:
        heard += await _read(stream, (until_ns - clock.mono_ns()) / 1e9)
    return heard


def _whole_frames(heard: bytes, protocols: Collection[str]) -> tuple[int, float]:
    """Count the frames that something proves, and give the share of the bytes that they are.

    At a wrong speed there is always a character that could be a frame.
    """
    known = listeners(protocols)
    contest = Contest(known)
    proven = [
        one.frame
        for one in (*contest.feed(heard, 0), *contest.flush())
        if one.name and known[one.name].proof(one.frame) >= WEAK
    ]
    return len(proven), sum(len(frame.raw) for frame in proven) / max(1, len(heard))


async def _read(stream: ByteStream, seconds: float) -> bytes:
    with suppress(TimeoutError):
        async with asyncio.timeout(max(0.0, seconds)):
            return await stream.read()
    return b""
