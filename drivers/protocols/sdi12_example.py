"""What an example of an SDI-12 profile shows: commands in a row, and the answers to them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from decimal import Decimal
from typing import Final

from drivers.batch import Value
from drivers.codec.framing import Noise
from drivers.codec.sdi12 import Sdi12Decoder, Sdi12Frame
from drivers.codec.seven_bit import seven_bits
from drivers.decoded import DecodeError, DecodeFault, Quantity
from drivers.named_values import sealed
from drivers.profile import Example, Profile
from drivers.protocols.sdi12_place import Command, place_of

_SAID: Final = re.compile(r"([0-9A-Za-z])([MC]C?\d?|RC?\d|V|D\d)!")


def covered(profile: Profile, example: Example) -> dict[int, Value]:
    """Give the mantissa of each point that an example's answers hold, by its index.

    The request is one command, or several in a row: ``0M!0D0!`` and ``00023``, ``0+1+2+3`` behind it. Data without
    the command that started them belong to the only one of the profile.

    Raises:
        DecodeError: they cannot be read, or hold none of the points.
    """
    address, what = _asked(profile, example)
    values = [Decimal(value) for frame in _frames(example, address, what) for value in frame.values]
    found: dict[int, Value] = {}
    for index, point in enumerate(profile.points):
        place = place_of(point, profile.id)
        if place.command.text == what.text and place.value <= len(values):
            found[index] = sealed(point, Quantity(quantity="value", value=values[place.value - 1]))[0]
    if not found:
        raise DecodeError(DecodeFault.REPLY_MISMATCH, f"none of the points is in what {what.text} gave")
    return found


def _asked(profile: Profile, example: Example) -> tuple[str, Command]:
    """Give the sensor, and the command that started the measurement."""
    text = (seven_bits(example.request) or b"").decode("ascii").lstrip("\x00")
    said = _SAID.findall(text)
    if not said or "".join(f"{one}{body}!" for one, body in said) != text or len({one for one, _ in said}) > 1:
        raise DecodeError(DecodeFault.BAD_FRAME, "the request is no row of SDI-12 commands to one sensor")
    started = [body for _, body in said if not body.startswith("D")]
    known = {place_of(point, profile.id).command.text for point in profile.points}
    if not started and len(known) == 1:
        started = [*known]
    if len(started) != 1:
        raise DecodeError(DecodeFault.REPLY_MISMATCH, "the request has to say which measurement these data are of")
    return said[0][0], Command(started[0])


def _frames(example: Example, address: str, what: Command) -> Iterator[Sdi12Frame]:
    """Give the answers that hold data; a CRC stands where it was ordered, and is right."""
    decoder = Sdi12Decoder(address)
    for event in (*decoder.feed(example.reply), *decoder.flush()):
        if isinstance(event, Noise):
            raise DecodeError(DecodeFault.BAD_FRAME, f"{len(event.raw)} bytes here are no answer of sensor {address}")
        if event.values and bool(event.crc) is not what.crc:
            raise DecodeError(
                DecodeFault.BAD_CHECKSUM, f"with {what.text} the data have {'a' if what.crc else 'no'} CRC"
            )
        if event.values:
            yield event
