"""Captured bytes -> the frames that answer, or the reason why none does; for decoders of ``tidegate decode``."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from drivers.codec.framing import Decoder, Frame, Noise, NoiseReason
from drivers.decoded import DecodeError, DecodeFault

F = TypeVar("F", bound=Frame)


def first_frame(decoder: Decoder[F], request: bytes) -> F:
    """Give the first frame of a request.

    Raises:
        DecodeError: it has none.
    """
    for event in (*decoder.feed(request), *decoder.flush()):
        if not isinstance(event, Noise):
            return event
    raise DecodeError(DecodeFault.BAD_CHECKSUM, "the request is no whole frame with a right checksum")


def replies(
    stream: Decoder[F], matching: Decoder[F] | None, response: bytes, is_reply: Callable[[F], bool]
) -> tuple[F, ...]:
    """Give the reply to a request; without one (``matching``) every reply there is.

    Args:
        stream: finds frames of any kind.
        matching: finds the reply to the request.
        response: what was captured.
        is_reply: whether a frame comes from a device.

    Raises:
        DecodeError: there is none; it says what was there instead.
    """
    events = [*stream.feed(response), *stream.flush()]
    whole = [event for event in events if not isinstance(event, Noise)]
    frames = [frame for frame in whole if is_reply(frame)]
    if frames and matching is not None:
        answers = [event for event in (*matching.feed(response), *matching.flush()) if not isinstance(event, Noise)]
        if not answers:
            raise DecodeError(DecodeFault.REPLY_MISMATCH, "no frame here answers this request")
        return (answers[0],)
    if frames:
        return tuple(frames)
    if any(isinstance(event, Noise) and event.reason is NoiseReason.BAD_CHECKSUM for event in events):
        raise DecodeError(DecodeFault.BAD_CHECKSUM, "the checksum is wrong")
    if whole:
        raise DecodeError(DecodeFault.NO_REPLY, "this is a request; a reply is needed")
    raise DecodeError(DecodeFault.BAD_FRAME, f"there is no whole frame in these {len(response)} bytes")
