"""SML files -> quantities, for ``tidegate decode``."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from decimal import Decimal
from types import MappingProxyType
from typing import Final

from drivers.captured import replies
from drivers.codec.cosem_units import ucum
from drivers.codec.obis import obis_text
from drivers.codec.sml import SmlFrame, stream_decoder
from drivers.codec.sml_list import SmlEntry, read_list
from drivers.codec.sml_value import SmlError
from drivers.decoded import DecodeError, DecodeFault, Quantity
from drivers.protocols.decode_only import decode_only
from drivers.wire_protocol import WireProtocol


def read_sml(request: bytes | None, response: bytes, context: Mapping[str, object]) -> tuple[Quantity, ...]:
    """Read the files of one capture: which CRC, which meter, every value that has a unit. Raises DecodeError."""
    del request, context  # a file says all about itself
    found: list[Quantity] = []
    for frame in replies(stream_decoder(), None, response, lambda _frame: True):
        try:
            found += quantities(frame)
        except SmlError as error:
            raise DecodeError(DecodeFault.BAD_FRAME, str(error)) from error
    return tuple(found)


def quantities(frame: SmlFrame) -> Iterator[Quantity]:
    """Give what one file says.

    Raises:
        SmlError: its messages are none.
    """
    said = read_list(frame.payload)
    yield Quantity(quantity="transport_crc", value=frame.check.value)
    if said.server_id:
        yield Quantity(quantity="server_id", value=said.server_id.hex().upper())
    for entry in said.entries:
        if entry.unit is not None and entry.value.number is not None:
            yield Quantity(quantity=obis_text(entry.obis), value=exact(entry), unit=ucum(entry.unit))


def exact(entry: SmlEntry, *, unsigned: bool = False) -> Decimal | None:
    """Give the number of an entry times its power of ten; None if it is none.

    Args:
        entry: from a list.
        unsigned: for meters that put positive numbers into too few signed bytes (DZG DVS74, DVSB).
    """
    number = entry.value.unsigned if unsigned else entry.value.number
    return None if number is None else Decimal(f"{number}E{entry.scaler}")


PROTOCOLS: Final[Mapping[str, WireProtocol]] = MappingProxyType({"sml": decode_only("sml", {"sml": read_sml})})
