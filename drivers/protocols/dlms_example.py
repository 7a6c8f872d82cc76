"""Captured get requests with their responses -> the points of a profile that they prove."""

from __future__ import annotations

from collections.abc import Iterator

from drivers.batch import Value
from drivers.captured import replies
from drivers.codec.axdr import AxdrError, Data
from drivers.codec.dlms_apdu import Apdu, Attribute, GetResponse, read_apdu
from drivers.codec.hdlc_message import HdlcMessage, MessageDecoder
from drivers.decoded import DecodeError, DecodeFault
from drivers.named_values import sealed
from drivers.profile import Example, Profile
from drivers.protocols.dlms_decode import LLC
from drivers.protocols.dlms_place import ObjectPlace, place_of
from drivers.protocols.dlms_values import quantity, scaling_of


def covered(profile: Profile, example: Example) -> dict[int, Value]:
    """Give the mantissa of each point that an example's responses hold, by its index.

    Request and reply may hold several frames, in the order they were sent: a register needs its value and its scaler.

    Raises:
        DecodeError: they cannot be read, do not fit together, or hold none of the points.
    """
    asked = [apdu for apdu in _apdus(example.request) if isinstance(apdu, Attribute)]
    came = [apdu for apdu in _apdus(example.reply) if isinstance(apdu, GetResponse)]
    if len(asked) != len(came):
        raise DecodeError(DecodeFault.REPLY_MISMATCH, f"{len(came)} responses to {len(asked)} requests")
    got = {
        ObjectPlace(class_id=one.class_id, obis=one.obis, attribute=one.attribute): response.results[0]
        for one, response in zip(asked, came, strict=True)
        if response.results
    }
    found: dict[int, Value] = {}
    for index, point in enumerate(profile.points):
        place = place_of(point, profile.id)
        data = got.get(place.object)
        scaler = place.object.scaler_attribute
        said = got.get(place.object.beside(scaler)) if scaler is not None else None
        scaling = scaling_of(said) if isinstance(said, Data) else None
        if isinstance(data, Data) and (scaler is None or scaling is not None):
            found[index] = sealed(point, quantity(place, data, scaling))[0]
    if not found:
        raise DecodeError(DecodeFault.REPLY_MISMATCH, "none of the points is in these responses, with its scaler")
    return found


def _apdus(wire: bytes) -> Iterator[Apdu]:
    if not wire:
        raise DecodeError(
            DecodeFault.REQUEST_NEEDED, "a response does not tell which attribute it is: give the request"
        )
    for message in replies(MessageDecoder(), None, wire, lambda one: bool(one.information)):
        try:
            yield read_apdu(_body(message))
        except AxdrError as error:
            raise DecodeError(DecodeFault.BAD_FRAME, str(error)) from error


def _body(message: HdlcMessage) -> bytes:
    information = message.information
    return information[3:] if information.startswith(LLC) else information
