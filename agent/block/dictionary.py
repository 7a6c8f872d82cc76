"""The dictionary: two append-only tables, devices and points, and the hash over everything added."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final

from agent.block import cbor
from agent.block.errors import ContentError
from agent.block.point_table import PointTable
from agent.block.record import DeviceEntry, DictionaryAdd, PointEntry
from agent.block.shape import HASH_BYTES, ID_BYTES, is_bytes, is_int, is_short, is_u63

_PROFILE_HASH_BYTES: Final = 16
_MAX_EXPONENT: Final = 18
_MAX_KIND: Final = 3
_MAX_CLASS: Final = 2
_DEVICE_FIELDS: Final = 5
_POINT_FIELDS: Final = 6


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """How far tables had grown: entries of both, H(n) and n."""

    devices: int
    points: int
    hash: bytes
    adds: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Tables:
    """The tables after some number of dictionary-adds; a value, never changed in place.

    Attributes:
        devices: device table; the index of an entry never changes.
        points: point table.
        kinds: kind of each point (0 gauge, 1 counter, 2 state, 3 event), one byte each.
        hash: H(n), 32 bytes; zeros while empty.
        adds: n.
    """

    devices: tuple[DeviceEntry, ...] = ()
    points: PointTable = PointTable()  # noqa: RUF009  never changed in place
    kinds: bytes = b""
    hash: bytes = bytes(HASH_BYTES)
    adds: int = 0

    @property
    def short_hash(self) -> bytes:
        """What key 7 of a block holds."""
        return self.hash[:16]

    def add(self, addition: DictionaryAdd) -> Tables:
        """The tables with ``addition`` appended.

        Raises:
            ContentError: ``dictionary-order`` (does not go on where the tables end), ``dictionary-empty``,
                ``dictionary-device`` (a point names a device that is not there).
        """
        if addition.first_device != len(self.devices) or addition.first_point != len(self.points):
            raise ContentError("dictionary-order", f"tables hold {len(self.devices)} and {len(self.points)}")
        if not addition.devices and not addition.points:
            raise ContentError("dictionary-empty")
        devices = self.devices + addition.devices
        if any(point.device >= len(devices) for point in addition.points):
            raise ContentError("dictionary-device")
        return Tables(
            devices=devices,
            points=self.points.extended(addition.points),
            kinds=self.kinds + bytes(point.kind for point in addition.points),
            hash=hashlib.sha256(self.hash + encode_add(addition)).digest(),
            adds=self.adds + 1,
        )

    def until(self, step: Step) -> Tables:
        """The tables as they were after an addition that these hold."""
        if step.adds == self.adds:
            return self
        return Tables(
            devices=self.devices[: step.devices],
            points=self.points.until(step.points),
            kinds=self.kinds[: step.points],
            hash=step.hash,
            adds=step.adds,
        )

    @property
    def step(self) -> Step:
        """What ``until`` needs to find back here."""
        return Step(devices=len(self.devices), points=len(self.points), hash=self.hash, adds=self.adds)

    @staticmethod
    def from_adds(additions: Iterable[bytes]) -> Tables:
        """Tables from the encoded dictionary-adds 1 to n of a gateway's life (``.cbdict``, a collector's store).

        Raises:
            FormError: one is not deterministic CBOR.
            ContentError: one is no dictionary-add or does not go on where the tables end.
        """
        tables = Tables()
        for encoded in additions:
            tables = tables.add(read_add(cbor.decode_strict(encoded, tagged=False)))
        return tables


def encode_add(addition: DictionaryAdd) -> bytes:
    """The CBOR of a dictionary-add, which is also what the hash runs over."""
    return cbor.encode(add_value(addition))


def add_value(addition: DictionaryAdd) -> tuple[object, ...]:
    """A dictionary-add as CBOR values."""
    return (
        addition.first_device,
        tuple((d.id, d.name, d.profile, d.profile_hash, d.identity) for d in addition.devices),
        addition.first_point,
        tuple((p.device, p.quantity, p.unit, p.exponent, p.kind, p.klass) for p in addition.points),
    )


def read_add(value: object) -> DictionaryAdd:
    """A dictionary-add from decoded CBOR.

    Raises:
        ContentError: ``dictionary-form``.
    """
    return build_add(check_add(value))


def check_add(value: object) -> tuple[Any, ...]:
    """The same value, if it is a dictionary-add; raises as ``read_add``."""
    if type(value) is not tuple or len(value) != 4:
        raise ContentError("dictionary-form")
    first_device, devices, first_point, points = value
    if not (is_u63(first_device) and is_u63(first_point) and type(devices) is tuple and type(points) is tuple):
        raise ContentError("dictionary-form")
    for entry in devices:
        _check_device(entry)
    for entry in points:
        _check_point(entry)
    return value


def build_add(value: tuple[Any, ...]) -> DictionaryAdd:
    """A dictionary-add from what ``check_add`` let pass."""
    first_device, devices, first_point, points = value
    return DictionaryAdd(
        first_device=first_device,
        devices=tuple(
            DeviceEntry(id=device_id, name=name, profile=profile, profile_hash=profile_hash, identity=identity)
            for device_id, name, profile, profile_hash, identity in devices
        ),
        first_point=first_point,
        points=tuple(
            PointEntry(device=device, quantity=quantity, unit=unit, exponent=exponent, kind=kind, klass=klass)
            for device, quantity, unit, exponent, kind, klass in points
        ),
    )


def _check_device(value: object) -> None:
    if type(value) is not tuple or len(value) != _DEVICE_FIELDS:
        raise ContentError("dictionary-form", "device")
    device_id, name, profile, profile_hash, identity = value
    if not (is_bytes(device_id, ID_BYTES) and is_short(name) and is_short(profile)):
        raise ContentError("dictionary-form", "device")
    if not (is_bytes(profile_hash, _PROFILE_HASH_BYTES) and (identity is None or is_short(identity))):
        raise ContentError("dictionary-form", "device")


def _check_point(value: object) -> None:
    if type(value) is not tuple or len(value) != _POINT_FIELDS:
        raise ContentError("dictionary-form", "point")
    device, quantity, unit, exponent, kind, klass = value
    if not (is_u63(device) and is_short(quantity) and (unit is None or is_short(unit))):
        raise ContentError("dictionary-form", "point")
    if not is_int(exponent, -_MAX_EXPONENT, _MAX_EXPONENT):
        raise ContentError("dictionary-form", "exponent")
    if not (is_int(kind, 0, _MAX_KIND) and is_int(klass, 0, _MAX_CLASS)):
        raise ContentError("dictionary-form", "kind or class")


def write_cbdict(additions: Iterable[bytes]) -> bytes:
    """A ``.cbdict``: one CBOR array of the encoded dictionary-adds 1 to n."""
    return cbor.encode([cbor.build(encoded) for encoded in additions])


def read_cbdict(data: bytes) -> Tables:
    """The tables that a ``.cbdict`` gives; key 7 of the blocks is what proves them.

    Raises:
        FormError: not deterministic CBOR.
        ContentError: no array of dictionary-adds, or one does not go on where the tables end.
    """
    additions = cbor.decode_strict(data, tagged=False)
    if type(additions) is not tuple:
        raise ContentError("dictionary-form", "no array")
    tables = Tables()
    for addition in additions:
        tables = tables.add(read_add(addition))
    return tables
