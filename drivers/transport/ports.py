"""What is plugged in: serial ports by all their names, their adapters, who holds them and what is odd about them.

Read from /sys, /dev and /proc alone: no port is opened, since that would move its modem lines.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Final

_BY_ID: Final = "dev/serial/by-id"
_BY_PATH: Final = "dev/serial/by-path"
_SLOW_LATENCY_MS: Final = 4
_GHOST: Final = "0"  # /sys/class/tty/ttyS1/type of a port that the kernel keeps room for and nobody built in


class Oddity(Enum):
    """What is worth knowing before a port is used; the value is the code of its sentence."""

    CONSOLE = "serial-console"
    """The kernel or a login prompt uses it."""
    HELD = "port-held"
    """Another program has it open."""
    DENIED = "port-denied"
    """This user may not open it."""
    LATENCY = "slow-latency"
    """The USB adapter holds back bytes for longer than a Modbus reply takes to begin."""
    NO_SERIAL = "no-serial-number"
    """Two adapters of this model swap names; only the USB socket tells them apart."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Holder:
    """A process that has the port open."""

    pid: int
    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PortInfo:
    """One serial port.

    Attributes:
        path: its device file.
        stable: name to write into a site file: by-id, or by-path where the adapter has no serial number.
        by_id, by_path: links to it, empty for none.
        adapter: what it is, for people: product and USB socket, or ``UART``.
        usb: ``vendor:product`` of a USB adapter, empty otherwise.
        socket: USB socket, such as ``2-1.3``, empty otherwise.
        serial_number: of a USB adapter, empty for none.
        driver: kernel driver, empty if that is not known.
        latency_ms: latency timer of an FTDI adapter, None for none.
        group: who may use it, by the number of its group; None if that cannot be told.
        holders: processes that have it open, as far as this user may see them.
        oddities: what is worth knowing.
    """

    path: str
    stable: str
    by_id: str = ""
    by_path: str = ""
    adapter: str = ""
    usb: str = ""
    socket: str = ""
    serial_number: str = ""
    driver: str = ""
    latency_ms: int | None = None
    group: int | None = None
    holders: tuple[Holder, ...] = ()
    oddities: tuple[Oddity, ...] = ()


def list_ports(
    root: Path = Path("/"),
    also: Iterable[str] = (),
    *,
    own_pid: int | None = None,
    may_open: Callable[[str], bool] | None = None,
) -> tuple[PortInfo, ...]:
    """Give every serial port below ``root``, and those named in ``also`` that are there.

    Args:
        root: where /sys, /dev and /proc are.
        also: paths that need not be adapters, such as pseudo-terminals of a bench.
        own_pid: a process that does not count as a holder.
        may_open: tells whether the user may open a path; None asks the system.
    """
    names = sorted(_real_ports(root / "sys/class/tty"))
    paths = {str(root / "dev" / name): None for name in names}
    for extra in also:
        if Path(extra).exists() and str(Path(extra).resolve()) not in {str(Path(path).resolve()) for path in paths}:
            paths[extra] = None
    held = _holders(root / "proc", {os.path.realpath(path) for path in paths}, own_pid)
    consoles = _consoles(root)
    return tuple(
        _describe(root, path, held.get(os.path.realpath(path), ()), consoles, may_open or may_open_here)
        for path in paths
    )


def may_open_here(path: str) -> bool:
    """Tell whether this user may read and write ``path``."""
    return os.access(path, os.R_OK | os.W_OK)


def _real_ports(classes: Path) -> Iterator[str]:
    """Name the ttys that have hardware behind them."""
    with suppress(OSError):
        for entry in classes.iterdir():
            if (entry / "device").exists() and _text(entry / "type") != _GHOST:
                yield entry.name


def _describe(
    root: Path, path: str, holders: tuple[Holder, ...], consoles: frozenset[str], may_open: Callable[[str], bool]
) -> PortInfo:
    name = os.path.basename(os.path.realpath(path))  # noqa: PTH119 - a name, not a file
    device = root / "sys/class/tty" / name / "device"
    usb = _usb_device(device)
    serial_number = _text(usb / "serial") if usb else ""
    by_id, by_path = _link(root / _BY_ID, path), _link(root / _BY_PATH, path)
    latency = _text(root / "sys/bus/usb-serial/devices" / name / "latency_timer")
    latency_ms = int(latency) if latency.isdecimal() else None
    odd = [
        (Oddity.CONSOLE, name in consoles),
        (Oddity.HELD, bool(holders)),
        (Oddity.DENIED, not may_open(path)),
        (Oddity.LATENCY, latency_ms is not None and latency_ms > _SLOW_LATENCY_MS),
        (Oddity.NO_SERIAL, usb is not None and not serial_number),
    ]
    return PortInfo(
        path=path,
        stable=(by_id if serial_number else by_path) or by_id or path,
        by_id=by_id,
        by_path=by_path,
        adapter=_adapter(usb, device),
        usb=f"{_text(usb / 'idVendor')}:{_text(usb / 'idProduct')}" if usb else "",
        socket=usb.name if usb else "",
        serial_number=serial_number,
        driver=_driver(device),
        latency_ms=latency_ms,
        group=_group(path),
        holders=holders,
        oddities=tuple(oddity for oddity, applies in odd if applies),
    )


def _usb_device(device: Path) -> Path | None:
    """Find the USB device above a tty: the first folder upwards that has a vendor number."""
    with suppress(OSError):
        for folder in (real := device.resolve(strict=True), *real.parents):
            if (folder / "idVendor").is_file():
                return folder
    return None


def _adapter(usb: Path | None, device: Path) -> str:
    if usb is not None:
        product = _text(usb / "product") or f"USB {_text(usb / 'idVendor')}:{_text(usb / 'idProduct')}"
        return f"{_text(usb / 'manufacturer')} {product}".strip()
    return "UART" if device.exists() else ""


def _driver(device: Path) -> str:
    with suppress(OSError):
        return (device / "driver").resolve(strict=True).name
    return ""


def _link(folder: Path, path: str) -> str:
    wanted = os.path.realpath(path)
    with suppress(OSError):
        for link in sorted(folder.iterdir()):
            if os.path.realpath(link) == wanted:
                return str(link)
    return ""


def _group(path: str) -> int | None:
    with suppress(OSError):
        return Path(path).stat().st_gid
    return None


def _consoles(root: Path) -> frozenset[str]:
    """Name the ttys that the kernel writes its messages to."""
    return frozenset(_text(root / "sys/class/tty/console/active").split())


def _holders(proc: Path, wanted: set[str], own_pid: int | None) -> dict[str, tuple[Holder, ...]]:
    """Look through the descriptors of every process that this user may see."""
    found: dict[str, dict[int, Holder]] = {}
    for process in _processes(proc):
        pid = int(process.name)
        if pid == own_pid:
            continue
        with suppress(OSError):
            for descriptor in (process / "fd").iterdir():
                target = _target(descriptor)
                if target in wanted:
                    found.setdefault(target, {})[pid] = Holder(pid=pid, name=_text(process / "comm") or "?")
    return {path: tuple(holders[pid] for pid in sorted(holders)) for path, holders in found.items()}


def _processes(proc: Path) -> list[Path]:
    with suppress(OSError):
        return [entry for entry in proc.iterdir() if entry.name.isdecimal()]
    return []


def _target(descriptor: Path) -> str:
    with suppress(OSError):
        return str(descriptor.readlink())
    return ""


def _text(path: Path) -> str:
    with suppress(OSError, UnicodeDecodeError):
        return path.read_text(encoding="utf-8").strip()
    return ""
