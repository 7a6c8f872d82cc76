"""The way of a command to its device: through the running agent, or through the port itself where none runs.

Without an agent the command seals its own blocks: no write without a record, whoever does it.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import Final, Protocol, TypeVar

from agent.block.record import Event
from agent.cli.lines import LineError
from agent.clock import SystemClock, TimerfdPause
from agent.commanding.commanded import Target
from agent.commands import Commands
from agent.config import Site, SiteDevice
from agent.control.client import ControlClient
from agent.control.commands import AskCarryOut, AskPrepare, CarriedOutAnswer, PreparedAnswer
from agent.control.protocol import Role
from agent.control.server import role_of
from agent.errors import ControlError
from agent.finding import Finding
from agent.keys import FileKeyStore
from agent.polling.opening import Profiles, RegistryPort
from agent.polling.polled import Wanted
from agent.runtime import KEYS, storage_settings
from agent.storage import Storage
from drivers.sources import Device

PATIENCE_S: Final = 900.0
"""A valve may take ten minutes, and the bus may be busy."""
T = TypeVar("T")


class Setter(Protocol):
    """Prepares and carries out; raises what the agent or the port says."""

    by_agent: bool

    def prepare(self, ask: AskPrepare) -> PreparedAnswer:
        """See ``agent.commands.Commands``."""
        ...

    def carry_out(self, ticket: str, password: str, operator: str) -> CarriedOutAnswer:
        """See ``agent.commands.Commands``."""
        ...


@contextmanager
def setter_of(site: Site, device: SiteDevice) -> Iterator[Setter]:
    """Give the way to ``device``.

    Raises:
        ControlError: the agent runs and does not let us ask.
        LineError: no agent runs, and this user may not do it.
    """
    try:
        client = ControlClient(site.run_dir, timeout_s=PATIENCE_S)
    except ControlError as error:
        if not isinstance(error.__cause__, FileNotFoundError | ConnectionRefusedError):
            raise
    else:
        with client:
            yield _ByAgent(client)
        return
    with asyncio.Runner() as runner:
        direct = _ByPort(site, device, runner)
        try:
            yield direct
        finally:
            runner.run(direct.aclose())


class _ByAgent:
    """Through the control socket."""

    by_agent = True

    def __init__(self, client: ControlClient) -> None:
        self._client = client

    def prepare(self, ask: AskPrepare) -> PreparedAnswer:
        return self._client.ask(ask)

    def carry_out(self, ticket: str, password: str, operator: str) -> CarriedOutAnswer:
        return self._client.ask(AskCarryOut(ticket=ticket, password=password, operator=operator))


class _Chain:
    """The chain of a gateway whose agent does not run; opened with the first event that has to be kept."""

    def __init__(self, site: Site, clock: SystemClock) -> None:
        self._site = site
        self._clock = clock
        self._storage: Storage | None = None
        self._events: list[Event] = []

    def note(self, event: Event) -> None:
        self._events.append(event)

    async def committed(self) -> None:
        if self._storage is None:
            keys = FileKeyStore(self._site.state_dir / KEYS)
            storage = Storage(storage_settings(self._site), keys, self._clock)
            storage.register(self._site.devices)
            storage.start()
            self._storage = storage
        for event in self._events:
            self._storage.note(event)
        self._events.clear()
        await self._storage.flush()

    async def aclose(self) -> None:
        if self._storage is not None:
            await self._storage.close()


class _ByPort:
    """Through the port; ``runner`` owns the loop, which stands still while a person thinks."""

    by_agent = False

    def __init__(self, site: Site, device: SiteDevice, runner: asyncio.Runner) -> None:
        _technicians_only(site)
        clock = SystemClock()
        bus = next(one for one in site.buses if one.name == device.bus)
        self._runner = runner
        self._who = f"uid {os.geteuid()}"
        self._chain = _Chain(site, clock)
        self._pause = TimerfdPause()
        wanted = Wanted(index=site.devices.index(device), site=device)
        self._port = RegistryPort(bus, [wanted], Profiles(), clock=clock, pause=self._pause)
        self._opened = False
        target = Target(
            site=device,
            neighbours=tuple(one for one in site.devices if one.bus == device.bus and one != device),
            listens=bus.listen,
            ask=self._ask,
        )
        self._commands = Commands(
            lambda name: target if name == device.name else None,
            clock,
            site.state_dir,
            note=self._chain.note,
            committed=self._chain.committed,
        )

    def prepare(self, ask: AskPrepare) -> PreparedAnswer:
        return self._runner.run(self._commands.prepare(ask, self._who))

    def carry_out(self, ticket: str, password: str, operator: str) -> CarriedOutAnswer:
        ask = AskCarryOut(ticket=ticket, password=password, operator=operator)
        return self._runner.run(self._commands.carry_out(ask, self._who))

    async def aclose(self) -> None:
        await self._port.aclose()
        await self._chain.aclose()
        self._pause.close()

    async def _ask(self, work: Callable[[Device], Awaitable[T]]) -> T:
        if not self._opened:
            await self._port.open()
            self._opened = True
        return await work(self._port.devices[0])


def _technicians_only(site: Site) -> None:
    try:
        owner = site.state_dir.stat().st_uid
    except FileNotFoundError:
        return  # then there are no keys either, and nothing can be recorded
    if role_of(os.geteuid(), owner) is not Role.TECHNICIAN:
        raise LineError(Finding(code="not-allowed", params={"detail": "only root and the agent's own user may set"}))
