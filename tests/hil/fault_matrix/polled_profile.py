"""What the devices of the matrix are polled with: profiles that say only what is read, and how long it may take."""

from __future__ import annotations

from decimal import Decimal

from drivers.profile import (
    Fingerprint,
    Label,
    Limits,
    LineSettings,
    ModbusLocation,
    Parity,
    Point,
    Profile,
    Table,
)
from hil.characters import Characters
from tests.hil.fault_matrix.units import BLOCKS, REGISTERS

CEILING_S = 0.2


def profile_of(period_s: float, fingerprint: Fingerprint | None = None) -> Profile:
    """Two blocks of equal length, so that their replies look alike."""
    points = tuple(
        Point(
            name=f"p{address}",
            label=Label(en="", zh=""),
            place=ModbusLocation(table=Table.HOLDING_REGISTER, address=address),
            unit=None,
            scale=Decimal(1),
            exponent=0,
            period_s=period_s,
        )
        for address in (start + offset for start in BLOCKS for offset in range(REGISTERS))
    )
    return profile_with(points, "modbus", CEILING_S, fingerprint=fingerprint)


def profile_with(
    points: tuple[Point, ...],
    protocol: str,
    ceiling_s: float,
    line: LineSettings | None = None,
    fingerprint: Fingerprint | None = None,
) -> Profile:
    """A profile that says nothing but what is read, and how long a device may take."""
    return Profile(
        id="test/matrix",
        vendor="test",
        model="matrix",
        label=Label(en="", zh=""),
        protocol=protocol,
        digest=bytes(16),
        source="",
        proof="",
        line=line or LineSettings(),
        unit=1,
        limits=Limits(turnaround_ms=round(ceiling_s * 1000)),
        points=points,
        fingerprint=fingerprint,
    )


def line_settings(own: Characters) -> LineSettings:
    """Give settings as the product has them."""
    return LineSettings(baud=own.baud, parity=Parity(own.parity), stop_bits=own.stop_bits, data_bits=own.data_bits)
