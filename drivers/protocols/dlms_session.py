"""A connection and an association with one DLMS meter: opened when needed, kept, and opened again after any fault.

Numbers of frames (IEC 62056-46, 6.4.4) begin at 0 with each connection; a reply with another number is not taken.
Several segments of a reply are asked for one by one, several blocks of a value too.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Final

from drivers.codec.axdr import AxdrError, Data, parse
from drivers.codec.dlms_apdu import (
    Apdu,
    Association,
    ExceptionResponse,
    Get,
    GetResponse,
    UnreadError,
    read_apdu,
)
from drivers.codec.dlms_request import LLC, MOST_PASSWORD_BYTES, association_request, get_request, next_block
from drivers.codec.hdlc import FrameKind, HdlcFrame, encode
from drivers.codec.hdlc_reply import HdlcReplyDecoder, disc, information, ready, snrm
from drivers.errors import DeviceFailedError, FrameError, NoReplyError, RefusedError, SecretError
from drivers.protocols.dlms_place import Meter, ObjectPlace
from drivers.wire_protocol import Secret

_UA: Final = 0x73
_LLC_REPLY: Final = b"\xe6\xe7\x00"
_NUMBERS: Final = 8
_INVOKES: Final = 16
_MOST_SEGMENTS: Final = 128
_MOST_BLOCKS: Final = 256
_ACCEPTED: Final = 0
_AUTHENTICATION: Final = {
    11: "it wants another kind of password", 12: "it wants another kind of password",
    13: "the password is wrong", 14: "it wants a password",
}  # fmt: skip
"""Diagnostics of the service user (IEC 62056-5-3, 7.3.7)."""

Exchange = Callable[[bytes, HdlcReplyDecoder], Awaitable[HdlcFrame]]


class LostError(FrameError):
    """The meter has ended the connection."""


class Session:
    """The talk with one meter.

    Args:
        meter: whom to ask.
        exchange: does one exchange on the line.
        where: port and meter, for sentences.
        password: of low level security, None for none.

    Attributes:
        is_open: whether requests may be made.
    """

    def __init__(
        self, meter: Meter, exchange: Exchange, where: Callable[[], str], password: Secret | None = None
    ) -> None:
        """Begin closed."""
        self._meter = meter
        self._password = password
        self._where = where
        self._exchange = exchange
        self.is_open = False
        self._may_be_held = False  # by the meter: a connection was asked for and not ended
        self._sent = 0
        self._received = 0
        self._invoke = 0

    def lose(self) -> None:
        """Forget the connection, whatever the meter thinks of it."""
        self.is_open = False

    async def close(self) -> None:
        """End the connection, if the meter may hold one; whatever it says. LinkDownError if the line is gone."""
        self.is_open = False
        if not self._may_be_held:
            return
        self._may_be_held = False
        with suppress(NoReplyError, FrameError):
            await self._unnumbered(disc())

    async def open(self) -> None:
        """Connect and associate.

        Raises:
            DeviceFailedError: the meter takes no connection now.
            RefusedError: it takes no association, for lack of a right password for example.
            SecretError: the password cannot be had; nothing was sent.
            FrameError: it answers with something else.
            NoReplyError, LinkDownError: as ``Link.exchange`` says.
        """
        self.is_open = False
        password = await self._secret()
        self._may_be_held = True
        if (await self._unnumbered(snrm())).kind is FrameKind.DM:
            await self._unnumbered(disc())  # it may still hold a connection of before
            if (await self._unnumbered(snrm())).kind is not FrameKind.UA:
                raise DeviceFailedError(f"{self._where()} takes no connection now (DM)", 0)
        self._sent = self._received = 0
        reply = await self._request(association_request(password))
        if not isinstance(reply, Association) or not reply.response:
            raise FrameError(f"{self._where()} answers the association with something else")
        if reply.result != _ACCEPTED or reply.diagnostic in _AUTHENTICATION:
            why = _AUTHENTICATION.get(reply.diagnostic, f"result {reply.result}, diagnostic {reply.diagnostic}")
            raise RefusedError(f"{self._where()} refuses the association: {why}", reply.diagnostic)
        self.is_open = True

    async def _secret(self) -> bytes:
        password = "" if self._password is None else await self._password()
        if not password.isascii() or len(password) > MOST_PASSWORD_BYTES:
            raise SecretError(f"{self._where()}: a password has at most {MOST_PASSWORD_BYTES} ASCII characters")
        return password.encode("ascii")

    async def get(self, place: ObjectPlace) -> Data | int:
        """Read one attribute, all its blocks; a number is the meter's data access error.

        Raises:
            LostError: the meter has ended the connection or the association.
            FrameError: it answers with something else.
        """
        self.is_open = False  # whatever comes in between, a cancelled read too, leaves the numbers in doubt
        self._invoke = (self._invoke + 1) % _INVOKES
        result = await self._value(place)
        self.is_open = True
        return result

    async def _value(self, place: ObjectPlace) -> Data | int:
        request = get_request(self._invoke, place.class_id, place.obis, place.attribute)
        content = b""
        for number in range(1, _MOST_BLOCKS):
            reply = self._answer(await self._request(request))
            if reply.form is Get.LIST or (reply.form is Get.NORMAL and (content or len(reply.results) != 1)):
                raise FrameError(f"{self._where()} answers with another form of response")
            if reply.results:
                return reply.results[0]
            assert reply.block is not None  # it has no results
            block, last, piece = reply.block
            if block != number:
                raise FrameError(f"{self._where()} gives block {block}, block {number} is wanted")
            content += piece
            if last:
                return self._whole(content)
            request = next_block(self._invoke, block)
        raise FrameError(f"{self._where()} does not come to the end of {place}")

    def _answer(self, reply: Apdu) -> GetResponse:
        """Give a reply as the response to the last request."""
        if isinstance(reply, ExceptionResponse):
            raise LostError(f"{self._where()} takes no request (errors {reply.state}, {reply.service})")
        if not isinstance(reply, GetResponse):
            raise FrameError(f"{self._where()} answers a get request with something else")
        if reply.invoke % _INVOKES != self._invoke:
            raise FrameError(f"{self._where()} answers another request than the last one")
        return reply

    def _whole(self, content: bytes) -> Data:
        try:
            data, end = parse(content)
        except AxdrError as error:
            raise FrameError(f"{self._where()}: {error}", content) from error
        if end != len(content):
            raise FrameError(f"{self._where()} sends more than the value", content)
        return data

    async def _request(self, apdu: bytes) -> Apdu:
        """Send an APDU in one numbered frame and give that of the reply, its segments put together."""
        control = information(self._sent, self._received)
        self._sent = (self._sent + 1) % _NUMBERS
        frame = await self._numbered(control, LLC + apdu)
        content = frame.information
        for _ in range(_MOST_SEGMENTS):
            if not frame.segmented:
                break
            frame = await self._numbered(ready(self._received))
            content += frame.information
        else:
            raise FrameError(f"{self._where()} does not come to the end of its segments")
        try:
            return read_apdu(content.removeprefix(_LLC_REPLY))
        except UnreadError as error:
            raise RefusedError(f"{self._where()}: {error}; no key can be given yet", 0, frame.raw) from error
        except AxdrError as error:
            raise FrameError(f"{self._where()}: {error}", frame.raw) from error

    async def _numbered(self, control: int, content: bytes = b"") -> HdlcFrame:
        frame = await self._send(control, information(self._received, self._sent), content)
        if frame.kind is not FrameKind.I:
            raise LostError(f"{self._where()} has ended the connection ({frame.kind.value})", frame.raw)
        self._received = (self._received + 1) % _NUMBERS
        return frame

    async def _unnumbered(self, control: int) -> HdlcFrame:
        return await self._send(control, _UA)

    async def _send(self, control: int, expected: int, content: bytes = b"") -> HdlcFrame:
        ends = self._meter.ends
        request = encode(ends.server, ends.client, control, content)
        return await self._exchange(request, HdlcReplyDecoder(ends, control, expected, self._meter.name))
