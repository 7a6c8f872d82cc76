"""The parts of the pair: a crossing behaves as wires do, the far end as devices, the page keeps strangers out."""

from __future__ import annotations

import os
import select
import threading
import time
import tty
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import serial

from drivers.transport.ports import PortInfo
from hil.characters import Characters
from hil.pair.crossing import Crossing
from hil.pair.far_end import FarEnd
from hil.pair.far_line import FarLine
from hil.pair.page import page
from hil.pair.plug import UsbPlug, find_plug
from hil.pair.probe import Capability, probe
from hil.pair.record import Run, Scenario, Verdict
from hil.pair.units import REGISTERS, Unit
from hil.sim.modbus import frame
from hil.wire import Exchange

pytestmark = pytest.mark.bus

SETTINGS = Characters(baud=9600)
REQUEST = frame(1, bytes.fromhex("030000000A"))
MS = 1_000_000


@pytest.fixture
def crossing(tmp_path: Path) -> Iterator[Crossing]:
    with Crossing(tmp_path / "left", tmp_path / "right") as made:
        yield made


def test_a_crossing_takes_its_time_and_is_not_understood_at_another_speed(crossing: Crossing) -> None:
    ports = probe(crossing.left.path, crossing.right.path)
    assert ports.capabilities == {Capability.WIRE, Capability.BAUD}
    assert not ports.echo
    lacking = probe(crossing.left.path, crossing.right.path, frozenset({Capability.BAUD}))
    assert lacking.capabilities == {Capability.WIRE}


def test_characters_that_meet_on_a_crossing_spoil_each_other(crossing: Crossing) -> None:
    with (
        serial.Serial(str(crossing.left.path), 1200, timeout=1) as left,
        serial.Serial(str(crossing.right.path), 1200, timeout=1) as right,
    ):
        time.sleep(0.05)
        left.write(b"\xff" * 20)
        time.sleep(0.05)
        right.write(b"\xff" * 4)
        heard_right, heard_left = right.read(20), left.read(4)
    assert heard_right != b"\xff" * 20
    assert heard_left != b"\xff" * 4
    assert (len(heard_right), len(heard_left)) == (20, 4)


@pytest.fixture
def bare() -> Iterator[tuple[Path, Path]]:
    """Two ptys whose bytes are handed over at once, whatever their speed, as socat does it."""
    pairs = [os.openpty() for _ in range(2)]
    ours = [here for here, _ in pairs]
    stop_read, stop_write = os.pipe()

    def pump() -> None:
        while True:
            ready, _, _ = select.select([*ours, stop_read], [], [])
            if stop_read in ready:
                return
            for one in ready:
                os.write(ours[1 - ours.index(one)], os.read(one, 4096))

    for _, port in pairs:
        tty.setraw(port)
    thread = threading.Thread(target=pump)
    thread.start()
    yield Path(os.ttyname(pairs[0][1])), Path(os.ttyname(pairs[1][1]))
    os.write(stop_write, b"x")
    thread.join()
    for descriptor in (*pairs[0], *pairs[1], stop_read, stop_write):
        os.close(descriptor)


def test_where_characters_take_no_time_nothing_is_claimed_and_the_line_plays_the_wire(
    bare: tuple[Path, Path],
) -> None:
    left, right = bare
    assert probe(left, right).capabilities == set()
    with (
        FarEnd(right, SETTINGS, [Unit(1, SETTINGS)], 7, wire=False) as far,
        serial.Serial(str(left), SETTINGS.baud, timeout=2) as port,
    ):
        for _ in range(3):
            port.write(REQUEST)
            assert len(port.read(5 + 2 * REGISTERS[1])) == 5 + 2 * REGISTERS[1]
            time.sleep(0.01)
    assert [one.inside_silence for one in far.log] == [False] * 3


def play(line: FarLine, until_ns: int) -> list[tuple[int, bytes]]:
    """Let the far end work; what it hands to its port, and when."""
    sent = []
    while (due := line.next_ns()) is not None and due <= until_ns:
        if out := line.advance(due):
            sent.append((due, out))
    return sent


def far_line(log: list[Exchange]) -> FarLine:
    return FarLine([Unit(1, SETTINGS)], settings=SETTINGS, on_exchange=log.append)


def test_the_far_end_hands_a_reply_over_in_one_piece_when_it_begins() -> None:
    log: list[Exchange] = []
    line = far_line(log)
    line.heard(REQUEST, 100 * MS)
    ((at_ns, reply),) = play(line, 1000 * MS)
    assert at_ns == pytest.approx(100 * MS + SETTINGS.silence_ns + 3 * MS, abs=2)
    assert len(reply) == 5 + 2 * REGISTERS[1]
    assert log[0].start_ns == 100 * MS - SETTINGS.duration_ns(len(REQUEST))


def test_a_request_that_comes_in_two_bunches_is_one_request() -> None:
    log: list[Exchange] = []
    line = far_line(log)
    line.heard(REQUEST[:3], 100 * MS)
    assert play(line, 108 * MS) == []
    line.heard(REQUEST[3:], 108 * MS)
    assert play(line, 1000 * MS)
    assert [one.request for one in log] == [REQUEST]


def test_a_request_inside_the_silence_is_found_and_one_behind_it_is_not() -> None:
    log: list[Exchange] = []
    line = far_line(log)
    line.heard(REQUEST, 100 * MS)
    ((began_ns, reply),) = play(line, 1000 * MS)
    over_ns = began_ns + SETTINGS.duration_ns(len(reply))
    asking_ns = SETTINGS.duration_ns(len(REQUEST))
    line.heard(REQUEST, over_ns + 2 * MS + asking_ns)
    ((began_ns, reply),) = play(line, 2000 * MS)
    over_ns = began_ns + SETTINGS.duration_ns(len(reply))
    line.heard(REQUEST, over_ns + 5 * MS + asking_ns)
    play(line, 3000 * MS)
    assert [one.inside_silence for one in log] == [False, True, False]


def test_a_usb_adapter_is_pulled_by_the_switch_of_its_device_unless_both_hang_on_it(tmp_path: Path) -> None:
    left, right = PortInfo(path="/dev/ttyX0", stable="", socket="2-1.3"), PortInfo(path="/dev/ttyX1", stable="")
    assert find_plug(left, right, tmp_path) is None
    switch = tmp_path / "sys/bus/usb/devices/2-1.3/authorized"
    switch.parent.mkdir(parents=True)
    switch.write_text("1\n")
    plug = find_plug(left, right, tmp_path)
    assert isinstance(plug, UsbPlug)
    plug.pull()
    assert switch.read_text() == "0"
    plug.put_back()
    assert switch.read_text() == "1"
    assert find_plug(left, replace(right, socket="2-1.3"), tmp_path) is None


def run_with(*scenarios: Scenario) -> Run:
    port = PortInfo(path="/dev/<left>", stable="/dev/<left>")
    return Run(
        left=port, right=port, capabilities=frozenset(), lacks=frozenset({Capability.UNPLUG}), seed="7", began="now",
        utc_offset_ns=0, version="1", echo=False, scenarios=list(scenarios),
    )  # fmt: skip


def test_what_others_wrote_is_text_on_the_page() -> None:
    failed = Scenario(name="one", about="<b>bold</b>", verdict=Verdict.FAILED, failure="<script>alert(1)</script>")
    html = page(run_with(failed))
    assert "<script" not in html
    assert "<b>" not in html
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in html
    assert "/dev/&lt;left&gt;" in html
    assert "no, as declared" in html


def test_a_page_on_which_nothing_was_shown_is_red() -> None:
    missing = Scenario(name="one", about="one", failure="needs modem lines")
    assert '<h1 class="failed">' in page(run_with(missing))
    assert '<h1 class="failed">' in page(run_with())
    assert '<h1 class="shown">' in page(run_with(missing, Scenario(name="two", about="two", verdict=Verdict.SHOWN)))
