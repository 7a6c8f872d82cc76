"""Where a ``[[device]]`` answers: a Modbus unit, or the address of another protocol as a text."""

from __future__ import annotations

from typing import Final

from agent.configuration.values import Table
from drivers.errors import ProfileError
from drivers.profile import Profile
from drivers.profile_point import MODBUS

_UNITS: Final = (1, 247)
_TCP_UNITS: Final = (0, 255)


def unit_range(*, over_tcp: bool) -> tuple[int, int]:
    """Give the lowest and highest unit that a Modbus device may have; a server may be unit 0 or 255 (MBAP)."""
    return _TCP_UNITS if over_tcp else _UNITS


def read_address(table: Table, profile: Profile | None, *, over_tcp: bool) -> tuple[int, str]:
    """Read ``unit`` or ``address``, whichever the profile's protocol has; the other one is empty."""
    if profile is None and table.holds("address"):
        table.holds("unit")  # known keys both, whatever the profile would have said
        return 0, ""
    if profile is None or profile.protocol == MODBUS:
        return table.integer("unit", 1, *unit_range(over_tcp=over_tcp), required=True), ""
    from drivers.registry import find_protocol  # noqa: PLC0415 - a site of Modbus alone need not load it to be read

    try:
        protocol = find_protocol(profile.protocol, profile.id)
        protocol.check(profile)
        protocol.check_writes(profile)
    except ProfileError as error:
        table.report("bad-profile", "profile", detail=str(error))
        table.holds("address")
        return 0, ""
    if protocol.address is None:
        return table.integer("unit", 1, *_UNITS, required=True), ""
    text = table.text("address")
    try:
        return 0, protocol.address(text)
    except ValueError as error:
        if text:
            table.report("bad-address", "address", value=text, detail=str(error))
        else:
            table.text("address", required=True)
        return 0, ""


def takes_password(profile: Profile) -> bool:
    """Tell whether devices of ``profile`` may want a password to be read; not known ones might."""
    from drivers.registry import find_protocol  # noqa: PLC0415 - a site of Modbus alone need not load it to be read

    try:
        return find_protocol(profile.protocol, profile.id).takes_password
    except ProfileError:
        return True  # reported with the address
