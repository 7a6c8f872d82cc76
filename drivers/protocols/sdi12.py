"""SDI-12 as ``drivers.registry`` takes it: captured answers are read; nothing polls, a UART has no break of 12 ms."""

from __future__ import annotations

from typing import Final, NoReturn

from drivers.batch import Value
from drivers.errors import ProfileError
from drivers.profile import Example, Profile
from drivers.protocols.sdi12_decode import read_sdi12
from drivers.wire_protocol import Placed, WireProtocol

_SENTENCE: Final = "SDI-12 answers can be decoded and not yet be polled: the break of 12 ms is missing"


def _build(placed: Placed) -> NoReturn:
    raise ProfileError(placed.profile.id, _SENTENCE)


def _check(profile: Profile) -> None:
    raise ProfileError(profile.id, _SENTENCE)


def _covered(profile: Profile, example: Example) -> dict[int, Value]:
    del example
    raise ProfileError(profile.id, _SENTENCE)


PROTOCOLS: Final = {
    "sdi12": WireProtocol(build=_build, check=_check, covered=_covered, decoders={"sdi12": read_sdi12})
}
