"""What is heard in one exchange: the reply, or what came instead of it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Generic, TypeVar

from drivers.codec.framing import Frame, Noise, NoiseReason, ReplyDecoder, is_glitch
from drivers.errors import FrameError

F = TypeVar("F", bound=Frame)


class Hearing(Generic[F]):
    """Takes the bytes of one exchange, counts the noise and gives the reply.

    Args:
        where: port and device, for sentences.
        echo: the request, if the line is said to give it back; empty otherwise.
        decoder: a fresh one, made for the request.
        accept: a further test of the reply.
        counts: the link's counters.

    Attributes:
        raw: all bytes so far, echo too.
        certain: a reply of the right shape and a wrong checksum is all that came; nothing better will.
        failed: a reply of the right shape and a wrong checksum was among what came.
        cut_short: the beginning of a reply was all that came; known at the end.
    """

    def __init__(
        self,
        where: str,
        echo: bytes,
        decoder: ReplyDecoder[F],
        accept: Callable[[F], bool] | None,
        counts: Counter[str],
    ) -> None:
        self.where = where
        self.raw = b""
        self.certain = False
        self.failed = False
        self.cut_short = False
        self._echo = echo
        self._head = b""
        self._decoder = decoder
        self._accept = accept
        self._counts = counts

    @property
    def begun(self) -> bool:
        """Whether what was heard last may be the beginning of the reply."""
        return self._decoder.buffered > 0

    @property
    def buffered(self) -> int:
        """Bytes that may be the beginning of the reply."""
        return self._decoder.buffered

    @property
    def missing(self) -> int:
        """Bytes without which the reply that has begun cannot be whole; 0 if that is not known."""
        return self._decoder.missing

    def take(self, data: bytes) -> F | None:
        """Give the reply if ``data`` completes it.

        Raises:
            FrameError: two different replies came.
        """
        self.raw += data
        if self._echo:
            data = self._without_echo(data)
        events = list(self._decoder.feed(data))
        reply = self._sort(events)
        if reply is not None:
            self._sort_rest(reply)
        self.certain = self.failed and reply is None
        return reply

    def end(self) -> F | None:
        """Take what is left when the time is over; a refusal may hide behind a false start."""
        events: list[F | Noise] = []
        if self._echo:
            self._counts["echo_missing"] += 1
            self._echo = b""
            events += self._decoder.feed(self._head)
        return self._sort([*events, *self._decoder.flush()])

    def _without_echo(self, data: bytes) -> bytes:
        """Cut our own request out of what comes first; give b"" while it may still come."""
        self._head += data
        at = self._head.find(self._echo)
        if at < 0 and len(self._head) < 2 * len(self._echo):
            return b""
        head, echo = self._head, self._echo
        self._echo = self._head = b""
        if at < 0:
            self._counts["echo_missing"] += 1
            return head
        if at:
            count_noise(self._counts, head[:at])
        return head[at + len(echo) :]

    def _sort(self, events: list[F | Noise]) -> F | None:
        reply: F | None = None
        for event in events:
            if isinstance(event, Noise):
                self.failed |= event.reason is NoiseReason.BAD_CHECKSUM
                self.cut_short |= event.reason is NoiseReason.CUT_SHORT
                count_noise(self._counts, event.raw, event.reason)
            elif self._accept is not None and not self._accept(event):
                count_noise(self._counts, event.raw, NoiseReason.OTHER_REPLY)
            elif reply is None:
                reply = event
            elif event.raw == reply.raw:
                count_noise(self._counts, event.raw, NoiseReason.SURPLUS)
            else:
                raise FrameError(f"{self.where} gave two different answers at once", self.raw)
        return reply

    def _sort_rest(self, reply: F) -> None:
        """Count what stands behind the reply; a beginning of more is noise, the next request waits for silence."""
        for event in self._decoder.flush():
            surplus = event.raw == reply.raw or (isinstance(event, Noise) and reply.raw.startswith(event.raw))
            reason = event.reason if isinstance(event, Noise) else NoiseReason.OTHER_REPLY
            count_noise(self._counts, event.raw, NoiseReason.SURPLUS if surplus else reason)


def behind(heard: bytes, answer: bytes) -> bytes:
    """Give what of ``heard`` came behind ``answer``, which stands in it; of no bytes where silence is the answer."""
    return heard[heard.find(answer) + len(answer) :]


def count_noise(counts: Counter[str], raw: bytes, reason: NoiseReason = NoiseReason.GARBAGE) -> None:
    """Count one stretch of noise and its bytes, in the names of ``LinkCounters``."""
    if reason in (NoiseReason.GARBAGE, NoiseReason.BAD_CHECKSUM):
        reason = NoiseReason.GLITCH if is_glitch(raw) else NoiseReason.GARBAGE
    counts[reason.value.replace("-", "_")] += 1
    counts["noise_bytes"] += len(raw)
