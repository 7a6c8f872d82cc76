"""Questions to one DL/T 645 meter, each answered with all that stands under an identifier, in however many frames.

A refusal shows only address and function, so a single one may have meant the request before. A reply names what was
read, not when: one that is later than anybody would have waited for passes for the answer to the next question of its
kind. So after a question that was given up another one comes first, where the profile has one: its answer shows that
nothing older is on its way.
"""

from __future__ import annotations

from contextlib import suppress
from typing import Final

from drivers.codec import dlt645
from drivers.codec.dlt645 import (
    WAKE_UP,
    Dlt645Frame,
    Edition,
    follow_request,
    read_request,
    reply_decoder,
    write_request,
)
from drivers.codec.dlt645_load import is_load, load_extra
from drivers.errors import DeviceFailedError, FrameError, NoReplyError, RefusedError
from drivers.wire_protocol import AnyLink, Placed, frames_on

NO_SUCH_DATA: Final = 0x02
_NOT_ALLOWED: Final = 0x04
_NAMES: Final = ((0x02, "no such data"), (0x04, "password wrong or not authorised"), (0x01, "other error"))
_MOST_FOLLOWING: Final = 32
_NOBODY_S: Final = 0.02
"""How long nobody's answer is waited for."""


class Dialogue:
    """One meter on a line.

    Attributes:
        line: what carries the frames; may be exchanged for a new one.
        answering: address in the last reply, twelve digits; None before the first, and for one full of wildcards.
        frames: of the last answer, one behind the other, as they came.
        character_s: time of one character on its line.
        known: (identifier, length of the reply on the wire) of what may be asked.
    """

    def __init__(self, placed: Placed, edition: Edition) -> None:
        self.line: AnyLink = placed.link
        self.answering: str | None = None
        self.frames = b""
        self.known: tuple[tuple[str, int], ...] = ()
        self._given_up: set[str] = set()
        self._address = placed.address
        self._edition = edition
        self._settings = placed.settings
        self.character_s = (placed.settings or placed.profile.line).character_s
        self._timeout_s = placed.profile.limits.turnaround_ms / 1000

    @property
    def where(self) -> str:
        """The meter, for sentences."""
        return f"{self.line.name}: meter {self._address}"

    async def data(self, identifier: str, reply_bytes: int, *, again: bool = False) -> bytes:
        """Give what stands under ``identifier``.

        Args:
            identifier: high byte first.
            reply_bytes: least length of the reply on the wire.
            again: ask once more if there is said to be no such data.

        Raises:
            RefusedError: the meter says no; ``exception`` is its error word, DeviceFailedError if it cannot now.
            NoReplyError, FrameError, LinkDownError: as ``Device.read`` says.
        """
        if identifier in self._given_up and (other := self._shortest(identifier)) is not None:
            await self.ask(*other)
        reply = await self.ask(identifier, reply_bytes)
        if again and reply.is_refusal and _error_word(reply) & NO_SUCH_DATA:
            reply = await self.ask(identifier, reply_bytes)  # the first one may have meant another request
        self._refused(identifier, reply)
        head = self._edition.identifier_bytes
        tail = 1 if self._edition is Edition.V2007 else 0  # a following frame ends with its number
        data, self.frames = reply.data[head:], reply.raw
        for number in range(1, _MOST_FOLLOWING):
            if not reply.more_follows:
                return data
            request = follow_request(self._edition, self._address, identifier, number)
            reply = await self._exchange(request, dlt645.OVERHEAD + len(reply.data), f"{identifier}/{number}")
            self._refused(identifier, reply)
            data += reply.data[head : len(reply.data) - tail]
            self.frames += reply.raw
        raise FrameError(f"{self.where} does not come to the end of {identifier}", reply.raw)

    async def ask(self, identifier: str, reply_bytes: int) -> Dlt645Frame:
        """Give the first frame of the answer, which may be a refusal."""
        extra = load_extra(1) if self._edition is Edition.V2007 and is_load(identifier) else b""
        request = read_request(self._edition, self._address, identifier, extra)
        return await self._exchange(request, reply_bytes, identifier)

    async def write(self, identifier: str, password: bytes, operator: bytes, data: bytes) -> None:
        """Write under ``identifier``; returns when the meter said that it did.

        Raises:
            RefusedError: it said no; ``exception`` is its error word, DeviceFailedError if it cannot now.
            NoReplyError, FrameError: nobody knows whether it did.
            LinkDownError: the port is gone; likewise.
        """
        request = write_request(self._address, identifier, password, operator, data)
        self._refused(identifier, await self._exchange(request, dlt645.OVERHEAD, f"write {identifier}"))

    async def tell_everybody(self, request: bytes) -> None:
        """Send what nobody answers; raises LinkDownError, and FrameError if the line does not fall silent."""
        with suppress(NoReplyError):
            await frames_on(self.line).exchange(
                WAKE_UP + request,
                reply_decoder(request, self._edition),
                reply_bytes=0,
                timeout_s=_NOBODY_S,
                settings=self._settings,
            )

    async def probe(self) -> None:
        """Ask for the shortest reply; a refusal counts as life."""
        shortest = self._shortest() or min(self.known, key=lambda one: one[1])
        await self.ask(*shortest)

    def _shortest(self, other_than: str = "") -> tuple[str, int] | None:
        """Give what has the shortest reply, of what no late answer may be on its way to."""
        free = [one for one in self.known if one[0] != other_than and one[0] not in self._given_up]
        return min(free, key=lambda one: one[1], default=None)

    async def _exchange(self, request: bytes, reply_bytes: int, what: str) -> Dlt645Frame:
        certain = what not in self._given_up
        self._given_up.add(what)
        reply: Dlt645Frame = await frames_on(self.line).exchange(
            WAKE_UP + request,
            reply_decoder(request, self._edition),
            reply_bytes=reply_bytes,
            timeout_s=self._timeout_s,
            settings=self._settings,
        )
        if certain:
            self._given_up.clear()  # it has left behind whatever it was asked before
        self._given_up.discard(what)
        self.answering = reply.address if reply.address.isdecimal() else self.answering
        return reply

    def _refused(self, identifier: str, reply: Dlt645Frame) -> None:
        if not reply.is_refusal:
            return
        code = _error_word(reply)
        name = next((name for bit, name in _NAMES if code & bit), "no reason")
        sentence = f"{self.where} refuses {identifier}: {name} (error word {code:02X})"
        kind = RefusedError if code & (NO_SUCH_DATA | _NOT_ALLOWED) else DeviceFailedError
        raise kind(sentence, code, reply.raw)


def _error_word(reply: Dlt645Frame) -> int:
    return reply.data[0] if reply.data else 0
