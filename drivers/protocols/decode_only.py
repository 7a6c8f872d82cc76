"""A protocol that ``tidegate decode`` reads and that no device is polled with yet."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NoReturn

from drivers.batch import Value
from drivers.decoded import FrameReader
from drivers.errors import ProfileError
from drivers.profile import Example, Profile
from drivers.wire_protocol import LinkedDevice, Placed, WireProtocol


def decode_only(name: str, decoders: Mapping[str, FrameReader], listening: str = "") -> WireProtocol:
    """Make the protocol ``name``, with a module for listening if it has one: a profile that names it is refused."""

    def refuse(where: str) -> NoReturn:
        raise ProfileError(where, f"frames of {name} can be decoded, devices cannot be read with it yet")

    def build(placed: Placed) -> LinkedDevice:
        refuse(placed.profile.id)

    def check(profile: Profile) -> None:
        refuse(profile.id)

    def covered(profile: Profile, example: Example) -> dict[int, Value]:  # noqa: ARG001
        refuse(profile.id)

    return WireProtocol(build=build, check=check, covered=covered, decoders=decoders, listening=listening)
