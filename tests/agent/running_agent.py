"""An agent that runs in the loop of a test, on simulated Modbus TCP devices; asked over its socket, as people do."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from agent.block.file_verdict import FileVerdict
from agent.block.record import EventKind
from agent.block.sequence import verify_sequence
from agent.block.verify import Trust
from agent.config import BlockRules, Bus, Site, SiteDevice, SiteIdentity
from agent.control.client import ControlClient
from agent.control.protocol import (
    Answer,
    Ask,
    AskRead,
    AskStatus,
    ReadAnswer,
)
from agent.errors import ControlError
from agent.health import AgentStatus
from agent.keys import FileKeyStore
from agent.outbox import read_blocks
from agent.runtime import Agent, Surroundings
from drivers.profile import Profile
from drivers.profile_load import builtin_roots, find_profile, load_profile
from tests.agent.storage_site import events_of

POINTS = 98
QUICK = 0.1


def bench_profile() -> Profile:
    return load_profile(find_profile("generic/block-98", builtin_roots()))


def site_of(folder: Path, ports: tuple[int, ...], **changes: object) -> Site:
    store = FileKeyStore(folder / "state" / "keys")
    if not store.has_identity():
        (folder / "state").mkdir(exist_ok=True)
        store.create_identity()
    model = bench_profile()
    site = Site(
        identity=SiteIdentity(name="test"),
        buses=tuple(Bus(name=f"b{n}", port=f"tcp://127.0.0.1:{port}") for n, port in enumerate(ports)),
        devices=tuple(
            SiteDevice(name=f"d{n}", bus=f"b{n}", unit=1, profile=model, every_s=QUICK) for n in range(len(ports))
        ),
        state_dir=folder / "state",
        run_dir=folder / "run",
        block=BlockRules(max_age_s=0.2),
    )
    return replace(site, **changes)  # type: ignore[arg-type]


@dataclass
class Running:
    """An agent that runs in this loop."""

    site: Site
    agent: Agent
    task: asyncio.Task[None]

    async def ask(self, ask: Ask) -> Answer:
        def work() -> Answer:
            with ControlClient(self.site.run_dir, timeout_s=10) as client:
                return client.ask(ask)

        return await asyncio.to_thread(work)

    async def status(self) -> AgentStatus:
        found = await self.ask(AskStatus())
        assert isinstance(found, AgentStatus)
        return found

    async def read(self, ask: AskRead) -> ReadAnswer:
        found = await self.ask(ask)
        assert isinstance(found, ReadAnswer)
        return found

    async def until(self, true: Callable[[AgentStatus], bool]) -> AgentStatus:
        async with asyncio.timeout(15):
            while not true(status := await self.status()):  # noqa: ASYNC110 - asked over the socket, as a person would
                await asyncio.sleep(0.02)
        return status


@asynccontextmanager
async def running(
    site: Site, load: Callable[[], Site] | None = None, environ: Mapping[str, str] | None = None
) -> AsyncIterator[Running]:
    agent = Agent(site, Surroundings(environ=environ or {}), load)
    async with asyncio.TaskGroup() as group:
        task = group.create_task(agent.run())
        started = Running(site, agent, task)
        await _up(started, task)
        yield started
        agent.stop()


async def _up(started: Running, task: asyncio.Task[None]) -> None:
    async with asyncio.timeout(10):
        while not task.done():
            try:
                await started.status()
            except ControlError:
                await asyncio.sleep(0.01)
            else:
                return


def verdict(site: Site) -> FileVerdict:
    messages = [block.message for block in read_blocks(site.state_dir / "outbox.db")]
    return verify_sequence(messages, Trust.of([FileKeyStore(site.state_dir / "keys").identity().spki]))


def events(site: Site, kind: EventKind) -> list[tuple[object, ...]]:
    messages = [block.message for block in read_blocks(site.state_dir / "outbox.db")]
    return [event.fields for message in messages for event in events_of(message) if event.kind == kind]
