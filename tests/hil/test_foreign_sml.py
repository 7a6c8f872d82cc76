"""smllib, a reader of SML that nobody here wrote, beside ours and beside the simulator. GPL: for tests alone."""

from __future__ import annotations

import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from smllib.errors import CrcError, SmlLibException
from smllib.reader import SmlStreamReader

from drivers.decode import decode_exchange
from hil.sim import sml

pytestmark = pytest.mark.bus

_FRAMES = Path(__file__).parent.parent / "vectors" / "sml" / "frames.json"
_VECTORS: list[dict[str, Any]] = json.loads(_FRAMES.read_text(encoding="utf-8"))
UNREAD = {"sml-008", "sml-009", "sml-010"}
"""Sound frames over which smllib 1.7 stumbles: a status that is a list, a file that ends at once."""


def foreign(wire: bytes) -> dict[str, Decimal]:
    """Give the numbers that smllib finds, by their codes, with whichever checksum is right."""
    for crc in ("x25", "kermit"):
        reader = SmlStreamReader(crc=crc)
        reader.add(wire)
        try:
            frame = reader.get_frame()
        except CrcError:
            continue
        assert frame is not None
        return {
            str(one.obis.obis_code): Decimal(one.value).scaleb(one.scaler or 0)
            for one in frame.get_obis()
            if isinstance(one.value, int) and one.unit is not None
        }
    raise AssertionError("neither checksum is right")


def ours(wire: bytes) -> dict[str, Decimal]:
    decoded = decode_exchange("sml", None, wire, {})
    assert decoded.fault is None, decoded.detail
    return {
        one.quantity: Decimal(str(one.value)) for one in decoded.quantities if isinstance(one.value, Decimal | int)
    }


@pytest.mark.parametrize("vector", _VECTORS, ids=[one["id"] for one in _VECTORS])
def test_every_number_is_what_a_foreign_reader_finds(vector: dict[str, Any]) -> None:
    wire = bytes.fromhex(vector["response"])
    if vector["id"] in UNREAD:
        with pytest.raises((SmlLibException, ValueError)):
            foreign(wire)
        return
    found, own = foreign(wire), ours(wire)
    assert found
    assert {code: own.get(code) for code in found} == found


def test_a_foreign_reader_understands_the_simulator() -> None:
    held = [cell for cell in sml.electricity("x") if cell.count(0) is not None]  # an empty entry is beyond it
    meter = sml.SmlMeter(held)
    wire = meter.speak(meter.due_ns).data
    found = foreign(wire)
    assert len(found) > 3
    assert {code: ours(wire).get(code) for code in found} == found
