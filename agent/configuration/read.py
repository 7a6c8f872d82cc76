"""The tables of ``site.toml`` -> the dataclasses of ``agent.config``; all faults are collected, none is raised."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from agent.config import BlockRules, Bus, OutboxLimits, Site, SiteDevice, SiteIdentity, Uplink
from agent.configuration.address import read_address, takes_password
from agent.configuration.ratios import Rated
from agent.configuration.values import BAUDS, Table, nearest
from agent.language import Language, parse
from agent.zones import zone_of
from drivers.adapter import Adapter, Direction, SendingEnd
from drivers.errors import LinkDownError, ProfileError
from drivers.port_url import Way, read_port, way_of
from drivers.profile import LineSettings, Parity, Profile

if TYPE_CHECKING:  # few sites have an output
    from agent.outputs.hj212_settings import Hj212Output

SCHEMA: Final = 1
_DAY_S: Final = 86_400.0
_PARITIES: Final = {"none": Parity.NONE, "even": Parity.EVEN, "odd": Parity.ODD}
_OF_LINE: Final = ("baud", "parity", "stop_bits", "data_bits")
_MQTT_PORTS: Final = {"mqtt": 1883, "mqtts": 8883}


def read_site(root: Table, *, base: Path, roots: Sequence[Path], digest: bytes) -> Site:
    """Read the whole file; the site is to be thrown away if the table's problems hold an error.

    Args:
        root: the file as parsed.
        base: folder that relative paths in the file start from.
        roots: where profiles are looked for.
        digest: goes into the site as it is.
    """
    schema = root.integer("schema", SCHEMA, 1, 2**31)
    if schema != SCHEMA:
        root.report("newer-schema", "schema", value=schema)
    identity = _identity(root.table("site"))
    outbox = _outbox(root.table("outbox"))
    block = _block(root.table("block"))
    state_dir, run_dir = read_folders(root.table("state"), base)
    uplinks = tuple(_uplink(table, base) for table in root.tables("uplink"))
    bus_tables, device_tables = root.tables("bus"), root.tables("device")
    buses = tuple(_bus(table, base) for table in bus_tables)
    _names_differ(bus_tables)
    _ports_differ(bus_tables, buses)
    profiles: dict[str, Profile | None] = {}
    rated = Rated()
    devices = tuple(_device(table, buses, roots, profiles, rated, identity.timezone, base) for table in device_tables)
    _names_differ(device_tables)
    _units_differ(device_tables, devices)
    kept = tuple(device for device in devices if device is not None)
    outputs = _outputs(root.tables("output"), base, kept, identity.timezone)
    root.close()
    return Site(
        identity=identity,
        buses=buses,
        devices=kept,
        uplinks=uplinks,
        outputs=outputs,
        outbox=outbox,
        block=block,
        state_dir=state_dir,
        run_dir=run_dir,
        digest=digest,
    )


def _outputs(
    tables: Sequence[Table], base: Path, devices: Sequence[SiteDevice], timezone: str
) -> tuple[Hj212Output, ...]:
    if not tables:
        return ()
    from agent.configuration.outputs import read_outputs  # noqa: PLC0415 - few sites have one

    return tuple(read_outputs(tables, base, devices, timezone))


def _identity(table: Table) -> SiteIdentity:
    name = table.name()
    label = table.text("label")
    timezone = _timezone(table, "timezone", "UTC")
    language = table.text("language", "en")
    known = parse(language)
    if known is None:
        table.report("unknown-value", "language", key="language", value=language, known="en, zh-CN")
    table.close()
    return SiteIdentity(name=name, label=label, timezone=timezone, language=known or Language.EN)


def _timezone(table: Table, key: str, usual: str) -> str:
    text = table.text(key, usual)
    try:
        zone_of(text)
    except ValueError:
        table.report("unknown-timezone", key, value=text)
        return "UTC"
    return text


def _outbox(table: Table) -> OutboxLimits:
    usual = OutboxLimits()
    limits = OutboxLimits(
        keep_bytes=table.size_bytes("keep", usual.keep_bytes),
        archive_days=table.integer("archive_days", usual.archive_days, 0, 36_500),
        archive_bytes=table.size_bytes("archive", usual.archive_bytes),
    )
    table.close()
    return limits


def _block(table: Table) -> BlockRules:
    usual = BlockRules()
    rules = BlockRules(
        max_readings=table.integer("max_readings", usual.max_readings, 1, 4096),
        max_age_s=table.duration_s("max_age", usual.max_age_s, 0.05, 60),
        heartbeat_s=table.duration_s("heartbeat", usual.heartbeat_s, 1, 3600),
        flash_budget_mb_day=table.integer("flash_budget_mb_day", usual.flash_budget_mb_day, 1, 10**6),
        epoch_max_days=table.duration_s("epoch_max", usual.epoch_max_days * _DAY_S, 60, 366 * _DAY_S) / _DAY_S,
    )
    table.close()
    return rules


def read_folders(table: Table, base: Path) -> tuple[Path, Path]:
    """Read ``[state]``: where keys and blocks lie, and where the control socket does."""
    state = _path(table, "dir", base) or Path("/var/lib/tidegate")
    run = _path(table, "run_dir", base) or (Path("/run/tidegate") if not table.text("dir") else state / "run")
    table.close()
    return state, run


def _uplink(table: Table, base: Path) -> Uplink:
    url = table.text("url", required=True)
    if url and not _is_mqtt(url):
        table.report("bad-url", "url", key="url", value=url, example="mqtts://mqtt.example.org:8883")
    receipt_key = table.text("receipt_key", required=True)
    if receipt_key and not _is_key_line(receipt_key):
        table.report("bad-key-line", "receipt_key", key="receipt_key")
    usual = Uplink(url="", receipt_key="")
    uplink = Uplink(
        url=url,
        receipt_key=receipt_key,
        ca_file=_path(table, "ca_file", base),
        cert_file=_path(table, "cert_file", base),
        key_file=_path(table, "key_file", base),
        username=table.text("username") or None,
        password_file=_path(table, "password_file", base),
        protocol=table.integer("protocol", usual.protocol, 4, 5),
        window=table.integer("window", usual.window, 1, 1000),
        keepalive_s=int(table.duration_s("keepalive", usual.keepalive_s, 5, 3600)),
    )
    if (uplink.cert_file is None) is not (uplink.key_file is None):
        table.report("half-certificate", "cert_file" if uplink.key_file is None else "key_file")
    table.close()
    return uplink


def _bus(table: Table, base: Path) -> Bus:
    port = table.text("port", required=True)
    network = "://" in port
    if (network or port.startswith("tcp:")) and not _is_port_url(port):
        scheme = port.partition("://")[0] if way_of(port) else "tcp"
        table.report("bad-url", "port", key="port", value=port, example=f"{scheme}://192.168.1.20:502")
    bus = Bus(
        name=table.name(),
        port=port if network or not port else str(base / port),
        line=_line(table, LineSettings()),
        echo=table.flag("echo", False),
        retry=table.integer("retry", 0, 0, 5),
        adapter=_adapter(table),
        ascii_frames=table.choice("framing", ("rtu", "ascii"), "rtu") == "ascii",
        listen=table.flag("listen", False),
    )
    if bus.listen and way_of(port) is Way.TCP:
        table.report("listen-no-line", "listen", port=port)
    table.close()
    return bus


def _adapter(table: Table) -> Adapter:
    directions = {direction.value: direction for direction in Direction}
    ends = {end.value: end for end in SendingEnd}
    return Adapter(
        exclusive=table.flag("exclusive", True),
        direction=directions[table.choice("rs485", tuple(directions), Direction.AUTO.value)],
        latency_ms=table.integer("latency_ms", 1, 1, 255) if table.holds("latency_ms") else None,
        switch_ms=table.integer("switch_ms", 0, 0, 2000),
        sending_end=ends[table.choice("drain", tuple(ends), SendingEnd.RECKON.value)],
    )


def _line(table: Table, usual: LineSettings) -> LineSettings:
    words = {parity: word for word, parity in _PARITIES.items()}
    return LineSettings(
        baud=table.integer("baud", usual.baud, *BAUDS),
        parity=_PARITIES[table.choice("parity", tuple(_PARITIES), words[usual.parity])],
        stop_bits=table.integer("stop_bits", usual.stop_bits, 1, 2),
        data_bits=table.integer("data_bits", usual.data_bits, 7, 8),
    )


def _device(
    table: Table,
    buses: Sequence[Bus],
    roots: Sequence[Path],
    profiles: dict[str, Profile | None],
    rated: Rated,
    timezone: str,
    base: Path,
) -> SiteDevice | None:
    name = table.name()
    bus = _known_bus(table, buses)
    tcp = bus is not None and bus.port.startswith("tcp:")
    profile = _profile(table, roots, profiles)
    unit, address = read_address(table, profile, over_tcp=tcp)
    every_s = table.duration_s("every", 10.0, 0.05, 366 * _DAY_S) if table.holds("every") else None
    line = None
    if table.holds("line"):
        inline = table.table("line")
        line = _line(inline, bus.line if bus is not None else LineSettings())
        inline.close()
    if bus is not None and bus.listen:
        _check_listening(table, bus, profile, line)
    ratios = rated.answers(table, profile)
    clock_zone = _timezone(table, "clock_zone", timezone)
    password_file = _path(table, "password_file", base)
    if password_file is not None and profile is not None and not takes_password(profile):
        table.report("password-unused", "password_file", profile=profile.id)
    table.close(inner="line", of_inner=_OF_LINE)
    if profile is None or bus is None:
        return None
    return SiteDevice(
        name=name,
        bus=bus.name,
        unit=unit,
        address=address,
        profile=rated.applied(profile, ratios),
        every_s=every_s,
        line=line,
        ratios=ratios,
        clock_zone=clock_zone,
        password_file=password_file,
    )


def _check_listening(table: Table, bus: Bus, profile: Profile | None, line: LineSettings | None) -> None:
    """Report what cannot be heard on a bus that is only listened to."""
    if line is not None and line != bus.line:
        table.report("listen-one-setting", "line", bus=bus.name)
    if profile is None:
        return
    from drivers.registry import find_listening  # noqa: PLC0415 - only such a bus needs it

    listening = find_listening(profile.protocol)
    if listening is None or listening.overheard is None:
        table.report("listen-no-protocol", "profile", protocol=profile.protocol, profile=profile.id)


def _known_bus(table: Table, buses: Sequence[Bus]) -> Bus | None:
    wanted = table.text("bus", required=True)
    found = next((bus for bus in buses if bus.name == wanted), None)
    if found is None and wanted:
        names = [bus.name for bus in buses]
        table.report(
            "unknown-bus", "bus", nearest=nearest(wanted, names), value=wanted, known=", ".join(names) or "-"
        )
    return found


def _profile(table: Table, roots: Sequence[Path], profiles: dict[str, Profile | None]) -> Profile | None:
    from drivers.profile_load import find_profile, list_profiles, load_profile  # noqa: PLC0415 - a site without devices needs none

    name = table.text("profile", required=True)
    if not name:
        return None
    if name not in profiles:
        profiles[name] = None
        try:
            path = find_profile(name, roots)
        except ProfileError:
            table.report("no-profile", "profile", nearest=nearest(name, list_profiles(roots)), profile=name)
            return None
        try:
            profiles[name] = load_profile(path)
        except ProfileError as error:
            table.report("bad-profile", "profile", detail=str(error))
    return profiles[name]


def _names_differ(tables: Sequence[Table]) -> None:
    seen: set[str] = set()
    for table in tables:
        name = table.text("name")
        if name and name in seen:
            table.report("name-twice", "name", value=name)
        seen.add(name)


def _ports_differ(tables: Sequence[Table], buses: Sequence[Bus]) -> None:
    seen: dict[str, str] = {}
    for table, bus in zip(tables, buses, strict=True):
        other = seen.setdefault(bus.port, bus.name)
        if bus.port and other != bus.name:
            table.report("port-twice", "port", port=bus.port, other=other)


def _units_differ(tables: Sequence[Table], devices: Sequence[SiteDevice | None]) -> None:
    seen: dict[tuple[str, int, str], str] = {}
    for table, device in zip(tables, devices, strict=True):
        if device is None:
            continue
        other = seen.setdefault((device.bus, device.unit, device.address), device.name)
        if other != device.name:
            key, where = ("address", device.address) if device.address else ("unit", device.unit)
            table.report("unit-twice", key, warning=True, unit=where, bus=device.bus, other=other)


def _path(table: Table, key: str, base: Path) -> Path | None:
    text = table.text(key)
    return base / Path(text).expanduser() if text else None


def _is_mqtt(url: str) -> bool:
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        return False
    plain = parts.username is None and not parts.path.strip("/") and not parts.query and not parts.fragment
    return parts.scheme in _MQTT_PORTS and bool(parts.hostname) and plain and port != 0


def _is_port_url(url: str) -> bool:
    try:
        return read_port(url).way.is_network and url.rpartition(":")[2].strip("/").isdecimal()
    except LinkDownError:
        return False


def _is_key_line(line: str) -> bool:
    words = line.split()
    if len(words) < 2 or words[0] not in ("ed25519", "p256"):
        return False
    try:
        return len(base64.b64decode(words[1], validate=True)) in (44, 91)
    except binascii.Error:
        return False
