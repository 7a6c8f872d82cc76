"""What is said on a line that is only listened to: frames, who answers whom, silence and noise. Pure.

Bytes from a tap come with their direction, and each request is one piece. On a foreign line each protocol makes the
direction out. One request is open at a time, whatever its protocol: a line is half-duplex.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from drivers.codec.framing import Decoder, Frame, Noise, NoiseReason
from drivers.contest import Contest, Found
from drivers.listening import FrameListener, Kind, Meaning, Said


@dataclass(frozen=True, slots=True)
class _Open:
    """The request that waits for its reply."""

    name: str
    frame: Frame
    raw: bytes
    at_ns: int
    meaning: Meaning


class Overhearing:
    """Takes bytes in the order they passed and gives what was said. Bounded memory, never raises.

    Args:
        listeners: by name; ``drivers.registry.listeners`` has them all.
    """

    def __init__(self, listeners: Mapping[str, FrameListener[Any]]) -> None:
        self._listeners = listeners
        self._contest = Contest(listeners)
        self._open: _Open | None = None
        self._noise_bytes = 0  # since the open request
        self._last_ns = 0  # when the last byte came
        self._reply: tuple[str, Decoder[Any]] | None = None

    @property
    def waits(self) -> bool:
        """Whether ``idle`` may have something to tell: bytes are held back, or a request is open."""
        return self._open is not None or self._contest.buffered > 0

    def sent(self, data: bytes, at_ns: int) -> Iterator[Said]:
        """Take a request that we sent, in one piece."""
        yield from self.idle(at_ns, silence=True)
        yield from self._give_up(at_ns)
        self._last_ns = at_ns
        found = self._only_frame(data)
        if found is None:
            self._reply = None
            yield Said(kind=Kind.NOISE, at_ns=at_ns, raw=data, reason=NoiseReason.GARBAGE)
            return
        listener = self._listeners[found.name]
        decoder = listener.reply_decoder(found.frame)
        self._reply = None if decoder is None else (found.name, decoder)
        meaning = listener.meaning(found.frame, None)
        if meaning is None:
            yield Said(kind=Kind.NOISE, at_ns=at_ns, raw=data, reason=NoiseReason.GARBAGE)
        else:
            yield self._request(found.name, found.frame, meaning, data, at_ns)

    def received(self, data: bytes, at_ns: int) -> Iterator[Said]:
        """Take bytes from the line, after a request of ours."""
        if self._reply is None:
            yield from self.heard(data, at_ns)
            return
        self._last_ns = at_ns
        name, decoder = self._reply
        for event in tuple(decoder.feed(data)):
            yield from self._answer(name, event, at_ns)

    def heard(self, data: bytes, at_ns: int) -> Iterator[Said]:
        """Take bytes from a line on which others speak."""
        if data:
            self._last_ns = at_ns
        for found in tuple(self._contest.feed(data, at_ns)):
            yield from self._take(found)

    def idle(self, at_ns: int, *, silence: bool = False) -> Iterator[Said]:
        """Say that nothing came until ``at_ns``; with ``silence`` nothing of what is held back will go on.

        A request that stays without a reply for longer than its protocol allows, or until the next one, is told once.
        """
        if silence:
            if self._reply is not None:
                name, decoder = self._reply
                for event in tuple(decoder.flush()):
                    yield from self._answer(name, event, at_ns)
            for found in tuple(self._contest.flush()):
                yield from self._take(found)
        waits = self._open
        if waits is not None and at_ns - max(waits.at_ns, self._last_ns) >= self._listeners[waits.name].patience_ns:
            yield from self._give_up(at_ns)

    def _only_frame(self, data: bytes) -> Found | None:
        """Give the frame that is all of ``data``; that with most proof if several protocols have one."""
        best: tuple[int, Found] | None = None
        for name, listener in self._listeners.items():
            decoder = listener.decoder()
            events = [*decoder.feed(data), *decoder.flush()]
            if len(events) != 1 or isinstance(events[0], Noise):
                continue
            proof = listener.proof(events[0])
            if best is None or proof > best[0]:
                best = proof, Found(name=name, frame=events[0], at_ns=0)
        return None if best is None else best[1]

    def _answer(self, name: str, event: Frame | Noise, at_ns: int) -> Iterator[Said]:
        if isinstance(event, Noise):
            yield self._heard_noise(event, at_ns)
        else:
            yield from self._take(Found(name=name, frame=event, at_ns=at_ns))

    def _heard_noise(self, noise: Noise, at_ns: int) -> Said:
        self._noise_bytes += len(noise.raw)
        return Said(kind=Kind.NOISE, at_ns=at_ns, raw=noise.raw, reason=noise.reason)

    def _take(self, found: Found) -> Iterator[Said]:
        frame, at_ns = found.frame, found.at_ns
        if isinstance(frame, Noise):
            yield self._heard_noise(frame, at_ns)
            return
        listener, before = self._listeners[found.name], self._open
        asked = before.frame if before is not None and before.name == found.name else None
        meaning = listener.meaning(frame, asked)
        if meaning is None:
            yield self._heard_noise(Noise(raw=frame.raw, reason=NoiseReason.GARBAGE), at_ns)
        elif meaning.kind is Kind.REQUEST:
            yield from self._give_up(at_ns)
            yield self._request(found.name, frame, meaning, frame.raw, at_ns)
        else:
            answered = before if meaning.answers else None
            if answered is not None:
                self._open = None
            yield Said(
                kind=meaning.kind,
                at_ns=at_ns,
                raw=frame.raw,
                protocol=found.name,
                address=meaning.address or (answered.meaning.address if answered else ""),
                act=meaning.act,
                what=meaning.what,
                data_bytes=meaning.data_bytes,
                sure=meaning.sure,
                secret=meaning.secret,
                request=b"" if answered is None else answered.raw,
                after_ns=None if answered is None else at_ns - answered.at_ns,
                frame=frame,
                asked=None if answered is None else answered.frame,
            )

    def _request(self, name: str, frame: Frame, meaning: Meaning, raw: bytes, at_ns: int) -> Said:
        self._open = None if meaning.quiet else _Open(name, frame, raw, at_ns, meaning)
        self._noise_bytes = 0
        if self._open is not None:
            self._listeners[name].asked(frame, at_ns)
        return Said(
            kind=Kind.REQUEST,
            at_ns=at_ns,
            raw=raw,
            protocol=name,
            address=meaning.address,
            act=meaning.act,
            what=meaning.what,
            data_bytes=meaning.data_bytes,
            secret=meaning.secret,
            frame=frame,
        )

    def _give_up(self, now_ns: int) -> Iterator[Said]:
        """Tell that the open request, if there is one, has no reply."""
        given, self._open = self._open, None
        if given is None:
            return
        self._listeners[given.name].unanswered(given.frame, given.at_ns, now_ns, self._noise_bytes)
        yield Said(
            kind=Kind.NO_REPLY,
            at_ns=now_ns,
            protocol=given.name,
            address=given.meaning.address,
            act=given.meaning.act,
            what=given.meaning.what,
            request=given.raw,
            after_ns=now_ns - given.at_ns,
            asked=given.frame,
        )
