"""HJ 212 packets on lines that are only listened to: a station tells, a platform asks, both acknowledge."""

from __future__ import annotations

from typing import Final

from drivers.codec.framing import Decoder
from drivers.codec.hj212 import Hj212Frame, Rules, stream_decoder
from drivers.codec.hj212_segment import (
    DATA_ANSWER,
    EXECUTED,
    NOTICE_ANSWER,
    REQUEST_ANSWER,
    parse,
)
from drivers.listening import Act, FrameListener, Kind, Listening, Meaning
from drivers.sanitize import sanitize

_BITS: Final = 64  # mark, digits of the length, CRC in hexadecimal, CR LF
_ANSWERS: Final = frozenset((REQUEST_ANSWER, EXECUTED, NOTICE_ANSWER, DATA_ANSWER))
_TIME: Final = "DataTime"
_PASSWORD: Final = b";PW="


class Hj212Listener(FrameListener[Hj212Frame]):
    """The protocol on one line."""

    strictest = _BITS

    def decoder(self) -> Decoder[Hj212Frame]:
        """Make an empty decoder; stations that keep to no length are heard too."""
        return stream_decoder(Rules(longest=9999))

    def proof(self, frame: Hj212Frame) -> int:  # noqa: ARG002
        """The same for all packets."""
        return _BITS

    def meaning(self, frame: Hj212Frame, asked: Hj212Frame | None) -> Meaning | None:
        """Tell what a packet is for by its command number."""
        said = parse(frame.segment)
        if said is None:
            return None
        secret = _secret(frame.raw)
        command, address = sanitize(said.head("CN")), sanitize(said.head("MN"))
        size = len(frame.segment)
        if command in _ANSWERS:
            open_ = None if asked is None else parse(asked.segment)
            return Meaning(
                kind=Kind.REPLY,
                address=address,
                act=Act.CONFIRM,
                what=command,
                data_bytes=size,
                answers=open_ is not None and open_.head("QN") == said.head("QN"),
                secret=secret,
            )
        tells = any(field[0] == _TIME for item in said.items for field in item)
        if tells:
            return Meaning(
                kind=Kind.UNASKED, address=address, act=Act.DATA, what=command, data_bytes=size, secret=secret
            )
        return Meaning(kind=Kind.REQUEST, address=address, act=Act.ASK, what=command, data_bytes=size, secret=secret)


def _secret(raw: bytes) -> tuple[int, int]:
    """Give where the value of ``PW`` stands in a packet."""
    begin = raw.find(_PASSWORD) + len(_PASSWORD)
    end = raw.find(b";", begin)
    return (begin, end) if len(_PASSWORD) <= begin < end else (0, 0)


LISTENING: Final = {"hj212": Listening(listeners={"hj212": Hj212Listener})}
