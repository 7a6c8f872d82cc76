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
_FLOOR_NS: Final = 3_000_000
_FORGET_NS: Final = 60_000_000_000


@dataclass(slots=True)
class _Peer:
    samples: deque[int] = field(default_factory=lambda: deque(maxlen=_SAMPLES))
    longest_ns: int = 0
    missed: bool = False


@dataclass(slots=True)
class _Missed:
    """A request that was given up; its answer may still be on its way."""

    likeness: bytes
    watch: ReplyDecoder[Frame]
    sent_ns: int
    until_ns: int


class Turnaround:
    """What one link knows of its peers' answer times.

    The window is the 99th percentile of the last 64 answer times - their largest - and a fifth more, at least 3 ms
    more. It is never learnt from a time-out, and after one the next exchange gets the caller's whole ceiling, so that
    a peer that has become slower is measured rather than lost.
    """

    def __init__(self) -> None:
        self._peers: dict[bytes, _Peer] = {}
        self._missed: dict[bytes, _Missed] = {}

    def window_ns(self, peer: bytes, ceiling_ns: int) -> int:
        """Give how long to wait for the first byte of an answer, wire times apart."""
        known = self._peers.get(peer)
        if known is None or known.missed or len(known.samples) < _ENOUGH:
            return ceiling_ns
        longest = max(known.samples)
        return min(ceiling_ns, longest + max(longest // 5, _FLOOR_NS))

    def answered(self, peer: bytes, likeness: bytes, took_ns: int) -> None:
        """Learn from an answer; an answer to another kind of request shows that the peer has left the missed one."""
        known = self._peers.setdefault(peer, _Peer())
        known.samples.append(took_ns)
        known.longest_ns = max(known.longest_ns, took_ns)
        known.missed = False
        missed = self._missed.get(peer)
        if missed is not None and missed.likeness != likeness:
            del self._missed[peer]

    def missed(self, decoder: ReplyDecoder[Frame], sent_ns: int, ceiling_ns: int) -> None:
        """Note a request given up, whose last byte left at ``sent_ns``; its answer may take as long as any before."""
        known = self._peers.setdefault(decoder.peer, _Peer())
        known.missed = True
        self._missed[decoder.peer] = _Missed(
            likeness=decoder.likeness,
            watch=decoder.fresh(),
            sent_ns=sent_ns,
            until_ns=sent_ns + max(known.longest_ns, ceiling_ns),
        )

    def blocked_until_ns(self, peer: bytes, likeness: bytes) -> int:
        """Give when a request of this likeness may be sent: before, a late answer would be taken for its own."""
        missed = self._missed.get(peer)
        return missed.until_ns if missed is not None and missed.likeness == likeness else 0

    def superseded(self, peer: bytes, likeness: bytes) -> None:
        """Stop watching for an answer that could no longer be told from that to the request now sent."""
        missed = self._missed.get(peer)
        if missed is not None and missed.likeness == likeness:
            del self._missed[peer]

    def overheard(self, data: bytes, now_ns: int) -> int:
        """Look for late answers in ``data``, learn how long they took and give how many came."""
        late = 0
        for peer, missed in list(self._missed.items()):
            if any(not isinstance(event, Noise) for event in tuple(missed.watch.feed(data))):
                late += 1
                took_ns = now_ns - missed.sent_ns
                known = self._peers[peer]
                known.longest_ns = max(known.longest_ns, took_ns)
                known.samples.append(took_ns)
                del self._missed[peer]
            elif now_ns - missed.sent_ns > _FORGET_NS:
                del self._missed[peer]
        return late
