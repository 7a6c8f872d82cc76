"""Frozen dataclasses as JSON objects and back, for the control socket.

bytes travel as hex, enums as their value, tuples as arrays; integers stay exact. Decoding follows the annotations of
the class and refuses everything else, so a message from a stranger cannot become a wrong object.
"""

from __future__ import annotations

import dataclasses
import json
import types
from enum import Enum
from functools import cache
from typing import Any, Final, TypeVar, Union, cast, get_args, get_origin, get_type_hints

MAX_LINE_BYTES: Final = 64 * 1024
MAX_ANSWER_BYTES: Final = 4 * 1024 * 1024

T = TypeVar("T")


class WireError(ValueError):
    """A line is not what the protocol allows."""


def to_json(value: object) -> Any:  # noqa: ANN401 - JSON
    """Give ``value`` (dataclass, enum, bytes, tuple, scalar) as what ``json.dumps`` takes."""
    if isinstance(value, Enum):
        return value.value
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, tuple | list):
        return [to_json(item) for item in value]
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: to_json(getattr(value, field.name)) for field in dataclasses.fields(value)}
    raise TypeError(f"{type(value).__name__} has no place on the control socket")


def from_json(kind: type[T], value: object) -> T:
    """Build a ``kind`` from decoded JSON; fields that are not there keep their default.

    Raises:
        WireError: a type does not fit, a key is unknown, a field without default is missing.
    """
    return cast("T", _build(kind, value))


def read_object(line: bytes) -> dict[str, object]:
    """Parse one line into an object.

    Raises:
        WireError: it is not one JSON object in UTF-8.
    """
    try:
        found = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise WireError("not a line of JSON") from error
    if not isinstance(found, dict):
        raise WireError("not a JSON object")
    return found


def write_line(value: object) -> bytes:
    """Give ``value`` as one line."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode() + b"\n"


@cache
def _hints(kind: type) -> dict[str, Any]:
    return get_type_hints(kind)


def _build(kind: Any, value: object) -> object:  # noqa: ANN401 - one branch for each kind of annotation
    if kind is Any or kind is object:
        return value
    origin = get_origin(kind)
    if origin is Union or origin is types.UnionType:
        return _build_union(get_args(kind), value)
    if origin is tuple:
        return _build_tuple(get_args(kind), value)
    if kind is type(None) and value is None:
        return None
    if kind is float and isinstance(value, int | float) and not isinstance(value, bool):
        return _float(value)
    if kind is str and isinstance(value, str):
        return _text(value)
    if kind in (bool, int) and type(value) is kind:
        return value
    if kind is bytes and isinstance(value, str):
        return _bytes(value)
    if isinstance(kind, type) and issubclass(kind, Enum):
        return _enum(kind, value)
    if dataclasses.is_dataclass(kind) and isinstance(kind, type):
        return _build_dataclass(kind, value)
    raise WireError(f"expected {getattr(kind, '__name__', kind)}, got {type(value).__name__}")


def _build_union(kinds: tuple[Any, ...], value: object) -> object:
    for kind in kinds:
        try:
            return _build(kind, value)
        except WireError:
            continue
    raise WireError(f"{type(value).__name__} fits none of {len(kinds)} types")


def _build_tuple(kinds: tuple[Any, ...], value: object) -> tuple[object, ...]:
    if not isinstance(value, list):
        raise WireError(f"expected an array, got {type(value).__name__}")
    if len(kinds) == 2 and kinds[1] is Ellipsis:
        return tuple(_build(kinds[0], item) for item in value)
    if len(kinds) != len(value):
        raise WireError(f"expected {len(kinds)} items, got {len(value)}")
    return tuple(_build(kind, item) for kind, item in zip(kinds, value, strict=True))


def _build_dataclass(kind: type, value: object) -> object:
    if not isinstance(value, dict):
        raise WireError(f"expected an object, got {type(value).__name__}")
    hints = _hints(kind)
    if unknown := set(value) - set(hints):
        raise WireError(f"unknown key {min(map(str, unknown))!r}")
    try:
        return kind(**{name: _build(hints[name], item) for name, item in value.items()})
    except TypeError as error:
        raise WireError(str(error)) from error


def _float(value: float) -> float:
    try:
        return float(value)
    except OverflowError as error:
        raise WireError("a number is too large") from error


def _text(value: str) -> str:
    """JSON may name half of a surrogate pair; no answer, log or block could hold it."""
    try:
        value.encode()
    except UnicodeEncodeError as error:
        raise WireError("a text is not Unicode") from error
    return value


def _bytes(value: str) -> bytes:
    try:
        return bytes.fromhex(value)
    except ValueError as error:
        raise WireError("expected hex digits") from error


def _enum(kind: type[Enum], value: object) -> Enum:
    try:
        return kind(value)
    except ValueError as error:
        raise WireError(f"{value!r} is no {kind.__name__}") from error
