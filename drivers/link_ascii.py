"""Modbus ASCII on a shared line: a PDU in, its reply PDU out."""

from __future__ import annotations

from drivers.codec.modbus_ascii import AsciiReplyDecoder, characters, encode
from drivers.codec.modbus_pdu import LONGEST_PDU
from drivers.codec.modbus_pdu import reply_bytes as usual_bytes
from drivers.link_face import LinkFace
from drivers.profile import LineSettings


class AsciiLink(LinkFace):
    """The Modbus ASCII face of a line; a ``Line`` of ``drivers.sources``."""

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
        size = characters(reply_bytes or usual_bytes(pdu) or LONGEST_PDU)
        frame = await self._reply(request, AsciiReplyDecoder(request, reply_bytes), size, timeout_s, line)
        return frame.pdu
