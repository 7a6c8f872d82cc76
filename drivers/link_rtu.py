"""Modbus RTU on a shared line: a PDU in, its reply PDU out."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from drivers.codec.framing import Frame, ReplyDecoder
from drivers.codec.modbus_pdu import reply_bytes as usual_bytes
from drivers.codec.modbus_rtu import LONGEST, OVERHEAD, RtuReplyDecoder, encode
from drivers.link_face import LinkFace
from drivers.profile import LineSettings

F = TypeVar("F", bound=Frame)


class RtuLink(LinkFace):
    """The Modbus RTU face of a line, a ``Line`` of ``drivers.sources``; other protocols may use the same pair."""

    async def ask(
        self,
        unit: int,
        pdu: bytes,
        *,
        timeout_s: float,
        line: LineSettings | None = None,
        reply_bytes: int | None = None,
    ) -> bytes:
        """Send ``pdu`` to ``unit`` and give the PDU of the reply; see ``Link.exchange`` for what may go wrong."""
        request = encode(unit, pdu)
        size = (reply_bytes or usual_bytes(pdu) or LONGEST - OVERHEAD) + OVERHEAD
        frame = await self._reply(request, RtuReplyDecoder(request, reply_bytes), size, timeout_s, line)
        return frame.pdu

    async def exchange(
        self,
        request: bytes,
        decoder: ReplyDecoder[F],
        accept: Callable[[F], bool] | None = None,
        *,
        reply_bytes: int,
        timeout_s: float,
        settings: LineSettings | None = None,
        reply_settings: LineSettings | None = None,
        goes_on: bool = False,
    ) -> F:
        """Let another protocol use the same pair; see ``Link.exchange``."""
        return await self._link.exchange(
            request,
            decoder,
            accept,
            reply_bytes=reply_bytes,
            timeout_s=timeout_s + self._slack_s,
            settings=settings,
            reply_settings=reply_settings,
            goes_on=goes_on,
        )

    async def attend(
        self, hear: Callable[[bytes], tuple[bytes, bool]], *, timeout_s: float, settings: LineSettings | None = None
    ) -> None:
        """Listen to one who speaks by himself and waits for answers; see ``Link.attend``."""
        await self._link.attend(hear, timeout_s=timeout_s, settings=settings)
