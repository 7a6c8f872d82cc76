"""``access`` and ``write`` of a ``[[point]]``: what may be written, and what that means."""

from __future__ import annotations

from decimal import Decimal
from typing import Final

from drivers.profile import Table
from drivers.profile_about import Access, WriteClass, WriteRule
from drivers.profile_fields import Fields

WRITE_KEYS: Final = ("class", "function", "range", "values", "read_back", "shows", "rest_s", "settle_s")
_REGISTER_KEYS: Final = WRITE_KEYS[:4]
_COMMAND_KEYS: Final = ("class", *WRITE_KEYS[3:])
FUNCTIONS: Final = {Table.COIL: (5, 15), Table.HOLDING_REGISTER: (6, 16)}
CLASSES: Final = {c.value: c for c in WriteClass}
_RAW: Final = 0xFFFF_FFFF
_DAY_S: Final = 86400


def read_write(fields: Fields, table: Table, access: Access) -> WriteRule | None:
    """Read what may be written; ProfileError unless ``write`` is there exactly where ``access`` allows writing."""
    if access is Access.READ:
        if fields.has("write"):
            raise fields.fault("write", 'goes only with access = "rw" or "w"')
        return None
    if table not in FUNCTIONS:
        raise fields.fault("access", "only coils and holding registers can be written")
    if not fields.has("write"):
        raise fields.fault("write", "is missing: say what writing this means")
    rule = fields.sub("write", _REGISTER_KEYS)
    functions = FUNCTIONS[table]
    function = rule.integer("function", 0, 0xFF, functions[0])
    if function not in functions:
        raise rule.fault("function", f"is {function}; coils are written with 5 or 15, registers with 6 or 16")
    low, high = _limits(rule)
    return WriteRule(
        klass=rule.choice("class", CLASSES), function=function, low=low, high=high, values=tuple(_values(rule))
    )


def read_command(fields: Fields, access: Access) -> WriteRule | None:
    """Read what a command may write where values have names: words alone, and the point that shows what became of it.

    Raises:
        ProfileError: anything of it is missing; without read-back and rest nothing is written.
    """
    if access is Access.READ:
        if fields.has("write"):
            raise fields.fault("write", 'goes only with access = "w"')
        return None
    if access is not Access.WRITE:
        raise fields.fault("access", 'is "r" or "w" here: what shows the state is a point of its own')
    if not fields.has("write"):
        raise fields.fault("write", "is missing: say what writing this means")
    rule = fields.sub("write", _COMMAND_KEYS)
    words, shows = _values(rule), _values(rule, "shows")
    if not words or {word for word, _ in words} != {word for word, _ in shows}:
        raise rule.fault("shows", "has to say for each word of values what read_back then shows")
    return WriteRule(
        klass=rule.choice("class", CLASSES),
        function=0,
        values=tuple(words),
        read_back=rule.text("read_back"),
        shows=tuple(shows),
        rest_s=float(rule.integer("rest_s", 1, _DAY_S)),
        settle_s=float(rule.integer("settle_s", 1, 600)),
    )


def _limits(rule: Fields) -> tuple[Decimal | None, Decimal | None]:
    bounds = rule.items("range")
    if not bounds:
        return None, None
    numbers = [Decimal(b) for b in bounds if isinstance(b, int | Decimal) and not isinstance(b, bool)]
    if len(bounds) != 2 or len(numbers) != 2 or not all(n.is_finite() for n in numbers) or numbers[0] > numbers[1]:
        raise rule.fault("range", "has to be [lowest, highest]")
    return numbers[0], numbers[1]


def _values(rule: Fields, key: str = "values") -> list[tuple[str, int]]:
    words = rule.raw(key) if rule.has(key) else {}
    if not isinstance(words, dict):
        raise rule.fault(key, "has to be a table, such as { on = 0x0100, off = 0x0200 }")
    for word, raw in words.items():
        if not isinstance(raw, int) or isinstance(raw, bool) or not 0 <= raw <= _RAW:
            raise rule.fault(f"{key}.{word}", "has to be a whole raw number")
    return list(words.items())
