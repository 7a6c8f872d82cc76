"""What an uplink sends next and how much of it, without a broker."""

from __future__ import annotations

import random

from agent.delivery.lanes import Lanes, Want
from agent.delivery.mqtt_state import Outcome
from agent.delivery.standing import Standing
from agent.storing.stored import StoredBlock, place_of, seq_of
from tests.agent.uplink_site import (
    block,
)


def test_what_is_asked_for_again_while_it_is_on_its_way_is_not_sent_twice() -> None:
    lanes = Lanes()
    lanes.supply(Want(after=-1), ())
    blocks = [block(epoch, number) for epoch in range(3) for number in range(10)]
    assert lanes.ask(0, 0, None)
    sent: list[StoredBlock] = []
    while (want := lanes.want()) is not None:
        assert not lanes.ask(*place_of(sent[-1].seq if sent else 0), None)  # as far as the platform has come
        if want.after is not None:
            lanes.supply(want, ())
            continue
        lanes.supply(want, [one for one in blocks if one.seq >= seq_of(want.epoch, want.first)][: want.limit])
        while (one := lanes.take()) is not None:
            sent.append(one)
        if len(sent) == len(blocks):
            break
    assert sent == blocks


def test_pauses_after_refusals_grow_to_five_minutes_and_end_with_success() -> None:
    standing = Standing(random.Random(1))
    now_s = 0.0
    pauses = []
    for _ in range(12):
        standing.refused(Outcome.DENIED, (), now_s)
        began_s = now_s
        while standing.allowance(16, 0, now_s) == 0:
            now_s += 0.25
        pauses.append(now_s - began_s)
        assert standing.allowance(16, 0, now_s) == 1
        assert standing.allowance(16, 1, now_s) == 0
    assert pauses[0] <= 1.0
    assert 150 <= pauses[-1] <= 300
    standing.accepted(now_s)
    assert standing.allowance(16, 3, now_s) == 16
