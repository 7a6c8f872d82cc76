"""Serial ports on raw pseudo-terminals."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import os
import subprocess
import sys
import termios
import tty
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from drivers.errors import LinkDownError, NoSerialPortError, PortBusyError, PortDeniedError
from drivers.profile import LineSettings, Parity
from drivers.transport.serial import open_serial

LINE = LineSettings(baud=9600)


@dataclass
class Pty:
    """The adapter's side of a pseudo-terminal."""

    side: int
    path: str
    plugged: bool = True

    def unplug(self) -> None:
        """Pull the adapter."""
        if self.plugged:
            self.plugged = False
            os.close(self.side)

    def heard(self) -> bytes:
        """What the port has sent."""
        return os.read(self.side, 4096)

    def say(self, data: bytes) -> None:
        """Let bytes come in at the port."""
        os.write(self.side, data)


@pytest.fixture
def pty() -> Iterator[Pty]:
    side, port = os.openpty()
    tty.setraw(port)
    made = Pty(side, os.ttyname(port))
    os.close(port)
    yield made
    made.unplug()


def descriptors() -> set[str]:
    gc.collect()
    return {f"{entry.name} {entry.readlink()}" for entry in Path("/proc/self/fd").iterdir() if entry.is_symlink()}


def cpu_ms() -> float:
    times = os.times()
    return (times.user + times.system) * 1000


async def test_bytes_pass_both_ways(pty: Pty) -> None:
    stream = await open_serial(pty.path, LINE)
    stream.write(bytes(range(256)))
    assert pty.heard() == bytes(range(256))
    pty.say(bytes(range(256)))
    assert await stream.read() == bytes(range(256))
    pty.say(b"stray")
    assert stream.discard_input() == b"stray"  # also what the loop has not seen yet
    assert stream.discard_input() == b""
    await stream.aclose()


async def test_more_than_the_port_takes_at_once_follows_in_order(pty: Pty) -> None:
    stream = await open_serial(pty.path, LINE)
    data = os.urandom(100_000)
    stream.write(data[:60_000])
    stream.write(data[60_000:])
    heard = b""
    os.set_blocking(pty.side, False)
    while len(heard) < len(data):
        with contextlib.suppress(BlockingIOError):  # the port's own writes wait for the loop
            heard += pty.heard()
        await asyncio.sleep(0.001)
    assert heard == data
    await stream.aclose()


async def test_opening_and_closing_leaves_no_descriptor(pty: Pty) -> None:
    before = descriptors()
    for _ in range(5):
        stream = await open_serial(pty.path, LINE)
        await stream.aclose()
        await stream.aclose()
    with pytest.raises(LinkDownError):
        await open_serial("/dev/there-is-no-such-port", LINE)
    with pytest.raises(LinkDownError):
        await open_serial(pty.path, LineSettings(baud=12345))
    assert descriptors() == before


async def test_unplugging_ends_a_read_at_once_and_nothing_spins(pty: Pty) -> None:
    stream = await open_serial(pty.path, LINE)
    loop = asyncio.get_running_loop()
    loop.call_later(0.02, pty.unplug)
    with pytest.raises(LinkDownError, match=f"{pty.path} is gone"):
        await stream.read()
    before = cpu_ms()
    await asyncio.sleep(0.3)
    assert cpu_ms() - before < 100  # a reader left on a dead port takes all of the 300
    with pytest.raises(LinkDownError):
        await stream.read()
    await stream.aclose()


async def test_unplugging_is_noticed_by_whatever_is_done_next(pty: Pty) -> None:
    stream = await open_serial(pty.path, LINE)
    pty.unplug()
    with pytest.raises(LinkDownError):
        stream.write(b"\x01")
    with pytest.raises(LinkDownError):
        stream.discard_input()
    with pytest.raises(LinkDownError):
        await stream.set_line(LineSettings(baud=19200))
    await stream.aclose()


async def test_closing_ends_a_pending_read(pty: Pty) -> None:
    stream = await open_serial(pty.path, LINE)
    asyncio.get_running_loop().call_later(0.01, lambda: asyncio.get_running_loop().create_task(stream.aclose()))
    with pytest.raises(LinkDownError, match="is closed"):
        await stream.read()


@pytest.fixture
def held(pty: Pty) -> Iterator[subprocess.Popen[str]]:
    """Another program that has the port open until it gets a line."""
    script = (
        "import sys, serial\nport = serial.Serial(sys.argv[1], exclusive=True)\nprint('open', flush=True)\ninput()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", script, pty.path], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == "open\n"
        yield other


async def test_a_port_that_another_program_has_is_busy(pty: Pty, held: subprocess.Popen[str]) -> None:
    with pytest.raises(PortBusyError, match=f"{pty.path}: another program has this port open"):
        await open_serial(pty.path, LINE)
    held.communicate("\n")
    await (await open_serial(pty.path, LINE)).aclose()


async def test_our_own_second_opening_is_busy_too(pty: Pty) -> None:
    before = descriptors()
    stream = await open_serial(pty.path, LINE)
    with pytest.raises(PortBusyError):
        await open_serial(pty.path, LINE)
    await stream.aclose()
    assert descriptors() == before


@pytest.fixture
def nobody(pty: Pty) -> Iterator[None]:
    """A port that nobody may open, and not being root, who may."""
    Path(pty.path).chmod(0)
    root = os.geteuid() == 0
    if root:
        os.seteuid(65534)
    yield
    if root:
        os.seteuid(0)


@pytest.mark.usefixtures("nobody")
async def test_a_port_without_the_right_to_it_is_denied(pty: Pty) -> None:
    with pytest.raises(PortDeniedError, match=f"{pty.path}: no right to open this port.*dialout"):
        await open_serial(pty.path, LINE)


async def test_a_port_that_is_not_there_is_named(tmp_path: Path) -> None:
    dangling = tmp_path / "usb-adapter"
    dangling.symlink_to(tmp_path / "ttyUSB0")
    for path in (tmp_path / "ttyS9", dangling):
        with pytest.raises(
            LinkDownError, match=f"{path}: there is no such port; its adapter may not be plugged in"
        ) as caught:
            await open_serial(str(path), LINE)
        assert type(caught.value) is LinkDownError


async def test_a_file_a_folder_and_another_device_are_no_port(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    for path in (str(tmp_path / "file"), str(tmp_path), "/dev/null"):
        with pytest.raises(NoSerialPortError, match=f"{path}: this is no serial port"):
            await open_serial(path, LINE)


async def test_a_parity_that_the_port_cannot_do_is_a_finding_and_no_error(pty: Pty) -> None:
    """A pty clears PARENB; glibc reports EINVAL as soon as nothing else in the request changes."""
    even = LineSettings(baud=9600, parity=Parity.EVEN)
    for _ in range(3):
        stream = await open_serial(pty.path, even)
        await stream.set_line(even)
        await stream.set_line(LineSettings(baud=19200, parity=Parity.EVEN))
        await stream.set_line(LineSettings(baud=19200, data_bits=7))
        assert stream.parity_refused == 4
        await stream.set_line(LineSettings(baud=2400, stop_bits=2))
        assert stream.parity_refused == 4
        await stream.aclose()


async def test_speed_and_stop_bits_reach_the_port(pty: Pty) -> None:
    stream = await open_serial(pty.path, LineSettings(baud=2400, stop_bits=2))
    for line in (LineSettings(baud=2400, stop_bits=2), LineSettings(baud=115200), LineSettings(baud=300)):
        await stream.set_line(line)
        _, _, control, _, inward, outward, _ = termios.tcgetattr(pty.side)
        assert inward == outward == getattr(termios, f"B{line.baud}")
        assert bool(control & termios.CSTOPB) is (line.stop_bits == 2)
    with pytest.raises(LinkDownError, match=f"{pty.path}: 12345 Bd is no speed"):
        await stream.set_line(LineSettings(baud=12345))
    await stream.aclose()


async def test_bytes_that_nobody_waits_for_wake_nobody(pty: Pty) -> None:
    stream = await open_serial(pty.path, LINE)
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.01):
            await stream.read()
    pty.say(b"one by one")
    before = cpu_ms()
    await asyncio.sleep(0.3)
    assert cpu_ms() - before < 100
    assert await stream.read() == b"one by one"
    await stream.aclose()
