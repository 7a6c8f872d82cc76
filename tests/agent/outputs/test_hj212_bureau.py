"""An environment bureau on loopback: what reaches it, what its faults do, what an outage and a restart leave out."""

from __future__ import annotations

import asyncio
import logging
import random
import threading
from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest

from agent.delivery.mqtt_state import Phase
from agent.outputs.hj212 import Bureau as Output
from agent.outputs.hj212_cipher import AreaCipher
from agent.outputs.hj212_settings import Report
from agent.outputs.status import OutputTrouble
from drivers.batch import DeviceTime, DeviceTimeFlag
from drivers.codec.hj212 import Edition
from hil.hj212_bureau import Bureau, Fault, Heard
from tests.agent.outputs.bureau_site import MN, FastClock, readings, site
from tests.agent.outputs.running_output import FAST, quick, running, starts

pytestmark = pytest.mark.upstream


def without_gap(found: list[str], step_s: int) -> bool:
    seconds = [int(one[8:10]) * 3600 + int(one[10:12]) * 60 + int(one[12:14]) for one in found]
    return all(after - before == step_s for before, after in pairwise(seconds))


async def test_what_the_bureau_reads_is_what_was_measured(tmp_path: Path) -> None:
    async with Bureau() as bureau:
        settings = site(tmp_path, bureau.port, usual=quick())
        async with running(settings, tmp_path, FastClock(speed=FAST)) as output:
            assert await bureau.until(lambda: len(starts(bureau)) >= 3 and len(starts(bureau, "2011")) >= 2)
            assert output.status().phase is Phase.CONNECTED
            assert output.status().trouble is None
    assert all(one.sound for one in bureau.heard)
    now = bureau.stored("2011")[starts(bureau, "2011")[0]][0]
    assert [now.head(name) for name in ("ST", "CN", "PW", "MN", "Flag")] == ["32", "2011", "123456", MN, "5"]
    assert now.area.partition(";")[2] == (
        "w00000-Rtd=10.00,w00000-Flag=N;w01018-Rtd=40.5,w01018-Flag=N;w01001-Rtd=7.12,w01001-Flag=N"
    ), "36.00 m3/h are 10 L/s"
    minute = bureau.stored("2051")[starts(bureau)[1]][0]
    assert [minute.field(f"w01018-{name}") for name in ("Min", "Avg", "Max", "Flag")] == ["40.5", "40.5", "40.5", "N"]
    volume, mass = (float(minute.field(f"{code}-Cou") or 0) for code in ("w00000", "w01018"))
    assert 0.02 <= volume <= 0.06, "4 s at 10 L/s are 0.04 m3, but for a slice at each end"
    assert mass == 0.0, "1.6 g, to one decimal"
    assert without_gap(starts(bureau), 4)


@pytest.mark.parametrize(
    "fault",
    [Fault.SILENT, Fault.DEAF, Fault.WRONG_NUMBER, Fault.DAMAGED, Fault.LATE, Fault.TWICE, Fault.RESET, Fault.NOISE],
)
async def test_no_fault_of_the_bureau_loses_a_period_or_tells_one_twice(fault: Fault, tmp_path: Path) -> None:
    async with Bureau() as bureau:
        bureau.faults.extend([Fault.NONE, fault, fault, Fault.NONE, fault])
        settings = site(tmp_path, bureau.port, usual=quick(overtime_s=0.15, realtime_on=False))
        async with running(settings, tmp_path, FastClock(speed=FAST)):
            assert await bureau.until(lambda: len(starts(bureau)) >= 5 and not bureau.faults)
    assert without_gap(starts(bureau), 4)
    for packets in bureau.stored("2051").values():
        assert len({(one.head("QN"), one.area) for one in packets}) == 1, "a repetition is the same packet"


async def test_a_bureau_that_never_acknowledges_is_hung_up_on(tmp_path: Path) -> None:
    async with Bureau() as bureau:
        bureau.usual = Fault.SILENT
        settings = site(tmp_path, bureau.port, usual=quick(overtime_s=0.15, realtime_on=False))
        async with running(settings, tmp_path, FastClock(speed=FAST)) as output:
            assert await bureau.until(lambda: bureau.connections >= 2)
            status = output.status()
            assert status.trouble is OutputTrouble.SILENT
            assert status.unanswered >= 3
            first = starts(bureau)[0]
            assert len(bureau.stored("2051")[first]) >= 3, "sent, and sent again twice (ReCount)"
            bureau.usual = Fault.NONE
            assert await bureau.until(lambda: output.status().trouble is None)


async def test_nothing_is_missing_after_an_outage_and_a_restart(tmp_path: Path) -> None:
    clock = FastClock(speed=FAST)
    async with Bureau() as bureau:
        settings = site(tmp_path, bureau.port, usual=quick(realtime_on=False), edition=Edition.V2025)
        async with running(settings, tmp_path, clock) as output:
            assert await bureau.until(lambda: len(starts(bureau)) >= 2)
            await bureau.close()
            await asyncio.sleep(0.7)
            assert output.status().waiting >= 2
            assert output.status().trouble is OutputTrouble.UNREACHABLE
        async with Bureau(bureau.port) as again, running(settings, tmp_path, clock):
            assert await again.until(lambda: len(starts(again)) >= 4)
    both = sorted({*starts(bureau), *starts(again)})
    assert without_gap(both, 4)
    late = again.stored("2051")[starts(again)[0]][0]
    assert (late.head("RF"), late.head("Flag")) == ("1", "9"), "told later than it was due"
    assert again.stored("2051")[starts(again)[-1]][0].head("RF") == ""


async def test_a_restart_in_the_middle_of_a_period_goes_on_with_it(tmp_path: Path) -> None:
    clock = FastClock(speed=0.0)
    async with Bureau() as bureau:
        settings = site(tmp_path, bureau.port, usual=quick(600, realtime_on=False))
        async with running(settings, tmp_path, clock, polls=False) as output:
            for ph in (700, 710):
                output.take(readings(3600, 405, ph))
            await asyncio.sleep(0.05)
        async with running(settings, tmp_path, clock, polls=False) as output:
            output.take(readings(3600, 405, 720))
            clock.ahead_s = 601
            output.take(readings(3600, 405, 900))
            assert await bureau.until(lambda: bool(starts(bureau)))
    (minute,) = bureau.stored("2051")["20260101080000"]
    assert [minute.field(f"w01001-{name}") for name in ("Min", "Avg", "Max")] == ["7.00", "7.10", "7.20"]


async def test_hours_and_days_follow_from_minutes(tmp_path: Path) -> None:
    clock = FastClock(speed=0.0)
    async with Bureau() as bureau:
        settings = site(tmp_path, bureau.port, usual=quick(600, realtime_on=False), reports=(Report.HOUR, Report.DAY))
        async with running(settings, tmp_path, clock, polls=False) as output:
            for minute in range(0, 120, 10):
                clock.ahead_s = minute * 60 + 1
                output.take(readings(3600, 400 + minute, 700 + minute))
                output.take(readings(3600, 400 + minute, 700 + minute))
            clock.ahead_s = 16 * 3600 + 1
            output.take(readings(None, None, None))
            assert await bureau.until(lambda: bool(starts(bureau, "2031")) and len(starts(bureau, "2061")) == 2)
        assert not starts(bureau), "minutes are not wanted there"
    (hour,) = bureau.stored("2061")["20260101090000"]
    assert [hour.field(f"w01001-{name}") for name in ("Min", "Avg", "Max", "Flag")] == ["7.60", "7.85", "8.10", "N"]
    (day,) = bureau.stored("2031")["20260101000000"]
    assert [day.field(f"w01001-{name}") for name in ("Min", "Avg", "Max")] == ["7.00", "7.55", "8.10"]


async def test_requests_are_answered_while_packets_go_out(tmp_path: Path) -> None:
    async with Bureau() as bureau:
        settings = site(tmp_path, bureau.port, usual=quick())
        async with running(settings, tmp_path, FastClock(speed=FAST)) as output:
            assert await bureau.until(lambda: len(starts(bureau)) >= 3)
            first, last = starts(bureau)[0], starts(bureau)[1]
            before = len(bureau.stored("2051")[first])
            answers = await bureau.ask("2051", f"BeginTime={first};EndTime={last}", mn=MN)
            assert [one.head("CN") for one in answers] == ["9011", "9012"]
            assert answers[-1].field("ExeRtn") == "1"
            again = bureau.stored("2051")[first]
            assert len(again) == before + 1
            assert again[0].area == again[-1].area
            assert again[0].head("QN") != again[-1].head("QN"), "another interaction, another number"
            none = await bureau.ask("2061", "BeginTime=20200101000000;EndTime=20200102000000", mn=MN)
            assert [one.field("ExeRtn") for one in none] == [None, "100"]
            assert (await bureau.ask("1012", "SystemTime=20200101000000", mn=MN))[0].field("QnRtn") == "2"
            assert (await bureau.ask("1000", "OverTime=9;ReCount=5", mn=MN, pw="wrong"))[0].field("QnRtn") == "3"
            assert (await bureau.ask("2012", mn=MN))[-1].head("CN") == "9013"
            count = len(bureau.stored("2011"))
            assert await bureau.until(lambda: len(starts(bureau)) >= 6)
            assert len(bureau.stored("2011")) <= count + 1
            assert (await bureau.ask("1000", "OverTime=9;ReCount=5", mn=MN))[-1].field("ExeRtn") == "1"
            assert output.status().strange == 0
        kept = Output(settings, tmp_path, clock=FastClock(), rng=random.Random(1))
        kept.prepare()
        assert kept._book.settings == quick(overtime_s=9.0, recount=5, realtime_on=False)
        changed = site(tmp_path, bureau.port, usual=quick(minute_s=6))
        fresh = Output(changed, tmp_path, clock=FastClock(), rng=random.Random(1))
        fresh.prepare()
        assert fresh._book.settings == quick(minute_s=6), "the site file was changed: it counts"


async def test_enciphered_packets_are_read_with_the_key_alone(tmp_path: Path) -> None:
    key = bytes(range(16))
    (tmp_path / "key").write_text(key.hex())
    (tmp_path / "key").chmod(0o600)

    def decipher(segment: bytes) -> bytes:
        from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes  # noqa: PLC0415

        head, opened, rest = segment.partition(b"CP=&&")
        if b"CN=2" not in head:
            return segment
        whole = (len(rest) - 2) // 16 * 16
        return (
            head + opened + Cipher(algorithms.SM4(key), modes.ECB()).decryptor().update(rest[:whole]) + rest[whole:]
        )

    async with Bureau(decipher=decipher) as bureau:
        settings = site(
            tmp_path, bureau.port, usual=quick(), edition=Edition.V2025, key_file=tmp_path / "key", heartbeat_s=0.2
        )
        async with running(settings, tmp_path, FastClock(speed=FAST)):
            assert await bureau.until(
                lambda: bool(starts(bureau)) and any(one.head("CN") == "9015" for one in bureau.heard)
            )
    assert all(one.sound for one in bureau.heard)
    assert AreaCipher(key).segment(b"CP=&&0123456789abcdef&&")[5:-2] != b"0123456789abcdef"
    assert bureau.stored("2051")[starts(bureau)[0]][0].field("w01001-Avg") == "7.12"


async def test_the_password_is_nowhere_but_on_the_wire(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    async with Bureau() as bureau:
        bureau.usual = Fault.SILENT
        settings = site(tmp_path, bureau.port, usual=quick(overtime_s=0.15))
        async with running(settings, tmp_path, FastClock(speed=FAST)) as output:
            assert await bureau.until(lambda: bureau.connections >= 2)
            settings.password_file.chmod(0o644)
            bureau.drop()
            assert await bureau.until(lambda: output.status().trouble is OutputTrouble.SECRET)
            told = repr(output.status())
    assert "others may read it" in told
    assert "123456" not in told
    assert "123456" not in caplog.text
    assert "output-silent" in caplog.text
    assert b"123456" not in (tmp_path / "bureau.hj212").read_bytes()


async def test_a_point_that_cannot_be_read_is_told_by_its_mark(tmp_path: Path) -> None:
    async with Bureau() as bureau:
        settings = site(tmp_path, bureau.port, usual=quick())
        clock = FastClock(speed=0.0)
        async with running(settings, tmp_path, clock, polls=False) as output:
            output.take(readings(3600, None))
            output.take(readings(3600, 405, device=7))
            assert await bureau.until(lambda: bool(starts(bureau, "2011")))
            clock.ahead_s = 5
            output.take(readings(3600, 405))
            assert await bureau.until(lambda: bool(starts(bureau, "2011")) and bool(starts(bureau)))
    now: Heard = bureau.stored("2011")[starts(bureau, "2011")[0]][0]
    assert (now.field("w01018-Rtd"), now.field("w01018-Flag")) == (None, "B")
    minute = bureau.stored("2051")[starts(bureau)[0]][0]
    assert (minute.field("w01018-Avg"), minute.field("w01018-Flag")) == (None, "B")
    assert minute.field("w01001-Avg") == "7.12"


async def test_what_was_taken_earlier_is_no_part_of_the_period_that_runs(tmp_path: Path) -> None:
    clock = FastClock(speed=0.0)
    async with Bureau() as bureau:
        settings = site(tmp_path, bureau.port, usual=quick(realtime_on=False))
        async with running(settings, tmp_path, clock, polls=False) as output:
            output.take(readings(3600, 405, 700))
            stored = DeviceTime(row=2, utc_ms=1, flags=DeviceTimeFlag.HISTORICAL)
            output.take(replace(readings(3600, 405, 1300), device_times=(stored,)))
            clock.ahead_s = 5
            output.take(readings(3600, 405, 700))
            assert await bureau.until(lambda: bool(starts(bureau)))
    minute = bureau.stored("2051")[starts(bureau)[0]][0]
    assert (minute.field("w01001-Max"), minute.field("w01018-Max")) == ("7.00", "40.5")


async def test_who_is_cancelled_leaves_the_file_to_nobody_else(tmp_path: Path) -> None:
    """What is on its way to the disk is there before the last words are written behind it."""
    settings = site(tmp_path, 1, usual=quick())
    output = Output(settings, tmp_path, clock=FastClock(), rng=random.Random(1))
    output.prepare()
    begun, release = threading.Event(), threading.Event()

    async def slowly(work: Callable[[], None]) -> None:
        def late() -> None:
            begun.set()
            release.wait(10)
            work()

        await asyncio.to_thread(late)

    output._book.order(quick(overtime_s=9.0))
    async with asyncio.TaskGroup() as group:
        keeping = group.create_task(output._book.keep(slowly))
        await asyncio.to_thread(begun.wait, 10)
        keeping.cancel()
        await asyncio.sleep(0)
        assert not keeping.done()
        release.set()
    output._book.keep_now()
    kept = Output(settings, tmp_path, clock=FastClock(), rng=random.Random(1))
    kept.prepare()
    assert kept._book.settings == quick(overtime_s=9.0)
