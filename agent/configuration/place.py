"""Where a key stands in a TOML file: line and column, found only when there is something to complain about.

``tomllib`` gives no places and ``tomlkit`` keeps none, so the file is parsed up to line k for several k: the first
prefix in which the key exists ends with the line of its value. This is exact for every way of writing TOML.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from agent.configuration.values import Key


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """A place in a file, counted from 1.

    Attributes:
        width: characters that the mark below the line covers.
    """

    line: int
    column: int
    width: int


def locate(text: str, path: Sequence[Key], *, at_key: bool) -> Place:
    """Find ``path`` in the valid TOML file ``text``: its key, or else its value, or line 1."""
    lines = text.split("\n")
    low, high = 1, len(lines)
    while low < high:
        middle = (low + high) // 2
        if _exists(_parsed_before(lines, middle)[1], path):
            high = middle
        else:
            low = middle + 1
    start = _parsed_before(lines, low - 1)[0]
    return _within(lines[start:low], start, path, at_key=at_key)


def _parsed_before(lines: list[str], count: int) -> tuple[int, object]:
    """Parse the longest valid prefix of at most ``count`` lines; give its length too."""
    while count > 0:
        try:
            return count, tomllib.loads("\n".join(lines[:count]) + "\n")
        except tomllib.TOMLDecodeError:
            count -= 1  # inside a value of several lines
    return 0, {}


def _exists(data: object, path: Sequence[Key]) -> bool:
    for key in path:
        found: object = None  # which no TOML value is
        if isinstance(data, Mapping):
            found = data.get(key)
        elif isinstance(data, list) and isinstance(key, int) and key < len(data):
            found = data[key]
        if found is None:
            return False
        data = found
    return True


def _within(statement: Sequence[str], before: int, path: Sequence[Key], *, at_key: bool) -> Place:
    """Point at the key or value in the lines of the one statement that brought it into being."""
    name = next((re.escape(key) for key in reversed(path) if isinstance(key, str)), "")
    for offset, line in enumerate(statement):
        match = re.search(
            rf"""(?<![\w-])["']?(?P<key>{name})["']?\s*=\s*(?P<value>"[^"]*"|'[^']*'|[^\s,#}}]+)?""", line
        )
        if match is not None:
            part = "key" if at_key or match["value"] is None else "value"
            start, end = match.span(part)
            return Place(line=before + offset + 1, column=start + 1, width=max(1, end - start))
    line = statement[-1] if statement else ""
    column = len(line) - len(line.lstrip())
    return Place(line=before + max(1, len(statement)), column=column + 1, width=max(1, len(line.strip())))
