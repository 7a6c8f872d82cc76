"""HDLC messages and replies: the conformance suite, broken decoders, segments that do not belong together."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import replace
from random import Random

import pytest

from drivers.codec import hdlc_message
from drivers.codec.conformance import Codec, Vector, check_codec
from drivers.codec.framing import Noise, NoiseReason
from drivers.codec.hdlc import LONGEST, HdlcFrame, encode
from drivers.codec.hdlc_message import HdlcMessage, MessageDecoder
from drivers.codec.hdlc_reply import Ends, HdlcReplyDecoder, disc, information, ready, snrm
from drivers.codec.listened import ListeningDecoder
from tests.drivers.codec.search_mutants import ROUNDS, mangled
from tests.drivers.codec.test_hdlc import VECTORS as FRAMES

SEED = 20251124
TO, SENDER = b"\x41", b"\x08\x83"
PARTS = (b"\xe6\xe7\x00\x0f first", b"second \x7e\xa0", b"last")


def _segments(*parts: bytes) -> bytes:
    return b"".join(encode(TO, SENDER, 0x13, part, segmented=part is not parts[-1]) for part in parts)


def _message(vector: Vector[HdlcFrame]) -> Vector[HdlcMessage]:
    whole = HdlcMessage(first=vector.frame, information=vector.frame.information, raw=vector.wire)
    return Vector(source=vector.source, wire=vector.wire, frame=whole)


MESSAGES = [_message(vector) for vector in FRAMES]
CODEC: Codec[HdlcMessage] = Codec(
    name="hdlc-message",
    decoder=lambda _message: MessageDecoder(),
    encode=lambda message: encode(
        message.first.destination, message.first.source, message.first.control, message.information
    ),
    longest_bytes=LONGEST,
    guarded=True,
)
REPLIES: Codec[HdlcFrame] = Codec(
    name="hdlc-reply",
    decoder=lambda frame: HdlcReplyDecoder(
        Ends(client=frame.destination, server=frame.source), 0x93, frame.control | 0x10, "meter 1"
    ),
    encode=lambda f: encode(f.destination, f.source, f.control, f.information, segmented=f.segmented),
    longest_bytes=LONGEST,
    guarded=True,
)


def chance() -> random.Random:
    return random.Random(SEED)


def _events(wire: bytes) -> list[HdlcMessage | Noise]:
    decoder = MessageDecoder()
    return [*decoder.feed(wire), *decoder.flush()]


@pytest.mark.parametrize("listened", [False, True])
def test_messages_hold_what_a_codec_has_to_hold(listened: bool) -> None:
    codec = replace(CODEC, decoder=lambda _message: ListeningDecoder(MessageDecoder)) if listened else CODEC
    assert check_codec(codec, MESSAGES, chance()) == ()


def test_replies_hold_what_a_codec_has_to_hold() -> None:
    assert check_codec(REPLIES, FRAMES, chance()) == ()


class Forgetful(MessageDecoder):
    """Loses what it held."""

    def _drop(self) -> Iterator[Noise]:
        self._held, self._held_bytes = [], 0
        yield from ()


class Generous(HdlcReplyDecoder):
    """Takes every frame for the reply."""

    def _sorted(self, event: HdlcFrame | Noise) -> HdlcFrame | Noise:
        return event


def test_segments_are_put_together_wherever_they_are_cut() -> None:
    wire = _segments(*PARTS)
    for cut in range(len(wire)):
        decoder = MessageDecoder()
        (message,) = [*decoder.feed(wire[:cut]), *decoder.feed(wire[cut:])]
        assert isinstance(message, HdlcMessage)
        assert (message.information, message.raw) == (b"".join(PARTS), wire)
        assert decoder.buffered == 0


@pytest.mark.parametrize("made", [MessageDecoder, Forgetful], ids=["ours", "forgetful"])
def test_a_message_without_its_end_is_none_and_no_byte_of_it_is_lost(made: type[MessageDecoder]) -> None:
    whole = _segments(*PARTS)
    lost = [b"", encode(TO, b"\x05", 0x13, b"another"), b"\xff\x00", encode(TO, SENDER, 0x73)]
    for between in lost:
        decoder = made()
        wire = _segments(*PARTS)[: len(_segments(*PARTS[:2])) - 4] + between + whole
        events = [*decoder.feed(wire), *decoder.flush()]
        kept = b"".join(event.raw for event in events) == wire
        assert kept is (made is MessageDecoder)
        assert not any(
            isinstance(event, HdlcMessage) and b"first" in event.information and event.raw != whole
            for event in events
        )
    events = _events(encode(TO, SENDER, 0x13, b"begun", segmented=True))
    assert [event.reason for event in events if isinstance(event, Noise)] == [NoiseReason.CUT_SHORT]


def test_a_message_has_a_longest_length(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hdlc_message, "MOST_BYTES", 60)
    decoder = MessageDecoder()
    for _ in range(20):
        list(decoder.feed(encode(TO, SENDER, 0x13, b"on and on", segmented=True)))
        assert decoder.buffered < 100


def test_control_bytes_are_those_of_the_standard() -> None:
    assert (snrm(), disc()) == (0x93, 0x53)
    assert [information(3, 2), information(0, 0), ready(5)] == [0x56, 0x10, 0xB1]


@pytest.mark.parametrize(
    ("frame", "reason"),
    [
        (encode(b"\x21", b"\x02\x23", 0x52, b"reply"), None),
        (encode(b"\x21", b"\x02\x23", 0x1F), None),
        (encode(b"\x21", b"\x02\x23", 0x74, b"another number"), NoiseReason.OTHER_REPLY),
        (encode(b"\x21", b"\x02\x23", 0x73), NoiseReason.OTHER_REPLY),
        (encode(b"\x21", b"\x02\x25", 0x52, b"another meter"), NoiseReason.OTHER_UNIT),
        (encode(b"\x23", b"\x02\x23", 0x52, b"for another client"), NoiseReason.OTHER_UNIT),
        (encode(b"\x02\x23", b"\x21", 0x32, b"our own"), NoiseReason.ECHO),
    ],
)
@pytest.mark.parametrize("made", [HdlcReplyDecoder, Generous], ids=["ours", "generous"])
def test_only_the_frame_with_the_expected_numbers_is_the_reply(
    frame: bytes, reason: NoiseReason | None, made: type[HdlcReplyDecoder]
) -> None:
    decoder = made(Ends(client=b"\x21", server=b"\x02\x23"), 0x32, information(1, 2), "meter 1.17")
    (event,) = decoder.feed(frame)
    found = event.reason if isinstance(event, Noise) else None
    assert (found == reason) is (made is HdlcReplyDecoder or reason is None)


def _sound(body: bytes) -> bool:
    register = 0xFFFF
    for byte in body[:-2]:
        register ^= byte
        for _ in range(8):
            register = register >> 1 ^ 0x8408 if register & 1 else register >> 1
    return (register ^ 0xFFFF).to_bytes(2, "little") == body[-2:]


@pytest.mark.fuzz
def test_no_mutated_stream_gives_a_message_with_a_wrong_check_sequence(seed: int) -> None:
    dice = Random(seed)
    whole = 0
    for _ in range(ROUNDS):
        parts = [dice.randbytes(dice.randint(1, 40)) for _ in range(dice.randint(1, 4))]
        wire = _segments(*parts)
        bad = mangled(wire, dice) + (wire if dice.random() < 0.3 else b"")
        decoder = MessageDecoder()
        cut = dice.randrange(len(bad) + 1)
        events = [*decoder.feed(bad[:cut]), *decoder.feed(bad[cut:]), *decoder.flush()]
        assert b"".join(event.raw for event in events) == bad
        for event in events:
            if isinstance(event, HdlcMessage):
                whole += 1
                assert all(_sound(frame) for frame in _frames_of(event.raw))
    assert whole


def _frames_of(raw: bytes) -> Iterator[bytes]:
    """Cut a message at the lengths that its frames tell."""
    at = 0
    while at < len(raw):
        at += raw[at] == 0x7E
        size = (raw[at] & 7) << 8 | raw[at + 1]
        yield raw[at : at + size]
        at += size + 1
