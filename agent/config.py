"""The site as frozen dataclasses: what is connected here. ``config_load`` reads ``site.toml`` into them."""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING

from agent.language import Language as Language  # noqa: PLC0414 - callers find it here too
from drivers.adapter import Adapter
from drivers.profile import LineSettings, Profile

if TYPE_CHECKING:  # few sites have an output
    from agent.outputs.hj212_settings import Hj212Output


@dataclass(frozen=True, slots=True, kw_only=True)
class SiteIdentity:
    """Who this gateway is for people; its key says who it is for machines.

    Attributes:
        name: letters, digits, dash; shown in the collector's tables.
        label: free text for screens.
        timezone: IANA name or fixed offset (``agent.zones``), for screens, exports and the clocks of meters; stored
            time is UTC.
    """

    name: str
    label: str = ""
    timezone: str = "UTC"
    language: Language = Language.EN


@dataclass(frozen=True, slots=True, kw_only=True)
class Uplink:
    """One destination that receipts what it stored.

    Attributes:
        url: ``mqtt://host:port`` or ``mqtts://host:port``; no user or password in it.
        receipt_key: line that ``tidegate collect`` prints: ``ed25519 BASE64 NAME``.
        ca_file: certificate authority for ``mqtts``, None for the system's.
        cert_file: client certificate, PEM; with ``key_file``.
        password_file: its one line is the password of ``username``; nobody but the owner may read it.
        protocol: 5 or 4 (MQTT 3.1.1).
        window: most blocks without PUBACK; the broker's Receive Maximum lowers it.
        keepalive_s: MQTT keep-alive; an idle connection that is dead is found within twice this time.
    """

    url: str
    receipt_key: str
    ca_file: Path | None = None
    cert_file: Path | None = None
    key_file: Path | None = None
    username: str | None = None
    password_file: Path | None = None
    protocol: int = 5
    window: int = 16
    keepalive_s: int = 12


@dataclass(frozen=True, slots=True, kw_only=True)
class OutboxLimits:
    """How much may be kept.

    Attributes:
        keep_bytes: bound of all blocks not yet receipted by every destination.
        archive_days: how long receipted blocks stay.
        archive_bytes: bound of the archive.
    """

    keep_bytes: int = 2_000_000_000
    archive_days: int = 30
    archive_bytes: int = 4_000_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class BlockRules:
    """When a block is sealed (block format, rules for the writer, 1)."""

    max_readings: int = 500
    max_age_s: float = 10.0
    heartbeat_s: float = 60.0
    flash_budget_mb_day: int = 100
    epoch_max_days: float = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Bus:
    """One physical line or one TCP server.

    Attributes:
        port: ``/dev/serial/by-id/...`` or any tty path, or a URL as ``drivers.port_url`` lists them.
        ascii_frames: whether a serial line speaks Modbus ASCII (``framing = "ascii"``) rather than RTU.
        echo: whether the adapter gives back what we send.
        retry: how often a failed exchange is repeated at once.
        adapter: lock, direction, latency and switching time of a serial adapter.
        listen: another client polls here: readings are taken from what is overheard, and nothing is ever sent.
    """

    name: str
    port: str
    line: LineSettings = field(default_factory=LineSettings)
    echo: bool = False
    retry: int = 0
    ascii_frames: bool = False
    adapter: Adapter = field(default_factory=Adapter)
    listen: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class SiteDevice:
    """One device on a bus.

    Attributes:
        name: unique in the site.
        bus: name of its bus.
        unit: Modbus address on the bus; 0 where ``address`` counts.
        profile: what model it is.
        every_s: period that replaces the profile's for every point, None to keep them.
        line: settings that differ from the bus's, None for the bus's own.
        address: of a protocol whose addresses are texts, in the one way that the protocol writes it.
        ratios: what the site answered to the ratios of the profile, applied to ``profile`` already.
        clock_zone: of the wall clock that the device shows; the site's if the file says nothing.
        password_file: its one line is the password to read the device with; nobody but the owner may read it.
    """

    name: str
    bus: str
    unit: int
    profile: Profile
    every_s: float | None = None
    line: LineSettings | None = None
    address: str = ""
    ratios: tuple[tuple[str, Decimal], ...] = ()
    clock_zone: str = "UTC"
    password_file: Path | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """Everything ``site.toml`` says; paths are absolute."""

    identity: SiteIdentity
    buses: tuple[Bus, ...]
    devices: tuple[SiteDevice, ...]
    uplinks: tuple[Uplink, ...] = ()
    outputs: tuple[Hj212Output, ...] = ()
    outbox: OutboxLimits = field(default_factory=OutboxLimits)
    block: BlockRules = field(default_factory=BlockRules)
    state_dir: Path = Path("/var/lib/tidegate")
    run_dir: Path = Path("/run/tidegate")
    digest: bytes = bytes(16)
