"""What a pair of ports can show: tried on the ports themselves before any scenario runs."""

from __future__ import annotations

import termios
import time
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path
from typing import Final

import serial

from drivers.transport.ports import PortInfo, list_ports
from hil.characters import Characters
from hil.pair.plug import Plug, find_plug


class Capability(Enum):
    """Something that a scenario may need; the value is its word on the page."""

    WIRE = "characters that take their time"
    BAUD = "a speed that shows"
    PARITY = "a parity that shows"
    UNPLUG = "a left adapter that can be pulled"
    MODEM_LINES = "modem lines"
    LATENCY_TIMER = "a latency timer"


class PairError(Exception):
    """These two ports are no pair that can be used; the message says why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ports:
    """The two ports and what they can show together.

    Attributes:
        left: where we speak; right: where the simulator does.
        echo: the left adapter gives back what it sends.
        hold_ns: how long the right adapter may hold bytes back.
        capabilities: what was found, without what was declared missing.
    """

    left: PortInfo
    right: PortInfo
    echo: bool = False
    hold_ns: int = 0
    plug: Plug | None = None
    capabilities: frozenset[Capability] = field(default_factory=frozenset)


_WORD: Final = b"tidegate pair \x00\x01\x7f\x80\xfe\xff"
_SLOW: Final = Characters(baud=1200)
_PATIENCE_S: Final = 0.35
_SETTLING_S: Final = 0.02  # what an adapter needs after it was opened or set, with a margin


def probe(left: Path, right: Path, lacks: frozenset[Capability] = frozenset()) -> Ports:
    """Try the ports.

    Args:
        left: path of the port where we speak.
        right: path of the other one.
        lacks: what a person says that they cannot show, whatever is found.

    Raises:
        PairError: one of them cannot be opened, or they do not hear each other.
    """
    here, there = (_describe(path) for path in (left, right))
    try:
        with serial.Serial(str(left), exclusive=True) as near, serial.Serial(str(right), exclusive=True) as far:
            echo, found = _try(near, far)
    except (serial.SerialException, termios.error, OSError) as error:
        raise PairError(f"{left}, {right}: {error}") from error
    plug = find_plug(here, there)
    if plug is not None:
        found.add(Capability.UNPLUG)
    if here.latency_ms is not None:
        found.add(Capability.LATENCY_TIMER)
    hold_ns = (there.latency_ms or 0) * 1_000_000
    return Ports(left=here, right=there, echo=echo, hold_ns=hold_ns, plug=plug, capabilities=frozenset(found) - lacks)


def _describe(path: Path) -> PortInfo:
    found = {str(Path(port.path).resolve()): port for port in list_ports(also=(str(path),))}
    port = found.get(str(path.resolve()))
    if port is None:
        raise PairError(f"{path}: there is no such port; is the adapter plugged in?")
    return port


def _try(near: serial.Serial, far: serial.Serial) -> tuple[bool, set[Capability]]:
    if _heard(near, far) != _WORD:
        raise PairError(
            f"{far.port} does not hear {near.port}: is A wired to A, B to B, and is there a common ground?"
        )
    echo = near.read(4096) == _WORD
    if _heard(far, near) != _WORD:
        raise PairError(
            f"{near.port} does not hear {far.port}, though it is heard there: swap the adapters to see which is bad"
        )
    far.reset_input_buffer()
    found = set()
    near.baudrate = far.baudrate = _SLOW.baud
    began_s = time.monotonic()
    if _heard(near, far) == _WORD and (time.monotonic() - began_s) * 1e9 > 0.8 * _SLOW.duration_ns(len(_WORD)):
        found.add(Capability.WIRE)
    near.baudrate, far.baudrate = 9600, 19200
    if _heard(near, far) != _WORD:
        found.add(Capability.BAUD)
    far.baudrate = 9600
    if _parity_shows(near, far):
        found.add(Capability.PARITY)
    try:
        _ = near.cts
        found.add(Capability.MODEM_LINES)
    except OSError:  # ENOTTY of a pty
        pass
    return echo, found


def _parity_shows(near: serial.Serial, far: serial.Serial) -> bool:
    try:
        near.parity = serial.PARITY_EVEN
        shows = _heard(near, far) != _WORD
        near.parity = serial.PARITY_NONE
    except termios.error:  # EINVAL: this port has no parity
        return False
    return shows


def _heard(speaker: serial.Serial, listener: serial.Serial) -> bytes:
    """Say the word at one end and give what the other heard of it."""
    speaker.timeout = listener.timeout = 0
    time.sleep(_SETTLING_S)
    listener.reset_input_buffer()
    speaker.write(_WORD)
    heard, end_s = b"", time.monotonic() + _PATIENCE_S
    while len(heard) < len(_WORD) and time.monotonic() < end_s:
        heard += listener.read(4096)
        time.sleep(0.002)
    return heard
