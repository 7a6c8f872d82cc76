"""Overheard Modbus: which reply is whose, and what is no reading."""

from __future__ import annotations

from datetime import UTC

import pytest

from drivers.codec.modbus_ascii import encode as ascii_encode
from drivers.codec.modbus_rtu import encode
from drivers.listening import Kind, Said
from drivers.overhear import Overhearing
from drivers.profile_load import builtin_roots, find_profile, load_profile
from drivers.protocols.modbus_listen import ModbusOverheard
from drivers.registry import listeners

MS = 1_000_000
PROFILE = load_profile(find_profile("generic/xy-md02", builtin_roots()))
BOTH = bytes.fromhex("0400010002")
OTHERS = bytes.fromhex("0400070002")  # of the same likeness: two input registers
SHORT = bytes.fromhex("0400010001")  # of another one
FIRST = bytes.fromhex("040400EB0222")
SECOND = bytes.fromhex("0404010A0333")


class Line:
    """A line with a clock."""

    def __init__(self) -> None:
        self.said: list[Said] = []
        self._line = Overhearing(listeners())
        self._now_ns = 0
        self._overheard = ModbusOverheard(PROFILE, "4", UTC)
        self.values: list[tuple[object, ...]] = []

    def hears(self, after_ms: int, raw: bytes) -> None:
        self._now_ns += after_ms * MS
        self._take(list(self._line.heard(raw, self._now_ns)))
        self._take(list(self._line.idle(self._now_ns, silence=True)))

    def waits(self, ms: int) -> None:
        self._now_ns += ms * MS
        self._take(list(self._line.idle(self._now_ns, silence=True)))

    def _take(self, said: list[Said]) -> None:
        self.said += said
        taken = [self._overheard.take(one) for one in said]
        self.values += [one.values for one in taken if one is not None]


@pytest.mark.parametrize("frame", [encode, ascii_encode])
def test_a_reply_behind_its_request_gives_the_points_that_it_covers(frame: object) -> None:
    assert callable(frame)
    line = Line()
    line.hears(0, frame(4, BOTH))
    line.hears(20, frame(4, FIRST))
    assert line.values == [(235, 546)]
    line.hears(50, frame(4, SHORT))
    line.hears(20, frame(4, bytes.fromhex("040200EC")))
    assert line.values == [(235, 546), (236,)]


def test_a_reply_whose_request_was_not_heard_is_no_reading() -> None:
    line = Line()
    line.hears(0, encode(4, FIRST))
    line.hears(5, encode(4, FIRST))
    assert [one.kind for one in line.said] == [Kind.REPLY, Kind.REPLY]
    assert line.values == []


def test_a_second_reply_to_one_request_is_no_reading() -> None:
    line = Line()
    line.hears(0, encode(4, BOTH))
    line.hears(20, encode(4, FIRST))
    line.hears(5, encode(4, SECOND))
    assert line.values == [(235, 546)]


def test_a_damaged_reply_is_no_reading_and_raises_no_doubt_about_the_next() -> None:
    line = Line()
    whole = encode(4, FIRST)
    line.hears(0, encode(4, BOTH))
    line.hears(20, whole[:4] + b"\x55" + whole[5:])
    line.hears(50, encode(4, OTHERS))
    line.hears(20, encode(4, SECOND))
    line.hears(50, encode(4, BOTH))
    line.hears(20, whole)
    assert line.values == [(235, 546)]


def test_a_late_reply_is_not_taken_for_that_to_the_request_after() -> None:
    line = Line()
    line.hears(0, encode(4, OTHERS))
    line.hears(200, encode(4, BOTH))  # whoever asks has lost patience
    line.hears(10, encode(4, SECOND))  # and now gets what belongs to the request before
    line.hears(190, encode(4, OTHERS))
    line.hears(10, encode(4, FIRST))
    line.hears(190, encode(4, BOTH))
    line.hears(10, encode(4, SECOND))
    assert line.values == []


def test_doubt_ends_with_an_answer_of_another_likeness() -> None:
    line = Line()
    line.hears(0, encode(4, OTHERS))
    line.hears(200, encode(4, SHORT))
    line.hears(20, encode(4, bytes.fromhex("040200EC")))
    line.hears(50, encode(4, BOTH))
    line.hears(20, encode(4, FIRST))
    assert line.values == [(236,), (235, 546)]


def test_doubt_ends_with_the_reply_that_nobody_waits_for() -> None:
    line = Line()
    line.hears(0, encode(4, OTHERS))
    line.hears(200, encode(4, BOTH))
    line.hears(10, encode(4, SECOND))
    line.hears(150, encode(4, FIRST))
    line.hears(50, encode(4, BOTH))
    line.hears(10, encode(4, FIRST))
    assert line.values == [(235, 546)]


def test_doubt_ends_with_a_pause_in_which_everything_would_have_come() -> None:
    line = Line()
    line.hears(0, encode(4, OTHERS))
    line.hears(100, encode(4, BOTH))
    line.hears(20, encode(4, FIRST))
    assert line.values == []
    line.waits(400)
    line.hears(0, encode(4, BOTH))
    line.hears(20, encode(4, FIRST))
    assert line.values == [(235, 546)]


def test_the_same_request_once_more_is_no_doubt() -> None:
    line = Line()
    line.hears(0, encode(4, BOTH))
    line.hears(200, encode(4, BOTH))
    line.hears(20, encode(4, FIRST))
    assert line.values == [(235, 546)]


def test_other_units_and_refusals_give_nothing() -> None:
    line = Line()
    for unit, reply in ((5, FIRST), (4, bytes.fromhex("8402"))):
        line.hears(50, encode(unit, BOTH))
        line.hears(20, encode(unit, reply))
    assert line.values == []


def test_coils_whose_reply_may_be_a_request_give_no_values() -> None:
    line = Overhearing(listeners())
    ask, again = encode(4, bytes.fromhex("0103000018")), encode(4, bytes.fromhex("0103100018"))
    said = [*line.heard(ask, 0), *line.heard(again, 100 * MS), *line.idle(500 * MS, silence=True)]
    assert all(not one.sure for one in said if one.kind is Kind.REPLY)
