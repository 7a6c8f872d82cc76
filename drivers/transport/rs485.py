"""RS-485 direction and USB latency, as far as the kernel lets us set them; what it refuses is a finding, no error."""

from __future__ import annotations

import asyncio
import fcntl
import struct
import termios
from pathlib import Path
from typing import Final

from drivers.adapter import Adapter, AdapterFinding, Direction

_TIOCGRS485: Final = 0x542E
_TIOCSRS485: Final = 0x542F
_TIOCSERGETLSR: Final = 0x5459
_SERIAL_RS485: Final = struct.Struct("=8I")  # flags, delays before and after, padding (linux/serial.h)
_ENABLED, _RTS_ON_SEND, _RTS_AFTER_SEND = 1, 2, 4
_TRANSMITTER_EMPTY: Final = 1
_LOOK_S: Final = 0.001
_LATENCY: Final = "sys/bus/usb-serial/devices"


def prepare(fd: int, path: str, adapter: Adapter, root: Path = Path("/")) -> tuple[AdapterFinding, ...]:
    """Tell the open port ``fd`` what ``adapter`` wants.

    Args:
        fd: the port.
        path: its device file, whose latency is to be set.
        adapter: what the site file says of it.
        root: where /sys is.
    """
    found: list[AdapterFinding] = []
    try:
        if adapter.direction is Direction.KERNEL:
            _kernel(fd)
    except OSError as error:
        found.append(AdapterFinding(code="rs485-refused", detail=f"{path}: {error.strerror}"))
    if adapter.direction is Direction.RTS and (refused := set_rts(fd, on=False)):
        found.append(AdapterFinding(code="rts-refused", detail=f"{path}: {refused}"))
    if adapter.latency_ms is not None:
        timer = root / _LATENCY / Path(path).resolve().name / "latency_timer"
        try:
            timer.write_text(f"{adapter.latency_ms}\n", encoding="ascii")
        except FileNotFoundError:
            found.append(AdapterFinding(code="latency-refused", detail=f"{path}: this adapter has no latency timer"))
        except OSError as error:
            found.append(AdapterFinding(code="latency-refused", detail=f"{path}: {error.strerror}"))
    return tuple(found)


def _kernel(fd: int) -> None:
    flags, *rest = _SERIAL_RS485.unpack(fcntl.ioctl(fd, _TIOCGRS485, bytes(_SERIAL_RS485.size)))
    flags = (flags | _ENABLED | _RTS_ON_SEND) & ~_RTS_AFTER_SEND
    fcntl.ioctl(fd, _TIOCSRS485, _SERIAL_RS485.pack(flags, *rest))


def set_rts(fd: int, *, on: bool) -> str:
    """Raise or drop RTS; give why that is not possible, empty if it was."""
    try:
        fcntl.ioctl(fd, termios.TIOCMBIS if on else termios.TIOCMBIC, struct.pack("i", termios.TIOCM_RTS))
    except OSError as error:
        return error.strerror or str(error)
    return ""


class RtsTurn:
    """Holds RTS up while bytes leave, and lets it fall as soon as the last one has left.

    ``told``: somebody waits for that and calls ``over``. Else the end is reckoned, and looked at if that can be.
    """

    def __init__(self, fd: int, *, told: bool = False) -> None:
        self._fd = fd
        self._told = told
        self._loop = asyncio.get_running_loop()
        self._end: asyncio.TimerHandle | None = None

    def sending(self, seconds: float) -> None:
        """Raise RTS before a write that takes so long on the wire."""
        self.cancel()
        set_rts(self._fd, on=True)
        if not self._told:
            self._end = self._loop.call_later(seconds, self._look)

    def over(self) -> None:
        """Drop RTS: the last byte has left."""
        set_rts(self._fd, on=False)

    def cancel(self) -> None:
        """Leave RTS as it is."""
        if self._end is not None:
            self._end.cancel()
            self._end = None

    def _look(self) -> None:
        """Drop RTS if the transmitter is empty, else look again: a USB adapter sends later than it was told."""
        self._end = None
        try:
            waiting = struct.unpack("i", fcntl.ioctl(self._fd, termios.TIOCOUTQ, bytes(4)))[0]
            state = struct.unpack("i", fcntl.ioctl(self._fd, _TIOCSERGETLSR, bytes(4)))[0]
            empty = not waiting and bool(state & _TRANSMITTER_EMPTY)
        except OSError:  # not every driver tells; the reckoned time has to do
            empty = True
        if empty:
            set_rts(self._fd, on=False)
        else:
            self._end = self._loop.call_later(_LOOK_S, self._look)
