"""SDI-12 as ``drivers.registry`` takes it: captured answers are read; nothing polls, a UART has no break of 12 ms."""

from __future__ import annotations

from typing import Final

from drivers.protocols.decode_only import decode_only
from drivers.protocols.sdi12_decode import read_sdi12

PROTOCOLS: Final = {"sdi12": decode_only("sdi12", {"sdi12": read_sdi12}, "drivers.protocols.sdi12_listen")}
