"""Does what the schedule of a bus says, on an open port: every failure becomes a quality, none a crash."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from typing import Final, TypeVar

from agent.config import Bus
from agent.health import DeviceStatus, Load
from agent.polling.claims import Life, Task
from agent.polling.missed import MissReason
from agent.polling.opening import BusPort
from agent.polling.polled import Polled, Wanted
from agent.polling.questions import Questions
from agent.polling.recording import Recorder
from agent.polling.shedding import factors
from agent.polling.wakeup import Rest
from agent.schedule import Change, Job, Result, Schedule
from agent.storing.stored import Pressure
from drivers.batch import Batch
from drivers.clock import Clock
from drivers.errors import (
    DeviceFailedError,
    DriverError,
    FrameError,
    LinkDownError,
    NoReplyError,
    OtherDeviceError,
    RefusedError,
)
from drivers.quality import Quality
from drivers.sources import Device, Urgency

REPORT_EVERY_NS: Final = 5_000_000_000
_MISSES: Final = {
    Result.SILENT: MissReason.NO_REPLY,
    Result.DAMAGED: MissReason.BAD_FRAME,
    Result.REFUSED: MissReason.REFUSED,
    Result.UNABLE: MissReason.REFUSED,
}
_log = logging.getLogger(__name__)
T = TypeVar("T")


class _InternalError(DriverError):
    """A fault of this program while it polled one device; the others go on."""

    code = "internal-error"
    quality = Quality.BAD_INTERNAL_ERROR


class Polling:
    """The devices of one bus and their schedule.

    Args:
        bus: what the site file says of it.
        wanted: its devices, in the order of ``port.devices``.
        port: gives the devices; somebody else opens and closes it.
        recorder: where batches and events go.
        clock: where time comes from.
        start_ns: origin of the grid; the same for all buses, so that those on TCP wake together.
        spread: give each read a phase of its own.

    Attributes:
        answers: exchanges that the port has served since ``up``, 0 if it never worked.
        fault: why the port has to be opened anew, None while it works.
    """

    def __init__(
        self,
        bus: Bus,
        wanted: Sequence[Wanted],
        port: BusPort,
        *,
        recorder: Recorder,
        clock: Clock,
        start_ns: int,
        spread: bool,
    ) -> None:
        self._bus = bus
        self._recorder = recorder
        self._clock = clock
        self._devices = [Polled(one, device, recorder) for one, device in zip(wanted, port.devices, strict=True)]
        lines = [one.site.line or bus.line for one in wanted]
        self._schedule = Schedule(
            [device.reads for device in port.devices],
            start_ns=start_ns,
            spread=spread,
            settings=[lines.index(line) for line in lines],
        )
        self._report_ns = start_ns + REPORT_EVERY_NS
        self._pressure = Pressure.NONE
        self._questions = Questions()
        self.load = Load(start_ns)
        self.answers = 0
        self.fault: LinkDownError | None = None
        depth = min((one.site.profile.limits.pipeline for one in wanted), default=1)
        self._depth = depth if bus.port.startswith("tcp:") else 1  # on a line one exchange at a time, whoever asks

    async def turn(self, rest: Rest) -> None:
        """Do the next exchange, or sleep until there may be one."""
        now_ns = self._clock.mono_ns()
        if now_ns >= self._report_ns:
            self.report()
        job = self._schedule.next(now_ns)
        if job is None:
            await rest.until(self._schedule.wake_ns(now_ns))
        else:
            await self._do(job, now_ns)

    def up(self) -> None:
        """The port is open: poll (again)."""
        self.fault = None
        self.answers = 0
        self._schedule.resume(self._clock.mono_ns())

    def hold(self, reason: MissReason, error: Exception) -> None:
        """The port is gone or lent: nothing is due until ``up``, and who has a question gets ``error``."""
        self._schedule.hold(reason)
        self._questions.drop(error)

    def lose_all(self, error: LinkDownError) -> None:
        """Say of every point of the bus that it has no value, and why."""
        now_ns = self._clock.mono_ns()
        for polled in self._devices:
            polled.failed(error.code, str(error), now_ns)
            polled.lose_all(error.quality, now_ns)

    def ask(self, urgency: Urgency, device: int, work: Callable[[Device], Awaitable[T]]) -> asyncio.Future[T]:
        """Queue a question to the device at this position; see ``BusPoller.ask``."""
        ticket, answer = self._questions.put(device, work)
        self._schedule.ask(urgency, ticket)
        return answer

    def shed(self, pressure: Pressure) -> bool:
        """Poll as much as storage bears; True if that changed something."""
        if pressure is self._pressure:
            return False
        self._pressure = pressure
        self._stretch(range(len(self._devices)))
        return True

    def report(self, *, back: int | None = None, everything: bool = False) -> None:
        """Record what was missed, as far as it is time to (``Schedule.missed``)."""
        now_ns = self._clock.mono_ns()
        self._report_ns = now_ns + REPORT_EVERY_NS
        for missed in self._schedule.missed(now_ns, back=back, everything=everything):
            self._recorder.missed(self._devices[missed.device].wanted.index, missed)

    def position(self, index: int) -> int | None:
        """Give the position on this bus of the site's device ``index``, None if it is not here."""
        return next((at for at, one in enumerate(self._devices) if one.wanted.index == index), None)

    def statuses(self) -> list[tuple[int, DeviceStatus]]:
        """Give (index in the site, status) of each device."""
        pairs = zip(self._devices, self._schedule.members, strict=True)
        return [(polled.wanted.index, polled.status(member)) for polled, member in pairs]

    @property
    def lives(self) -> list[Life]:
        """What is known of each device."""
        return [member.life for member in self._schedule.members]

    async def _do(self, job: Job, now_ns: int) -> None:
        if job.task is not None and self._depth > 1 and self._is_sound(job):
            await self._poll_together(job, job.task, now_ns)
        elif job.task is not None:
            self._settle(job, job.task, await self._try(job.device, job.task), now_ns)
        elif job.ticket >= 0:
            await self._answer(job.ticket, now_ns)
        else:
            await self._probe(job, now_ns)

    async def _poll_together(self, first: Job, task: Task, now_ns: int) -> None:
        """Do what is due of sound devices at once, as many as the server bears."""
        jobs, after = [(first, task)], None
        while len(jobs) < self._depth:
            job = self._schedule.next(now_ns)
            if job is None:
                break
            if job.task is None or not self._is_sound(job):
                after = job
                break
            jobs.append((job, job.task))
        async with asyncio.TaskGroup() as group:
            tries = [group.create_task(self._try(job.device, due)) for job, due in jobs]
        self._settle_all([(job, due, tried.result()) for (job, due), tried in zip(jobs, tries, strict=True)], now_ns)
        if after is None:
            return
        if self.fault is None:
            await self._do(after, self._clock.mono_ns())
        elif after.ticket >= 0:
            self._schedule.ask(after.urgency, after.ticket)
        else:
            self._schedule.done(after, Result.DROPPED, now_ns, self._clock.mono_ns())

    def _settle_all(self, came: Sequence[tuple[Job, Task, Batch | DriverError]], started_ns: int) -> None:
        """Note what reads that ran together gave: of each device its first failure alone, then what it answered.

        Failures of one moment are one sign that a device may be dead, not several; the others are asked again.
        """
        failed: set[int] = set()
        for job, task, what in sorted(came, key=lambda one: isinstance(one[2], Batch)):
            if not self._schedule.holds(task):  # its plan was made anew by one before
                continue
            if job.device in failed and not isinstance(what, Batch):
                self._schedule.done(job, Result.DROPPED, started_ns, self._clock.mono_ns())
                continue
            failed |= set() if isinstance(what, Batch) else {job.device}
            self._settle(job, task, what, started_ns)

    def _is_sound(self, job: Job) -> bool:
        return self._schedule.members[job.device].life is Life.ALIVE

    async def _try(self, position: int, task: Task) -> Batch | DriverError:
        """Do one read, again if the site wants that and the device was well; never raises a DriverError."""
        fresh = self._schedule.members[position].failures == 0
        error: DriverError
        for _ in range(1 + self._bus.retry * fresh):
            try:
                return await _guarded(self._devices[position].device.read(task.read))
            except (NoReplyError, FrameError) as found:
                error = found
            except DriverError as found:
                return found
        return error

    def _settle(self, job: Job, task: Task, came: Batch | DriverError, started_ns: int) -> None:
        if isinstance(came, DriverError):
            self._bad(job, task, came, started_ns)
        else:
            self._good(job, task, came, started_ns)

    def _good(self, job: Job, task: Task, batch: Batch, started_ns: int) -> None:
        ended_ns = batch.mono_ns
        self.answers += 1
        self._spent(job.device, started_ns, ended_ns, good=True)
        change = self._schedule.done(job, Result.ANSWERED, started_ns, ended_ns)
        if not self._devices[job.device].take(batch):
            self._miss(task, ended_ns, MissReason.QUEUE_FULL)
        if change is Change.BACK:
            self._back(job.device)

    def _bad(self, job: Job, task: Task, error: DriverError, started_ns: int) -> None:
        now_ns = self._clock.mono_ns()
        polled, result = self._devices[job.device], _result_of(error)
        self._spent(job.device, started_ns, now_ns, good=False)
        change = self._schedule.done(job, result, started_ns, now_ns)
        if isinstance(error, LinkDownError):
            self.fault = error
            return
        self.answers += result in (Result.REFUSED, Result.UNABLE)
        if isinstance(error, RefusedError) and error.replanned:
            polled.cut()
            self._schedule.replan(job.device, polled.device.reads, now_ns)
            self._stretch([job.device])
            return
        polled.failed(error.code, str(error), now_ns)
        if not polled.lose(task.read.points, error.quality, now_ns):
            self._miss(task, now_ns, _MISSES[result])
        if change is Change.DIED:
            _log.warning("device-silent device=%s code=%s: %s", polled.wanted.site.name, error.code, error)
            polled.lose_all(error.quality, now_ns)
        elif change is Change.BACK:
            self._back(job.device)

    async def _probe(self, job: Job, started_ns: int) -> None:
        polled, result = self._devices[job.device], Result.ANSWERED
        try:
            await _guarded(polled.device.probe())
        except LinkDownError as error:
            self.fault = error
            result = Result.DROPPED
        except DriverError as error:
            result = _result_of(error)
            polled.failed(error.code, str(error), self._clock.mono_ns())
        now_ns = self._clock.mono_ns()
        self._spent(job.device, started_ns, now_ns, good=result is Result.ANSWERED)
        if self._schedule.done(job, result, started_ns, now_ns) is Change.BACK:
            self.answers += 1
            self._back(job.device)

    async def _answer(self, ticket: int, started_ns: int) -> None:
        question = self._questions.take(ticket)
        if question is None:
            return
        good = False
        try:
            found = await _guarded(question.work(self._devices[question.device].device))
        except DriverError as error:
            if isinstance(error, LinkDownError):
                self.fault = error
            question.failed(error)
        else:
            good = True
            question.answered(found)
        now_ns = self._clock.mono_ns()
        self._spent(question.device, started_ns, now_ns, good=good)
        if good:
            self.answers += 1
            if self._schedule.heard(question.device, now_ns) is Change.BACK:
                self._back(question.device)

    def _spent(self, device: int, started_ns: int, ended_ns: int, *, good: bool) -> None:
        self.load.add(started_ns, ended_ns, good=good)
        self._devices[device].spent(ended_ns - started_ns)

    def _back(self, device: int) -> None:
        _log.warning("device-back device=%s", self._devices[device].wanted.site.name)
        self.report(back=device)

    def _miss(self, task: Task, now_ns: int, reason: MissReason) -> None:
        self._schedule.members[task.device].ledger.add(task.read.points, 1, now_ns, now_ns, reason)

    def _stretch(self, devices: Sequence[int]) -> None:
        now_ns = self._clock.mono_ns()
        for device in devices:
            reads = [task.read for task in self._schedule.members[device].tasks]
            profile = self._devices[device].wanted.site.profile
            self._schedule.stretch(device, factors(profile, reads, self._pressure), now_ns)


async def _guarded(exchange: Awaitable[T]) -> T:
    """Do one exchange; a fault of this program in it costs one device its reading and nobody else anything."""
    try:
        return await exchange
    except DriverError:
        raise
    except Exception as error:  # boundary
        _log.exception("internal-error")
        raise _InternalError(f"{type(error).__name__}: {error}") from error


def _result_of(error: DriverError) -> Result:
    if isinstance(error, LinkDownError):
        return Result.DROPPED
    replanned = isinstance(error, RefusedError) and error.replanned
    if replanned or isinstance(error, DeviceFailedError | OtherDeviceError | _InternalError):
        return Result.UNABLE
    if isinstance(error, RefusedError):
        return Result.REFUSED
    return Result.DAMAGED if isinstance(error, FrameError) else Result.SILENT
