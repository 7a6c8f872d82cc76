"""Serial ports: found and opened by pyserial, read by the event loop, set by termios.

Speed and parity of an open port change through ``tcsetattr`` alone. glibc reports EINVAL when nothing of a request
took effect; a pseudo-terminal, and some adapters, cannot do parity and say so that way. So after every change the
settings are read back: equal but for parity and character size means 'this port cannot do parity', a finding;
anything else that differs is an error.
"""

from __future__ import annotations

import errno
import termios
from contextlib import AsyncExitStack
from typing import Final

import serial

from drivers.adapter import Adapter, Direction, SendingEnd
from drivers.errors import LinkDownError, NoSerialPortError, PortBusyError, PortDeniedError
from drivers.profile import LineSettings, Parity
from drivers.transport.descriptor import DescriptorStream
from drivers.transport.drain import Drain
from drivers.transport.rs485 import RtsTurn, prepare

_CFLAG: Final = 2
_ISPEED: Final = 4
_OSPEED: Final = 5
_CC: Final = 6
_PARITY_BITS: Final = termios.PARENB | termios.PARODD
_SIZE_BITS: Final = termios.CSIZE
_SIZES: Final = {5: termios.CS5, 6: termios.CS6, 7: termios.CS7, 8: termios.CS8}
_BUSY: Final = frozenset((errno.EAGAIN, errno.EBUSY))
_DENIED: Final = frozenset((errno.EACCES, errno.EPERM))
_NO_PORT: Final = frozenset((errno.ENOTTY, errno.EISDIR))
_ABSENT: Final = frozenset((errno.ENOENT, errno.ENODEV, errno.ENXIO))
_SENDS_WITHIN_S: Final = 2.0  # longer than its time on the wire: nobody holds bytes back for so long


class SerialStream(DescriptorStream):
    """One open serial port, locked for this process; a ``ByteStream``.

    Attributes:
        parity_refused: how often the port took everything but the parity or size asked for.
        findings: what the port could not be told of its adapter's settings.
    """

    def __init__(self, port: serial.Serial, name: str, adapter: Adapter | None = None) -> None:
        self.parity_refused = 0
        self._port = port
        self._character_s = 0.0
        super().__init__(port.fileno(), name)
        adapter = adapter or Adapter()
        self.findings = prepare(self._fd, name, adapter)
        waits = adapter.sending_end is SendingEnd.WAIT
        turns = adapter.direction is Direction.RTS and not self.findings
        self._turn = RtsTurn(self._fd, told=waits) if turns else None
        self._drain = Drain(self._fd, name, self._left) if waits else None
        self._takes_s = 0.0

    def write(self, data: bytes) -> None:
        """Hand ``data`` over for sending, with RTS up if that turns the driver."""
        self._takes_s = len(data) * self._character_s
        if self._turn is not None:
            self._turn.sending(self._takes_s)
        super().write(data)
        if self._drain is not None:
            self._drain.begin()

    async def drain(self) -> None:
        """Return when what was written last has left, at once if the adapter's end of sending is reckoned.

        Raises:
            LinkDownError: the port is gone, or does not send.
        """
        if self._drain is not None:
            await self._drain.wait(self._takes_s + _SENDS_WITHIN_S)

    async def set_line(self, settings: LineSettings) -> None:
        """Change speed, parity and stop bits, after what is being sent has left.

        Raises:
            LinkDownError: the port is gone, or cannot do this speed or these stop bits.
        """
        self._check_open()
        await self.drain()
        try:
            took_all = _set(self._fd, settings, self._name)
        except termios.error as error:
            self._ended(f"is gone ({error.args[-1]})")
            self._check_open()
            return
        self._character_s = settings.character_s
        if not took_all:
            self.parity_refused += 1

    def _left(self) -> None:
        if self._turn is not None:
            self._turn.over()

    def _release(self) -> None:
        if self._turn is not None:
            self._turn.cancel()
        if self._drain is not None:
            self._drain.close()
        self._port.close()


async def open_serial(path: str, settings: LineSettings, adapter: Adapter | None = None) -> SerialStream:
    """Open and lock a port and set its line.

    Args:
        path: device file, by its stable name (``/dev/serial/by-id/...``) where there is one.
        settings: how the line starts; ``set_line`` changes it.
        adapter: lock, direction and latency; what cannot be set is in ``findings``, and the port opens all the same.

    Raises:
        PortDeniedError: the user may not open it.
        PortBusyError: another program has it.
        NoSerialPortError: it is no serial port.
        LinkDownError: there is no such port, or it cannot do this speed.
    """
    exclusive = adapter is None or adapter.exclusive
    try:
        # Opened as 8N1, which every port can do; parity comes with set_line, which knows what to make of EINVAL.
        port = serial.Serial(path, 9600, timeout=0, write_timeout=0, exclusive=exclusive)
    except serial.SerialException as error:
        cause = error.__context__
        number = cause.args[0] if isinstance(cause, termios.error) else error.errno
        raise _refusal(path, number or 0, str(error)) from error
    except (OSError, termios.error) as error:
        raise _refusal(path, int(error.args[0]), str(error.args[-1])) from error
    async with AsyncExitStack() as undo:
        stream = SerialStream(port, path, adapter)
        undo.push_async_callback(stream.aclose)
        await stream.set_line(settings)
        undo.pop_all()
    return stream


def _refusal(path: str, number: int, text: str) -> LinkDownError:
    if number in _DENIED:
        return PortDeniedError(f"{path}: no right to open this port; the user has to be in its group (dialout)")
    if number in _BUSY:
        return PortBusyError(f"{path}: another program has this port open")
    if number in _ABSENT:
        return LinkDownError(f"{path}: there is no such port; its adapter may not be plugged in")
    if number in _NO_PORT:
        return NoSerialPortError(f"{path}: this is no serial port")
    return LinkDownError(f"{path}: cannot be opened ({text})")


def _set(fd: int, settings: LineSettings, name: str) -> bool:
    """Set the line and give whether all of it took effect, False if parity or size did not."""
    speed = getattr(termios, f"B{settings.baud}", None)
    if speed is None:
        raise LinkDownError(f"{name}: {settings.baud} Bd is no speed that a port can be set to")
    wanted = termios.tcgetattr(fd)
    wanted[_CFLAG] = _control(wanted[_CFLAG], settings)
    wanted[_ISPEED] = wanted[_OSPEED] = speed
    # With pyserial's VMIN 0 an empty port would read as b"", which is what a port that is gone reads as.
    wanted[_CC] = [*wanted[_CC]]
    wanted[_CC][termios.VMIN], wanted[_CC][termios.VTIME] = 1, 0
    try:
        termios.tcsetattr(fd, termios.TCSADRAIN, wanted)
    except termios.error as error:
        if error.args[0] != errno.EINVAL:
            raise
    got = termios.tcgetattr(fd)
    if (got[_ISPEED], got[_OSPEED]) != (speed, speed):
        raise LinkDownError(f"{name}: the port does not take {settings.baud} Bd")
    differing = got[_CFLAG] ^ wanted[_CFLAG]
    if differing & termios.CSTOPB:
        raise LinkDownError(f"{name}: the port does not take {settings.stop_bits} stop bits")
    return not differing & (_PARITY_BITS | _SIZE_BITS)


def _control(flags: int, settings: LineSettings) -> int:
    """Give the c_cflag of ``settings``, other bits of ``flags`` kept."""
    flags &= ~(_PARITY_BITS | _SIZE_BITS | termios.CSTOPB)
    flags |= _SIZES[settings.data_bits]
    if settings.parity is not Parity.NONE:
        flags |= termios.PARENB
    if settings.parity is Parity.ODD:
        flags |= termios.PARODD
    if settings.stop_bits == 2:
        flags |= termios.CSTOPB
    return flags
