"""Reading the site file again: what changed is started anew, a faulty file changes nothing."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from agent.block.record import EventKind
from agent.config import Site
from agent.control.protocol import AskReload, ReloadAnswer, RequestFailedError
from agent.errors import ConfigError
from hil.sim.tcp import TcpFleet
from tests.agent.running_agent import POINTS, events, running, site_of, verdict


async def test_a_reload_touches_only_what_changed(tmp_path: Path, fleet: TcpFleet) -> None:
    first = site_of(tmp_path, fleet.ports[:2])
    grown = site_of(tmp_path, fleet.ports)
    changed = replace(grown.devices[1], every_s=0.2)
    second = replace(grown, devices=(grown.devices[0], changed, grown.devices[2]), digest=b"2" * 16)
    sites: list[Site] = [second]

    def load() -> Site:
        if not sites:
            raise ConfigError("site.toml:3:1", "unknown key 'bauds'", "baud")
        return sites.pop()

    async with running(first, load) as agent:
        before = await agent.until(lambda status: all(device.answered >= 5 for device in status.devices))
        answer = await agent.ask(AskReload())
        assert answer == ReloadAnswer(restarted=("b1", "b2"))
        after = await agent.until(lambda status: status.devices[-1].answered >= 5)
        assert [device.name for device in after.devices] == ["d0", "d1", "d2"]
        assert after.devices[0].answered > before.devices[0].answered, "its counters went on"
        with pytest.raises(RequestFailedError, match="unknown key"):
            await agent.ask(AskReload())
        assert len((await agent.status()).devices) == 3
    assert verdict(first).proven
    assert verdict(first).chains[0].readings == fleet.counters.reads * POINTS
    assert events(first, EventKind.CONFIGURATION)[-1] == (b"2" * 16,)


async def test_what_only_a_restart_changes_is_named_until_there_was_one(
    tmp_path: Path, fleet: TcpFleet, caplog: pytest.LogCaptureFixture
) -> None:
    site = site_of(tmp_path, fleet.ports[:1])
    moved = replace(site, state_dir=tmp_path / "elsewhere", digest=b"2" * 16)
    sites = [site, moved, moved]
    async with running(site, sites.pop) as agent:
        for _ in range(2):
            assert await agent.ask(AskReload()) == ReloadAnswer(needs_restart=("state_dir",))
            assert (await agent.status()).state_dir == str(site.state_dir), "where it is until then"
        assert await agent.ask(AskReload()) == ReloadAnswer()
    assert [fields for (fields,) in events(site, EventKind.CONFIGURATION)] == [bytes(16), b"2" * 16, bytes(16)]
    told = [record.getMessage() for record in caplog.records if "needs-restart" in record.getMessage()]
    assert told == ["reload-needs-restart settings=state_dir"] * 2
