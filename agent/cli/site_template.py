"""The first ``site.toml`` of a gateway: short, commented in the reader's language, valid as it stands."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from agent.language import Language, _, active

_LANGUAGES = {Language.EN: "en", Language.ZH: "zh-CN"}


def site_text(name: str, timezone: str, state_dir: Path, ports: Sequence[str]) -> str:
    """Write the file.

    Args:
        name: of the site.
        timezone: IANA name.
        state_dir: where keys and blocks lie.
        ports: stable paths of the serial ports that are plugged in now; the first one goes into the example.
    """
    port = ports[0] if ports else "/dev/serial/by-id/..."
    found = (
        _("Serial ports found: {ports}").format(ports=", ".join(ports)) if ports else _("No serial port was found.")
    )
    return f"""\
# {_("site.toml: what is connected here. Unknown keys are errors.")}
schema = 1

[site]
name     = {_quoted(name)}   # {_("letters, digits, dash; do not change it later")}
label    = ""   # {_("free text for screens")}
timezone = {_quoted(timezone)}   # {_("for screens and exports; what is stored is UTC")}
language = {_quoted(_LANGUAGES[active()])}   # en, zh-CN

[state]
dir = {_quoted(str(state_dir))}   # {_("keys and blocks; keep it on a disk that survives a power cut")}

# {_("Without an uplink the readings are kept on the gateway.")}
# [uplink]
# url         = "mqtts://mqtt.example.org:8883"
# receipt_key = "ed25519 ..."   # {_("the line that tidegate collect prints")}

# [outbox]
# keep = "2 GB"   # {_("oldest telemetry is thinned first; billing points are never dropped")}

# {found}
# [[bus]]
# name   = "rs485-a"
# port   = {_quoted(port)}   # {_("a path that stays, not ttyUSB0; or tcp://192.168.1.20:502")}
# baud   = 9600
# parity = "none"   # none, even, odd

# [[device]]
# name    = "main-meter"
# bus     = "rs485-a"
# unit    = 1   # {_("Modbus address as on the meter's display")}
# profile = "eastron/sdm120"   # {_("all profiles: tidegate profile check")}
# every   = "10 s"   # {_("left out: as the profile says")}
"""


def _quoted(text: str) -> str:
    """Write a TOML basic string; JSON's escapes are a subset of TOML's."""
    return json.dumps(text, ensure_ascii=False)
