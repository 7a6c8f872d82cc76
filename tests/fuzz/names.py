"""The targets by name; each is loaded only where it runs, since its codec has to be instrumented first."""

from __future__ import annotations

from typing import Final

TARGETS: Final = {
    "modbus-rtu": ("tests.fuzz.modbus", "rtu"),
    "modbus-ascii": ("tests.fuzz.modbus", "ascii_"),
    "modbus-tcp": ("tests.fuzz.modbus", "tcp"),
    "dlt645-1997": ("tests.fuzz.summed_meters", "dlt645_1997"),
    "dlt645-2007": ("tests.fuzz.summed_meters", "dlt645_2007"),
    "cjt188": ("tests.fuzz.summed_meters", "cjt188_target"),
    "mbus": ("tests.fuzz.summed_meters", "mbus"),
    "iec62056-21": ("tests.fuzz.text_meters", "iec62056_21"),
    "hj212": ("tests.fuzz.text_meters", "hj212"),
    "sdi12": ("tests.fuzz.text_meters", "sdi12"),
    "sml-x25": ("tests.fuzz.sml", "sml_x25"),
    "sml-kermit": ("tests.fuzz.sml", "sml_kermit"),
    "hdlc": ("tests.fuzz.dlms", "hdlc"),
    "dlms-apdu": ("tests.fuzz.dlms", "dlms_apdu"),
    "cbor": ("tests.fuzz.strict_cbor", "cbor"),
    "block": ("tests.fuzz.blocks", "block"),
}
"""Name -> module and function that makes it."""
