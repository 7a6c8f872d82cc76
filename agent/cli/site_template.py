"""The first ``site.toml`` of a gateway: short, commented in the reader's language, valid as it stands."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from agent.language import N_, Language, _, active

_LANGUAGES = {Language.EN: "en", Language.ZH: "zh-CN"}

_FILE = (
    ("", N_("site.toml: what is connected here. Unknown keys are errors.")),
    ("schema = 1", ""),
    ("", ""),
    ("[site]", ""),
    ("name     = {name}", N_("letters, digits, dash; do not change it later")),
    ('label    = ""', N_("free text for screens")),
    ("timezone = {timezone}", N_("for screens and exports; what is stored is UTC")),
    ("language = {language}", N_("en, zh-CN")),
    ("", ""),
    ("[state]", ""),
    ("dir = {dir}", N_("keys and blocks; keep it on a disk that survives a power cut")),
    ("", ""),
    ("", N_("Without an uplink the readings are kept on the gateway.")),
    ("# [uplink]", ""),
    ('# url         = "mqtts://mqtt.example.org:8883"', ""),
    ('# receipt_key = "ed25519 ..."', N_("the line that tidegate collect prints")),
    ("", ""),
    ("# [outbox]", ""),
    ('# keep = "2 GB"', N_("oldest telemetry is thinned first; billing points are never dropped")),
    ("", ""),
    ("# [[bus]]", ""),
    ('# name   = "rs485-a"', ""),
    ("# port   = {port}", N_("a path that stays, not ttyUSB0; or tcp://192.168.1.20:502")),
    ("# baud   = 9600", ""),
    ('# parity = "none"', N_("none, even, odd")),
    ("# listen = false", N_("true: another client polls here; take what is overheard, never send a byte")),
    ("", ""),
    ("# [[device]]", ""),
    ('# name    = "main-meter"', ""),
    ('# bus     = "rs485-a"', ""),
    ("# unit    = 1", N_("Modbus address as on the meter's display")),
    ('# profile = "eastron/sdm120"', N_("all profiles: tidegate profile list")),
    ('# every   = "10 s"', N_("left out: as the profile says")),
)


def site_text(name: str, timezone: str, state_dir: Path, ports: Sequence[str]) -> str:
    """Write the file.

    Args:
        name: of the site.
        timezone: IANA name.
        state_dir: where keys and blocks lie.
        ports: stable paths of the serial ports that are plugged in now; the first one goes into the example.
    """
    port = ports[0] if ports else "/dev/serial/by-id/..."
    found = _("No serial port was found.")
    if ports:
        found = _("Serial ports found: {ports}").format(ports=", ".join(ports))
    written = {
        "name": _quoted(name),
        "timezone": _quoted(timezone),
        "language": _quoted(_LANGUAGES[active()]),
        "dir": _quoted(str(state_dir)),
        "port": _quoted(port),
    }
    lines = [_line(text.format(**written), comment) for text, comment in _FILE]
    lines.insert(lines.index("# [[bus]]"), f"# {found}")
    return "\n".join(lines) + "\n"


def _line(text: str, comment: str) -> str:
    if not comment:
        return text
    said = _(comment)
    return f"{text}   # {said}" if text else f"# {said}"


def _quoted(text: str) -> str:
    """Write a TOML basic string; JSON's escapes are a subset of TOML's."""
    return json.dumps(text, ensure_ascii=False)
