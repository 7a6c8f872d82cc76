"""A ``Line`` behind an RFC 2217 device server: the rig where the far end sees speed AND parity.

A pty hides parity and 7-bit characters. Here the client asks for them by name, so a wrong parity is heard as it would
be on wires: bit by bit, see ``hil.characters.as_heard``. The Telnet side is pyserial's own ``PortManager``, which no
one here wrote; one client at a time, as real servers have it.

    with Rfc2217Line(line) as rig:
        ... rig.url ...                   # rfc2217://127.0.0.1:PORT
        with rig.lock: line.stations ...  # change it between exchanges
"""

from __future__ import annotations

import contextlib
import selectors
import socket
import threading
from collections.abc import Callable
from types import TracebackType
from typing import Final, Self

from serial.rfc2217 import PortManager

from hil.characters import Characters
from hil.ptys import now_ns
from hil.wire import Line

_IDLE_S: Final = 0.5
_CHUNK_BYTES: Final = 4096


class _Uart:
    """The serial port that ``PortManager`` sets: tells the line of every change.

    Attributes:
        xonxoff: as asked for; like the other flow control and the modem lines without effect.
        changes: how often the client has set speed, parity, size or stop bits.
    """

    def __init__(self, changed: Callable[[Characters], None], settings: Characters) -> None:
        self._changed = changed
        self.settings = settings
        self.changes = 0
        self.xonxoff = self.rtscts = self.break_condition = False
        self.dtr = self.rts = self.cts = self.dsr = self.cd = True
        self.ri = False

    def reset_input_buffer(self) -> None:
        """Nothing is buffered here."""

    def reset_output_buffer(self) -> None:
        """Nothing is buffered here."""

    def _set(self, *, baud: int = 0, parity: str = "", data_bits: int = 0, stop_bits: int = 0) -> None:
        own = self.settings
        self.changes += 1
        self.settings = Characters(
            baud=baud or own.baud,
            parity=parity or own.parity,
            data_bits=data_bits or own.data_bits,
            stop_bits=stop_bits or own.stop_bits,
        )
        self._changed(self.settings)

    @property
    def baudrate(self) -> int:
        """Bits per second."""
        return self.settings.baud

    @baudrate.setter
    def baudrate(self, value: int) -> None:
        if not 50 <= value <= 1_000_000:
            raise ValueError("no such speed")
        self._set(baud=value)

    @property
    def parity(self) -> str:
        """Letter of the parity, as pyserial has it."""
        return self.settings.parity

    @parity.setter
    def parity(self, value: str) -> None:
        if value not in ("N", "E", "O"):
            raise ValueError("no such parity")
        self._set(parity=value)

    @property
    def bytesize(self) -> int:
        """Data bits."""
        return self.settings.data_bits

    @bytesize.setter
    def bytesize(self, value: int) -> None:
        if value not in (7, 8):
            raise ValueError("no such size")
        self._set(data_bits=value)

    @property
    def stopbits(self) -> int:
        """Stop bits."""
        return self.settings.stop_bits

    @stopbits.setter
    def stopbits(self, value: float) -> None:
        if value not in (1, 2):
            raise ValueError("no such stop bits")
        self._set(stop_bits=int(value))


class _Session:
    """One client, from its connection to its end."""

    def __init__(self, connection: socket.socket, changed: Callable[[Characters], None], start: Characters) -> None:
        self.connection = connection
        self.uart = _Uart(changed, start)
        self._telnet = PortManager(self.uart, self)  # type: ignore[arg-type]  # it asks for far less than its stubs say

    def write(self, data: bytes) -> None:
        """Send to the client; what is said to one that is gone is lost."""
        with contextlib.suppress(OSError):
            self.connection.sendall(data)

    def deliver(self, data: bytes) -> None:
        """Give the client what it hears on the line."""
        self.write(b"".join(self._telnet.escape(data)))

    def receive(self) -> bytes | None:
        """Give what the client sends on the line; None when it is gone."""
        try:
            data = self.connection.recv(_CHUNK_BYTES)
        except BlockingIOError:
            return b""
        except OSError:
            return None
        return b"".join(self._telnet.filter(data)) if data else None


class Rfc2217Line:
    """Runs a line behind a device server on the loopback until it is closed.

    Attributes:
        lock: held while the line is touched; take it to change stations or read counters in one piece.
        sessions: clients that have connected so far.
        changes: settings that clients have asked for so far.
        late_ns: largest delay seen between a byte's wire time and its delivery.
    """

    def __init__(self, line: Line, *, start: Characters | None = None) -> None:
        """Take the bus, and how the port stands before a client says anything."""
        self.lock = threading.RLock()
        self.sessions = 0
        self.late_ns = 0
        self._line = line
        self._start = start or Characters()
        self._earlier_changes = 0
        self._session: _Session | None = None
        self._server = socket.create_server(("127.0.0.1", 0))
        self._server.setblocking(False)
        self._wake_read, self._wake_write = socket.socketpair()
        self._stopping = False
        self._selector = selectors.DefaultSelector()
        self._selector.register(self._server, selectors.EVENT_READ)
        self._selector.register(self._wake_read, selectors.EVENT_READ)
        self._thread = threading.Thread(target=self._run, name=f"line {self.url}", daemon=True)

    def __enter__(self) -> Self:
        """Start."""
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close."""
        self.close()

    @property
    def url(self) -> str:
        """What a client opens."""
        return f"rfc2217://127.0.0.1:{self._server.getsockname()[1]}"

    @property
    def changes(self) -> int:
        """Settings that clients have asked for so far."""
        session = self._session
        return self._earlier_changes + (session.uart.changes if session else 0)

    @property
    def settings(self) -> Characters:
        """How the client has set the port, the start without one."""
        session = self._session
        return session.uart.settings if session else self._start

    def close(self) -> None:
        """End the thread, drop the client."""
        self._stopping = True
        self._wake()
        self._thread.join(5)
        self._selector.close()
        for end in (self._server, self._wake_read, self._wake_write):
            end.close()

    def unplug(self) -> None:
        """Drop the client, as a server that was switched off; it may come back at once."""
        with self.lock:
            self._drop()

    def _wake(self) -> None:
        self._wake_write.send(b"x")

    def _run(self) -> None:
        while not self._stopping:
            with self.lock:
                due = self._line.next_ns()
            timeout = _IDLE_S if due is None else min(_IDLE_S, max(0.0, (due - now_ns()) / 1e9))
            ready = [key.fileobj for key, _ in self._selector.select(timeout)]
            with self.lock:
                self._deliver()
                if self._wake_read in ready:
                    self._wake_read.recv(64)
                if self._server in ready:
                    self._accept()
                session = self._session
                if session is not None and session.connection in ready:
                    self._receive(session)
        with self.lock:
            self._drop()

    def _accept(self) -> None:
        try:
            connection, _ = self._server.accept()
        except OSError:
            return
        if self._session is not None:  # a real server refuses the second client too
            connection.close()
            return
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.sessions += 1
        self._session = _Session(connection, self._line.client_changed, self._start)
        self._line.client_changed(self._start)
        self._selector.register(connection, selectors.EVENT_READ)

    def _receive(self, session: _Session) -> None:
        now = now_ns()
        data = session.receive()
        if data is None:
            self._drop()
        elif data:
            self._line.client_sent(data, now, session.uart.settings)

    def _deliver(self) -> None:
        now, due = now_ns(), self._line.next_ns()
        data = self._line.advance(now)
        if data and self._session is not None:
            self.late_ns = max(self.late_ns, now - (due or now))
            self._session.deliver(data)

    def _drop(self) -> None:
        session, self._session = self._session, None
        if session is None:
            return
        self._earlier_changes += session.uart.changes
        self._selector.unregister(session.connection)
        session.connection.close()
        self._line.silence()
