"""``tidegate scan`` and ``add --scan`` on a line of meters whose far end sees speed and parity, with no hint."""

from __future__ import annotations

import asyncio
import tomllib
from pathlib import Path

import pytest

from agent.cli.lines import Target
from agent.cli.scan_prepare import Asked, prepare
from agent.cli.session import Session
from agent.config import Bus
from hil.rfc2217 import Rfc2217Line
from hil.wire import Station
from tests.agent.cli.commands import Command, Process
from tests.drivers.scan.meter_bench import electricity, head, water, wired
from tests.drivers.scan.parity_wire import ParityLine, parity_line
from tests.drivers.scan.test_scan_search import at

pytestmark = pytest.mark.technician
SITE = 'schema = 1\n[site]\nname = "s"\n[state]\ndir = "state"\n[[bus]]\nname = "rs485-a"\nport = "{port}"\n'


def mixed() -> ParityLine:
    meters: list[Station] = [electricity("000000000321", 9600), water("00001234567890"), wired(5, "12345678"), head()]
    line = parity_line([at("generic/xy-md02", 1, 9600), *meters])
    line.step = 16
    return line


def test_a_device_of_every_protocol_is_found_and_proposed_with_no_hint(process: Process, tmp_path: Path) -> None:
    line = mixed()
    with Rfc2217Line(line) as rig:
        words = ("scan", rig.url, "--stop-after", "5", "--listen", "0", "--state", tmp_path / "s.json", "--json")
        said = process(*words)
    assert said.code == 0, said.err
    result = said.envelope["result"]
    found = {one["protocol"]: one for one in result["found"]}
    places = {name: (one["address"], one["baud"], one["data_bits"], one["parity"]) for name, one in found.items()}
    assert places == {
        "modbus": (1, 9600, 8, "none"),
        "dlt645-2007": ("000000000321", 9600, 8, "even"),  # as a DTSU666 leaves its factory
        "cjt188": ("00001234567890", 2400, 8, "even"),
        "mbus": ("5", 2400, 8, "even"),
        "iec62056-21": ("ANY", 300, 7, "even"),
    }
    first = {name: one["proposals"][0]["profile"] for name, one in found.items()}
    assert first == {
        "modbus": "generic/xy-md02",
        "dlt645-2007": "generic/dlt645-2007-three-phase",
        "cjt188": "generic/cjt188-water",
        "mbus": "generic/mbus-heat",
        "iec62056-21": "generic/iec62056-readout",
    }
    assert result["took_s"] < result["announced_s"]
    assert "Plan:" in said.err
    assert line.counters.inside_silence == 0
    print(f"{result['took_s']} s, {result['probes']} questions, announced {result['announced_s']} s")


def test_what_a_scan_finds_goes_into_the_site_file_in_one_step(tidegate: Command, tmp_path: Path) -> None:
    site = tmp_path / "site.toml"
    with Rfc2217Line(mixed()) as rig:
        site.write_text(SITE.format(port=rig.url))
        home = str(tmp_path / "home")
        words = ("scan", "rs485-a", "--protocol", "dlt645", "--protocol", "mbus", "--baud", "9600", "--baud", "2400")
        scanned = tidegate(*words, "--listen", "0", "--stop-after", "2", XDG_STATE_HOME=home)
        assert scanned.code == 0, scanned.err
        assert "M-Bus 12345678.KAM.08.04" in scanned.out
        said = tidegate("add", "rs485-a", "--scan", "--yes", XDG_STATE_HOME=home)
        assert said.code == 0, said.err + said.out
        again = tidegate("add", "rs485-a", "--scan", "--yes", XDG_STATE_HOME=home)
    devices = {one["address"]: one for one in tomllib.loads(site.read_text())["device"]}
    assert devices["000000000321"] == {
        "name": "dlt645-2007-three-phase-000000000321",
        "bus": "rs485-a",
        "address": "000000000321",
        "profile": "generic/dlt645-2007-three-phase",
        "line": {"baud": 9600, "parity": "even"},
    }
    assert devices["5"]["profile"] == "generic/mbus-heat"
    assert devices["5"]["line"] == {"baud": 2400, "parity": "even"}
    assert (again.code, "nothing that could be added" in again.err) == (1, True)


def test_an_address_that_the_last_scan_saw_is_added_as_it_was_seen(tidegate: Command, tmp_path: Path) -> None:
    site, line = tmp_path / "site.toml", mixed()
    with Rfc2217Line(line) as rig:
        site.write_text(SITE.format(port=rig.url))
        home = str(tmp_path / "home")
        words = ("scan", "rs485-a", "--protocol", "cjt188", "--baud", "2400", "--listen", "0", "--stop-after", "1")
        assert tidegate(*words, XDG_STATE_HOME=home).code == 0
        said = tidegate("add", "rs485-a", "--address", "0000 1234567890", "--yes", XDG_STATE_HOME=home)
        assert said.code == 0, said.err + said.out
        known = tidegate(*words, "--json", XDG_STATE_HOME=home).envelope["result"]
        unseen = tidegate("add", "rs485-a", "--address", "000000000321", "--yes", XDG_STATE_HOME=home)
    (device,) = tomllib.loads(site.read_text())["device"]
    assert device["address"] == "00001234567890"
    assert device["profile"] == "generic/cjt188-water"
    assert device["line"] == {"baud": 2400, "parity": "even"}
    assert [one["device"] for one in known["found"]] == ["cjt188-water-00001234567890"]
    assert known["probes"] <= 2  # it is asked by its own address first
    assert unseen.code == 69
    assert "Look for it with tidegate scan" in unseen.err


def test_a_protocol_that_there_is_not_is_one_sentence(tidegate: Command, tmp_path: Path) -> None:
    with Rfc2217Line(parity_line([])) as rig:
        said = tidegate("scan", rig.url, "--protocol", "profibus", "--state", tmp_path / "s.json")
    assert said.code == 2
    assert '"profibus" is no protocol that can be scanned for.' in said.err
    assert "dlt645-2007" in said.err


def test_a_port_without_seven_bits_finds_a_head_by_parity_of_its_own(
    tidegate: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(_uart: object, bits: int) -> None:
        if bits != 8:
            raise ValueError("no such size")

    monkeypatch.setattr("hil.rfc2217._Uart.bytesize", property(lambda _uart: 8, refuse))
    meter = head()
    with Rfc2217Line(parity_line([meter])) as rig:
        words = ("scan", rig.url, "--protocol", "iec62056-21", "--baud", "300", "--listen", "0")
        said = tidegate(*words, "--state", tmp_path / "s.json", "--json")
    assert said.code == 0, said.err
    (found,) = said.envelope["result"]["found"]
    assert (found["baud"], found["data_bits"], found["parity"]) == (300, 8, "none")
    assert found["proposals"][0]["profile"] == "generic/iec62056-readout"
    (refused,) = [one["params"] for one in said.envelope["findings"] if one["code"] == "setting-refused"]
    assert refused["line"] == "300 7E1"


def test_a_head_is_told_that_it_is_over_when_a_person_stops_the_scan(tmp_path: Path) -> None:
    meter = head()
    with Rfc2217Line(parity_line([meter])) as rig:
        session = Session(environ={})
        target = Target(bus=Bus(name="b", port=rig.url), site=None)
        asked = Asked(protocols=("iec",), listen_s=0.0, state=str(tmp_path / "s.json"))
        work = prepare(session, target, asked)

        def stop(_now_s: float) -> None:
            if work.search.owed is not None:
                raise KeyboardInterrupt

        work.tell = stop
        with pytest.raises(KeyboardInterrupt):
            asyncio.run(work.run())
    assert (meter.sessions, meter.breaks) == (1, 1)
