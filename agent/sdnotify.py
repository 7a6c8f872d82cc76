"""Tells systemd how the service is (sd_notify(3)): one datagram on a socket, nothing without one."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Mapping


class Notifier:
    """Speaks to the socket that ``environ`` names; says nothing if it names none.

    Attributes:
        watchdog_s: how often ``alive`` has to come at least, None if nobody watches.
    """

    def __init__(self, environ: Mapping[str, str], pid: int) -> None:
        address = environ.get("NOTIFY_SOCKET", "")
        self._address = "\0" + address[1:] if address.startswith("@") else address
        watched = environ.get("WATCHDOG_PID", str(pid)) == str(pid)
        limit = environ.get("WATCHDOG_USEC", "")
        self.watchdog_s = int(limit) / 1e6 if self._address and watched and limit.isdigit() and int(limit) else None

    def ready(self) -> None:
        """The service works."""
        self._send("READY=1")

    def reloading(self, mono_us: int) -> None:
        """The configuration is being read again; ``ready`` ends it. ``mono_us``: CLOCK_MONOTONIC."""
        self._send(f"RELOADING=1\nMONOTONIC_USEC={mono_us}")

    def stopping(self) -> None:
        """The service ends in order."""
        self._send("STOPPING=1")

    def status(self, sentence: str) -> None:
        """Show one line in ``systemctl status``."""
        self._send("STATUS=" + sentence.replace("\n", " "))

    def alive(self) -> None:
        """Push the watchdog back."""
        self._send("WATCHDOG=1")

    def _send(self, text: str) -> None:
        if not self._address:
            return
        # A supervisor that went away must not take the service with it.
        with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notify:
            notify.settimeout(0)
            notify.sendto(text.encode(), self._address)
