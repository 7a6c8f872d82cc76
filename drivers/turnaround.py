"""How long devices take to answer: the window to wait in, and until when a missed answer may still come.

Pure: times are arguments.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import Final

from drivers.codec.framing import Frame, Noise, ReplyDecoder

_SAMPLES: Final = 64
_ENOUGH: Final = 8
MARGIN_NS: Final = 3_000_000
_UNSURE_NS: Final = 20_000_000  # margin of a silent peer that was heard a few times only
_FORGET_NS: Final = 10_000_000_000
_CEILING_EVERY: Final = 8
_LONGEST_NS: Final = 2_000_000_000  # what one odd answer may cost its peer at most, each time it misses


@dataclass(slots=True)
class _Peer:
    samples: deque[int] = field(default_factory=lambda: deque(maxlen=_SAMPLES))
    longest_ns: int = 0
    misses: int = 0  # in a row
    free_ns: int = 0  # a late answer ended then: only now it could begin with the next request

    def learn(self, took_ns: int) -> None:
        self.samples.append(took_ns)
        self.longest_ns = min(_LONGEST_NS, max(self.longest_ns, took_ns))


@dataclass(slots=True)
class _Missed:
    """A request that was given up; its answer may still be on its way."""

    watch: ReplyDecoder[Frame]
    sent_ns: int
    until_ns: int


class Turnaround:
    """What one link knows of its peers' answer times.

    The window is the 99th percentile of the last 64 answer times - their largest - and a fifth more, at least 3 ms
    more, or what the way to the line varies by; a peer heard less than eight times gets the ceiling as long as it
    answers. It is never learnt from a time-out, and after one the next exchange gets the caller's whole ceiling, then
    every eighth, so that a peer that has become slower is measured rather than lost, and a dead one does not cost its
    neighbours the ceiling each time it is probed.

    A peer answers its requests in the order they came, or drops them; that is all that is presumed of it.
    """

    def __init__(self, margin_ns: int = MARGIN_NS) -> None:
        self._margin_ns = margin_ns
        self._peers: dict[bytes, _Peer] = {}
        self._missed: dict[tuple[bytes, bytes], _Missed] = {}

    def window_ns(self, peer: bytes, ceiling_ns: int) -> int:
        """Give how long to wait for the first byte of an answer, wire times apart."""
        known = self._peers.get(peer)
        if known is None or not known.samples or known.misses % _CEILING_EVERY == 1:
            return ceiling_ns
        longest = max(known.samples)
        if len(known.samples) >= _ENOUGH:
            return min(ceiling_ns, longest + max(longest // 5, self._margin_ns))
        return min(ceiling_ns, longest + max(longest, _UNSURE_NS, self._margin_ns)) if known.misses else ceiling_ns

    def answered(self, peer: bytes, took_ns: int) -> None:
        """Learn from an answer; it shows that the peer has left behind whatever it was asked before."""
        known = self._peers.setdefault(peer, _Peer())
        known.learn(took_ns)
        known.misses = 0
        if self._missed:
            self._missed = {key: missed for key, missed in self._missed.items() if key[0] != peer}

    def missed(self, decoder: ReplyDecoder[Frame], sent_ns: int, reply_ns: int, ceiling_ns: int) -> None:
        """Note a request given up; its answer may take as long as any before, once the peer gets to it.

        Args:
            decoder: what was to find the answer.
            sent_ns: when the last byte of the request left.
            reply_ns: time of the answer on the wire.
            ceiling_ns: the longest that the caller would have waited for the answer to begin.
        """
        peer = decoder.peer
        known = self._peers.setdefault(peer, _Peer())
        known.misses += 1
        begins_ns = max(
            [sent_ns, known.free_ns, *(missed.until_ns for key, missed in self._missed.items() if key[0] == peer)]
        )
        takes_ns = reply_ns + max(known.longest_ns + self._margin_ns, ceiling_ns)
        self._missed[peer, decoder.likeness] = _Missed(
            watch=decoder.fresh(), sent_ns=sent_ns + reply_ns, until_ns=begins_ns + takes_ns
        )

    def blocked_until_ns(self, decoder: ReplyDecoder[Frame]) -> int:
        """Give when this request may be sent: before, a late answer to one of its likeness would pass for its own."""
        missed = self._missed.get((decoder.peer, decoder.likeness))
        return 0 if missed is None else missed.until_ns

    def superseded(self, decoder: ReplyDecoder[Frame]) -> None:
        """Stop watching for an answer that could no longer be told from that to the request now sent."""
        self._missed.pop((decoder.peer, decoder.likeness), None)

    def overheard(self, data: bytes, now_ns: int) -> int:
        """Look for late answers in ``data``, learn how long they took and give how many came."""
        late = 0
        for key, missed in list(self._missed.items()):
            if any(not isinstance(event, Noise) for event in tuple(missed.watch.feed(data))):
                late += 1
                known = self._peers[key[0]]
                known.learn(max(0, now_ns - missed.sent_ns))
                known.free_ns = now_ns
                del self._missed[key]
            elif now_ns - missed.until_ns > _FORGET_NS:
                del self._missed[key]
        return late
