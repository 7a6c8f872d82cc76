"""Values of ``site.toml``: a table that is read key by key and collects everything that is wrong with it."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, Final, TypeAlias, TypeVar, cast

Key: TypeAlias = str | int
T = TypeVar("T")
BAUDS: Final = (50, 4_000_000)
"""Slowest and fastest speed of a line."""
_NAME: Final = re.compile(r"[^\W_][\w.-]{0,63}", re.ASCII)
_DURATION_S: Final = {"ms": 0.001, "s": 1.0, "min": 60.0, "h": 3600.0, "d": 86400.0}
_SIZE_BYTES: Final = {"kB": 10**3, "KB": 10**3, "MB": 10**6, "GB": 10**9, "TB": 10**12}
_NOTHING: Final[dict[str, Any]] = {}
_NONE: Final[list[Any]] = []
_QUANTITY: Final = re.compile(r"\s*(\d+(?:\.\d+)?)\s*([A-Za-z]+)\s*")


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """One thing wrong in the file, before its line is known.

    Attributes:
        code: row of ``agent.messages``.
        path: keys and indexes that lead to it, such as ``("bus", 1, "parity")``.
        at_key: the key itself is wrong, rather than its value.
        nearest: the valid name that is most like the wrong one, empty for none.
    """

    code: str
    path: tuple[Key, ...]
    params: Mapping[str, str | int] = field(default_factory=dict)
    at_key: bool = False
    nearest: str = ""
    warning: bool = False


class Entries:
    """The keys of one TOML table: what was asked for, and what is wrong with them."""

    def __init__(self, data: Mapping[str, object], path: tuple[Key, ...], problems: list[Problem]) -> None:
        self._data = data
        self._asked: dict[str, None] = {}
        self.path = path
        self.problems = problems

    def report(
        self, code: str, key: str, /, *, nearest: str = "", warning: bool = False, **params: str | int
    ) -> None:
        """Note that the value of ``key`` is wrong; once, however often it is asked for."""
        path = (*self.path, key)
        if all((code, path) != (problem.code, problem.path) for problem in self.problems):
            self.problems.append(Problem(code=code, path=path, params=params, nearest=nearest, warning=warning))

    def answer(self, key: str) -> int | float | str | None:
        """Give a number or a text as it stands; None where it is absent or something else."""
        value: int | float | str | None = self._typed(key, (int, float, str), "number", None)
        return value

    def holds(self, key: str) -> bool:
        """Tell whether the file says anything for ``key``."""
        self._asked[key] = None
        return key in self._data

    def close(self, *, inner: str = "", of_inner: Sequence[str] = ()) -> None:
        """Report every key that was never asked for; of those of the inline table ``inner`` that they go there."""
        known = sorted(self._asked)
        astray = [key for key in self._data if key in of_inner and key not in self._asked]
        for key in astray:
            params = {"key": key, "table": inner, "example": self._moved(inner, astray)}
            self.problems.append(Problem(code="key-elsewhere", path=(*self.path, key), params=params, at_key=True))
        for key in self._data:
            if key not in self._asked and key not in astray:
                self.problems.append(
                    Problem(
                        code="unknown-key",
                        path=(*self.path, key),
                        params={"key": key, "known": ", ".join(known)},
                        at_key=True,
                        nearest=nearest(key, known),
                    )
                )

    def _moved(self, inner: str, keys: Sequence[str]) -> str:
        """Write the inline table ``inner`` as it is with ``keys`` of this table in it."""
        there = self._data.get(inner)
        values = {**(there if isinstance(there, dict) else {}), **{key: self._data[key] for key in keys}}
        return f"{inner} = {{ {', '.join(f'{key} = {_toml(value)}' for key, value in values.items())} }}"

    def _typed(self, key: str, kinds: tuple[type, ...], expected: str, default: T, *, required: bool = False) -> T:
        self._asked[key] = None
        value = self._data.get(key)
        if value is None:
            if required:
                name = ".".join(part for part in self.path if isinstance(part, str))
                params = {"key": key, "table": f"[{name}]" if name else "site.toml"}
                self.problems.append(Problem(code="missing-key", path=self.path, params=params, at_key=True))
            return default
        if isinstance(value, kinds) and (bool in kinds or not isinstance(value, bool)):
            return cast("T", value)
        self.report("wrong-type", key, key=key, expected=expected, found=_kind(value))
        return default


class Table(Entries):
    """One TOML table: asked for each key it may have; ``close`` reports the keys that nobody asked for."""

    def text(self, key: str, default: str = "", *, required: bool = False) -> str:
        """Give the text of ``key``; ``default`` where it is absent or wrong."""
        return self._typed(key, (str,), "string", default, required=required)

    def texts(self, key: str) -> tuple[str, ...]:
        """Give the texts of an array; none where it is absent or wrong."""
        found = self._typed(key, (list,), "array of strings", _NONE)
        if not all(isinstance(item, str) for item in found):
            self.report("wrong-type", key, key=key, expected="array of strings", found="array")
            return ()
        return tuple(found)

    def flag(self, key: str, default: bool) -> bool:
        """Give true or false."""
        return self._typed(key, (bool,), "boolean", default)

    def integer(self, key: str, default: int, low: int, high: int, *, required: bool = False) -> int:
        """Give a whole number from ``low`` to ``high``."""
        value: int = self._typed(key, (int,), "integer", default, required=required)
        return self._within(key, value, low, high, default)

    def choice(self, key: str, known: Sequence[str], default: str) -> str:
        """Give one of ``known``."""
        value = self.text(key, default)
        if value in known:
            return value
        self.report("unknown-value", key, nearest=nearest(value, known), key=key, value=value, known=", ".join(known))
        return default

    def name(self, key: str = "name") -> str:
        """Give a name that may stand in a topic, a table and a file name."""
        value = self.text(key, required=True)
        if value and not _NAME.fullmatch(value):
            self.report("bad-name", key, value=value)
            return ""
        return value

    def duration_s(self, key: str, default: float, low_s: float, high_s: float) -> float:
        """Give the seconds of a text such as ``"10 s"``, from ``low_s`` to ``high_s``."""
        seconds = self._quantity(key, _DURATION_S, "bad-duration", default)
        if low_s <= seconds <= high_s:
            return seconds
        self.report("out-of-range", key, key=key, value=self.text(key), low=_seconds(low_s), high=_seconds(high_s))
        return default

    def size_bytes(self, key: str, default: int) -> int:
        """Give bytes of a text such as ``"2 GB"``."""
        return int(self._quantity(key, _SIZE_BYTES, "bad-size", float(default)))

    def table(self, key: str) -> Table:
        """Give the table ``key``; an empty one where it is absent or wrong."""
        return Table(self._typed(key, (dict,), "table", _NOTHING), (*self.path, key), self.problems)

    def tables(self, key: str) -> tuple[Table, ...]:
        """Give the tables of an array ``[[key]]``; one ``[key]`` alone counts as an array of one."""
        if isinstance(self._data.get(key), dict):
            return (self.table(key),)
        found: list[Table] = []
        for index, item in enumerate(self._typed(key, (list,), "array of tables", _NONE)):
            if isinstance(item, dict):
                found.append(Table(item, (*self.path, key, index), self.problems))
            else:
                self.report("wrong-type", key, key=key, expected="array of tables", found=_kind(item))
        return tuple(found)

    def _within(self, key: str, value: int, low: int, high: int, default: int) -> int:
        if not self.holds(key) or low <= value <= high:
            return value
        self.report("out-of-range", key, key=key, value=str(value), low=str(low), high=str(high))
        return default

    def _quantity(self, key: str, factors: Mapping[str, float], code: str, default: float) -> float:
        text = self.text(key)
        if not text:
            return default
        match = _QUANTITY.fullmatch(text)
        if match is None or match[2] not in factors:
            self.report(code, key, key=key, value=text)
            return default
        return float(Decimal(match[1]) * Decimal(str(factors[match[2]])))


def _seconds(value: float) -> str:
    return f"{value:g} s"


def nearest(name: str, known: Sequence[str]) -> str:
    """Give the one of ``known`` that ``name`` was probably meant to be; empty if none is near."""
    from difflib import get_close_matches  # noqa: PLC0415 - only a mistake has to pay for it

    return next(iter(get_close_matches(name, known, n=1, cutoff=0.6)), "")


def _toml(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, default=str)


def _kind(value: object) -> str:
    """Name the TOML type of a value; the specification's terms, the same in every language."""
    names = {str: "string", bool: "boolean", int: "integer", float: "float", dict: "table", list: "array"}
    return names.get(type(value), "date-time")
