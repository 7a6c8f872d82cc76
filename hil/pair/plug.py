"""Pulling the left adapter and putting it back, where a program can do that."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Protocol

from drivers.transport.ports import PortInfo
from hil.pair.crossing import control_of
from hil.sim import control


class Plug(Protocol):
    """What pulls an adapter."""

    def pull(self) -> None:
        """Take the adapter away: its device file goes, whoever has it open gets an error."""
        ...

    def put_back(self) -> None:
        """Let it be found again."""
        ...


class CrossingPlug:
    """The left end of a ``hil.pair.crossing``."""

    def __init__(self, socket: Path) -> None:
        self._socket = socket

    def pull(self) -> None:
        """Take the pty away."""
        control.ask(self._socket, "unplug")

    def put_back(self) -> None:
        """Put it back, as another pty under the same name."""
        control.ask(self._socket, "replug")


class UsbPlug:
    """A USB adapter, by the kernel's switch of its device (Documentation/usb/authorization.rst); needs root."""

    def __init__(self, switch: Path) -> None:
        self._switch = switch

    def pull(self) -> None:
        """Take the drivers off the device, as if it had been pulled."""
        self._switch.write_text("0", encoding="ascii")

    def put_back(self) -> None:
        """Let the kernel use it again."""
        self._switch.write_text("1", encoding="ascii")


def find_plug(left: PortInfo, right: PortInfo, root: Path = Path("/")) -> Plug | None:
    """Find what pulls ``left`` and leaves ``right`` where it is; None if nothing does. ``root`` is where /sys is."""
    socket = control_of(Path(left.path))
    if socket.exists():
        return CrossingPlug(socket)
    switch = root / "sys/bus/usb/devices" / left.socket / "authorized"
    if left.socket and left.socket != right.socket and os.access(switch, os.W_OK):
        return UsbPlug(switch)
    return None
