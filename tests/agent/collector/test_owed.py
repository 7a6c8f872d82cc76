"""When receipts and questions go out."""

from __future__ import annotations

from agent.block.chain import Place
from agent.collector.ingest import Progress
from agent.collector.owed import Owed, ReceiptDue, ResendDue, missing

GATEWAY = bytes(8)


def progress(
    place: Place | None = (0, 5),
    *,
    chained: int = 0,
    repeated: bool = False,
    waits_at: Place | None = None,
    parked: tuple[int, ...] = (),
    forked: bool = False,
) -> Progress:
    return Progress(
        gateway=GATEWAY,
        place=place,
        head=bytes(32),
        waits_at=waits_at,
        parked=parked,
        chained=chained,
        repeated=repeated,
        forked=forked,
    )


def receipt(place: Place) -> ReceiptDue:
    return ReceiptDue(gateway=GATEWAY, place=place, head=bytes(32))


def question(epoch: int, first: int, last: int | None) -> ResendDue:
    return ResendDue(gateway=GATEWAY, epoch=epoch, first=first, last=last)


def test_receipts_go_out_once_a_second_at_most() -> None:
    owed = Owed()
    owed.note(progress((0, 1), chained=1))
    assert list(owed.due(10.0)) == [receipt((0, 1))]
    owed.note(progress((0, 2), chained=1))
    owed.note(progress((0, 3), chained=1))
    assert list(owed.due(10.9)) == []
    assert list(owed.due(11.0)) == [receipt((0, 3))]
    assert list(owed.due(60.0)) == []


def test_a_hundred_blocks_do_not_wait_for_the_second() -> None:
    owed = Owed()
    owed.note(progress((0, 1), chained=1))
    assert list(owed.due(10.0)) == [receipt((0, 1))]
    owed.note(progress((0, 101), chained=100))
    assert list(owed.due(10.1)) == [receipt((0, 101))]


def test_a_duplicate_gets_the_latest_receipt_again() -> None:
    owed = Owed()
    owed.note(progress((0, 7), repeated=True))
    assert list(owed.due(0.0)) == [receipt((0, 7))]


def test_nothing_is_receipted_while_a_fork_waits_for_an_operator_or_before_the_chain_begins() -> None:
    owed = Owed()
    owed.note(progress((0, 7), chained=3, forked=True))
    assert list(owed.due(0.0)) == []
    owed.note(progress(None, repeated=True))
    assert list(owed.due(5.0)) == []


def test_what_is_missing_is_asked_for_at_once_and_every_minute() -> None:
    owed = Owed()
    owed.note(progress((0, 5), waits_at=(0, 9)))
    assert list(owed.due(100.0)) == [question(0, 6, 8)]
    owed.note(progress((0, 5), waits_at=(0, 9)))
    assert list(owed.due(159.9)) == []
    assert list(owed.due(160.0)) == [question(0, 6, 8)]
    owed.note(progress((0, 9), chained=4))
    assert list(owed.due(161.0)) == [receipt((0, 9))]
    assert list(owed.due(500.0)) == []


def test_a_hole_that_only_moves_is_not_asked_for_with_every_block() -> None:
    owed = Owed()
    owed.note(progress((0, 5), waits_at=(0, 90)))
    assert list(owed.due(100.0)) == [question(0, 6, 89)]
    owed.note(progress((0, 6), chained=1, waits_at=(0, 90)))
    assert list(owed.due(101.0)) == [receipt((0, 6))]


def test_what_could_not_be_sent_is_owed_again() -> None:
    owed = Owed()
    owed.note(progress((0, 5), chained=1, waits_at=(0, 9)))
    for due in list(owed.due(100.0)):
        owed.failed(due)
    assert list(owed.due(101.0)) == [receipt((0, 5)), question(0, 6, 8)]


def test_a_greeting_is_a_receipt_without_a_block() -> None:
    owed = Owed()
    owed.note(progress((3, 4)), greet=True)
    assert list(owed.due(0.0)) == [receipt((3, 4))]


def test_the_question_fits_the_hole() -> None:
    assert missing(progress((0, 5))) is None
    assert missing(progress(None, waits_at=(0, 4))) == question(0, 0, 3)
    assert missing(progress(None, waits_at=(2, 4))) == question(0, 0, None)
    assert missing(progress((1, 5), waits_at=(2, 0))) == question(1, 6, None)


def test_what_nobody_can_verify_never_keeps_a_hole_from_being_asked_for() -> None:
    owed = Owed()
    owed.note(progress((1, 5), parked=(2, 7), waits_at=(1, 9)))
    assert list(owed.due(100.0)) == [question(2, 0, 0), question(7, 0, 0), question(1, 6, 8)]
    assert list(owed.due(159.0)) == []
    assert list(owed.due(160.0)) == [question(2, 0, 0), question(7, 0, 0), question(1, 6, 8)]
    owed.note(progress((1, 9), chained=4, parked=(7,)))
    assert list(owed.due(161.0)) == [receipt((1, 9))]
    owed.note(progress((1, 9), parked=(7, 8)))
    assert list(owed.due(162.0)) == [question(8, 0, 0)]


def test_many_epochs_that_nobody_opened_are_asked_for_in_turn() -> None:
    owed = Owed()
    owed.note(progress((1, 5), parked=tuple(range(10, 20))))
    asked = [[due.epoch for due in owed.due(60.0 * minute) if isinstance(due, ResendDue)] for minute in range(1, 4)]
    assert asked == [[10, 11, 12, 13], [14, 15, 16, 17], [18, 19, 10, 11]]


def test_a_question_for_an_opening_that_could_not_be_sent_is_owed_again() -> None:
    owed = Owed()
    owed.note(progress((1, 5), parked=(2,)))
    (due,) = owed.due(100.0)
    owed.failed(due)
    assert list(owed.due(101.0)) == [question(2, 0, 0)]
