"""SML: the conformance suite, broken codecs, escapes, values of any width, and lists that are none."""

from __future__ import annotations

import json
import random
from dataclasses import replace
from pathlib import Path
from random import Random
from typing import Any

import pytest

from drivers.codec import sml
from drivers.codec.checksum_ccitt import crc16_kermit
from drivers.codec.conformance import Codec, Vector, check_codec
from drivers.codec.framing import Noise, NoiseReason
from drivers.codec.searched import Form
from drivers.codec.sml import LONGEST, Check, SmlFrame, encode, stream_decoder
from drivers.codec.sml_list import SmlEntry, read_list
from drivers.codec.sml_value import Kind, SmlError, parse
from drivers.protocols.sml_told import exact
from tests.drivers.codec.search_mutants import MUTANTS, ROUNDS, mangled

SEED = 20251124
_FILE = Path(__file__).parent.parent.parent / "vectors" / "sml" / "frames.json"
FRAMES: dict[str, bytes] = {
    vector["id"]: bytes.fromhex(vector["response"]) for vector in json.loads(_FILE.read_text(encoding="utf-8"))
}


def _vector(source: str, name: str, check: Check, padding: int) -> Vector[SmlFrame]:
    """A published file without escapes inside: its payload is what stands between start and padding."""
    wire = FRAMES[name]
    return Vector(source=source, wire=wire, frame=SmlFrame(payload=wire[8 : -8 - padding], check=check, raw=wire))


VECTORS = [
    _vector("libsml-testing, ISKRA MT631", "sml-005", Check.X25, 0),
    _vector("libsml-testing, DZG DVS-7412.2", "sml-007", Check.X25, 1),
    _vector("SmlLib test_frames, a Holley meter", "sml-003", Check.KERMIT, 1),
]
CODEC: Codec[SmlFrame] = Codec(
    name="sml",
    decoder=lambda _frame: stream_decoder(),
    encode=lambda frame: encode(frame.payload, frame.check),
    longest_bytes=LONGEST,
    guarded=True,
)


def chance() -> random.Random:
    return random.Random(SEED)


def _form() -> Form[Any]:
    return stream_decoder()._form


def test_it_holds_what_a_codec_has_to_hold() -> None:
    assert check_codec(CODEC, VECTORS, chance()) == ()


@pytest.mark.parametrize("mutant", MUTANTS)
def test_the_suite_catches_a_codec_that_is(mutant: str) -> None:
    broken = replace(CODEC, decoder=lambda _frame: MUTANTS[mutant](_form()))
    assert check_codec(broken, VECTORS[:2], chance(), rounds=10)


@pytest.mark.parametrize(
    ("what", "wrong"),
    [
        ("crc16_x25", lambda _data: 0x38EB),
        ("crc16_kermit", lambda _data: 0x7502),
        ("crc16_x25", crc16_kermit),
        ("_MOST_PADDING", 0),
        ("_END", 0x1B),
    ],
)
def test_the_suite_catches_a_wrong(what: str, wrong: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sml, what, wrong)
    assert check_codec(CODEC, VECTORS, chance(), rounds=5)


@pytest.mark.parametrize("run", range(12))
def test_escapes_inside_are_doubled(run: int) -> None:
    payload = b"\x63" + b"\x1b" * run + b"\x01\x00"
    wire = encode(payload)
    assert len(wire) % 4 == 0
    (frame,) = stream_decoder().feed(wire)
    assert isinstance(frame, SmlFrame)
    assert frame.payload == payload


def test_a_second_start_ends_a_file_that_was_cut_short() -> None:
    wire = VECTORS[0].wire
    found = list(stream_decoder().feed(wire[:100] + wire))
    assert [isinstance(event, Noise) for event in found] == [True, False]


def test_a_wrong_crc_is_said_to_be_one() -> None:
    wire = VECTORS[0].wire
    decoder = stream_decoder()
    (event,) = [*decoder.feed(wire[:-1] + bytes((wire[-1] ^ 1,))), *decoder.flush()]
    assert isinstance(event, Noise)
    assert event.reason is NoiseReason.BAD_CHECKSUM


@pytest.mark.parametrize(
    ("wire", "number", "unsigned"),
    [("52FF", -1, 255), ("62FF", 255, 255), ("53 8B28", -29912, 35624), ("56 0000009E3C", 40508, 40508),
     ("54 FFFFFE", -2, 0xFFFFFE), ("69 FFFFFFFFFFFFFFFF", 2**64 - 1, 2**64 - 1)],
)  # fmt: skip
def test_numbers_have_any_width(wire: str, number: int, unsigned: int) -> None:
    (value,) = parse(bytes.fromhex(wire))
    assert (value.number, value.unsigned) == (number, unsigned)


def test_a_length_goes_on_over_several_bytes() -> None:
    (text,) = parse(bytes.fromhex("8302") + bytes(range(48)))
    assert text.octets == bytes(range(48))
    (many,) = parse(bytes.fromhex("F101") + b"\x01" * 17)
    assert (many.kind, len(many.items)) == (Kind.LIST, 17)


@pytest.mark.parametrize(
    "bad", ["52", "51", "8F", "FFFFFFFF", "8FFFFF0F", "72 01", "30 01", "A2 01", "05 0102", "6A" + "00" * 9,
            "71" * 40 + "01", "80 01", "83 A2"]
)  # fmt: skip
def test_what_is_no_value_is_refused(bad: str) -> None:
    with pytest.raises(SmlError):
        parse(bytes.fromhex(bad))


def _entries(name: str) -> tuple[SmlEntry, ...]:
    (frame,) = (event for event in stream_decoder().feed(FRAMES[name]) if isinstance(event, SmlFrame))
    return read_list(frame.payload).entries


def test_what_a_signature_covers_is_kept_as_it_was_sent() -> None:
    for entry in _entries("sml-004"):
        assert entry.raw in FRAMES["sml-004"]
        assert entry.value.raw in entry.raw
    total = next(entry for entry in _entries("sml-007") if entry.obis == bytes((1, 0, 1, 8, 0, 255)))
    assert (total.status, total.unit, total.scaler) == (0x1C0104, 30, -1)
    assert exact(total) is not None


def test_a_faulty_meter_can_be_read_as_unsigned() -> None:
    power = next(entry for entry in _entries("sml-007") if entry.obis == bytes((1, 0, 16, 7, 0, 255)))
    assert str(exact(power)) == "-299.12"
    assert str(exact(power, unsigned=True)) == "356.24"


@pytest.mark.parametrize("payload", [b"", b"\x00\x00", b"\x01", b"\x76\x01\x01\x01\x01\x01\x00", b"\x62\x05"])
def test_messages_that_are_none_are_refused(payload: bytes) -> None:
    with pytest.raises(SmlError):
        read_list(payload)


def _sound(raw: bytes) -> bool:
    """Either CRC, bit by bit, each in its byte order."""
    for start, final, order in ((0xFFFF, 0xFFFF, "little"), (0, 0, "big")):
        register = start
        for byte in raw[:-2]:
            register ^= byte
            for _ in range(8):
                register = register >> 1 ^ 0x8408 if register & 1 else register >> 1
        if (register ^ final).to_bytes(2, order) == raw[-2:]:  # type: ignore[arg-type]
            return True
    return False


@pytest.mark.fuzz
def test_no_mutated_file_gives_a_frame_with_a_wrong_crc(seed: int) -> None:
    dice = Random(seed)
    for _ in range(ROUNDS):
        bad = mangled(dice.choice(VECTORS).wire, dice)
        decoder = stream_decoder()
        events = [*decoder.feed(bad), *decoder.flush()]
        assert b"".join(event.raw for event in events) == bad
        assert all(_sound(event.raw) for event in events if isinstance(event, SmlFrame))


@pytest.mark.fuzz
def test_no_mutated_messages_make_the_reader_stumble(seed: int) -> None:
    """A meter may be wrong and its CRC right."""
    dice = Random(seed)
    refused = 0
    for _ in range(ROUNDS):
        payload = mangled(dice.choice(VECTORS).frame.payload, dice)
        try:
            for entry in read_list(payload).entries:
                exact(entry)
        except SmlError:
            refused += 1
    assert refused > ROUNDS // 10
