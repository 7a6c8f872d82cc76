"""What one captured frame says: quantities, or the reason why none could be read."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from enum import Enum
from typing import TypeAlias


class DecodeFault(Enum):
    """Why frames gave no reading; the value is the stable code."""

    BAD_CHECKSUM = "bad-checksum"
    BAD_FRAME = "bad-frame"
    NO_REPLY = "no-reply"
    REPLY_MISMATCH = "reply-mismatch"
    """A whole frame, but no answer to the request that was given."""
    REQUEST_NEEDED = "request-needed"
    """The reply alone does not tell which addresses it holds."""
    UNSUPPORTED_FUNCTION = "unsupported-function"
    UNKNOWN_PROTOCOL = "unknown-protocol"
    BAD_CONTEXT = "bad-context"
    """The description of the points cannot be used, or the reply is too short for it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Quantity:
    """One decoded value.

    Attributes:
        quantity: its name.
        value: exact; None where the device says that it has none.
        unit: UCUM code, None for a raw number or state.
    """

    quantity: str
    value: Decimal | bool | str | None
    unit: str | None = None

    def json_value(self) -> int | float | bool | str | None:
        """Give the value as JSON has it; a decimal becomes the nearest double."""
        if not isinstance(self.value, Decimal):
            return self.value
        return int(self.value) if self.value == self.value.to_integral_value() else float(self.value)


@dataclass(frozen=True, slots=True, kw_only=True)
class Decoded:
    """Quantities in the order of the frame, none exactly when there is a fault.

    Attributes:
        detail: the fault in one English sentence, empty without one.
    """

    quantities: tuple[Quantity, ...] = ()
    fault: DecodeFault | None = None
    detail: str = ""


class DecodeError(Exception):
    """Inside a decoder: this frame gives no reading."""

    def __init__(self, fault: DecodeFault, detail: str) -> None:
        super().__init__(detail)
        self.fault = fault
        self.detail = detail


FrameReader: TypeAlias = Callable[[bytes | None, bytes, Mapping[str, object]], tuple[Quantity, ...]]
"""Reads one reply, the request if known, and what else is known (parsed JSON); raises DecodeError."""

RequestReader: TypeAlias = Callable[[bytes, Mapping[str, object]], tuple[Quantity, ...]]
"""Reads a request that has no reply, such as a write; raises DecodeError."""
