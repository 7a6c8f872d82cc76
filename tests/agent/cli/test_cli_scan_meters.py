"""``tidegate scan`` and ``add --scan`` on a line of meters whose far end sees speed and parity, with no hint."""

from __future__ import annotations

import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from agent.cli.lines import LineError, Target
from agent.cli.scan_prepare import Asked, prepare
from agent.cli.scan_text import result_of
from agent.cli.scan_work import Work
from agent.cli.session import Session
from agent.config import Bus
from drivers.scan.conclude import conclude
from hil.characters import Characters
from hil.ptys import PtyLine, now_ns
from hil.rfc2217 import Rfc2217Line
from hil.sim import han, sml
from hil.sim.recorded import RecordedPush
from hil.virtualtime import VirtualClock, VirtualPause, here, run
from hil.wire import Line, Speaker, Station
from tests.agent.cli.commands import Command, Process
from tests.drivers.scan.meter_bench import dlms_meter, electricity, head, water, wired
from tests.drivers.scan.parity_wire import ParityLine, ParityStream, parity_line
from tests.drivers.scan.test_scan_search import at

pytestmark = pytest.mark.technician
OnPty = Callable[[Line], PtyLine]
SITE = 'schema = 1\n[site]\nname = "s"\n[state]\ndir = "state"\n[[bus]]\nname = "rs485-a"\nport = "{port}"\n'


FIRST = {
    "modbus": (1, 9600, 8, "none", "generic/xy-md02"),
    "dlt645-2007": ("000000000321", 9600, 8, "even", "generic/dlt645-2007-three-phase"),  # as a DTSU666 comes
    "cjt188": ("00001234567890", 2400, 8, "even", "generic/cjt188-water"),
    "mbus": ("5", 2400, 8, "even", "generic/mbus-heat"),
    "iec62056-21": ("ANY", 300, 7, "even", "generic/iec62056-readout"),
}


def firsts(result: Any) -> dict[str, tuple[str | int, ...]]:
    """Give where each was found, and the profile that was proposed first."""
    return {
        one["protocol"]: (
            one["address"], one["baud"], one["data_bits"], one["parity"], one["proposals"][0]["profile"],
        )
        for one in result["found"]
    }  # fmt: skip


def worked(
    line: Line,
    monkeypatch: pytest.MonkeyPatch,
    asked: Asked,
    tell: Callable[[Work], None] | None = None,
    before: Callable[[Work], None] | None = None,
) -> Work:
    """Do the work of the command on a simulated line under virtual time."""
    session = Session(environ={})
    work = prepare(session, Target(bus=Bus(name="b", port="here"), site=None), asked)
    if before is not None:
        before(work)
    if tell is not None:
        work.tell = lambda _now_s: tell(work)

    async def run_it() -> None:
        work.clock = clock = VirtualClock(here())
        work.pause = VirtualPause(clock)
        stream = ParityStream(line)

        async def opened(*_rest: object) -> ParityStream:
            stream.replug()
            return stream

        monkeypatch.setattr("agent.cli.scan_work.open_stream", opened)
        await work.run()

    run(run_it())
    return work


def mixed() -> ParityLine:
    meters: list[Station] = [electricity("000000000321", 9600), water("00001234567890"), wired(5, "12345678"), head()]
    line = parity_line([at("generic/xy-md02", 1, 9600), *meters])
    line.step = 16
    return line


def test_a_scan_finds_meters_and_add_takes_them_into_the_site_file(
    tidegate: Command, process: Process, tmp_path: Path
) -> None:
    site, home, line = tmp_path / "site.toml", str(tmp_path / "home"), mixed()
    with Rfc2217Line(line) as rig:
        site.write_text(SITE.format(port=rig.url))
        process.environ["XDG_STATE_HOME"] = home
        speeds = ("--baud", "9600", "--baud", "2400")
        kinds = ("--protocol", "dlt645", "--protocol", "cjt188", "--protocol", "mbus")
        said = process("scan", "rs485-a", *speeds, *kinds, "--stop-after", "3", "--listen", "0", "--json")
        assert said.code == 0, said.err
        assert "Plan:" in said.err
        result = said.envelope["result"]
        one = tidegate("add", "rs485-a", "--address", "0000 1234567890", "--yes", XDG_STATE_HOME=home)
        assert one.code == 0, one.err + one.out
        rest = tidegate("add", "rs485-a", "--scan", "--yes", XDG_STATE_HOME=home)
        assert rest.code == 0, rest.err + rest.out
        again = tidegate("add", "rs485-a", "--scan", "--yes", XDG_STATE_HOME=home)
        words = ("scan", "rs485-a", "--protocol", "cjt188", "--baud", "2400", "--listen", "0", "--stop-after", "1")
        known = tidegate(*words, "--json", XDG_STATE_HOME=home).envelope["result"]
        unseen = tidegate("add", "rs485-a", "--address", "000000000399", "--yes", XDG_STATE_HOME=home)
    assert line.counters.inside_silence == 0
    assert result["took_s"] < result["announced_s"]
    print(f"{result['took_s']} s, {result['probes']} questions, announced {result['announced_s']} s")
    assert firsts(result) == {name: FIRST[name] for name in ("dlt645-2007", "cjt188", "mbus")}
    assert "M-Bus 12345678.KAM.08.04" in rest.out
    devices = {one.get("address"): one for one in tomllib.loads(site.read_text())["device"]}
    assert devices["000000000321"] == {
        "name": "dlt645-2007-three-phase-000000000321",
        "bus": "rs485-a",
        "address": "000000000321",
        "profile": "generic/dlt645-2007-three-phase",
        "line": {"baud": 9600, "parity": "even"},
    }
    assert devices["5"]["profile"] == "generic/mbus-heat"
    assert devices["5"]["line"] == {"baud": 2400, "parity": "even"}
    assert devices["00001234567890"]["profile"] == "generic/cjt188-water"
    assert devices["00001234567890"]["line"] == {"baud": 2400, "parity": "even"}
    assert (again.code, "nothing that could be added" in again.err) == (1, True)
    assert [one["device"] for one in known["found"]] == ["cjt188-water-00001234567890"]
    assert known["probes"] <= 2  # it is asked by its own address first
    assert (unseen.code, "search first: tidegate scan" in unseen.err) == (2, True)


def test_a_device_of_every_protocol_is_found_and_proposed_with_no_hint(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    line = mixed()
    work = worked(line, monkeypatch, Asked(stop_after=5, listen_s=0.0, state=str(tmp_path / "s.json")))
    result = result_of(work.search, work.proposals, {}, port="here", announced_s=0.0, took_s=work.took_s)
    assert firsts(result) == FIRST
    assert work.took_s < 60
    assert line.counters.inside_silence == 0


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


def test_a_head_is_told_that_it_is_over_when_a_person_stops_the_scan(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    meter = head()

    def stop(work: Work) -> None:
        if work.search.owed is not None:
            raise KeyboardInterrupt

    asked = Asked(protocols=("iec62056-21",), listen_s=0.0, state=str(tmp_path / "s.json"))
    with pytest.raises(KeyboardInterrupt):
        worked(parity_line([meter]), monkeypatch, asked, stop)
    assert (meter.sessions, meter.breaks) == (1, 1)


def test_a_dlms_meter_that_was_tried_for_a_profile_is_in_no_connection(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    meter = dlms_meter()
    asked = Asked(protocols=("dlms",), bauds=(9600,), listen_s=0.0, state=str(tmp_path / "s.json"))
    work = worked(parity_line([meter]), monkeypatch, asked)
    ((choice, *_),) = work.proposals.values()
    assert choice.profile == "generic/dlms"
    assert meter.gets > 3
    assert meter.connections == meter.ends


def speaking(speaker: Speaker) -> ParityLine:
    line = parity_line([])
    line.speakers.append(speaker)
    return line


@pytest.mark.parametrize("first_s", [-2.0, -0.4])
def test_on_a_line_that_talks_who_speaks_by_itself_is_found_without_a_word(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, first_s: float
) -> None:
    line = speaking(han.HanMeter(han.Way.AIDON, han.aidon("x"), first_s=first_s))
    work = worked(line, monkeypatch, Asked(state=str(tmp_path / "s.json")))
    ((spot, (choice, *_)),) = work.proposals.items()
    assert spot[:2] == ("dlms-push", "ANY")
    assert choice.profile == "aidon/han"
    assert line.counters.requests == 0
    assert work.took_s < 60


def test_when_somebody_is_heard_after_a_silent_beginning_no_more_is_asked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    line = speaking(han.HanMeter(han.Way.AIDON, han.aidon("x"), first_s=1.0))
    work = worked(line, monkeypatch, Asked(state=str(tmp_path / "s.json")))
    assert [spot[0] for spot in work.proposals] == ["dlms-push"]
    assert conclude(work.search.progress) == ()
    assert work.search.agenda.hushed
    assert work.took_s < 150


def test_noise_in_which_nobody_is_found_is_said_as_before(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    line = speaking(RecordedPush(bytes(range(64, 120)), Characters(baud=9600), began_ns=10**9, every_s=0.7))
    with pytest.raises(LineError) as caught:
        worked(line, monkeypatch, Asked(state=str(tmp_path / "s.json")))
    assert caught.value.finding.code == "line-not-silent"
    assert line.counters.requests == 0


def test_a_pushing_meter_on_a_port_goes_into_the_site_file(tidegate: Command, on_pty: OnPty, tmp_path: Path) -> None:
    site = tmp_path / "site.toml"
    meter = sml.SmlMeter(sml.electricity("x"), every_s=0.9, began_ns=now_ns())
    port = on_pty(Line([], settings=sml.LINE, speakers=[meter], step=16)).path
    site.write_text(SITE.format(port=port))
    home = str(tmp_path / "home")
    scanned = tidegate("scan", "rs485-a", "--listen", "1.2", XDG_STATE_HOME=home)
    assert scanned.code == 0, scanned.err
    assert "speaks by itself" in scanned.out
    assert "SML 1 ISK 00 75126084" in scanned.out
    assert "it was only listened to" in scanned.err
    said = tidegate("add", "rs485-a", "--scan", "--yes", XDG_STATE_HOME=home)
    assert said.code == 0, said.err + said.out
    (device,) = tomllib.loads(site.read_text())["device"]
    assert (device["address"], device["profile"]) == ("ANY", "generic/sml")
