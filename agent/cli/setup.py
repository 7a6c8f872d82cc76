"""What ``tidegate init`` does: state folder, identity key, site file."""

from __future__ import annotations

import os
import re
import shutil
import socket
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from agent.block.record import ClockQuality
from agent.cli.output import Json, columns
from agent.cli.site_template import site_text
from agent.clock import SystemClock
from agent.durable import replace_file
from agent.keys import FileKeyStore, SigningKey, key_line
from agent.language import _

SYSTEM_STATE: Final = Path("/var/lib/tidegate")
_NAME: Final = re.compile(r"[^\W_][\w.-]{0,63}", re.ASCII)
_BY_ID: Final = Path("/dev/serial/by-id")
_SYNCHRONISED: Final = (ClockQuality.NTP, ClockQuality.AUTHENTICATED)


@dataclass(frozen=True, slots=True, kw_only=True)
class Made:
    """What there is now.

    Attributes:
        new_identity: the key was made just now.
        new_site: the site file was written just now.
        replaced: where the old site file went, None if there was none.
        free_bytes: room below the state folder.
        clock: quality of the system's clock.
    """

    name: str
    site_path: Path
    state_dir: Path
    key: SigningKey
    new_identity: bool
    new_site: bool
    replaced: Path | None
    free_bytes: int
    clock: ClockQuality

    @property
    def trust_line(self) -> str:
        """The gateway's identity as ``collect --trust`` and ``verify --trust`` read it."""
        return key_line(self.key.spki, self.name)

    def result(self) -> Json:
        """Give it for programs."""
        return {
            "site": str(self.site_path),
            "site_written": self.new_site,
            "state_dir": str(self.state_dir),
            "gateway": self.key.kid.hex(),
            "identity_created": self.new_identity,
            "trust_line": self.trust_line,
            "free_bytes": self.free_bytes,
            "clock_quality": int(self.clock),
        }

    def lines(self) -> list[str]:
        """Give it for people."""
        room = _("{path}   {free} GB free").format(path=self.state_dir, free=f"{self.free_bytes / 1e9:.1f}")
        key = _("new key made") if self.new_identity else _("the key that was here is kept")
        site = str(self.site_path) if self.new_site else _("{path} is kept as it was").format(path=self.site_path)
        if self.replaced is not None:
            site += "   " + _("(the old one: {path})").format(path=self.replaced)
        synchronised = self.clock in _SYNCHRONISED
        clock = _("synchronised") if synchronised else _("not synchronised: readings are marked so until it is")
        checks = [
            ("  [ok]", _("disk"), room),
            ("  [ok]" if synchronised else "  [!!]", _("clock"), clock),
            ("  [ok]", _("identity"), f"{key}   {self.key.kid.hex()}"),
            ("  [ok]", _("site"), site),
        ]
        return [
            *columns(checks),
            "",
            _("Who this gateway is, for --trust of tidegate collect and tidegate verify:"),
            self.trust_line,
            "",
            _("Next:"),
            _("  1. name bus and devices in {path}").format(path=self.site_path),
            f"  2. tidegate --site {self.site_path} run",
            f"  3. tidegate --site {self.site_path} status",
        ]


@dataclass(frozen=True, slots=True, kw_only=True)
class Setup:
    """What is to be set up, and where.

    Attributes:
        state_dir: where keys and blocks are to lie; None for the usual place.
    """

    site_path: Path
    state_dir: Path | None

    def site_exists(self) -> bool:
        """Tell whether there is a site file already."""
        return self.site_path.exists()

    def old_site(self) -> Path:
        """Give the name under which a replaced site file stays."""
        return self.site_path.with_name(self.site_path.name + ".old")

    def usual_name(self) -> str:
        """Propose a site name: the one in the site file, else the host's."""
        present = _present(self.site_path).get("site")
        known = present.get("name") if isinstance(present, dict) else None
        if isinstance(known, str) and valid_name(known):
            return known
        host = re.sub(r"[^A-Za-z0-9-]+", "-", socket.gethostname()).strip("-")
        return host[:64] or "site-1"

    def run(self, name: str, *, overwrite: bool) -> Made:
        """Make what is missing; KeyUnavailableError or OSError where the folders refuse."""
        state_dir = self.state_dir or self._usual_state(overwrite=overwrite)
        state_dir.mkdir(mode=0o750, parents=True, exist_ok=True)
        store = FileKeyStore(state_dir / "keys")
        fresh = not store.has_identity()
        key = store.create_identity() if fresh else store.identity()
        _hand_over(state_dir)
        replaced = self._write(site_text(name, _timezone(), state_dir, _ports())) if overwrite else None
        return Made(
            name=name,
            site_path=self.site_path,
            state_dir=state_dir,
            key=key,
            new_identity=fresh,
            new_site=overwrite,
            replaced=replaced,
            free_bytes=shutil.disk_usage(state_dir).free,
            clock=SystemClock().sample().quality,
        )

    def _usual_state(self, *, overwrite: bool) -> Path:
        """Give the folder of the site file that stays, else the system's for root and one beside the site file."""
        state = {} if overwrite and not self.site_exists() else _present(self.site_path).get("state", {})
        named = state.get("dir") if isinstance(state, dict) else None
        if isinstance(named, str):
            return self.site_path.parent / named
        system = os.geteuid() == 0 and self.site_path.parent == Path("/etc/tidegate")
        return SYSTEM_STATE if system or (self.site_exists() and not overwrite) else self.site_path.parent / "state"

    def _write(self, text: str) -> Path | None:
        self.site_path.parent.mkdir(parents=True, exist_ok=True)
        replaced = None
        if self.site_exists():
            replaced = self.old_site()
            shutil.copy2(self.site_path, replaced)
        replace_file(self.site_path, text.encode(), mode=None if replaced is not None else 0o644)
        return replaced


def valid_name(name: str) -> bool:
    """Tell whether ``name`` may stand in a topic, a table and a file name."""
    return _NAME.fullmatch(name) is not None


def _present(path: Path) -> dict[str, object]:
    """Read the site file that is there, as far as it can be read: it may be just what is wrong."""
    import tomllib  # noqa: PLC0415 - only where there is a file

    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}


def _hand_over(state_dir: Path) -> None:
    """Give what root made to the owner of the state folder: the service runs as that user and reads its own keys."""
    owner = state_dir.stat()
    if os.geteuid() != 0 or owner.st_uid == 0:
        return
    for path in (state_dir / "keys", *(state_dir / "keys").iterdir()):
        os.chown(path, owner.st_uid, owner.st_gid, follow_symlinks=False)


def _timezone() -> str:
    """Give the system's time zone by its IANA name; UTC where it cannot be told."""
    from zoneinfo import ZoneInfo  # noqa: PLC0415 - start-up time

    target = os.path.realpath("/etc/localtime")
    name = target.partition("zoneinfo/")[2] or "UTC"
    try:
        return ZoneInfo(name).key
    except (ValueError, OSError, KeyError):
        return "UTC"


def _ports() -> list[str]:
    return sorted(str(path) for path in _BY_ID.iterdir()) if _BY_ID.is_dir() else []
