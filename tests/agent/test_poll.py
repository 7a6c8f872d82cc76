"""Polling against devices that obey a script, under virtual time: what reaches the chain, and what does not."""

from __future__ import annotations

import asyncio
from collections import Counter

import pytest

from agent.block.record import EventKind
from agent.health import BusPhase
from agent.polling.questions import BusLentError
from agent.polling.wakeup import Wakeup
from agent.storing.stored import Pressure
from drivers.errors import ChecksumError, DeviceFailedError, LinkDownError, RefusedError
from drivers.profile import Kind, PointClass
from drivers.quality import Quality
from drivers.sources import Urgency
from hil.virtualtime import VirtualClock, here, virtual
from tests.agent.scripted_bus import SILENCE, Rig, S, Scripted, alive, between, point, profile, read


@virtual
async def test_a_silent_device_becomes_null_once_and_its_missed_polls_are_told() -> None:
    device = Scripted(0, [read(0, 1)], between(10, 100, SILENCE))
    async with Rig(device, Scripted(1, [read(0)], alive)) as rig:
        await asyncio.sleep(130)
    nulls = [batch for batch in rig.bad if batch.device == 0]
    assert [(batch.points, batch.values, set(batch.statuses)) for batch in nulls] == [
        ((0, 1), (None, None), {Quality.BAD_TIMEOUT})
    ]
    told = rig.sink.missed()
    assert {fields[-1] for fields in told} == {"no-reply"}
    assert {fields[:2] for fields in told} == {(0, 1)}
    assert 86 <= sum(fields[2] for fields in told) <= 95  # type: ignore[misc]
    assert len(told) in (2, 3), "one a minute, one at the return"
    assert device.asked["probe"] < 30
    seen = [batch.mono_ns - S for batch in rig.good if batch.device == 0 and batch.mono_ns - S > 100 * S]
    assert seen[0] <= 105 * S


@virtual
async def test_a_lost_frame_is_one_null_and_the_next_slot_is_good_again() -> None:
    device = Scripted(0, [read(0)], between(5, 5.5, ChecksumError("bad", b"\x01")))
    async with Rig(device) as rig:
        await asyncio.sleep(10.5)
    assert len(rig.bad) == 1
    assert rig.bad[0].statuses == (Quality.BAD_COMMUNICATION_ERROR,)
    assert len(rig.good) == 10
    assert rig.sink.missed() == []


@virtual
async def test_a_retry_hides_a_lost_frame_but_never_asks_a_silent_device_twice() -> None:
    flaky = Scripted(0, [read(0)], between(5, 5.05, SILENCE))
    dead = Scripted(1, [read(0)], lambda: SILENCE)
    async with Rig(flaky, dead, retry=1) as rig:
        await asyncio.sleep(10.4)
    assert [batch for batch in rig.bad if batch.device == 0] == []
    assert dead.asked["read"] == 3, "first failure with its retry, second without"


@virtual
async def test_a_port_that_goes_makes_everything_bad_heals_by_its_path_and_disturbs_no_other_bus() -> None:
    gone = LinkDownError("/dev/ttyX is gone")
    devices = [Scripted(0, [read(0)], alive), Scripted(1, [read(0, 1)], alive)]
    async with Rig(*devices) as rig, Rig(Scripted(2, [read(0)], alive)) as other:
        await asyncio.sleep(10.2)
        rig.port.gone = gone
        for device in devices:
            device.script = lambda: gone
        await asyncio.sleep(30)
        assert rig.poller.status().phase is BusPhase.DOWN
        assert rig.poller.status().fault_code == "link-down"
        rig.port.gone = None
        for device in devices:
            device.script = alive
        await asyncio.sleep(20)
        assert rig.poller.status().phase is BusPhase.UP
        assert rig.poller.status().answering == 2
    assert [(batch.device, batch.points) for batch in rig.bad] == [(0, (0,)), (1, (0, 1))]
    assert {status for batch in rig.bad for status in batch.statuses} == {Quality.BAD_NO_COMMUNICATION}
    faults = [event.fields[1] for event in rig.sink.events if event.kind == EventKind.BUS_FAULT]
    assert faults == ["link-down", "back"]
    back = min(batch.mono_ns - S for batch in rig.good if batch.mono_ns - S > 40.2 * S)
    assert back <= 45 * S
    assert {fields[-1] for fields in rig.sink.missed()} == {"link-down"}
    assert len(other.good) in (60, 61)


@virtual
async def test_a_server_that_ends_idle_connections_loses_no_poll_and_says_nothing() -> None:
    ended = iter([None, None, LinkDownError("closed"), None, None, LinkDownError("closed")])
    device = Scripted(0, [read(0)], lambda: next(ended, None))
    async with Rig(device, port="tcp://127.0.0.1:502") as rig:
        await asyncio.sleep(9.5)
    assert len(rig.good) == 10
    assert rig.bad == []
    assert rig.sink.events == []
    assert rig.port.opened == 3


@virtual
async def test_a_port_that_is_missing_at_the_start_is_said_at_once() -> None:
    rig = Rig(Scripted(0, [read(0, 1)], alive))
    rig.port.gone = LinkDownError("/dev/ttyX: no such port")
    async with rig:
        await asyncio.sleep(3)
    assert [batch.values for batch in rig.sink.batches] == [(None, None)]
    assert sum(fields[2] for fields in rig.sink.missed()) == 3  # type: ignore[misc]


@virtual
async def test_a_block_that_is_refused_is_split_and_nothing_is_lost() -> None:
    whole, halves = read(0, 1), (read(0), read(1))
    device = Scripted(0, [whole], alive)

    def refuse_once() -> Exception | None:
        device.reads, device.script = halves, alive
        return RefusedError("illegal address", 2, replanned=True)

    device.script = refuse_once
    async with Rig(device) as rig:
        await asyncio.sleep(5.5)
    assert rig.bad == []
    assert Counter(batch.points for batch in rig.good) == {(0,): 6, (1,): 6}


@virtual
async def test_a_point_that_is_refused_for_good_is_bad_and_its_device_lives() -> None:
    device = Scripted(0, [read(0)], lambda: RefusedError("illegal address", 2))
    busy = Scripted(1, [read(0)], lambda: DeviceFailedError("busy", 6))
    async with Rig(device, busy) as rig:
        await asyncio.sleep(59)
        lives = rig.poller.status().answering
    assert lives == 2
    assert [(batch.device, batch.statuses) for batch in rig.bad] == [
        (0, (Quality.BAD_NOT_SUPPORTED,)),
        (1, (Quality.BAD_DEVICE_FAILURE,)),
    ]
    assert device.asked["read"] == 1
    assert busy.asked["read"] in (59, 60)


@virtual
async def test_a_fault_of_the_program_costs_one_device_its_reading(caplog: pytest.LogCaptureFixture) -> None:
    broken = Scripted(0, [read(0)], lambda: ZeroDivisionError("oops"))
    async with Rig(broken, Scripted(1, [read(0)], alive)) as rig:
        await asyncio.sleep(5.5)
    assert [batch.statuses for batch in rig.bad] == [(Quality.BAD_INTERNAL_ERROR,)]
    assert len(rig.good) >= 5
    assert "ZeroDivisionError" in caplog.text


@virtual
async def test_a_full_hand_over_queue_is_counted_and_the_null_is_said_later() -> None:
    async with Rig(Scripted(0, [read(0)], alive)) as rig:
        await asyncio.sleep(5.5)
        rig.sink.full = True
        await asyncio.sleep(10)
        rig.sink.full = False
        await asyncio.sleep(5)
    assert len(rig.good) == 11
    assert [(fields[2], fields[-1]) for fields in rig.sink.missed()][-1][1] == "queue-full"
    assert sum(fields[2] for fields in rig.sink.missed()) == 10  # type: ignore[misc]


@virtual
async def test_two_hundred_buses_that_fall_due_together_wake_the_loop_once() -> None:
    rigs = []
    wakeup = Wakeup(VirtualClock(here()))
    async with asyncio.TaskGroup() as group:
        for index in range(200):
            device = Scripted(index, [read(0)], alive)
            device.took_s = 0.001
            rig = Rig(device, port=f"tcp://127.0.0.1:{1000 + index}")
            rig.poller._rest._wakeup = wakeup
            rigs.append(rig)
            group.create_task(rig.poller.run())
        await asyncio.sleep(10.5)
        assert wakeup.count == 10
        for rig in rigs:
            rig.poller.stop()
    assert all(len(rig.good) == 11 for rig in rigs)


@virtual
async def test_a_technician_is_served_before_the_due_polls_and_his_question_revives_a_dead_device() -> None:
    device = Scripted(0, [read(0)], between(0, 20, SILENCE))
    async with Rig(device, *(Scripted(n, [read(0)], alive) for n in range(1, 20))) as rig:
        await asyncio.sleep(20.01)
        asked = here().time()
        batch = await rig.poller.ask(Urgency.TECHNICIAN, 0, lambda one: one.read(one.reads[0]))
        assert here().time() - asked <= 0.04 + 0.1 + 0.001
        assert batch.values == (1,)
        await asyncio.sleep(0.5)
    assert [one for one in rig.good if one.device == 0]


@virtual
async def test_a_question_to_a_bus_that_is_down_fails_at_once_with_the_reason() -> None:
    rig = Rig(Scripted(0, [read(0)], alive))
    rig.port.gone = LinkDownError("/dev/ttyX: no such port")
    async with rig:
        await asyncio.sleep(1)
        with pytest.raises(LinkDownError, match="no such port"):
            await rig.poller.ask(Urgency.TECHNICIAN, 0, lambda one: one.probe())


@virtual
async def test_nobody_waits_for_ever_for_a_bus_that_has_ended() -> None:
    async with Rig(Scripted(0, [read(0)], alive)) as rig:
        await asyncio.sleep(1)
    async with asyncio.timeout(60):
        with pytest.raises(LinkDownError, match="stops"):
            await rig.poller.ask(Urgency.COMMAND, 0, lambda one: one.probe())
        with pytest.raises(BusLentError, match="stops"):
            await rig.poller.lend(1)


@virtual
async def test_a_lent_bus_has_a_closed_port_and_comes_back_by_itself() -> None:
    device = Scripted(0, [read(0)], alive)
    async with Rig(device) as rig:
        await asyncio.sleep(5.5)
        loan = await rig.poller.lend(10)
        assert rig.port.closed == rig.port.opened == 1
        before = device.asked["read"]
        with pytest.raises(BusLentError):
            await rig.poller.lend(1)
        with pytest.raises(BusLentError):
            await rig.poller.ask(Urgency.TECHNICIAN, 0, lambda one: one.probe())
        await asyncio.sleep(9.9)
        assert device.asked["read"] == before
        await asyncio.sleep(1)
        assert device.asked["read"] > before
        rig.poller.take_back(loan)
        second = await rig.poller.lend(3600)
        rig.poller.take_back(loan)
        assert rig.poller.status().phase is BusPhase.LEASED
        rig.poller.take_back(second)
        await asyncio.sleep(1.2)
        assert rig.poller.status().phase is BusPhase.UP
    assert {fields[-1] for fields in rig.sink.missed()} == {"leased"}
    assert rig.bad == []


@virtual
async def test_under_pressure_telemetry_rests_and_billing_goes_on_at_its_slowest_period() -> None:
    model = profile(
        point("t"),
        point("fast", klass=PointClass.BILLING, kind=Kind.COUNTER),
        point("slow", klass=PointClass.BILLING),
    )
    device = Scripted(0, [read(0), read(1), read(2, period_s=5)], alive)
    async with Rig(device, model=model) as rig:
        await asyncio.sleep(10.5)
        rig.poller.shed(Pressure.NO_POLL)
        await asyncio.sleep(1)
        rig.sink.batches.clear()
        await asyncio.sleep(60)
        assert Counter(batch.points for batch in rig.good) == {(1,): 12, (2,): 12}
        rig.poller.shed(Pressure.NONE)
        rig.sink.batches.clear()
        await asyncio.sleep(10)
        assert Counter(batch.points for batch in rig.good)[(0,)] in (10, 11)
    assert "shed" in {fields[-1] for fields in rig.sink.missed()}


@virtual
async def test_stopping_ends_after_the_exchange_under_way_and_closes_the_port() -> None:
    device = Scripted(0, [read(0)], alive)
    async with Rig(device) as rig:
        await asyncio.sleep(3.01)
        began = here().time()
    assert here().time() - began <= 0.04
    assert rig.port.closed == 1
    assert len(rig.good) == 4


@virtual
async def test_a_counter_that_runs_backwards_is_recorded_and_an_urgent_change_is_marked() -> None:
    model = profile(point("count", kind=Kind.COUNTER), point("door", kind=Kind.STATE, urgent=True))
    device = Scripted(0, [read(0, 1)], alive)
    async with Rig(device, model=model) as rig:
        await asyncio.sleep(3.5)
        device.value = 0
        await asyncio.sleep(1)
    jumps = [event.fields for event in rig.sink.events if event.kind == EventKind.COUNTER_DISCONTINUITY]
    assert jumps == [(0, 4, 1, "backwards")]
    assert [batch.urgent for batch in rig.sink.batches] == [False, True, True, True, True]


@virtual
async def test_where_counters_stood_before_the_start_is_compared_as_soon_as_it_is_known() -> None:
    model = profile(point("count", kind=Kind.COUNTER), point("other", kind=Kind.COUNTER), point("gauge"))
    device = Scripted(0, [read(0, 1, 2)], alive)
    async with Rig(device, model=model) as rig:
        await asyncio.sleep(3.5)
        assert rig.sink.events == []
        rig.sink.before = {0: {0: 1_000, 1: 1, 2: 1_000}}
        await asyncio.sleep(3)
        (health,) = [status for _, status in rig.poller.devices()]
    jumps = [event.fields for event in rig.sink.events if event.kind == EventKind.COUNTER_DISCONTINUITY]
    assert jumps == [(0, 1_000, 1, "reset")], "the first reading against the last one before, once"
    assert [(one.point, one.last, one.first, one.kind) for one in health.breaks] == [("count", "1000", "1", "reset")]


class Named(Scripted):
    """A device that says who it is."""

    identity: str | None = None


@virtual
async def test_who_a_device_is_goes_ahead_of_its_readings_and_only_when_it_changes() -> None:
    model = profile(point("a"), point("fw", kind=Kind.STATE, unit=None, nameplate="firmware"))
    device = Named(0, [read(0), read(1, period_s=4)], alive)
    async with Rig(device, model=model) as rig:
        await asyncio.sleep(0.1)
        device.identity = "serial=1"
        await asyncio.sleep(3)
        device.identity = "serial=2"
        await asyncio.sleep(1.5)
        (health,) = [status for _, status in rig.poller.devices()]
    told = [text for _, text in rig.sink.identities]
    assert told[:2] == ["firmware=2", "serial=1; firmware=2"]
    assert told[2].startswith("serial=2")
    assert "firmware=2" not in told[2], "that was the one before"
    assert told[-1] == health.identity
    assert len(told) == len(set(told))


@virtual
async def test_counters_of_another_device_do_not_go_on_from_those_before() -> None:
    model = profile(point("count", kind=Kind.COUNTER))
    device = Named(0, [read(0)], alive)
    device.identity = "serial=1"
    async with Rig(device, model=model) as rig:
        rig.sink.before = {}
        await asyncio.sleep(5.5)
        device.identity, device.value = "serial=2", 0
        await asyncio.sleep(2)
    assert [text for _, text in rig.sink.identities] == ["serial=1", "serial=2"]
    assert not [event for event in rig.sink.events if event.kind == EventKind.COUNTER_DISCONTINUITY]
