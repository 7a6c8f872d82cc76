"""Profile files: finding them, and TOML -> Profile. profiles/README.md lists the keys.

Schema 1 is read for ever; a later one gets its own reader beside this.
"""

from __future__ import annotations

import hashlib
import re
import tomllib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Final, TypeVar

from drivers.errors import ProfileError
from drivers.profile import Example, Limits, Point, Profile
from drivers.profile_about import Access, Doubt
from drivers.profile_clock import read_clock
from drivers.profile_commissioning import read_doubt, read_fingerprint, read_ratios
from drivers.profile_fields import Fields, hint
from drivers.profile_point import MODBUS, is_polled, read_point
from drivers.profile_proof import proof_of
from drivers.profile_sections import (
    entangled,
    is_forbidden,
    overlaps,
    read_example,
    read_head,
    read_limits,
    read_line,
    sparing,
)

T = TypeVar("T")

LOCAL_ROOT: Final = Path("/etc/tidegate/profiles")

_ID = re.compile(r"[a-z0-9][a-z0-9._-]*/[a-z0-9][a-z0-9._-]*")
TOP_KEYS: Final = (
    "schema", "vendor", "model", "name", "class", "protocol", "source", "confirmed_by", "line", "limits", "ratios",
    "fingerprint", "doubt", "point", "example", "clock",
)  # fmt: skip
_MAX_FILE_BYTES: Final = 1_000_000


def builtin_roots(local: Path = LOCAL_ROOT) -> tuple[Path, ...]:
    """Give the folders that hold profiles, first one first: the gateway's own, then those of the installation."""
    spec = find_spec("profiles")
    shipped = spec.submodule_search_locations if spec is not None else None  # importlib.resources takes 8 ms to load
    return (local, *map(Path, shipped or ()))


def list_profiles(roots: Sequence[Path]) -> tuple[str, ...]:
    """Give every profile id below ``roots``, sorted, each once."""
    return tuple(sorted({_id_of(path) for root in roots for path in root.glob("*/*.toml")}))


def find_profile(profile_id: str, roots: Sequence[Path]) -> Path:
    """Find the file of ``vendor/model`` in the first of ``roots`` that has it.

    Raises:
        ProfileError: no such profile (the nearest one is named), or no well-formed id.
    """
    if not _ID.fullmatch(profile_id):
        raise ProfileError(profile_id, "is not of the form vendor/model")
    for root in roots:
        path = root / f"{profile_id}.toml"
        if path.is_file():
            return path
    raise ProfileError(profile_id, f"no such profile; {hint(profile_id, list_profiles(roots))}")


def load_profile(path: Path) -> Profile:
    """Read one profile file.

    Raises:
        ProfileError: the file cannot be read or its first fault; ``where`` is ``file: key``.
    """
    parsed = read_profile(path)
    if parsed.profile is None:
        raise parsed.faults[0]
    return parsed.profile


@dataclass(frozen=True, slots=True, kw_only=True)
class Parsed:
    """What a profile file gave: a profile, or every fault that keeps it from being one (at least one)."""

    profile: Profile | None
    faults: tuple[ProfileError, ...]


def read_profile(path: Path) -> Parsed:
    """Read one profile file and go on behind a fault, so that a person sees them all at once; never raises."""
    try:
        content = _content(path)
        top = Fields(_parse(content, path), f"{path}:", TOP_KEYS)
        top.integer("schema", 1, 1)
    except ProfileError as fault:
        return Parsed(profile=None, faults=(fault,))
    return _Reader(path, content, top).read()


class _Reader:
    """Reads section by section and collects the faults."""

    def __init__(self, path: Path, content: bytes, top: Fields) -> None:
        self._path = path
        self._content = content
        self._top = top
        self._faults: list[ProfileError] = []
        self._protocol = MODBUS

    def read(self) -> Parsed:
        top = self._top
        head = self._try(partial(read_head, top))
        line = self._try(partial(read_line, top))
        limits = self._try(partial(read_limits, top))
        self._protocol = head.protocol if head is not None else MODBUS
        tables = self._tables("point")
        described = tuple(self._points(tables))
        points = tuple(point for data, point in described if is_polled(data, point))
        controls = tuple(point for data, point in described if not is_polled(data, point))
        self._cross_check(points, controls, limits)
        names = {_name_or(data, number) for number, data in enumerate(tables, 1)}
        unread = {point.name for point in controls if point.access is Access.WRITE}
        examples = tuple(self._examples(names - unread))
        ratios = self._try(partial(read_ratios, top, names)) or ()
        fingerprint = self._try(partial(read_fingerprint, top))
        clock = self._try(partial(read_clock, top))
        doubts = tuple(self._doubts(names))
        if self._faults or head is None or line is None or limits is None:
            return Parsed(profile=None, faults=tuple(self._faults))
        profile = Profile(
            id=_id_of(self._path),
            vendor=head.vendor,
            model=head.model,
            label=head.label,
            protocol=head.protocol,
            digest=hashlib.sha256(self._content).digest()[:16],
            source=head.source,
            proof=proof_of(head.source, head.confirmed_by, examples),
            line=line.settings,
            unit=line.unit,
            limits=sparing(limits, controls),
            points=points,
            examples=examples,
            controls=controls,
            confirmed_by=head.confirmed_by,
            doubts=doubts,
            ratios=ratios,
            fingerprint=fingerprint,
            family=head.family,
            clock=clock,
        )
        return Parsed(profile=profile, faults=())

    def _try(self, part: Callable[[], T]) -> T | None:
        try:
            return part()
        except ProfileError as fault:
            self._faults.append(fault)
            return None

    def _points(self, tables: Sequence[object]) -> Iterator[tuple[object, Point]]:
        if not tables:
            self._faults.append(self._top.fault("point", "a profile needs at least one"))
        for number, data in enumerate(tables, 1):
            where = f"{self._path}: point[{_name_or(data, number)}]"
            point = self._try(partial(read_point, data, where, self._protocol))
            if point is not None:
                yield data, point

    def _tables(self, key: str) -> list[object]:
        return self._try(partial(self._top.items, key)) or []

    def _examples(self, names: set[str]) -> Iterator[Example]:
        for number, data in enumerate(self._tables("example"), 1):
            where = f"{self._path}: example[{number}]"
            example = self._try(partial(read_example, data, where, names, self._protocol))
            if example is not None:
                yield example

    def _doubts(self, names: set[str]) -> Iterator[Doubt]:
        for number, data in enumerate(self._tables("doubt"), 1):
            doubt = self._try(partial(read_doubt, data, f"{self._path}: doubt[{number}]", names))
            if doubt is not None:
                yield doubt

    def _cross_check(self, points: tuple[Point, ...], controls: tuple[Point, ...], limits: Limits | None) -> None:
        if controls and not points:
            self._faults.append(
                self._top.fault("point", "none of them is polled: nothing shows that the device lives")
            )
        names: set[str] = set()
        for point in (*points, *controls):
            if point.name in names:
                self._faults.append(ProfileError(f"{self._path}: point[{point.name}].name", "stands twice"))
            names.add(point.name)
        for control in controls:
            shown_by = "" if control.write is None else control.write.read_back
            if shown_by and shown_by not in {point.name for point in points}:
                where = f"{self._path}: point[{control.name}].write.read_back"
                self._faults.append(ProfileError(where, f"is {shown_by!r}: a point that is polled has to show it"))
        if self._protocol == MODBUS:
            self._cross_check_registers(points, limits)

    def _cross_check_registers(self, points: tuple[Point, ...], limits: Limits | None) -> None:
        for first, second in overlaps(points):
            where = f"{self._path}: point[{second.name}].at"
            place = f"0x{second.location.address:04X}"
            self._faults.append(ProfileError(where, f"points {first.name} and {second.name} overlap at {place}"))
        if limits is None:
            return
        for point in points:
            if is_forbidden(point, limits):
                where = f"{self._path}: point[{point.name}].at.address"
                self._faults.append(ProfileError(where, "lies in a forbidden range of [limits]"))
        for point, key, what in entangled(points, limits):
            self._faults.append(ProfileError(f"{self._path}: point[{point.name}].{key}", what))


def _content(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            content = file.read(_MAX_FILE_BYTES + 1)
    except OSError as error:
        raise ProfileError(str(path), f"cannot be read: {error.strerror}") from error
    if len(content) > _MAX_FILE_BYTES:
        raise ProfileError(str(path), f"is larger than {_MAX_FILE_BYTES} bytes")
    return content


def _parse(content: bytes, path: Path) -> dict[str, object]:
    try:
        return tomllib.loads(content.decode(), parse_float=Decimal)
    except UnicodeDecodeError as error:
        raise ProfileError(str(path), f"is not UTF-8 at byte {error.start}") from error
    except tomllib.TOMLDecodeError as error:
        raise ProfileError(str(path), f"is not TOML: {error}") from error
    except ArithmeticError as error:
        raise ProfileError(str(path), "holds a number whose exponent nothing can use") from error


def _id_of(path: Path) -> str:
    return f"{path.parent.name}/{path.stem}"


def _name_or(data: object, number: int) -> str:
    name = data.get("name") if isinstance(data, dict) else None
    return name if isinstance(name, str) and name else str(number)
