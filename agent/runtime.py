"""The whole agent: built from the site, run in one task group, stopped in order. Reads the real clocks."""

from __future__ import annotations

import asyncio
import gc
import importlib
import logging
import os
import random
import signal
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Final, TypeAlias

from agent import software
from agent.block.record import Event, EventKind
from agent.clock import SystemClock, TimerfdPause
from agent.commanding.commanded import target_on
from agent.commands import Commands
from agent.config import Site, SiteDevice
from agent.control.desk import AgentDesk
from agent.control.protocol import ReloadAnswer, socket_path
from agent.control.server import ControlServer
from agent.delivery.mqtt_state import Phase
from agent.errors import ConfigError, StorageError
from agent.finding import Finding
from agent.health import AgentStatus, is_alive
from agent.keys import FileKeyStore, parse_key_line
from agent.killpoint import VARIABLE as KILL_VARIABLE
from agent.killpoint import armed
from agent.outputs.build import build_outlets
from agent.outputs.outlet import Branching
from agent.polling.buses import Buses
from agent.polling.ear import RegistryEar
from agent.polling.opening import Profiles, RegistryPort
from agent.polling.recording import Recorder
from agent.polling.tapping import BusTap
from agent.sdnotify import Notifier
from agent.storage import Storage, StorageSettings
from agent.storing.stored import Exchanged
from drivers.sanitize import sanitize

if TYPE_CHECKING:
    from agent.delivery.uplink_status import UplinkStatus
    from agent.uplink import Uplink

TICK_S: Final = 2.0
PUBLISH_PATIENCE_S: Final = 2.0
PUBLISH_LOOK_S: Final = 0.02
KEYS: Final = "keys"
_PAGE_BYTES: Final = os.sysconf("SC_PAGE_SIZE")
_log = logging.getLogger(__name__)
LoadSite: TypeAlias = Callable[[], Site]


@dataclass(slots=True, kw_only=True)
class Surroundings:
    """What the agent takes from the machine; tests give their own.

    Attributes:
        rng: spreads pauses.
        environ: sd_notify's variables and the kill points of the crash tests.
    """

    clock: SystemClock = field(default_factory=SystemClock)
    rng: random.Random = field(default_factory=random.Random)
    environ: Mapping[str, str] = field(default_factory=lambda: os.environ)


def serve(site: Site, load: LoadSite | None = None) -> None:
    """Run the agent until SIGTERM or SIGINT.

    Args:
        site: what to do.
        load: reads the site file again, for a reload; None: there is none.

    Raises:
        ConfigError, StorageError, ChainDamagedError, KeyUnavailableError, ControlError: why it cannot start.
    """
    if site.uplinks:
        # paho takes 70 ms of CPU to import: meanwhile the disk is waited for
        threading.Thread(target=importlib.import_module, args=("agent.uplink",), daemon=True).start()
    if not logging.getLogger().handlers:
        logging.basicConfig(level=logging.INFO, format="%(levelname)s %(message)s")
    agent = Agent(site, Surroundings(), load)
    with asyncio.Runner() as runner:
        runner.run(agent.run(signals=True))


class Agent:
    """One running agent."""

    def __init__(self, site: Site, around: Surroundings, load: LoadSite | None = None) -> None:
        self._site = site  # buses and devices go by what was read last, everything else by this until the end
        self._digest = site.digest
        self._load = load
        self._clock = around.clock
        self._rng = around.rng
        self._notify = Notifier(around.environ, os.getpid())
        self._reached = armed(around.environ.get(KILL_VARIABLE))
        self._keys = FileKeyStore(site.state_dir / KEYS)
        self._kid = self._keys.identity().kid
        self._storage = Storage(storage_settings(site), self._keys, around.clock, reached=self._reached)
        self._pause = TimerfdPause()
        self._outlets = build_outlets(site.outputs, site.state_dir, around.clock, around.rng)
        profiles = Profiles()
        self._uplinks: list[Uplink] = []
        self._taps: dict[str, BusTap] = {}
        self._started_ns = around.clock.mono_ns()
        self._stop: asyncio.Event = asyncio.Event()
        self._reload_wanted = asyncio.Event()
        self._buses = Buses(
            register=self._register,
            make_port=lambda bus, wanted: RegistryPort(
                bus, wanted, profiles, clock=around.clock, pause=self._pause, tap=self._tap_of(bus.name)
            ),
            make_ear=lambda bus, wanted: RegistryEar(bus, wanted, profiles, tap=self._tap_of(bus.name)),
            recorder=Recorder(
                Branching(self._storage, self._outlets) if self._outlets else self._storage, around.clock
            ),
            clock=around.clock,
        )

    def stop(self) -> None:
        """Let ``run`` end in order."""
        self._stop.set()

    def _register(self, devices: Sequence[SiteDevice]) -> None:
        self._storage.register(devices)
        for outlet in self._outlets:
            outlet.register(devices)

    async def run(self, *, signals: bool = False) -> None:
        """Run until ``stop``; with ``signals`` SIGTERM and SIGINT stop it and SIGHUP reads the site file again."""
        loop = asyncio.get_running_loop()
        if signals:
            for number in (signal.SIGTERM, signal.SIGINT):
                loop.add_signal_handler(number, self.stop)
            loop.add_signal_handler(signal.SIGHUP, self._reload_wanted.set)
        self._buses.register(self._site)
        control = ControlServer(socket_path(self._site.run_dir), self._desk())
        async with AsyncExitStack() as ends:  # each of them, whatever becomes of the others
            ends.callback(self._pause.close)
            self._storage.start()
            ends.push_async_callback(self._storage.close)
            for outlet in self._outlets:
                outlet.prepare()
            ends.push_async_callback(control.aclose)
            await control.start()
            async with asyncio.TaskGroup() as group:
                await self._serve(group)

    async def _serve(self, group: asyncio.TaskGroup) -> None:
        self._buses.start(self._site, group)
        await asyncio.sleep(0)  # the first requests leave before anything else is loaded
        uplinks = [group.create_task(self._run_uplink(index)) for index in range(len(self._site.uplinks))]
        outputs = [group.create_task(outlet.run()) for outlet in self._outlets]
        others = [group.create_task(self._tick()), group.create_task(self._reloads())]
        self._notify.ready()
        _log.info(
            "started site=%s gateway=%s version=%s", self._site.identity.name, self._kid.hex(), software.version()
        )
        gc.freeze()  # what was built now stays: the collector need not walk it again
        try:
            await self._stop.wait()
            for task in others:
                task.cancel()
            await self._shut_down()
        finally:
            for task in (*others, *uplinks, *outputs):
                task.cancel()

    async def _shut_down(self) -> None:
        """Stop polling, seal and commit what was read, publish it and wait for receipts for up to two seconds."""
        self._notify.stopping()
        _log.info("stopping")
        await self._buses.stop()
        try:
            await self._storage.flush()
        except StorageError as error:
            _log.error("%d readings are not stored: %s", self._storage.status().waiting_readings, error)
        for _ in range(round(PUBLISH_PATIENCE_S / PUBLISH_LOOK_S)):
            if not self._owes():
                break
            await asyncio.sleep(PUBLISH_LOOK_S)

    def _owes(self) -> bool:
        """Tell whether a destination that can be reached has not receipted everything."""
        statuses = [uplink.status() for uplink in self._uplinks]
        reached = {status.kid for status in statuses if status.link.phase is Phase.CONNECTED}
        pending = (one for one in self._storage.status().destinations if one.pending_blocks)
        return any(one.kid in reached for one in pending)

    async def _run_uplink(self, index: int) -> None:
        from agent.uplink import Uplink  # noqa: PLC0415 - paho is loaded only where there is a broker

        uplink = Uplink(
            self._site.uplinks[index],
            self._kid,
            self._storage,
            clock=self._clock,
            rng=self._rng,
            reached=self._reached,
            on_trouble=_log_trouble,
        )
        self._uplinks.append(uplink)
        await uplink.run()

    async def _tick(self) -> None:
        """What time brings: pressure of storage, the watchdog, the line in ``systemctl status``."""
        watched_s = self._notify.watchdog_s
        period_s = TICK_S if watched_s is None else min(TICK_S, watched_s / 3)
        told = ""
        exchanged: tuple[Exchanged, ...] = ()
        while True:
            self._buses.shed(self._storage.pressure())
            stored = self._storage.status()
            for one in stored.exchanged:
                if one not in exchanged:
                    _log.warning("device-exchanged device=%s before=%r now=%r", one.device, one.before, one.now)
            exchanged = stored.exchanged
            alive = is_alive(self._storage.moved_mono_ms, self._clock.mono_ns() // 1_000_000, stored.max_age_s)
            if alive:
                self._notify.alive()
            fault = stored.fault_code if alive else "storage-stalled"
            if fault != told:
                told = fault
                _log.log(logging.ERROR if fault else logging.INFO, "storage %s: %s", fault or "works", stored.fault)
            self._notify.status(self._summary())
            await asyncio.sleep(period_s)

    def _summary(self) -> str:
        buses, devices = self._buses.statuses()
        stored = self._storage.status()
        answering = sum(bus.answering for bus in buses)
        fault = f"; {stored.fault}" if stored.fault else ""
        return f"{answering} of {len(devices)} devices answer, {stored.pending_blocks} blocks pending{fault}"

    async def _reloads(self) -> None:
        """Reload when SIGHUP came; a faulty file changes nothing."""
        while True:
            await self._reload_wanted.wait()
            self._reload_wanted.clear()
            try:
                await self._reload()
            except ConfigError as error:
                _log.error("reload-refused: %s", error)

    async def _reload(self) -> ReloadAnswer:
        if self._load is None:
            raise ConfigError("site", "this agent was started without a site file")
        self._notify.reloading(time.monotonic_ns() // 1000)
        try:
            site = self._load()
            answer = await self._buses.change(site)
        finally:
            self._notify.ready()
        fixed = _fixed_changes(self._site, site)
        if site.digest != self._digest:
            mono_ms = self._clock.mono_ns() // 1_000_000
            self._storage.note(Event(kind=EventKind.CONFIGURATION, mono_ms=mono_ms, fields=(site.digest,)))
        self._digest = site.digest
        _log.info("reloaded restarted=%s removed=%s", ",".join(answer.restarted), ",".join(answer.removed))
        if fixed:
            _log.warning("reload-needs-restart settings=%s", ",".join(fixed))
        return ReloadAnswer(restarted=answer.restarted, removed=answer.removed, needs_restart=fixed)

    def _desk(self) -> AgentDesk:
        commands = Commands(
            lambda name: target_on(self._buses, name),
            self._clock,
            self._site.state_dir,
            note=self._storage.note,
            committed=self._storage.flush,
        )
        return AgentDesk(
            self._buses,
            self._clock,
            status=self._status,
            reload=self._reload,
            tap_of=self._tap_of,
            commands=commands,
        )

    def _tap_of(self, bus: str) -> BusTap:
        return self._taps.setdefault(bus, BusTap(self._clock))

    def _status(self) -> AgentStatus:
        buses, devices = self._buses.statuses()
        return AgentStatus(
            site=self._site.identity.name,
            version=software.version(),
            gateway=self._kid,
            key=self._kid,
            state_dir=str(self._site.state_dir),
            started_mono_ms=self._started_ns // 1_000_000,
            clock=self._clock.sample(),
            storage=self._storage.status(),
            buses=buses,
            devices=devices,
            uplinks=tuple(uplink.status() for uplink in self._uplinks),
            outputs=tuple(outlet.status() for outlet in self._outlets),
            wakeups=self._buses.wakeup.count,
            rss_bytes=_rss_bytes(),
        )


def storage_settings(site: Site) -> StorageSettings:
    """Give what storage has to know of the site; its folder is there afterwards.

    Raises:
        StorageError: the folder cannot be made.
        ConfigError: a receipt key is none.
    """
    try:
        site.state_dir.mkdir(mode=0o750, parents=True, exist_ok=True)
    except OSError as error:
        raise StorageError(f"cannot make the state folder {site.state_dir}: {error.strerror}") from error
    keys = [parse_key_line(uplink.receipt_key, "uplink.receipt_key") for uplink in site.uplinks]
    return StorageSettings(
        folder=site.state_dir,
        rules=site.block,
        limits=site.outbox,
        destinations=tuple(key.kid for key in keys),
        configuration=site.digest,
        software_hash=software.digest(),
        software_version=software.version(),
    )


def _fixed_changes(old: Site, new: Site) -> tuple[str, ...]:
    names = ("identity", "uplinks", "outputs", "outbox", "block", "state_dir", "run_dir")
    return tuple(name for name in names if getattr(old, name) != getattr(new, name))


def _log_trouble(status: UplinkStatus) -> None:
    if status.trouble is None:
        _log.info("uplink-ok destination=%s", status.name)
        return
    code = status.trouble.value
    try:
        sentence = Finding(code=code, params=dict(status.facts)).sentence()
    except KeyError:  # a sentence that asks for a fact which is not known: say what is
        sentence = " ".join(f"{name}={value}" for name, value in status.facts)
    _log.warning("%s destination=%s: %s", code, status.name, sanitize(sentence))


def _rss_bytes() -> int:
    try:
        return int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1]) * _PAGE_BYTES
    except (OSError, ValueError, IndexError):
        return 0
