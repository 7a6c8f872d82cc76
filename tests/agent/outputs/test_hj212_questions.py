"""Questions of the bureau about the past: asked twice, asked for much, hung up on in the middle."""

from __future__ import annotations

from pathlib import Path

import pytest

from agent.outputs.hj212 import Bureau as Output
from hil.hj212_bureau import Bureau, Fault
from tests.agent.outputs.bureau_site import MN, FastClock, readings, site
from tests.agent.outputs.running_output import answers, quick, request, running, starts

pytestmark = pytest.mark.upstream

OVERHEAD = 12
ALL = "BeginTime=20260101000000;EndTime=20260102000000"


def pass_periods(output: Output, clock: FastClock, count: int) -> None:
    """Let ``count`` periods of ten minutes come to their end."""
    for _ in range(count + (not clock.ahead_s)):
        clock.ahead_s += 600
        output.take(readings(3600, 405))


async def test_a_question_asked_again_while_it_is_answered_is_answered_once(tmp_path: Path) -> None:
    clock = FastClock(speed=0.0)
    async with Bureau() as bureau:
        settings = site(tmp_path, bureau.port, usual=quick(600, realtime_on=False))
        async with running(settings, tmp_path, clock, polls=False) as output:
            pass_periods(output, clock, 4)
            assert await bureau.until(lambda: len(starts(bureau)) == 4)
            bureau.tell(2 * request("2051", ALL))
            assert await bureau.until(lambda: bool(answers(bureau)))
            assert (await bureau.ask("1061", mn=MN))[-1].field("ExeRtn") == "1"
    assert answers(bureau, "9011")[:2] == [("9011", "QnRtn=1")] * 2
    assert answers(bureau) == [("9012", "ExeRtn=1")] * 2, "of the question, and of the request behind it"
    assert [len(packets) for packets in bureau.stored("2051").values()] == [2] * 4


async def test_a_long_answer_does_not_hold_up_what_is_measured(tmp_path: Path) -> None:
    clock = FastClock(speed=0.0)
    async with Bureau() as bureau:
        settings = site(tmp_path, bureau.port, usual=quick(600, realtime_on=False))
        async with running(settings, tmp_path, clock, polls=False) as output:
            pass_periods(output, clock, 20)
            assert await bureau.until(lambda: len(starts(bureau)) == 20 and not output.status().waiting)
            bureau.usual, bureau.late_s = Fault.LATE, 0.02
            bureau.tell(request("2051", ALL))
            assert await bureau.until(lambda: bool(answers(bureau, "9011")))
            pass_periods(output, clock, 1)
            assert await bureau.until(lambda: bool(answers(bureau)))
            assert await bureau.until(lambda: len(starts(bureau)) == 21)
            over = next(at for at, one in enumerate(bureau.heard) if one.head("CN") == "9012")
            fresh = next(at for at, one in enumerate(bureau.heard) if one.about == ("2051", starts(bureau)[20]))
            assert fresh < over


async def test_who_hangs_up_in_the_middle_of_an_answer_may_ask_again(tmp_path: Path) -> None:
    clock = FastClock(speed=0.0)
    async with Bureau() as bureau:
        settings = site(tmp_path, bureau.port, usual=quick(600, realtime_on=False))
        async with running(settings, tmp_path, clock, polls=False) as output:
            pass_periods(output, clock, 4)
            assert await bureau.until(lambda: len(starts(bureau)) == 4 and not output.status().waiting)
            bureau.faults.extend([Fault.NONE, Fault.RESET])
            bureau.tell(request("2051", ALL))
            assert await bureau.until(lambda: bureau.connections == 2)
            assert answers(bureau) == []
            assert (await bureau.ask("2051", ALL, mn=MN, qn="20250101000000002"))[-1].field("ExeRtn") == "1"
            assert answers(bureau) == [("9012", "ExeRtn=1")]
            assert min(len(packets) for packets in bureau.stored("2051").values()) == 2


async def test_a_request_that_no_answer_can_carry_back_ends_nothing(tmp_path: Path) -> None:
    async with Bureau() as bureau:
        settings = site(tmp_path, bureau.port, usual=quick(600, realtime_on=False))
        async with running(settings, tmp_path, FastClock(speed=0.0), polls=False):
            assert await bureau.until(lambda: bool(bureau.connections))
            bureau.tell(request("1061", MN="9" * (9_999 + OVERHEAD - len(request("1061", MN="")))))
            assert (await bureau.ask("1061", mn=MN))[-1].field("ExeRtn") == "1"
            assert bureau.connections == 1
