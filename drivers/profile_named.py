"""Where a point stands in a device whose protocol names its values: DI, OBIS code, record, factor code."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, TypeAlias

from drivers.profile_fields import Fields

Word: TypeAlias = str | int | bool

_MOST_KEYS: Final = 12


@dataclass(frozen=True, slots=True, kw_only=True)
class NamedLocation:
    """What ``at`` says, kept as it stands in the file; the protocol knows the keys and checks them.

    Attributes:
        words: key and value of each entry, in the order of the file, such as ``("di", "02010100")``.
    """

    words: tuple[tuple[str, Word], ...]

    def fields(self, where: str, known: tuple[str, ...]) -> Fields:
        """Open it for reading key by key; a ProfileError that starts with ``where`` names an unknown one."""
        return Fields(dict(self.words), where, known)


def read_named(fields: Fields) -> NamedLocation:
    """Read ``at`` of a protocol other than Modbus: a table of texts, whole numbers and flags."""
    data = fields.raw("at")
    if not isinstance(data, Mapping) or not data or len(data) > _MOST_KEYS:
        raise fields.fault("at", "has to be a table that says where the value stands")
    words: list[tuple[str, Word]] = []
    for key, value in data.items():
        if not isinstance(value, str | int):
            raise fields.fault(f"at.{key}", "has to be a text, a whole number, true or false")
        words.append((str(key), value))
    return NamedLocation(words=tuple(words))
