"""What is plugged in, on a machine made of files, and on a real pseudo-terminal."""

from __future__ import annotations

import os
import pty
import subprocess
import sys
from pathlib import Path

import pytest

from drivers.transport.ports import Oddity, list_ports


class Machine:
    """A root folder with /sys, /dev and /proc."""

    def __init__(self, root: Path) -> None:
        self.root = root
        for folder in ("sys/class/tty", "dev/serial/by-id", "dev/serial/by-path", "proc"):
            (root / folder).mkdir(parents=True)

    def write(self, path: str, text: str = "") -> Path:
        file = self.root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
        return file

    def plug_in(self, name: str, socket: str, driver: str, *, serial: str = "", latency: str = "") -> Path:
        usb = f"sys/devices/pci0/usb2/{socket}"
        for key, value in (("idVendor", "0403"), ("idProduct", "6001"), ("product", "FT232R USB UART")):
            self.write(f"{usb}/{key}", value + "\n")
        if serial:
            self.write(f"{usb}/serial", serial + "\n")
        (self.root / "sys/bus/usb/drivers" / driver).mkdir(parents=True, exist_ok=True)
        interface = self.root / usb / f"{socket}:1.0" / name
        interface.mkdir(parents=True)
        (interface / "driver").symlink_to(self.root / "sys/bus/usb/drivers" / driver)
        (self.root / "sys/class/tty" / name).mkdir()
        (self.root / "sys/class/tty" / name / "device").symlink_to(interface)
        if latency:
            self.write(f"sys/bus/usb-serial/devices/{name}/latency_timer", latency + "\n")
        device = self.write(f"dev/{name}")
        (self.root / "dev/serial/by-path" / f"usb-{socket}-port0").symlink_to(device)
        if serial:
            (self.root / "dev/serial/by-id" / f"usb-FTDI_{serial}-if00-port0").symlink_to(device)
        return device

    def build_in(self, name: str, kind: str) -> Path:
        (self.root / "sys/class/tty" / name / "device").mkdir(parents=True)
        self.write(f"sys/class/tty/{name}/type", kind + "\n")
        return self.write(f"dev/{name}")

    def hold(self, device: Path, pid: int, name: str) -> None:
        self.write(f"proc/{pid}/comm", name + "\n")
        (self.root / f"proc/{pid}/fd").mkdir()
        (self.root / f"proc/{pid}/fd/3").symlink_to(device)


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path.resolve())


def test_a_usb_adapter_is_named_by_its_serial_number_and_a_slow_timer_is_told(machine: Machine) -> None:
    machine.plug_in("ttyUSB0", "2-1.3", "ftdi_sio", serial="A50285BI", latency="16")
    (port,) = list_ports(machine.root)
    assert port.stable.endswith("by-id/usb-FTDI_A50285BI-if00-port0")
    assert (port.usb, port.socket, port.driver) == ("0403:6001", "2-1.3", "ftdi_sio")
    assert (port.adapter, port.latency_ms) == ("FT232R USB UART", 16)
    assert port.oddities == (Oddity.LATENCY,)


def test_an_adapter_without_serial_number_is_named_by_its_socket(machine: Machine) -> None:
    machine.plug_in("ttyUSB1", "2-1.4", "ch341-uart")
    (port,) = list_ports(machine.root)
    assert port.stable.endswith("by-path/usb-2-1.4-port0")
    assert port.oddities == (Oddity.NO_SERIAL,)


def test_ports_that_nobody_built_in_are_left_out(machine: Machine) -> None:
    machine.build_in("ttyS0", "4")
    machine.build_in("ttyS1", "0")
    (machine.root / "sys/class/tty/tty0").mkdir()
    assert [Path(port.path).name for port in list_ports(machine.root)] == ["ttyS0"]


def test_a_console_and_who_holds_it_are_told(machine: Machine) -> None:
    uart = machine.build_in("ttyAMA0", "32")
    machine.write("sys/class/tty/console/active", "tty0 ttyAMA0\n")
    machine.hold(uart, 412, "agetty")
    (port,) = list_ports(machine.root)
    assert [(one.pid, one.name) for one in port.holders] == [(412, "agetty")]
    assert port.oddities == (Oddity.CONSOLE, Oddity.HELD)
    (alone,) = list_ports(machine.root, own_pid=412)
    assert not alone.holders


def test_missing_rights_are_told(machine: Machine) -> None:
    machine.plug_in("ttyUSB0", "2-1.3", "ftdi_sio", serial="A1")
    (port,) = list_ports(machine.root, may_open=lambda _path: False)
    assert Oddity.DENIED in port.oddities


def test_a_pty_named_by_a_link_is_shown_with_the_process_that_has_it_open(tmp_path: Path) -> None:
    ours, theirs = pty.openpty()
    link = tmp_path / "rs485-a"
    link.symlink_to(os.ttyname(theirs))
    os.close(theirs)
    script = (
        f"import os, sys; fd = os.open({str(link)!r}, os.O_RDWR | os.O_NOCTTY); print(flush=True); sys.stdin.read()"
    )
    child = subprocess.Popen([sys.executable, "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    try:
        assert child.stdout is not None
        child.stdout.readline()
        port = next(port for port in list_ports(also=[str(link)]) if port.path == str(link))
        assert child.pid in [holder.pid for holder in port.holders]
        assert Oddity.HELD in port.oddities
    finally:
        child.communicate()
        os.close(ours)
    assert not list_ports(Path(tmp_path), also=[str(tmp_path / "nothing")])
