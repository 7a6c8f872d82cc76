"""A line that is listened to: who answers whom, what stays without answer, what is noise."""

from __future__ import annotations

import random

import pytest

from drivers.codec.framing import NoiseReason
from drivers.codec.modbus_rtu import encode
from drivers.listening import SECOND_NS, Act, Kind, Said
from drivers.overhear import Overhearing
from drivers.registry import listeners

ASK = encode(5, bytes.fromhex("0300000002"))
ANSWER = encode(5, bytes.fromhex("030401020304"))
REFUSAL = encode(5, bytes.fromhex("8302"))
WRITE = encode(5, bytes.fromhex("0600010007"))
MS = 1_000_000


def kinds(said: list[Said]) -> list[Kind]:
    return [one.kind for one in said]


@pytest.mark.parametrize("reply", [ANSWER, REFUSAL])
def test_a_reply_is_paired_with_its_request_on_a_foreign_line(reply: bytes) -> None:
    line = Overhearing(listeners())
    said = [*line.heard(ASK, 0), *line.heard(reply, 30 * MS), *line.idle(90 * MS, silence=True)]
    assert kinds(said) == [Kind.REQUEST, Kind.REPLY]
    assert (said[1].request, said[1].after_ns, said[1].address) == (ASK, 30 * MS, "5")
    expected = (Act.REFUSE, "illegal address") if reply is REFUSAL else (Act.DATA, "holding 0x0000 +2")
    assert (said[1].act, said[1].what) == expected


@pytest.mark.parametrize("size", [1, 2, 3, 5, 7])
def test_chunks_do_not_matter(size: int) -> None:
    line = Overhearing(listeners())
    wire = ASK + ANSWER + WRITE + WRITE + ASK + REFUSAL
    said = [one for at in range(0, len(wire), size) for one in line.heard(wire[at : at + size], at)]
    said += line.idle(MS, silence=True)
    assert kinds(said) == [Kind.REQUEST, Kind.REPLY] * 3
    assert b"".join(one.raw for one in said) == wire


def test_an_echoed_write_is_a_reply_and_a_repeated_read_is_not() -> None:
    line = Overhearing(listeners())
    assert kinds([*line.heard(WRITE, 0), *line.heard(WRITE, 9)]) == [Kind.REQUEST, Kind.REPLY]
    said = [*line.heard(ASK, 20), *line.heard(ASK, 30)]
    assert kinds(said) == [Kind.REQUEST, Kind.NO_REPLY, Kind.REQUEST]


def test_silence_is_told_once() -> None:
    line = Overhearing(listeners())
    assert kinds(list(line.heard(ASK, 0))) == [Kind.REQUEST]
    assert list(line.idle(SECOND_NS - 1)) == []
    (told,) = line.idle(SECOND_NS)
    assert (told.kind, told.request) == (Kind.NO_REPLY, ASK)
    assert list(line.idle(3 * SECOND_NS)) == []


def test_a_reply_of_another_unit_is_no_reply_to_this_request() -> None:
    line = Overhearing(listeners())
    other = encode(6, ANSWER[1:-2])
    said = [*line.heard(ASK, 0), *line.heard(other, 5), *line.idle(SECOND_NS + 5)]
    assert kinds(said) == [Kind.REQUEST, Kind.REPLY, Kind.NO_REPLY]
    assert (said[1].request, said[1].sure) == (b"", False)


def test_our_own_traffic_has_its_direction_and_noise_its_reason() -> None:
    line = Overhearing(listeners())
    said = [
        *line.sent(ASK, 0),
        *line.received(b"\x00" + ANSWER, 20 * MS),
        *line.sent(ASK, 50 * MS),
        *line.received(ANSWER[:-1] + b"\x00", 70 * MS),
        *line.sent(ASK, 2000 * MS),
    ]
    assert kinds(said) == [
        Kind.REQUEST, Kind.NOISE, Kind.REPLY, Kind.REQUEST, Kind.NOISE, Kind.NO_REPLY, Kind.REQUEST,
    ]  # fmt: skip
    assert [one.reason for one in said if one.kind is Kind.NOISE] == [NoiseReason.GLITCH, NoiseReason.BAD_CHECKSUM]


def test_no_byte_is_lost_and_nothing_raises(seed: int) -> None:
    rand = random.Random(seed)
    line = Overhearing(listeners())
    wire = b"".join(rand.choice([ASK, ANSWER, rand.randbytes(rand.randrange(1, 40))]) for _ in range(400))
    said: list[Said] = []
    at = 0
    while at < len(wire):
        size = rand.randrange(1, 30)
        said += line.heard(wire[at : at + size], at * MS)
        at += size
    said += line.idle(at * MS, silence=True)
    assert b"".join(one.raw for one in said) == wire
