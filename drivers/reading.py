"""Reading: the view of one value for a person, an alarm or an export; never on the polling path."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from drivers.quality import is_bad


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """One point, sampled once.

    Attributes:
        device: name of the device in the site file.
        quantity: dotted point name from the profile, such as ``energy.active.import``.
        value: exact decimal in ``unit``, text or state; None exactly when the status is bad.
        unit: UCUM code, None where the quantity has none.
        mono_ns: CLOCK_BOOTTIME at the last byte of the reply.
        status: OPC UA status code, 0 is good.
    """

    device: str
    quantity: str
    value: Decimal | str | bool | bytes | None
    unit: str | None
    mono_ns: int
    status: int = 0

    def __post_init__(self) -> None:
        """Refuse a value that claims to be both measured and bad."""
        if (self.value is None) is not is_bad(self.status):
            raise ValueError(f"{self.quantity}: value {self.value!r} with status 0x{self.status:08X}")


def exact(mantissa: int, exponent: int) -> Decimal:
    """Give ``mantissa * 10 ** exponent`` without rounding, trailing zeros kept (12300, -2 is 123.00)."""
    return Decimal((mantissa < 0, tuple(int(d) for d in str(abs(mantissa))), exponent))
