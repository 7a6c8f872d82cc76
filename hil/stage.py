"""The whole chain as processes: simulated devices, broker, collector, agent; each can be killed and started again.

The one place that knows the command lines of the product; the demo and the scenarios stand on it.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from hil.broker import Broker
from hil.process import Child, wait_until
from hil.site_file import BusEntry, DeviceEntry, Sealing, SiteFile, UplinkEntry

TIDEGATE = (sys.executable, "-P", "-m", "agent")
FOREIGN_KEY = "ed25519 MCowBQYDK2VwAyEAGb9ECWmEzf6FQbrBZ9w7lshQhqowtrbLDFw4rXAxZuE= nobody"
"""Of a collector that is none of ours (RFC 8037, A.2), for a gateway that has a broker and no collector yet."""


class StageError(Exception):
    """A part of the chain did not start; the message holds its last words."""


def tidegate(*words: str | Path, patience_s: float = 60.0) -> subprocess.CompletedProcess[str]:
    """Run one command of the product to its end, output captured."""
    return subprocess.run(
        [*TIDEGATE, *map(str, words)],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=patience_s,
        check=False,
        start_new_session=True,  # the Ctrl-C that ends a run is not for what judges it
        env={**os.environ, "TIDEGATE_LANG": "en"},
    )


def pending_blocks(site: Path) -> int | None:
    """Blocks that the agent of ``site`` holds and the platform has not receipted; None when it does not say."""
    told = tidegate("--json", "--site", site, "status")
    try:
        return int(json.loads(told.stdout)["result"]["outbox"]["pending_blocks"])
    except (ValueError, KeyError, TypeError):
        return None


@dataclass(slots=True, kw_only=True)
class Stage:
    """One gateway with its platform.

    Attributes:
        folder: everything of this run lies below it.
        broker: None for a gateway that only archives.
        name: of the gateway.
        trust_line: the gateway's identity key, as ``init`` printed it.
        receipt_key: the collector's, as it printed it.
        program: what runs as the agent; a rig's self-test gives a broken one.
    """

    folder: Path
    broker: Broker | None
    name: str = "bench"
    trust_line: str = ""
    receipt_key: str = ""
    program: tuple[str, ...] = TIDEGATE
    _children: dict[str, Child] = field(default_factory=dict)

    @property
    def site(self) -> Path:
        """The site file."""
        return self.folder / "site.toml"

    @property
    def outbox_db(self) -> Path:
        """The gateway's own store."""
        return self.folder / "state" / "outbox.db"

    @property
    def collector_db(self) -> Path:
        """The platform's store."""
        return self.folder / "collector.db"

    @property
    def trust_file(self) -> Path:
        """Identity keys that the collector and ``verify`` trust."""
        return self.folder / "trust.txt"

    @property
    def agent(self) -> Child:
        """The gateway's process."""
        return self._children["agent"]

    @property
    def collector(self) -> Child:
        """The platform's process."""
        return self._children["collector"]

    def prepare(self, name: str = "") -> None:
        """Make the gateway's keys and trust them; StageError with what ``init`` said. ``name`` renames it."""
        self.name = name or self.name
        made = tidegate(
            "--json", "--site", self.site, "init", "--name", self.name, "--state-dir", self.folder / "state", "--yes"
        )
        if made.returncode != 0:
            raise StageError(f"tidegate init: {made.stdout}{made.stderr}")
        self.trust_line = json.loads(made.stdout)["result"]["trust_line"]
        self.trust_file.write_text(self.trust_line + "\n", encoding="utf-8")

    def write_site(
        self,
        buses: Sequence[BusEntry],
        devices: Sequence[DeviceEntry],
        *,
        sealing: Sealing | None = None,
        label: str = "",
        url: str | None = None,
        credentials: Sequence[tuple[str, Path]] = (),
    ) -> None:
        """Write the site file.

        Args:
            buses: its lines and servers.
            devices: what stands on them.
            label: free text.
            sealing: None for the product's own rules.
            url: of the broker; None for this stage's, once its collector has told a receipt key; empty for no uplink.
            credentials: (key, file) of the uplink.
        """
        if url is None:
            url = self.broker.url if self.broker is not None and self.receipt_key else ""
        key = self.receipt_key or FOREIGN_KEY
        SiteFile(
            name=self.name,
            label=label,
            buses=buses,
            devices=devices,
            uplink=UplinkEntry(url=url, receipt_key=key, credentials=credentials) if url else None,
            sealing=sealing or Sealing(),
        ).write(self.site)

    def start_collector(self) -> None:
        """Start the platform side and wait until it has told its receipt key."""
        assert self.broker is not None
        child = self._child(
            "collector",
            [
                *(*TIDEGATE, "collect", "--broker", self.broker.url),
                *("--db", str(self.collector_db), "--trust", str(self.trust_file)),
            ],
        )
        child.start()
        if not wait_until(lambda: bool(self._told_receipt_key()) or not child.alive, 20):
            raise StageError(f"the collector tells no receipt key\n{child.last_words()}")
        self.receipt_key = self._told_receipt_key()
        if not self.receipt_key:
            raise StageError(f"the collector ended\n{child.last_words()}")

    def start_agent(self, environment: Mapping[str, str] | None = None) -> None:
        """Start the gateway with what ``site.toml`` says."""
        child = self._child("agent", [*self.program, "--site", str(self.site), "run"])
        child.environment = dict(environment or {})
        child.start()

    def start_simulator(self, *words: str) -> Child:
        """Start ``python -m hil.sim`` with ``words``; its output goes to ``simulator.log``."""
        child = self._child("simulator", [sys.executable, "-P", "-m", "hil.sim", *words])
        child.start()
        return child

    def stop(self) -> None:
        """End everything, the agent first so that it can seal and send."""
        for name in ("agent", "collector", "simulator"):
            if name in self._children:
                self._children[name].stop()
        if self.broker is not None:
            self.broker.stop()

    def _child(self, name: str, argv: list[str]) -> Child:
        child = self._children.get(name)
        if child is None:
            child = self._children[name] = Child(name=name, argv=argv, log_dir=self.folder)
        child.argv = argv
        return child

    def _told_receipt_key(self) -> str:
        try:
            lines = self.collector.log.read_text(errors="replace").splitlines()
        except OSError:
            return ""
        return next((line for line in lines if line.startswith("ed25519 ")), "")
