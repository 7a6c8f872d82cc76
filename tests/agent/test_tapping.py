"""The tap of a bus: nothing is kept until somebody asks, and only as long as somebody does."""

from __future__ import annotations

from agent.polling.tapping import KEPT_NS, BusTap


class Clock:
    now = 1

    def mono_ns(self) -> int:
        return self.now

    def utc_ns(self) -> int:
        return self.now + 1000


def test_a_tap_keeps_what_passes_while_it_is_asked_and_no_longer() -> None:
    clock = Clock()
    tap = BusTap(clock)
    tap.sent(b"before anyone asked")
    assert tap.take(0) == []
    tap.sent(b"ask")
    tap.received(b"answer")
    assert [(p.number, p.sent, p.data) for p in tap.take(0)] == [(1, True, b"ask"), (2, False, b"answer")]
    clock.now += KEPT_NS + 1
    tap.sent(b"nobody looks any more")
    assert tap.take(2) == []


def test_what_was_not_kept_shows_in_the_numbers() -> None:
    tap = BusTap(Clock())
    tap.take(0)
    for number in range(5000):
        tap.sent(number.to_bytes(2, "big"))
    first = tap.take(0)[0]
    assert first.number > 1
    assert [p.number for p in tap.take(first.number)][:2] == [first.number + 1, first.number + 2]
