"""One half-duplex line: who speaks when, and which bytes are the answer.

One exchange at a time, first come first served. Before each request the line has been silent for t3.5, counted from
the last byte that was heard or sent, and what came in meanwhile is dropped. A reply is found by its decoder, made for
this request alone, and matched to it; whatever else the line brings is counted and never a reading.

A reply on a serial line may not tell which request it answers: two requests of one likeness (the decoder says which)
have replies that look alike. So after a request has been given up, the next of its likeness to that peer waits until
the peer's longest answer time, the caller's ceiling at least, has passed since the first one left - unless the peer
has answered a request of another likeness in between, which shows that it has left the first one behind. Requests to
others, and of other likeness, do not wait: a late answer cannot pass for theirs, it is dropped and counted.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable
from typing import Final, TypeVar

from drivers.clock import Clock, Pause
from drivers.codec.framing import Frame, ReplyDecoder
from drivers.errors import ChecksumError, FrameError, LinkDownError, NoReplyError
from drivers.hearing import Hearing, behind, count_noise
from drivers.link_counters import LinkCounters
from drivers.profile import LineSettings
from drivers.sources import ByteStream
from drivers.turnaround import MARGIN_NS, Turnaround

F = TypeVar("F", bound=Frame)

_PATIENCE_NS: Final = 2_000_000_000  # a line that babbles this long before a request is no longer waited for
_WORTH_A_SLEEP: Final = 3


class Link:
    """The only one who talks on a line.

    Args:
        stream: the port.
        name: what a person calls the port, for sentences.
        clock: where time comes from.
        pause: the exact wait that keeps the silence.
        line: speed and parity that the port has now; None where characters take no time (a converter on TCP).
        echo: whether the adapter hears what it sends.
        switch_s: what the adapter needs after a change of speed or parity.
        margin_s: least time that an answer may be later than any before it; more where the way to the line varies.
        drain: waits for the real end of sending, where the port is asked for it; None where it is reckoned.
    """

    def __init__(
        self,
        stream: ByteStream,
        *,
        name: str,
        clock: Clock,
        pause: Pause,
        line: LineSettings | None,
        echo: bool = False,
        switch_s: float = 0.0,
        margin_s: float = MARGIN_NS / 1e9,
        drain: Callable[[], Awaitable[None]] | None = None,
    ) -> None:
        self.name = name
        self._stream = stream
        self._clock = clock
        self._pause = pause
        self._line = line
        self._echo = echo
        self._switch_ns = round(switch_s * 1e9)
        self._drain = drain
        self._turn = asyncio.Lock()
        self._turnaround = Turnaround(round(margin_s * 1e9))
        self._counts: Counter[str] = Counter()
        self._character_ns, self._silence_ns = _wire_ns(line)
        self._busy_ns = clock.mono_ns()
        self._behind = b""  # what came behind the last answer

    @property
    def counters(self) -> LinkCounters:
        """What has happened so far."""
        return LinkCounters(**self._counts)

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
        """Send ``request`` when it is its turn and give the reply.

        Args:
            request: the whole frame; b"" to listen to who sends by itself. Such a one has no answer time to learn,
                and nothing late: what comes next is as good.
            decoder: a fresh one, made for this request.
            accept: a further test of what the decoder takes for the reply.
            reply_bytes: length of the good reply; its time on the wire is added to the time-out.
            timeout_s: the longest time that the device may take before it answers; less once the link knows it.
            settings: speed and parity of this device, if the line carries several.
            reply_settings: speed and parity of the reply, where the request itself orders another (IEC 62056-21).
            goes_on: with nothing to send: who answered last goes on by himself (IEC 62056-21, mode A), so what came
                behind the answer belongs to this one and is not dropped.

        Raises:
            LinkDownError: the port is gone.
            NoReplyError: silence, or only bytes that answer nothing.
            ChecksumError: the reply came with a wrong checksum.
            FrameError: the reply was cut short, two different ones came, or the line never fell silent.
        """
        both = (settings, reply_settings)
        ceiling_ns = round(timeout_s * 1e9)
        async with self._turn:
            try:
                return await self._exchange(request, decoder, accept, reply_bytes, ceiling_ns, both, goes_on=goes_on)
            except LinkDownError:
                self._counts["link_down"] += 1
                raise
            except NoReplyError:
                self._counts["no_reply"] += 1
                raise
            except ChecksumError:
                self._counts["bad_checksum"] += 1
                raise
            except FrameError:
                self._counts["bad_frame"] += 1
                raise

    async def attend(
        self, hear: Callable[[bytes], tuple[bytes, bool]], *, timeout_s: float, settings: LineSettings | None = None
    ) -> None:
        """Listen to one who speaks by himself and waits for answers, until that is enough or the time is over.

        Nothing is dropped: what came since the last time is heard first. An answer goes out at once.

        Args:
            hear: is given bytes as they come; gives what is to be answered, and whether that is enough.
            timeout_s: how long to listen; 0 to take what is there.
            settings: speed and parity of this device, if the line carries several.

        Raises:
            LinkDownError: the port is gone.
        """
        async with self._turn:
            if settings is not None and settings != self._line and self._line is not None:
                await self._switch(settings, speaks=False)
            self._counts["exchanges"] += 1
            try:
                await self._attend(hear, self._clock.mono_ns() + round(timeout_s * 1e9))
            except LinkDownError:
                self._counts["link_down"] += 1
                raise

    async def _attend(self, hear: Callable[[bytes], tuple[bytes, bool]], deadline_ns: int) -> None:
        data = self._stream.discard_input()
        while True:
            if data:
                answer, enough = hear(data)
                self._busy_ns = self._clock.mono_ns()
                if answer:
                    self._stream.write(answer)
                    self._busy_ns += len(answer) * self._character_ns
                    self._counts["replies"] += 1
                if enough:
                    return
            if self._clock.mono_ns() >= deadline_ns:
                return
            data = await self._read_until(deadline_ns)

    async def aclose(self) -> None:
        """Close the port; an exchange that runs ends with LinkDownError."""
        await self._stream.aclose()

    async def _exchange(
        self,
        request: bytes,
        decoder: ReplyDecoder[F],
        accept: Callable[[F], bool] | None,
        reply_bytes: int,
        ceiling_ns: int,
        settings: tuple[LineSettings | None, LineSettings | None],
        *,
        goes_on: bool,
    ) -> F:
        asked, answered = settings
        listens = not request
        begun, self._behind = self._behind if goes_on else b"", b""
        if asked is not None and asked != self._line and self._line is not None:
            await self._switch(asked, speaks=not listens)
        if goes_on:
            begun += self._stream.discard_input()
        else:
            await self._quiet(self._turnaround.blocked_until_ns(decoder), speaks=not listens)
        self._turnaround.superseded(decoder)
        self._stream.write(request)
        self._counts["exchanges"] += 1
        sent_ns = self._busy_ns = self._clock.mono_ns() + len(request) * self._character_ns
        if self._drain is not None:
            await self._drain()
            sent_ns = self._busy_ns = max(sent_ns, self._clock.mono_ns())
        if answered is not None and answered != self._line and self._line is not None:
            await self._pause.until(sent_ns)
            await self._set_line(answered)
        reply_ns = reply_bytes * self._character_ns
        where = f"{self.name}: {decoder.asked}"
        hearing = Hearing(where, request if self._echo else b"", decoder, accept, self._counts)
        window_ns = ceiling_ns if listens else self._turnaround.window_ns(decoder.peer, ceiling_ns)
        heard_out = listens
        try:
            frame = await self._hear(hearing, begun, window_ns, sent_ns + reply_ns, ceiling_ns)
            heard_out = True
        except ChecksumError:
            heard_out |= hearing.certain  # it has answered; nothing more is on its way
            raise
        finally:
            if not heard_out:
                self._turnaround.missed(decoder, sent_ns, reply_ns, ceiling_ns)
        if not listens:  # who sends by itself has no answer time
            took_ns = self._busy_ns - sent_ns - len(frame.raw) * self._character_ns
            self._turnaround.answered(decoder.peer, max(0, took_ns))
        self._counts["replies"] += 1
        self._behind = behind(hearing.raw, frame.raw)
        return frame

    async def _quiet(self, not_before_ns: int, *, speaks: bool) -> None:
        """Return when the line has been silent for t3.5 and nothing waits to be read; a listener need not be sure."""
        give_up_ns = max(self._clock.mono_ns(), not_before_ns) + _PATIENCE_NS
        while True:
            ready_ns = max(self._busy_ns + self._silence_ns, not_before_ns)
            if ready_ns > self._clock.mono_ns():
                await self._pause.until(ready_ns)
            stray = self._stream.discard_input()
            if not stray:
                return
            self._busy_ns = self._clock.mono_ns()
            self._overheard(stray, self._busy_ns)
            count_noise(self._counts, stray)
            if not self._silence_ns and self._busy_ns >= not_before_ns:
                return
            if self._busy_ns > give_up_ns:
                if not speaks:
                    return
                raise FrameError(f"{self.name}: the line does not fall silent, something on it babbles", stray)

    async def _switch(self, settings: LineSettings, *, speaks: bool) -> None:
        """Change speed and parity; the line is then silent for the longer t3.5 and the adapter's own time.

        Who only listens keeps no silence: a meter that changes its speed may go on 200 ms after its last character
        (IEC 62056-21, modes B and C), which at 300 Bd is less than twice t3.5.
        """
        before_ns = self._silence_ns if speaks else 0
        await self._pause.until(self._busy_ns + before_ns)
        await self._set_line(settings)
        wait_ns = self._switch_ns + max(0, before_ns - self._silence_ns)
        self._busy_ns = self._clock.mono_ns() + wait_ns

    async def _set_line(self, settings: LineSettings) -> None:
        await self._stream.set_line(settings)
        self._line = settings
        self._character_ns, self._silence_ns = _wire_ns(settings)

    async def _hear(self, hearing: Hearing[F], begun: bytes, window_ns: int, from_ns: int, ceiling_ns: int) -> F:
        """Read on from ``begun`` until the reply is there or its time is over; a fast one ends at ``from_ns``."""
        patient_ns = from_ns + ceiling_ns
        deadline_ns = from_ns + window_ns
        began_ns = patient_ns
        while True:
            data, begun = begun or await self._read_until(deadline_ns), b""
            now_ns = self._clock.mono_ns()
            if data:
                self._busy_ns = max(self._busy_ns, now_ns)
                self._overheard(data, now_ns)
                reply = hearing.take(data)
                if reply is not None:
                    return reply
                if hearing.certain:
                    raise ChecksumError(f"{hearing.where} answered with a wrong checksum", hearing.raw)
                began_ns = min(began_ns, now_ns - hearing.buffered * self._character_ns)
                await self._skip(hearing, now_ns, began_ns, patient_ns)
            if now_ns < deadline_ns:
                continue
            if not hearing.begun or deadline_ns >= patient_ns:
                return self._give_up(hearing, deadline_ns - from_ns)
            deadline_ns = patient_ns  # the window is for silence; a reply that has begun may take its time

    async def _skip(self, hearing: Hearing[F], now_ns: int, began_ns: int, patient_ns: int) -> None:
        """Sleep while bytes that have to come are on the wire, all but the last, rather than wake up for each.

        Adapters hand bytes over in bunches, so what is missing may have been on the wire already: the end is reckoned
        from the earliest time at which the reply can have begun.
        """
        until_ns = began_ns + (hearing.buffered + hearing.missing - 1) * self._character_ns
        if hearing.missing and until_ns - now_ns >= _WORTH_A_SLEEP * self._character_ns > 0:
            await self._pause.until(min(patient_ns, until_ns))

    async def _read_until(self, deadline_ns: int) -> bytes:
        left_s = (deadline_ns - self._clock.mono_ns()) / 1e9
        try:
            async with asyncio.timeout(max(0.0, left_s)):
                return await self._stream.read()
        except TimeoutError:
            return self._stream.discard_input()  # there in time, if it was us who came late

    def _give_up(self, hearing: Hearing[F], waited_ns: int) -> F:
        reply = hearing.end()
        if reply is not None:
            return reply
        if hearing.failed:
            raise ChecksumError(f"{hearing.where} answered with a wrong checksum", hearing.raw)
        if hearing.cut_short:
            raise FrameError(f"{hearing.where} began an answer and did not end it", hearing.raw)
        sentence = f"{hearing.where} did not answer within {max(1, round(waited_ns / 1e6))} ms"
        if hearing.raw:
            sentence += f"; {len(hearing.raw)} bytes came that answer nothing"
        raise NoReplyError(sentence, hearing.raw)

    def _overheard(self, data: bytes, now_ns: int) -> None:
        self._counts["late_replies"] += self._turnaround.overheard(data, now_ns)


def _wire_ns(line: LineSettings | None) -> tuple[int, int]:
    """Nanoseconds of one character and of t3.5."""
    if line is None:
        return 0, 0
    return round(line.character_s * 1e9), round(line.silence_s * 1e9)
