"""One table of a profile file, read key by key; every fault is a ProfileError that names file and key."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal, InvalidOperation
from typing import TypeVar

from drivers.errors import ProfileError

T = TypeVar("T")

_HEX = re.compile(r"(?:[0-9A-Fa-f]{2}\s*)*")


def hint(wrong: str, valid: Iterable[str]) -> str:
    """Say which of ``valid`` is nearest to ``wrong``, or name them all when none is near."""
    import difflib  # noqa: PLC0415 - 3 ms that only a mistake has to pay

    names = sorted(valid)
    near = difflib.get_close_matches(wrong, names, n=1, cutoff=0.5)
    if near:
        return f"did you mean {near[0]!r}?"
    shown = ", ".join(names[:12])
    return f"one of: {shown}" + (", ..." if len(names) > 12 else "")


class Fields:
    """A TOML table whose keys are all known.

    Args:
        data: the table as ``tomllib`` gives it, fractions as Decimal.
        where: file and key path so far.
        known: every key that may stand in it; any other is a ProfileError.
    """

    def __init__(self, data: object, where: str, known: Sequence[str]) -> None:
        if not isinstance(data, Mapping):
            raise ProfileError(where, "is not a table")
        self._data: Mapping[str, object] = data
        self.where = where
        for key in self._data:
            if key not in known:
                raise ProfileError(self.at(key), f"unknown key {key!r}; {hint(key, known)}")

    def at(self, key: str) -> str:
        """Give the place of ``key`` for an error."""
        joint = " " if self.where.endswith(":") else "."
        return f"{self.where}{joint}{key}"

    def fault(self, key: str, what: str) -> ProfileError:
        """Make the error that says ``what`` is wrong with ``key``."""
        return ProfileError(self.at(key), what)

    def has(self, key: str) -> bool:
        """Tell whether ``key`` is there."""
        return key in self._data

    def raw(self, key: str) -> object:
        """Give what stands at ``key``, whatever it is; an error if nothing does."""
        if key not in self._data:
            raise self.fault(key, "is missing")
        return self._data[key]

    def text(self, key: str, default: str | None = None) -> str:
        """Give a text that is not blank."""
        if default is not None and key not in self._data:
            return default
        value = self.raw(key)
        if not isinstance(value, str) or not value.strip():
            raise self.fault(key, "has to be a text in quotes")
        return value

    def integer(self, key: str, low: int, high: int, default: int | None = None) -> int:
        """Give a whole number from ``low`` to ``high``."""
        if default is not None and key not in self._data:
            return default
        value = self.raw(key)
        if not isinstance(value, int) or isinstance(value, bool):
            raise self.fault(key, "has to be a whole number")
        if not low <= value <= high:
            raise self.fault(key, f"is {value}, outside {low} to {high}")
        return value

    def flag(self, key: str, *, default: bool) -> bool:
        """Give true or false."""
        value = self._data.get(key, default)
        if not isinstance(value, bool):
            raise self.fault(key, "has to be true or false")
        return value

    def exact(self, key: str, default: Decimal) -> Decimal:
        """Give a decimal that is written in quotes, so that nothing rounds it on the way."""
        if key not in self._data:
            return default
        value = self._data[key]
        if not isinstance(value, str):
            raise self.fault(key, f'has to be a decimal in quotes, such as "{value}"')
        try:
            number = Decimal(value)
        except InvalidOperation:
            number = Decimal("nan")
        if not number.is_finite():
            raise self.fault(key, f"is {value!r}, which is not a decimal")
        return number

    def choice(self, key: str, among: Mapping[str, T], default: T | None = None) -> T:
        """Give what the word at ``key`` stands for."""
        if default is not None and key not in self._data:
            return default
        word = self.raw(key)
        if not isinstance(word, str) or word not in among:
            raise self.fault(key, f"is {word!r}; {hint(str(word), among)}")
        return among[word]

    def octets(self, key: str) -> bytes:
        """Give bytes written as hex pairs, spaces allowed."""
        value = self.text(key)
        if not _HEX.fullmatch(value.strip()):
            raise self.fault(key, "has to be pairs of hex digits")
        return bytes.fromhex(value)

    def items(self, key: str) -> list[object]:
        """Give an array, empty when the key is not there."""
        value = self._data.get(key, [])
        if not isinstance(value, list):
            raise self.fault(key, "has to be an array")
        return value

    def sub(self, key: str, known: Sequence[str]) -> Fields:
        """Give the table at ``key``, an empty one when it is not there."""
        return Fields(self._data.get(key, {}), self.at(key), known)
