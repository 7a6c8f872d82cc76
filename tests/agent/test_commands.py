"""Commands: recorded before anything is sent, sent once, read back; refusals recorded, limits kept over restarts."""

from __future__ import annotations

import os
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TypeVar

import pytest

from agent.block.record import ClockQuality, ClockSample, Event, EventKind
from agent.commanding.commanded import Target
from agent.commanding.memory import CommandMemory
from agent.commands import TICKET_S, Commands
from agent.config import SiteDevice
from agent.control.commands import AskCarryOut, AskPrepare, CarriedOutAnswer, Outcome
from agent.errors import StorageError
from drivers.batch import Batch
from drivers.errors import LinkDownError, NoReplyError, RefusedError
from drivers.profile import Point
from drivers.profile_load import builtin_roots, find_profile, load_profile
from drivers.setting import ClockShown, ClockWay, Credentials
from drivers.sources import Device, Read

T = TypeVar("T")
NOON = datetime(2026, 1, 5, 12, tzinfo=UTC)
PASSWORD = "02123456"
WRITE = ClockWay(name="write", telegram="function 14", needs_password=True)
BROADCAST = ClockWay(name="broadcast", telegram="function 08", most_step_s=300, once_a_day=True, answered=False)


@dataclass(slots=True, kw_only=True)
class Time:
    """A clock that a test moves."""

    s: float = 0.0
    boot: bytes = bytes(8)

    def mono_ns(self) -> int:
        return round((1000 + self.s) * 1e9)

    def utc_ns(self) -> int:
        return round((NOON.timestamp() + self.s) * 1e9)

    def sample(self) -> ClockSample:
        return ClockSample(
            boot=self.boot, mono_ms=self.mono_ns() // 10**6, utc_ms=self.utc_ns() // 10**6,
            quality=ClockQuality.NTP, max_error_ms=20,
        )  # fmt: skip


@dataclass(slots=True, kw_only=True)
class Meter:
    """A device with a clock and a valve, as protocols make them; no line behind it."""

    time: Time
    off_s: float = -90
    ways: tuple[ClockWay, ...] = (WRITE,)
    fails: Exception | None = None
    deaf: bool = False
    gone: bool = False
    valve: int = 0
    sent: list[str] = field(default_factory=list)
    reads: Sequence[Read] = ()

    @property
    def clock_ways(self) -> Sequence[ClockWay]:
        return self.ways

    def check_credentials(self, credentials: Credentials) -> None:
        if not credentials.password.isdecimal():
            raise ValueError("digits")

    async def show_clock(self) -> ClockShown:
        self._here()
        utc_ms = self.time.utc_ns() // 10**6
        local = datetime.fromtimestamp(utc_ms // 1000, UTC) + timedelta(seconds=self.off_s)
        return ClockShown(local=local.replace(tzinfo=None).isoformat(), utc_ms=utc_ms)

    async def set_clock(self, way: ClockWay, credentials: Credentials) -> str:
        self._here()
        self.sent.append(f"{way.name} {credentials.password}")
        self.off_s = self.off_s if self.deaf else 0
        if self.fails is not None:
            raise self.fails
        return "2026-01-05T12:00:00"

    async def operate(self, control: Point, word: str) -> None:
        self.sent.append(f"{control.name} {word}")
        if not self.deaf:
            self.valve = {"open": 0, "close": 1}[word]

    async def read(self, read: Read) -> Batch:
        self.time.s += 20
        return Batch(device=0, mono_ns=1, points=read.points, values=(self.valve,), statuses=(0,))

    async def probe(self) -> None:
        """Nobody asks."""

    def _here(self) -> None:
        if self.gone:
            raise LinkDownError("gone")


class Rig:
    """One device, the commands, and what they record."""

    def __init__(self, folder: Path, profile: str = "generic/dlt645-2007-single-phase") -> None:
        self.time = Time()
        self.meter = Meter(time=self.time)
        loaded = load_profile(find_profile(profile, builtin_roots()))
        self.site = SiteDevice(name="m", bus="b", unit=0, profile=loaded)
        if loaded.controls:
            index = loaded.index_of("valve")
            self.meter.reads = (Read(points=(index,), period_s=1, request_bytes=1, reply_bytes=1),)
        self.events: list[Event] = []
        self.disk: StorageError | None = None
        self.listens = False
        self.commits: list[tuple[int, int]] = []
        self.commands = Commands(
            lambda name: self.target() if name == "m" else None, self.time, folder,
            note=self.events.append, committed=self._committed,
        )  # fmt: skip

    def target(self) -> Target:
        return Target(site=self.site, neighbours=(), listens=self.listens, ask=self._ask)

    async def _ask(self, work: Callable[[Device], Awaitable[T]]) -> T:
        return await work(self.meter)

    async def _committed(self) -> None:
        self.commits.append((len(self.events), len(self.meter.sent)))
        if self.disk is not None:
            raise self.disk

    def kinds(self) -> list[int]:
        return [event.kind for event in self.events]

    async def go(self, ask: AskPrepare, password: str = PASSWORD) -> CarriedOutAnswer:
        found = await self.commands.prepare(ask, "uid 1")
        assert found.refusal is None, found.refusal
        return await self.commands.carry_out(AskCarryOut(ticket=found.ticket, password=password), "uid 1")


CLOCK = AskPrepare(device="m", with_password=True)


async def test_a_command_is_recorded_before_it_is_sent_and_so_is_its_end(tmp_path: Path) -> None:
    rig = Rig(tmp_path)
    found = await rig.commands.prepare(CLOCK, "uid 7")
    assert (found.difference_ms, found.way, found.why, found.needs_password) == (-90000, "write", "password", True)
    assert (rig.events, rig.meter.sent) == ([], [])
    done = await rig.commands.carry_out(AskCarryOut(ticket=found.ticket, password=PASSWORD), "uid 7")
    assert (done.outcome, done.acknowledged, done.difference_ms) == (Outcome.DONE, True, 0)
    assert rig.meter.sent == [f"write {PASSWORD}"]
    assert rig.commits == [(1, 0), (2, 1)]  # (events, telegrams) when the disk had them
    accepted, result = rig.events
    assert (accepted.kind, result.kind) == (EventKind.COMMAND_ACCEPTED, EventKind.COMMAND_RESULT)
    assert accepted.fields[1:] == ("m", "clock", "uid 7", "function 14")
    assert result.fields[0] == accepted.fields[0] == bytes.fromhex(done.command)
    assert result.fields[1] == "done"
    assert PASSWORD not in repr(
        (rig.events, AskCarryOut(ticket="", password=PASSWORD), Credentials(password=PASSWORD))
    )


async def test_what_cannot_be_recorded_is_not_done(tmp_path: Path) -> None:
    rig = Rig(tmp_path)
    found = await rig.commands.prepare(CLOCK, "uid 1")
    rig.disk = StorageError("full")
    with pytest.raises(StorageError):
        await rig.commands.carry_out(AskCarryOut(ticket=found.ticket, password=PASSWORD), "uid 1")
    assert rig.meter.sent == []
    accepted, result = rig.events  # sealed when the disk is back
    assert (accepted.kind, result.kind) == (EventKind.COMMAND_ACCEPTED, EventKind.COMMAND_RESULT)
    assert result.fields[:3] == (accepted.fields[0], "not-done", "not sent")
    nowhere = Rig(tmp_path / "missing", "generic/cjt188-water-valve")
    with pytest.raises(StorageError):  # when a valve was moved has to be kept too
        await nowhere.go(AskPrepare(device="m", control="valve.command", word="close"))
    assert nowhere.meter.sent == []


async def test_a_refusal_is_recorded_unless_it_is_a_rehearsal(tmp_path: Path) -> None:
    rig = Rig(tmp_path)
    rig.meter.off_s = -4000
    rehearsed = await rig.commands.prepare(replace(CLOCK, rehearsal=True), "uid 1")
    assert rehearsed.refusal is not None
    assert (rehearsed.ticket, rig.events) == ("", [])
    refused = await rig.commands.prepare(CLOCK, "uid 1")
    assert (refused.refusal, refused.ticket) == (rehearsed.refusal, "")
    (event,) = rig.events
    assert event.kind == EventKind.COMMAND_REFUSED
    assert event.fields[1:] == ("step-too-big", "m", "clock", "uid 1")
    rig.listens = True
    nothing = await rig.commands.prepare(CLOCK, "uid 1")
    assert nothing.refusal is not None
    assert nothing.refusal.code == "listen-only"
    assert rig.meter.sent == []


async def test_a_confirmation_holds_two_minutes_once_and_for_what_was_shown(tmp_path: Path) -> None:
    rig = Rig(tmp_path)
    found = await rig.commands.prepare(CLOCK, "uid 1")
    rig.time.s += TICKET_S
    over = await rig.commands.carry_out(AskCarryOut(ticket=found.ticket, password=PASSWORD), "uid 1")
    assert over.refusal is not None
    assert over.refusal.code == "ticket-over"
    found = await rig.commands.prepare(CLOCK, "uid 1")
    rig.meter.off_s = 500
    changed = await rig.commands.carry_out(AskCarryOut(ticket=found.ticket, password=PASSWORD), "uid 1")
    assert changed.refusal is not None
    assert changed.refusal.code == "changed-meanwhile"
    again = await rig.commands.carry_out(AskCarryOut(ticket=found.ticket, password=PASSWORD), "uid 1")
    assert again.refusal is not None
    assert again.refusal.code == "ticket-over"
    assert rig.meter.sent == []


@pytest.mark.parametrize(("password", "code"), [("", "needs-password"), ("word", "bad-password")])
async def test_without_a_right_password_nothing_is_sent(tmp_path: Path, password: str, code: str) -> None:
    rig = Rig(tmp_path)
    done = await rig.go(CLOCK, password)
    assert done.refusal is not None
    assert done.refusal.code == code
    assert (rig.meter.sent, rig.kinds()) == ([], [EventKind.COMMAND_REFUSED])


@pytest.mark.parametrize(
    ("fails", "deaf", "outcome", "acknowledged"),
    [
        (NoReplyError("silence"), False, Outcome.DONE, False),
        (NoReplyError("silence"), True, Outcome.NOT_DONE, False),
        (None, True, Outcome.NOT_DONE, True),
        (RefusedError("password wrong", 4), True, Outcome.REFUSED, False),
    ],
)
async def test_what_became_of_it_is_what_reading_back_says(
    tmp_path: Path, fails: Exception | None, deaf: bool, outcome: Outcome, acknowledged: bool
) -> None:
    rig = Rig(tmp_path)
    rig.meter.fails, rig.meter.deaf = fails, deaf
    done = await rig.go(CLOCK)
    assert (done.outcome, done.acknowledged) == (outcome, acknowledged)
    assert len(rig.meter.sent) == 1
    assert rig.events[-1].fields[1] == outcome.value


async def test_a_line_that_is_lost_leaves_it_unknown(tmp_path: Path) -> None:
    rig = Rig(tmp_path)

    async def lost(way: ClockWay, credentials: Credentials) -> str:  # noqa: ARG001 - as the port has it
        rig.meter.gone = True
        raise LinkDownError("unplugged")

    rig.meter = _With(rig.meter, lost)
    done = await rig.go(CLOCK)
    assert done.outcome is Outcome.UNKNOWN
    assert rig.events[-1].fields[1] == "unknown"


async def test_a_line_has_one_broadcast_a_day_also_after_a_restart(tmp_path: Path) -> None:
    rig = Rig(tmp_path)
    rig.meter.ways = (BROADCAST,)
    done = await rig.go(AskPrepare(device="m"))
    assert (done.outcome, done.acknowledged) == (Outcome.DONE, None)
    again = Rig(tmp_path)
    again.time.boot, again.meter.ways = b"12345678", (BROADCAST,)
    spent = await again.commands.prepare(AskPrepare(device="m"), "uid 1")
    assert spent.refusal is not None
    assert spent.refusal.code == "broadcast-spent"
    again.time.s = 13 * 3600
    free = await again.commands.prepare(AskPrepare(device="m"), "uid 1")
    assert free.refusal is None


async def test_a_valve_is_read_until_it_is_there_or_its_time_is_over(tmp_path: Path) -> None:
    close = AskPrepare(device="m", control="valve.command", word="close")
    rig = Rig(tmp_path, "generic/cjt188-water-valve")
    done = await rig.go(close)
    assert (done.outcome, done.state) == (Outcome.DONE, 1)
    assert rig.meter.sent == ["valve.command close"]
    stuck = Rig(tmp_path / "other", "generic/cjt188-water-valve")
    (tmp_path / "other").mkdir()
    stuck.meter.deaf = True
    done = await stuck.go(close)
    assert (done.outcome, done.state) == (Outcome.NOT_DONE, 0)
    assert len(stuck.meter.sent) == 1


async def test_time_since_a_command_outlives_a_restart_and_a_clock_that_went_back(tmp_path: Path) -> None:
    time = Time()
    memory = CommandMemory(tmp_path, time)
    assert await memory.elapsed_s("x") is None
    await memory.remember("x")
    time.s = 30
    assert await CommandMemory(tmp_path, time).elapsed_s("x") == 30
    time.boot = b"12345678"
    assert await memory.elapsed_s("x") == 30
    time.s = -500  # 500 s into this boot, and UTC before the command
    assert await memory.elapsed_s("x") == 500
    (tmp_path / "commands.json").write_text("{")
    with pytest.raises(StorageError):
        await memory.elapsed_s("x")


async def test_what_is_remembered_is_on_the_disk_under_its_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced: list[tuple[str, bool]] = []
    fsync = os.fsync

    def noted(handle: int) -> None:
        synced.append((str(Path(f"/proc/self/fd/{handle}").readlink()), (tmp_path / "commands.json").exists()))
        fsync(handle)

    monkeypatch.setattr(os, "fsync", noted)
    await CommandMemory(tmp_path, Time()).remember("x")
    assert synced[-1] == (str(tmp_path), True), "the folder last of all: until then the name may be lost"
    assert [there for _, there in synced] == [False, True]


class _With(Meter):
    """A meter whose clock is set otherwise."""

    def __init__(self, meter: Meter, set_clock: Callable[[ClockWay, Credentials], Awaitable[str]]) -> None:
        super().__init__(time=meter.time)
        self._set_clock = set_clock

    async def set_clock(self, way: ClockWay, credentials: Credentials) -> str:
        return await self._set_clock(way, credentials)
