"""The bus on a real pseudo-terminal: paced, named, unplugged, and open to a client that wants parity."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import serial

from hil.characters import Characters, exchange_ns
from hil.ptys import PtyLine, now_ns
from hil.sim.images import freeze, sdm120, xy_md02
from hil.sim.modbus import RtuDevice, frame
from hil.wire import Exchange, Line

pytestmark = pytest.mark.bus

REQUEST = frame(1, bytes.fromhex("0400010002"))
GOOD = bytes.fromhex("010404013102222ace")


def line_of(settings: Characters, log: list[Exchange] | None = None) -> Line:
    image = freeze(xy_md02("a"), {"temperature": 30.5, "humidity": 54.6})
    device = RtuDevice(1, image, turnaround_ns=3_000_000, settings=settings)
    return Line([device], settings=settings, on_exchange=None if log is None else log.append)


def ask(port: serial.Serial, request: bytes = REQUEST, count: int = len(GOOD)) -> bytes:
    port.write(request)
    return bytes(port.read(count))


@pytest.mark.parametrize("baud", [2400, 9600, 115200])
def test_no_reply_is_complete_before_its_time_on_the_wire(on_pty: Callable[[Line], PtyLine], baud: int) -> None:
    settings = Characters(baud=baud)
    wire_ns = exchange_ns(settings, len(REQUEST), len(GOOD), 3_000_000) - settings.silence_ns
    taken = []
    with serial.Serial(str(on_pty(line_of(settings)).path), baud, timeout=2) as port:
        for _ in range(15):
            begin = now_ns()
            assert ask(port) == GOOD
            taken.append(now_ns() - begin)
            time.sleep(0.01)
    assert min(taken) >= wire_ns
    print(f"{baud} Bd: {(sorted(taken)[len(taken) // 2] - wire_ns) / 1e6:.2f} ms after its time, median")


def test_an_8e1_port_opens_again_and_again(on_pty: Callable[[Line], PtyLine]) -> None:
    pty = on_pty(line_of(Characters(baud=9600, parity="E")))
    for parity in "EEENEOE":
        with serial.Serial(str(pty.path), 9600, parity=parity, timeout=2) as port:
            assert ask(port) == GOOD
            port.timeout = 1  # pyserial sets all of termios again; on a bare pty this is EINVAL
            assert ask(port) == GOOD


def test_a_port_closed_without_a_word_opens_again(on_pty: Callable[[Line], PtyLine]) -> None:
    pty = on_pty(line_of(Characters(baud=9600, parity="E")))
    for _ in range(3):
        with serial.Serial(str(pty.path), 9600, parity="E", timeout=2):
            pass
        time.sleep(0.05)
    with serial.Serial(str(pty.path), 9600, parity="E", timeout=2) as port:
        assert ask(port) == GOOD


def test_at_the_wrong_speed_nothing_is_understood(on_pty: Callable[[Line], PtyLine]) -> None:
    pty = on_pty(line_of(Characters(baud=9600)))
    with serial.Serial(str(pty.path), 19200, timeout=0.2) as port:
        assert ask(port) == b""
        assert pty.client_settings().baud == 19200
        port.baudrate = 12345
        assert ask(port) == b""
        assert pty.client_settings().baud == 12345
        port.baudrate = 9600
        assert ask(port) == GOOD


def test_a_reply_to_a_client_that_changed_its_speed_is_garbage(on_pty: Callable[[Line], PtyLine]) -> None:
    settings = Characters(baud=9600)
    with serial.Serial(str(on_pty(line_of(settings)).path), 9600, timeout=0.3) as port:
        port.write(REQUEST)
        time.sleep(0.004)
        port.baudrate = 38400  # while the request is still on the wire
        heard = bytes(port.read(40))
    assert heard
    assert GOOD not in heard


def test_unplugging_is_an_error_for_the_client_and_the_name_goes(on_pty: Callable[[Line], PtyLine]) -> None:
    pty = on_pty(line_of(Characters()))
    port = serial.Serial(str(pty.path), 9600, timeout=1)
    assert ask(port) == GOOD
    pty.unplug()
    assert not os.path.lexists(pty.path)
    with pytest.raises((serial.SerialException, OSError)):
        ask(port)
    port.close()
    pty.replug()
    with serial.Serial(str(pty.path), 9600, timeout=1) as again:
        assert ask(again) == GOOD


def test_closing_leaves_nothing_behind(tmp_path: Path) -> None:
    descriptors = len(list(Path("/proc/self/fd").iterdir()))
    threads = threading.active_count()
    with PtyLine(line_of(Characters()), tmp_path / "port") as pty:
        assert pty.path.is_symlink()
    assert not list(tmp_path.iterdir())
    assert len(list(Path("/proc/self/fd").iterdir())) == descriptors
    assert threading.active_count() == threads


def test_a_client_that_waits_is_not_accused_and_one_that_does_not_is(on_pty: Callable[[Line], PtyLine]) -> None:
    log: list[Exchange] = []
    settings = Characters(baud=9600)
    with serial.Serial(str(on_pty(line_of(settings, log)).path), 9600, timeout=2) as port:
        for _ in range(20):
            assert ask(port) == GOOD
            time.sleep(settings.silence_ns / 1e9)
        polite = len(log)
        for _ in range(60):  # a crowded machine keeps the client waiting now and then
            assert ask(port) == GOOD
            accused = sum(exchange.inside_silence for exchange in log[polite + 1 :])
            if accused == 18:
                break
    assert not [exchange for exchange in log[: polite + 1] if exchange.inside_silence]
    assert accused == 18


def test_a_client_that_reads_nothing_does_not_stop_the_line(on_pty: Callable[[Line], PtyLine]) -> None:
    settings = Characters(baud=115200)
    line = Line([RtuDevice(1, sdm120("a"), turnaround_ns=0, settings=settings)], settings=settings)
    pty = on_pty(line)
    with serial.Serial(str(pty.path), 115200, timeout=2) as port:
        for _ in range(200):
            port.write(frame(1, bytes.fromhex("0400000050")))
            time.sleep(0.019)
        assert line.counters.requests >= 190
        wait_for(lambda: line.counters.overruns > 0)
        port.reset_input_buffer()
        wait_for(lambda: line.next_ns() is None)
        port.reset_input_buffer()
        assert len(ask(port, frame(1, bytes.fromhex("0400000002")), 9)) == 9


def wait_for(condition: Callable[[], bool], patience_s: float = 5.0) -> None:
    deadline = time.monotonic() + patience_s
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.005)
