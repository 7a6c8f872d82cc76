"""What the bureau orders: nothing that was answered as done is lost, by no kill and by no disk."""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from agent.outputs.hj212_journal import Journal
from agent.outputs.hj212_settings import BureauSettings
from agent.outputs.status import OutputTrouble
from hil.hj212_bureau import Bureau
from tests.agent.outputs.bureau_site import MN, FastClock, site
from tests.agent.outputs.running_output import answers, kept, quick, request, running

pytestmark = pytest.mark.upstream


class SlowDisk:
    """Holds every write until it is told to go on, and may refuse it."""

    def __init__(self) -> None:
        self.begun, self.go_on = asyncio.Event(), asyncio.Event()
        self.writes = 0

    async def __call__(self, work: Callable[[], None]) -> None:
        self.begun.set()
        await self.go_on.wait()
        self.writes += 1
        await asyncio.to_thread(work)


def on_disk(folder: Path) -> BureauSettings | None:
    return Journal(folder / "bureau.hj212").load().settings


async def test_an_order_is_answered_when_it_is_on_disk(tmp_path: Path) -> None:
    disk = SlowDisk()
    async with Bureau() as bureau:
        settings = site(tmp_path, bureau.port, usual=quick(600, realtime_on=False))
        async with running(settings, tmp_path, FastClock(speed=0.0), polls=False, off_loop=disk) as output:
            assert await bureau.until(lambda: bool(bureau.connections))
            bureau.tell(request("1000", "OverTime=9;ReCount=5"))
            async with asyncio.timeout(10):
                await disk.begun.wait()
            assert await bureau.until(lambda: bool(answers(bureau, "9011")))
            early = await bureau.until(lambda: bool(answers(bureau)), 0.3)
            before = output._book.settings.recount
            disk.go_on.set()  # whatever came of it: who holds the disk cannot be stopped
            assert not early
            assert before == 2, "not in force yet"
            assert await bureau.until(lambda: bool(answers(bureau)))
            assert answers(bureau) == [("9012", "ExeRtn=1")]
            found = on_disk(tmp_path)
            assert found is not None
            assert (found.overtime_s, found.recount) == (9.0, 5)
            assert output._book.settings == found


async def test_orders_in_one_breath_are_all_done(tmp_path: Path) -> None:
    orders = (("1000", "OverTime=9;ReCount=5"), ("1062", "RtdInterval=60"), ("1064", "MinInterval=5"), ("2011", ""))
    async with Bureau() as bureau:
        settings = site(tmp_path, bureau.port, usual=quick(600, realtime_on=False))
        async with running(settings, tmp_path, FastClock(speed=0.0), polls=False):
            assert await bureau.until(lambda: bool(bureau.connections))
            told = [request(command, area, qn=f"2025010100000000{at}") for at, (command, area) in enumerate(orders)]
            bureau.tell(b"".join(told) + request("1061", qn="20250101000000009"))
            assert await bureau.until(lambda: len(answers(bureau)) == 5)
            assert {area for _, area in answers(bureau)} == {"ExeRtn=1"}
            assert answers(bureau, "1061") == [("1061", "RtdInterval=60")], "asked behind the order"
        assert kept(settings, tmp_path) == BureauSettings(
            overtime_s=9.0, recount=5, realtime_s=60.0, realtime_on=True, minute_s=300
        )


async def test_an_order_that_the_disk_refuses_has_failed_and_changes_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with Bureau() as bureau:
        settings = site(tmp_path, bureau.port, usual=quick(600, realtime_on=False))
        async with running(settings, tmp_path, FastClock(speed=0.0), polls=False) as output:
            assert await bureau.until(lambda: bool(bureau.connections))
            assert (await bureau.ask("1000", "OverTime=7;ReCount=4", mn=MN))[-1].field("ExeRtn") == "1"
            real = os.fsync
            refused = threading.Event()

            def full(handle: int) -> None:
                if not refused.is_set():
                    refused.set()
                    raise OSError(28, os.strerror(28))  # what was written may be there all the same
                real(handle)

            monkeypatch.setattr("agent.outputs.hj212._DISK_PAUSE_S", 0.05)
            monkeypatch.setattr(os, "fsync", full)
            assert (await bureau.ask("1000", "OverTime=9;ReCount=5", mn=MN))[-1].field("ExeRtn") == "2"
            assert refused.is_set()
            assert output._book.settings.overtime_s == 7.0
            assert await bureau.until(lambda: output.status().trouble is not OutputTrouble.STORE)
        found = kept(settings, tmp_path)
        assert (found.overtime_s, found.recount) == (7.0, 4), "what was called failed does not come back"


async def test_a_notice_whose_order_the_disk_refuses_is_not_acknowledged(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with Bureau() as bureau:
        settings = site(tmp_path, bureau.port, usual=quick(600))
        async with running(settings, tmp_path, FastClock(speed=0.0), polls=False) as output:
            assert await bureau.until(lambda: bool(bureau.connections))

            def full(_handle: int) -> None:
                raise OSError(28, os.strerror(28))

            with monkeypatch.context() as patch:
                patch.setattr(os, "fsync", full)
                bureau.tell(request("2012"))
                assert await bureau.until(lambda: output.status().trouble is OutputTrouble.STORE)
            assert answers(bureau) == []
            assert output._book.settings.realtime_on
