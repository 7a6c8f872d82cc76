"""A private mosquitto on loopback: started, stopped, killed, frozen, refusing; the system's own is never touched."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Final, Self

if TYPE_CHECKING:
    from hil.pki import Credentials

_PATIENCE_S: Final = 10.0
_TRIES: Final = 5


class BrokerError(Exception):
    """mosquitto is missing or does not start; the message holds its last words."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BrokerOptions:
    """How the broker is set up.

    Attributes:
        acl: text of an ACL file; empty allows everything. ``topic read tidegate/#`` lets nobody publish.
        ca_file: with ``server`` the broker speaks TLS and wants a client certificate of this authority.
        server: the broker's own certificate.
        persistence: keep sessions and queued messages over a restart.
        extra: further lines of ``mosquitto.conf``.
    """

    acl: str = ""
    ca_file: Path | None = None
    server: Credentials | None = None
    persistence: bool = True
    extra: tuple[str, ...] = ()


def mosquitto_path() -> str | None:
    """Give the path of mosquitto, which Debian installs outside a user's PATH; None if it is missing."""
    return shutil.which("mosquitto") or shutil.which("mosquitto", path="/usr/sbin:/usr/local/sbin")


def free_port() -> int:
    """Give a TCP port of 127.0.0.1 that was free a moment ago."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])


class Broker:
    """One mosquitto; keeps its port and its folder over restarts.

    Attributes:
        port: where it listens on 127.0.0.1.
        log_file: what it says.
        pid: its process, None while it does not run.
    """

    def __init__(self, folder: Path, options: BrokerOptions | None = None, port: int = 0) -> None:
        """Take an existing folder for its files and a port, 0 for any free one."""
        self._folder = folder
        self._options = options or BrokerOptions()
        self._fixed = port != 0
        self._process: subprocess.Popen[bytes] | None = None
        self.port = port
        self.log_file = folder / "mosquitto.log"

    def __enter__(self) -> Self:
        """Start."""
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop."""
        self.stop()

    @property
    def url(self) -> str:
        """``mqtt://`` or ``mqtts://`` as a site file takes it."""
        return f"mqtts://localhost:{self.port}" if self._options.server else f"mqtt://127.0.0.1:{self.port}"

    @property
    def pid(self) -> int | None:
        """Its process, None while it does not run."""
        return self._process.pid if self._process and self._process.poll() is None else None

    def start(self) -> None:
        """Start it and wait until it listens; BrokerError if it does not."""
        program = mosquitto_path()
        if program is None:
            raise BrokerError("mosquitto is missing; type: apt-get install mosquitto")
        for _ in range(_TRIES):
            self.port = self.port or free_port()
            if self._start_once(program):
                self._fixed = True
                return
            if self._fixed:
                break
            self.port = 0  # somebody was faster
        raise BrokerError(f"mosquitto does not start: {self.last_words()}")

    def stop(self) -> None:
        """End it in order: sessions and queues are written when persistence is on."""
        self._end(signal.SIGTERM)

    def kill(self) -> None:
        """SIGKILL: what it had in memory is gone."""
        self._end(signal.SIGKILL)

    def freeze(self) -> None:
        """SIGSTOP: connections stay open and nothing is answered, as with a host that hangs."""
        self._signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """SIGCONT."""
        self._signal(signal.SIGCONT)

    def allow(self, acl: str) -> None:
        """Replace the rules while it runs; the broker must have been started with some. Holds for later messages."""
        if not self._options.acl:
            raise BrokerError("this broker was started without an ACL file")
        (self._folder / "acl").write_text(acl + "\n", encoding="utf-8")
        self._signal(signal.SIGHUP)

    def last_words(self, lines: int = 5) -> str:
        """Give the end of its log."""
        text = self.log_file.read_text(errors="backslashreplace") if self.log_file.exists() else ""
        return "\n".join(text.splitlines()[-lines:])

    def _start_once(self, program: str) -> bool:
        config = self._folder / "mosquitto.conf"
        config.write_text("\n".join(self._configuration()) + "\n", encoding="utf-8")
        dying = ["setpriv", "--pdeathsig", "TERM"] if shutil.which("setpriv") else []
        said = self.log_file.stat().st_size if self.log_file.exists() else 0
        with self.log_file.open("ab") as log:
            self._process = subprocess.Popen(
                [*dying, program, "-c", str(config)],
                stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT,
                start_new_session=True,  # Ctrl-C is for who started it: what is on its way has to get through
            )  # fmt: skip
        deadline = time.monotonic() + _PATIENCE_S
        while time.monotonic() < deadline and self._process.poll() is None:
            if b" running\n" in self.log_file.read_bytes()[said:]:  # a port that answers may be somebody else's
                return True
            time.sleep(0.01)
        self._end(signal.SIGKILL)
        return False

    def _configuration(self) -> list[str]:
        options = self._options
        lines = [
            f"listener {self.port} 127.0.0.1",
            "allow_anonymous true",
            "log_type error", "log_type warning", "log_type notice", "log_type information",
            "log_dest stderr",
            "max_queued_messages 0",
            "set_tcp_nodelay true",
        ]  # fmt: skip
        if os.geteuid() == 0:
            lines.append("user root")  # its files lie in the caller's private folder
        if options.persistence:
            lines += ["persistence true", f"persistence_location {self._folder}/"]
        if options.acl:
            acl = self._folder / "acl"
            acl.write_text(options.acl + "\n", encoding="utf-8")
            acl.chmod(0o600)
            lines.append(f"acl_file {acl}")
        if options.server is not None and options.ca_file is not None:
            lines += [
                f"cafile {options.ca_file}",
                f"certfile {options.server.cert_file}",
                f"keyfile {options.server.key_file}",
                "require_certificate true",
            ]
        return [*lines, *options.extra]

    def _signal(self, number: signal.Signals) -> None:
        if self._process is None or self._process.poll() is not None:
            raise BrokerError("the broker does not run")
        self._process.send_signal(number)

    def _end(self, number: signal.Signals) -> None:
        process, self._process = self._process, None
        if process is None or process.poll() is not None:
            return
        process.send_signal(number)
        process.send_signal(signal.SIGCONT)  # a frozen one does not end otherwise
        try:
            process.wait(_PATIENCE_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
