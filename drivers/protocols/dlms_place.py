"""``at`` of a point that a DLMS meter is asked for: an attribute of an object; and addresses as people write them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from drivers.codec.hdlc_reply import Ends
from drivers.codec.obis import obis_bytes, obis_text
from drivers.profile import NamedLocation, Point, Profile
from drivers.words import N_

_KEYS: Final = ("obis", "class", "attribute", "text", "clock")
_VALUE: Final = 2
DATA, REGISTER, EXTENDED_REGISTER, DEMAND_REGISTER, CLOCK = 1, 3, 4, 5, 8
_CLASSES: Final = {
    "data": DATA, "register": REGISTER, "extended-register": EXTENDED_REGISTER, "demand-register": DEMAND_REGISTER,
    "clock": CLOCK,
}  # fmt: skip
_SCALED: Final = {REGISTER: ((2,), 3), EXTENDED_REGISTER: ((2,), 3), DEMAND_REGISTER: ((2, 3), 4)}
"""Class -> attributes that are amounts, and the one that holds their scaler and unit (IEC 62056-6-2, 4.3)."""
_CAPTURED: Final = {(EXTENDED_REGISTER, 2): 5, (DEMAND_REGISTER, 3): 6}
"""An amount that was taken earlier -> the attribute that says when."""
_ADDRESS: Final = re.compile(
    r"(?P<logical>\d{1,5})(?:\.(?P<physical>\d{1,5}))?(?:/(?P<size>[124]))?(?:@(?P<client>\d{1,3}))?"
)
_PUBLIC_CLIENT: Final = 16
_MOST: Final = {1: (127, 0), 2: (127, 127), 4: (16383, 16383)}


@dataclass(frozen=True, slots=True, kw_only=True)
class ObjectPlace:
    """Where a value stands in a meter.

    Attributes:
        class_id: of the object.
        obis: its logical name, six bytes.
        attribute: of the object.
    """

    class_id: int
    obis: bytes
    attribute: int

    @property
    def scaler_attribute(self) -> int | None:
        """The attribute that says scaler and unit of this one; None for what is no amount."""
        amounts, scaler = _SCALED.get(self.class_id, ((), 0))
        return scaler if self.attribute in amounts else None

    @property
    def captured_attribute(self) -> int | None:
        """The attribute that says when this one was taken; None if it is of the moment."""
        return _CAPTURED.get((self.class_id, self.attribute))

    def beside(self, attribute: int) -> ObjectPlace:
        """Give another attribute of the same object."""
        return ObjectPlace(class_id=self.class_id, obis=self.obis, attribute=attribute)

    def __str__(self) -> str:
        """Write it for a sentence."""
        return f"attribute {self.attribute} of {obis_text(self.obis)} (class {self.class_id})"


@dataclass(frozen=True, slots=True, kw_only=True)
class PointPlace:
    """Where a point stands, and how its bytes are to be taken.

    Attributes:
        object: the attribute.
        is_text: its bytes are characters.
        is_clock: its bytes are a date-time.
    """

    object: ObjectPlace
    is_text: bool = False
    is_clock: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Meter:
    """Whom to ask, and as whom.

    Attributes:
        ends: addresses in HDLC frames.
        name: for sentences.
    """

    ends: Ends
    name: str


def place_of(point: Point, where: str) -> PointPlace:
    """Read where a point stands; ProfileError if it is no attribute."""
    assert isinstance(point.place, NamedLocation)  # the profile names this protocol
    at = point.place.fields(f"{where}: point[{point.name}].at", _KEYS)
    class_id = at.choice("class", _CLASSES, REGISTER)
    attribute = at.integer("attribute", 1, 127, _VALUE)
    try:
        code = obis_bytes(at.text("obis"))
    except ValueError as error:
        raise at.fault("obis", str(error)) from error
    return PointPlace(
        object=ObjectPlace(class_id=class_id, obis=code, attribute=attribute),
        is_text=at.flag("text", default=False),
        is_clock=at.flag("clock", default=class_id == CLOCK and attribute == _VALUE),
    )


def check_places(profile: Profile) -> None:
    """Raise ProfileError for the first point whose place is none."""
    for point in profile.points:
        place_of(point, profile.id)


def read_address(text: str) -> str:
    """Give an address in its one form, ``logical[.physical][/bytes]@client``.

    Raises:
        ValueError: it is none.
    """
    found = _ADDRESS.fullmatch(text.strip())
    size = None if found is None else _size(found)
    if found is None or size is None or int(found["client"] or _PUBLIC_CLIENT) > 127:
        raise ValueError(
            N_(
                "logical address of the meter, physical address and client, such as 1, 1.17 or 1.17@32; /1, /2 or /4 "
                "behind the address sets its bytes; a password stands in a file that password_file names"
            )
        )
    physical = f".{int(found['physical'])}" if found["physical"] else ""
    bytes_ = f"/{found['size']}" if found["size"] else ""
    client = int(found["client"] or _PUBLIC_CLIENT)
    return f"{int(found['logical'])}{physical}{bytes_}@{client}"


def meter_of(address: str) -> Meter:
    """Take an address apart that ``read_address`` has let through."""
    found = _ADDRESS.fullmatch(address)
    assert found is not None
    size = _size(found)
    logical, physical = int(found["logical"]), int(found["physical"] or 0)
    if size == 1:
        server = bytes((logical << 1 | 1,))
    elif size == 2:
        server = bytes((logical << 1, physical << 1 | 1))
    else:
        server = bytes((logical >> 7 << 1, (logical & 127) << 1, physical >> 7 << 1, (physical & 127) << 1 | 1))
    client = int(found["client"] or _PUBLIC_CLIENT)
    return Meter(
        ends=Ends(client=bytes((client << 1 | 1,)), server=server),
        name=f"meter {found['logical']}" + (f".{found['physical']}" if found["physical"] else ""),
    )


def _size(found: re.Match[str]) -> int | None:
    """Give the bytes of the meter's address: the fewest that hold it, or those asked for; None if too few."""
    logical, physical = int(found["logical"]), int(found["physical"] or 0)
    sizes = (int(found["size"]),) if found["size"] else (1, 2, 4)
    fitting = (size for size in sizes if logical <= _MOST[size][0] and physical <= _MOST[size][1])
    return next((size for size in fitting if size > 1 or not found["physical"]), None)
