"""A ``Line`` on a real pseudo-terminal with a stable name, paced by a thread.

What a pty does not show: parity and 7-bit characters (the kernel clears them), modem lines, RS-485 direction. What it
does show is the client's speed and stop bits, which are read at each request: another speed than the line's is
garbage, both ways.

The termios cure, on lines with parity only: glibc reports EINVAL when a request for parity leaves a pty as it was, so
that the second opening of an 8E1 port fails. This end therefore sets a harmless flag that clients clear: IGNBRK and
ECHOE in turn, since with one each time a cure between the client's setting and glibc's look would hide the change.
Packet mode with EXTPROC tells when a client has changed something; a client that sets termios twice within the 0.1 ms
this takes still meets the kernel's own behaviour.
"""

from __future__ import annotations

import contextlib
import ctypes
import fcntl
import os
import select
import struct
import termios
import threading
import time
import tty
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Final, Protocol, Self

from hil.characters import Characters
from hil.wire import LineCounters

_libc = ctypes.PyDLL(None)
_TCGETS2: Final = 0x802C542A
_TCSETS2: Final = 0x402C542B
_TERMIOS2: Final = struct.Struct("4I20s2I")
_CFLAG: Final = 2
_IFLAG, _LFLAG = 0, 3
_EXTPROC: Final = 0x10000
_PACKET_IOCTL: Final = 0x40
_IDLE_S: Final = 0.5


def now_ns() -> int:
    """Nanoseconds of CLOCK_BOOTTIME, which readings are stamped with too."""
    return time.clock_gettime_ns(time.CLOCK_BOOTTIME)


class Wires(Protocol):
    """What may stand behind a port: a ``hil.wire.Line``, or one end of a ``hil.pair.crossing``."""

    settings: Characters
    counters: LineCounters

    def client_sent(self, data: bytes, now_ns: int, settings: Characters | None = None) -> None:
        """Take bytes that the client began to send at ``now_ns``."""
        ...

    def client_changed(self, settings: Characters) -> None:
        """Take the client's new settings."""
        ...

    def next_ns(self) -> int | None:
        """Tell when ``advance`` has something to do."""
        ...

    def advance(self, now_ns: int) -> bytes:
        """Give the bytes whose characters are over."""
        ...

    def silence(self) -> None:
        """Forget what is on the wire."""
        ...


class PtyLine:
    """Runs a line on a pty until it is closed.

    Attributes:
        path: the symlink that clients open.
        lock: held while the line is touched; take it to change stations or read counters in one piece.
        late_ns: largest delay seen between a byte's wire time and its delivery.
    """

    def __init__(self, line: Wires, path: Path, unseen: Mapping[int, Characters] | None = None) -> None:
        """Take the bus and the name of the symlink, whose folder must exist.

        ``unseen`` tells by speed what parity and size a client is taken to have set, where devices differ in them.
        """
        self.path = path
        self.lock = threading.RLock()
        self.late_ns = 0
        self._line = line
        self._unseen = dict(unseen or {})
        self._line_fd: int | None = None
        self._spare_fd: int | None = None  # the client's end, held while no client has it open
        self._client_name = ""
        self._cures = 0
        self._wake_read, self._wake_write = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        self._stopping = False
        self._thread = threading.Thread(target=self._run, name=f"line {path.name}", daemon=True)

    def __enter__(self) -> Self:
        """Plug the adapter in and start."""
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close."""
        self.close()

    def start(self) -> None:
        """Plug the adapter in and start pacing."""
        self.replug()
        self._thread.start()

    def close(self) -> None:
        """End the thread, take the adapter and its name away."""
        self._stopping = True
        self.wake()
        if self._thread.is_alive():
            self._thread.join(5)
        self.unplug()
        os.close(self._wake_read)
        os.close(self._wake_write)

    def unplug(self) -> None:
        """Pull the adapter: every client gets an error, the name is gone."""
        with self.lock:
            self._line.silence()
            if self.path.is_symlink() and str(self.path.readlink()) == self._client_name:
                self.path.unlink()
            for descriptor in (self._spare_fd, self._line_fd):
                if descriptor is not None:
                    os.close(descriptor)
            self._spare_fd = self._line_fd = None
        self.wake()

    def replug(self) -> None:
        """Put the adapter back under the same name; the device behind the name is a new one, as with USB."""
        with self.lock:
            if self._line_fd is not None:
                return
            line_fd, client_fd = os.openpty()
            _prepare(client_fd)
            os.set_blocking(line_fd, False)
            fcntl.ioctl(line_fd, termios.TIOCPKT, struct.pack("i", 1))
            self._client_name = os.ttyname(client_fd)
            self._line_fd, self._spare_fd = line_fd, client_fd
            self._cure(line_fd)
            new = self.path.with_name(f".{self.path.name}.{os.getpid()}")
            new.unlink(missing_ok=True)
            new.symlink_to(self._client_name)
            new.replace(self.path)
        self.wake()

    @property
    def has_client(self) -> bool:
        """Whether a client has the port open, as far as it has sent anything."""
        return self._line_fd is not None and self._spare_fd is None

    def client_settings(self) -> Characters:
        """Give the client's speed and stop bits; the rest is not visible and taken to be what it should be."""
        assert self._line_fd is not None
        raw = fcntl.ioctl(self._line_fd, _TCGETS2, bytes(_TERMIOS2.size))
        fields = _TERMIOS2.unpack(raw)
        baud = fields[6] or self._line.settings.baud
        own = self._unseen.get(baud, self._line.settings)
        stop_bits = 2 if fields[_CFLAG] & termios.CSTOPB else 1
        return Characters(baud=baud, stop_bits=stop_bits, parity=own.parity, data_bits=own.data_bits)

    def wake(self) -> None:
        """Look at the line again, since something was put on it from outside."""
        with contextlib.suppress(OSError):
            os.write(self._wake_write, b"x")

    def _run(self) -> None:
        while not self._stopping:
            with self.lock:
                due, line_fd = self._line.next_ns(), self._line_fd
            timeout = _IDLE_S if due is None else min(_IDLE_S, max(0.0, (due - now_ns()) / 1e9))
            watched = [self._wake_read] if line_fd is None else [self._wake_read, line_fd]
            try:
                ready, _, _ = select.select(watched, [], watched[1:], timeout)
            except OSError:  # unplugged between the look and the wait
                continue
            if self._wake_read in ready:
                with contextlib.suppress(BlockingIOError):
                    os.read(self._wake_read, 64)
            with self.lock:
                self._deliver()
                if line_fd is not None and line_fd in ready and line_fd == self._line_fd:
                    self._receive(line_fd)

    def _receive(self, line_fd: int) -> None:
        now = now_ns()
        try:
            data = os.read(line_fd, 4096)
        except BlockingIOError:
            return
        except OSError:  # EIO: the last client has closed the port
            self._line.silence()
            self._spare_fd = os.open(self._client_name, os.O_RDWR | os.O_NOCTTY)
            termios.tcflush(self._spare_fd, termios.TCIOFLUSH)
            self._cure(line_fd)
            return
        if data[0] & _PACKET_IOCTL:
            self._cure(line_fd)
            self._line.client_changed(self.client_settings())
        if len(data) > 1:
            self._open()
            self._line.client_sent(data[1:], now, self.client_settings())

    def _open(self) -> None:
        """A client is there: let go of its end, so that its closing is seen."""
        if self._spare_fd is not None:
            os.close(self._spare_fd)
            self._spare_fd = None

    def _deliver(self) -> None:
        now, due = now_ns(), self._line.next_ns()
        data = self._line.advance(now)
        if not data or self._line_fd is None:
            return
        if due is not None:
            self.late_ns = max(self.late_ns, now - due)
        try:
            sent = os.write(self._line_fd, data)
        except BlockingIOError:
            sent = 0
        self._line.counters.overruns += len(data) - sent

    def _cure(self, line_fd: int) -> None:
        """Set a flag that clients clear, see the head of this file.

        Looking and setting hold the interpreter lock throughout: a client in this process that sets its speed in
        between would lose it again.
        """
        if all(one.parity == "N" for one in (self._line.settings, *self._unseen.values())):
            return
        raw = ctypes.create_string_buffer(_TERMIOS2.size)
        _libc.ioctl(line_fd, _TCGETS2, raw)
        fields = list(_TERMIOS2.unpack_from(raw))
        if fields[_IFLAG] & termios.IGNBRK or fields[_LFLAG] & termios.ECHOE:
            return
        self._cures += 1
        if self._cures % 2:
            fields[_IFLAG] |= termios.IGNBRK
        else:
            fields[_LFLAG] |= termios.ECHOE
        _TERMIOS2.pack_into(raw, 0, *fields)
        _libc.ioctl(line_fd, _TCSETS2, raw)


def _prepare(client_fd: int) -> None:
    """Make a new pty transparent and let it tell in packet mode when its settings change (EXTPROC)."""
    tty.setraw(client_fd)
    settings = termios.tcgetattr(client_fd)
    settings[_LFLAG] |= _EXTPROC
    termios.tcsetattr(client_fd, termios.TCSANOW, settings)
