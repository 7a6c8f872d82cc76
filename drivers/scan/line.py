"""Who speaks on a line while it is searched: one probe at a time, after the silence that the standard asks for."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from drivers.clock import Clock, Pause
from drivers.errors import LinkDownError
from drivers.profile import LineSettings
from drivers.sources import ByteStream

LONGEST_BYTES: Final = 512  # before a request more is a babble; after one it is no answer of a scan
_FIFO_CHARACTERS: Final = 20  # a UART hands its 16 bytes over when they are full, or four characters after the last
_MOST_HEARD_BYTES: Final = 65536
_PAUSE_S: Final = 0.1
_CHUNK_S: Final = 0.02  # USB adapters deliver in portions, the slowest 16 ms apart
_NS: Final = 1_000_000_000
_BREAK: Final = b"\x00"  # low from start to stop bit


@dataclass(frozen=True, slots=True, kw_only=True)
class Came:
    """What came after a request.

    Attributes:
        data: all bytes, an echo too.
        stray: bytes that were there before we spoke.
        answered_s: from the end of the request to the first byte after the echo; None if none came.
        took_s: the whole turn.
    """

    data: bytes
    stray: bytes
    answered_s: float | None
    took_s: float


class SettingRefusedError(LinkDownError):
    """The port does not take a speed, parity or size, and may be closed because of it."""


class ScanLine:
    """A port that is searched. Every failure of it is a LinkDownError.

    Args:
        stream: the port, as 8N1 at ``line``.
        clock: where time comes from.
        pause: the exact wait that keeps the silence.
        line: what the port is set to now.
        switch_s: what the adapter needs after a change of speed or parity.
        slack_s: what a network between us and the line may take; every window is longer by it.
    """

    def __init__(
        self,
        stream: ByteStream,
        *,
        clock: Clock,
        pause: Pause,
        line: LineSettings,
        switch_s: float = 0.0,
        slack_s: float = 0.0,
    ) -> None:
        self._stream = stream
        self._clock = clock
        self._pause = pause
        self._line = line
        self._switch_ns = round(switch_s * _NS)
        self._slack_s = slack_s
        self._busy_ns = clock.mono_ns()

    async def ask(
        self,
        request: bytes,
        line: LineSettings,
        window_s: float,
        is_whole: Callable[[bytes], bool],
        *,
        gap_s: float = 0.0,
        reply_line: LineSettings | None = None,
        rouse: LineSettings | None = None,
        longest: int = LONGEST_BYTES,
    ) -> Came:
        """Send ``request`` at ``line`` and gather what comes until ``is_whole``, or silence.

        Args:
            request: the whole frame; nothing to hear what comes behind the answer before, of which no byte is lost.
            line: speed and parity to send and hear with.
            window_s: longest wait for the first byte, from when a device can have heard the end of the request.
            is_whole: tells whether all has come that will.
            gap_s: silence inside what comes that does not end it, if longer than that of the line.
            reply_line: speed and parity of the reply, where the request orders others (IEC 62056-21).
            rouse: see ``Ask.rouse``.
            longest: bytes after which nobody listens on.

        Raises:
            LinkDownError: the port is gone; SettingRefusedError if it does not take the settings.
        """
        began_ns = self._clock.mono_ns()
        if not request:
            return await self._hear_on(reply_line or line, window_s, is_whole, gap_s, longest)
        await self._set(line)
        stray = await (self._quiet() if rouse is None else self._rouse(rouse, line))
        self._stream.write(request)
        sent_ns = self._busy_ns = self._clock.mono_ns() + round(len(request) * line.character_s * _NS)
        if reply_line is not None and reply_line != self._line:
            await self._pause.until(sent_ns)
            await self._set_stream(reply_line)
        data, first_ns = await self._gather(request, sent_ns, window_s, is_whole, gap_s, longest)
        return Came(
            data=data,
            stray=stray,
            answered_s=None if first_ns is None else max(0, first_ns - sent_ns) / _NS,
            took_s=(self._clock.mono_ns() - began_ns) / _NS,
        )

    async def _hear_on(
        self, line: LineSettings, window_s: float, is_whole: Callable[[bytes], bool], gap_s: float, longest: int
    ) -> Came:
        """Gather what comes unasked; who says nothing keeps no silence, and no pause of the other's is that long."""
        began_ns = self._clock.mono_ns()
        if line != self._line:
            await self._set_stream(line)
        data, first_ns = await self._gather(b"", began_ns, window_s, is_whole, gap_s, longest)
        now_ns = self._clock.mono_ns()
        answered_s = None if first_ns is None else max(0, first_ns - began_ns) / _NS
        return Came(data=data, stray=b"", answered_s=answered_s, took_s=(now_ns - began_ns) / _NS)

    async def listen(
        self, line: LineSettings, seconds: float, is_enough: Callable[[bytes], bool] | None = None
    ) -> Came:
        """Say nothing for ``seconds``, or until ``is_enough`` in a pause of the others, and give what they said."""
        began_ns = self._clock.mono_ns()
        await self._set(line)
        self._stream.discard_input()  # of the setting before
        until_ns = self._clock.mono_ns() + round(seconds * _NS)
        pause_ns = round(max(_PAUSE_S, 2 * _FIFO_CHARACTERS * line.character_s) * _NS)
        data = b""
        is_new = False
        while (now_ns := self._clock.mono_ns()) < until_ns:
            more = await self._read_until(min(until_ns, now_ns + pause_ns))
            if more:
                data = (data + more)[-_MOST_HEARD_BYTES:]
                self._busy_ns = self._clock.mono_ns()
            elif is_new and is_enough is not None and is_enough(data):
                break
            is_new = bool(more)
        return Came(data=data, stray=b"", answered_s=None, took_s=(self._clock.mono_ns() - began_ns) / _NS)

    async def aclose(self) -> None:
        """Release the port."""
        await self._stream.aclose()

    async def _set(self, line: LineSettings) -> None:
        if line == self._line:
            return
        before_s = self._line.silence_s
        await self._pause.until(self._busy_ns + round(before_s * _NS))
        await self._set_stream(line)
        wait_ns = self._switch_ns + round(max(0.0, before_s - line.silence_s) * _NS)
        self._busy_ns = self._clock.mono_ns() + wait_ns

    async def _rouse(self, slow: LineSettings, line: LineSettings) -> bytes:
        """Send the break; those who wake go to sleep again soon, so only the silence of ``line`` follows."""
        await self._set_stream(slow)
        stray = await self._quiet()
        self._stream.write(_BREAK)
        await self._pause.until(self._clock.mono_ns() + round(slow.character_s * _NS))
        await self._set_stream(line)
        self._busy_ns = self._clock.mono_ns() + self._switch_ns
        return stray + await self._quiet()

    async def _set_stream(self, line: LineSettings) -> None:
        try:
            await self._stream.set_line(line)
        except LinkDownError as error:
            raise SettingRefusedError(str(error)) from error
        self._line = line

    async def _quiet(self) -> bytes:
        stray = b""
        while True:
            await self._pause.until(self._busy_ns + round(self._line.silence_s * _NS))
            more = self._stream.discard_input()
            stray += more
            if not more or len(stray) > LONGEST_BYTES:
                return stray
            self._busy_ns = self._clock.mono_ns()

    async def _gather(
        self,
        request: bytes,
        sent_ns: int,
        window_s: float,
        is_whole: Callable[[bytes], bool],
        gap_s: float,
        longest: int,
    ) -> tuple[bytes, int | None]:
        line = self._line
        deadline_ns = sent_ns + round((line.silence_s + line.character_s + window_s + self._slack_s) * _NS)
        portion_s = max(_CHUNK_S, _FIFO_CHARACTERS * line.character_s)
        gap_ns = round((max(portion_s, gap_s) + self._slack_s) * _NS)
        data = b""
        first_ns: int | None = None
        while len(data) < longest:
            more = await self._read_until(deadline_ns)
            if not more:
                break
            now_ns = self._clock.mono_ns()
            self._busy_ns = max(self._busy_ns, now_ns)
            data += more
            if request.startswith(data[: len(request)]) and len(data) <= len(request):
                continue  # our own words come back; the answer has its whole time still
            if first_ns is None:
                # a portion holds bytes that are over: its first one began that many characters ago
                first_ns = now_ns - round(min(len(more), len(data)) * line.character_s * _NS)
            if is_whole(data):
                break
            deadline_ns = now_ns + gap_ns
        return data, first_ns

    async def _read_until(self, deadline_ns: int) -> bytes:
        left_s = (deadline_ns - self._clock.mono_ns()) / _NS
        try:
            async with asyncio.timeout(max(0.0, left_s)):
                return await self._stream.read()
        except TimeoutError:
            return self._stream.discard_input()
