"""What every way of sending Modbus PDUs over a shared line has in common."""

from __future__ import annotations

from typing import TypeVar

from drivers.codec.framing import Frame, ReplyDecoder
from drivers.link import Link
from drivers.link_counters import LinkCounters
from drivers.profile import LineSettings

F = TypeVar("F", bound=Frame)


class LinkFace:
    """A face of a line: gives it requests and adds what the way to it takes.

    Args:
        link: the line.
        slack_s: what the way to it may take besides, if it leads over a network.
    """

    def __init__(self, link: Link, *, slack_s: float = 0.0) -> None:
        self._link = link
        self._slack_s = slack_s

    @property
    def name(self) -> str:
        """What a person calls the port."""
        return self._link.name

    @property
    def counters(self) -> LinkCounters:
        """What has happened on the whole line so far."""
        return self._link.counters

    async def aclose(self) -> None:
        """Close the port."""
        await self._link.aclose()

    async def _reply(
        self, request: bytes, decoder: ReplyDecoder[F], size: int, timeout_s: float, line: LineSettings | None
    ) -> F:
        """Do one exchange; ``size`` is what the good reply takes on the wire, bytes."""
        return await self._link.exchange(
            request, decoder, reply_bytes=size, timeout_s=timeout_s + self._slack_s, settings=line
        )
