"""``at`` of an M-Bus point: the record by its name, and addresses of meters as a person writes them."""

from __future__ import annotations

import re
from typing import Final

from drivers.codec.mbus import EVERY, LAST_PRIMARY
from drivers.codec.mbus_header import SecondaryAddress
from drivers.meter_clock import OFFSET
from drivers.profile import NamedLocation, Point, Profile
from drivers.profile_fields import hint
from drivers.protocols.mbus_meaning import names
from drivers.words import N_

_KEYS: Final = ("record", "clock")
_OTHERS: Final = (
    "id", "manufacturer", "version", "medium", "access_no", "status", "manufacturer_data", "counter1", "counter2",
    "counter1_raw", "counter2_raw",
)  # fmt: skip
_RECORD: Final = re.compile(
    r"(?P<name>[a-z0-9_]+?)(?:_future|_vife[0-9a-f]{2})*(?:_max|_min|_error)?(?:@s\d+)?(?:/t\d+)?(?:/u\d+)?(?:#\d+)?"
)
_CODED: Final = re.compile(r"(?:fd|fb)_[0-9a-f]{2}|vif(?:_[0-9a-f]{2})+|text(?:_\w+)?")
_PRIMARY: Final = re.compile(r"\d{1,3}")
_SECONDARY: Final = re.compile(r"([0-9A-F]{8})(?:\.([A-Z]{3}|\*)\.([0-9A-F]{2}|\*)\.([0-9A-F]{2}|\*))?")


def record_of(point: Point, where: str) -> str:
    """Give the record that holds a point by its name, OFFSET for the clocks; ProfileError if none can have it."""
    assert isinstance(point.place, NamedLocation)  # the profile names this protocol
    at = point.place.fields(f"{where}: point[{point.name}].at", _KEYS)
    if at.has("clock") and at.choice("clock", {"offset": True}, default=True):
        if at.has("record"):
            raise at.fault("clock", "stands without record: the meter's own is the record datetime")
        return OFFSET
    record = at.text("record")
    known = (*names(), *_OTHERS)
    found = _RECORD.fullmatch(record)
    if record in known or (found is not None and (found["name"] in known or _CODED.fullmatch(found["name"]))):
        return record
    raise at.fault("record", f"{record!r} is no record of EN 13757-3; {hint(record, known)}")


def check_records(profile: Profile) -> None:
    """Raise ProfileError for the first point whose record is none."""
    for point in profile.points:
        record_of(point, profile.id)


def read_address(text: str) -> str:
    """Give an address in its one form: a primary one as a number, a secondary one as ``12345678[.MAN.VV.MM]``.

    Raises:
        ValueError: it is neither.
    """
    address = text.replace(" ", "").upper()
    if _PRIMARY.fullmatch(address):
        if int(address) > LAST_PRIMARY and int(address) != EVERY:
            raise ValueError(N_("a primary address is 0 to 250, or 254 for the only meter of a line"))
        return str(int(address))
    if _SECONDARY.fullmatch(address):
        return address
    raise ValueError(
        N_(
            "a primary address is a number, a secondary one has eight digits, with manufacturer, version and medium "
            "if need be, such as 12345678.KAM.08.04"
        )
    )


def secondary_address(address: str) -> SecondaryAddress | None:
    """Give the secondary address that ``read_address`` has let through; None for a primary one."""
    found = _SECONDARY.fullmatch(address)
    if found is None or _PRIMARY.fullmatch(address):
        return None
    maker, version, medium = found[2], found[3], found[4]
    return SecondaryAddress(
        id=found[1],
        manufacturer=None if maker in (None, "*") else maker,
        version=None if version in (None, "*") else int(version, 16),
        medium=None if medium in (None, "*") else int(medium, 16),
    )


def is_meant(asked: SecondaryAddress, meter: SecondaryAddress) -> bool:
    """Tell whether ``meter`` fits what was selected; F in the id and None elsewhere stand for any."""
    return (
        all(one in ("F", other) for one, other in zip(asked.id, meter.id, strict=True))
        and asked.manufacturer in (None, meter.manufacturer)
        and asked.version in (None, meter.version)
        and asked.medium in (None, meter.medium)
    )
