"""Core deterministic CBOR (RFC 8949 4.2.1), the few types that the block format allows, and nothing else.

The only importer of cbor2. It builds the objects; whether the bytes are the one allowed encoding of them is decided
before, by a scan over the heads: most malformed messages survive a mere 'encodes to the same bytes again', because
the objects that come out no longer say how they were written.
"""

from __future__ import annotations

from typing import Final, TypeAlias

import cbor2

from agent.block.errors import ContentError, FormError

MAX_NESTING: Final = 8
COSE_SIGN1_TAG: Final = 18

Tag = cbor2.CBORTag
"""A tagged value; ``tag`` is always 18 in what ``decode_strict`` gives, ``value`` a tuple."""
Map = cbor2.frozendict
"""What a CBOR map decodes to (an immutable mapping, not a dict)."""

Tags: TypeAlias = list[tuple[int, int]] | None

_NEGATIVE, _TEXT, _ARRAY, _MAP, _SIMPLE = 1, 3, 4, 5, 7
_INDEFINITE = 31
_INLINE: Final = 24
_SHORT_TEXT: Final = 0x60
_WIDTHS: Final = {24: 1, 25: 2, 26: 4, 27: 8}


def _scalar_sizes() -> bytes:
    """Bytes that an integer, bool or null with this head takes; 0 for every other head."""
    sizes = bytearray(256)
    for base in (0x00, 0x20):
        for small in range(_INLINE):
            sizes[base + small] = 1
        for info, width in _WIDTHS.items():
            sizes[base + info] = 1 + width
    for simple in (0xF4, 0xF5, 0xF6):
        sizes[simple] = 1
    return bytes(sizes)


_SCALAR: Final = _scalar_sizes()
_FOUR_ZEROS: Final = bytes(4)


def encode(value: object) -> bytes:
    """Encode integers of 64 bits and a sign, bool, None, text, bytes, sequences, maps and tags.

    Keys of maps have to be non-negative integers: for those RFC 7049's order, which cbor2 knows as canonical, and
    the bytewise one of RFC 8949 are the same.

    Raises:
        ContentError: ``bad-text``: text that has no UTF-8 form (lone surrogates).
    """
    try:
        return cbor2.dumps(value, canonical=True)
    except UnicodeEncodeError as error:
        raise ContentError("bad-text", str(error)) from error


def decode_strict(data: bytes, *, tagged: bool = True) -> object:
    """Decode exactly one data item that fills ``data``.

    Arrays become tuples, maps ``Map``, tag 18 ``Tag``. With ``tagged`` false, tag 18 is refused as well.

    Raises:
        FormError: ``truncated``, ``trailing-bytes``, ``not-minimal``, ``indefinite-length``, ``reserved-head``,
            ``float-or-simple``, ``tag``, ``bad-utf8``, ``key-order``, ``key-type``, ``nesting``.
    """
    scan(data, [] if tagged else None)
    return build(data)


def build(data: bytes) -> object:
    """Build the objects of bytes that ``scan`` let pass."""
    try:
        return cbor2.loads(data, immutable=True, allow_duplicate_keys=False)
    except cbor2.CBORDecodeError as error:  # true and 1 are two keys in CBOR and one in Python
        raise FormError("key-type", str(error)) from error


def scan(data: bytes, tags: Tags = None) -> None:
    """Refuse everything but the core deterministic encoding of the allowed types; raises as ``decode_strict``.

    Args:
        data: one data item.
        tags: None refuses tag 18 too; a list gets the span (start, end) of each one, inner ones first.
    """
    try:
        end = _item(data, 0, 0, tags)
    except IndexError:
        end = len(data) + 1
    if end > len(data):
        raise FormError("truncated", f"{len(data)} bytes")
    if end < len(data):
        raise FormError("trailing-bytes", f"{len(data) - end} after {end}")


def _item(data: bytes, pos: int, depth: int, tags: Tags) -> int:
    """Check the item at ``pos`` and return where the next one starts (beyond the end if it is cut off)."""
    head = data[pos]
    if _SCALAR[head] == 1:
        return pos + 1
    major = head >> 5
    if major == _SIMPLE:
        raise FormError("float-or-simple", f"head {head:02x} at byte {pos}")
    argument, start = _head(data, pos)
    if major <= _NEGATIVE:
        return start
    if major <= _TEXT:
        return _string(data, start, argument, text=major == _TEXT)
    if depth == MAX_NESTING:
        raise FormError("nesting", f"more than {MAX_NESTING} deep at byte {pos}")
    if major == _ARRAY:
        return _array(data, start, argument, depth + 1, tags)
    if major == _MAP:
        return _map(data, start, argument, depth + 1, tags)
    if argument != COSE_SIGN1_TAG or tags is None:
        raise FormError("tag", f"tag {argument} at byte {pos}")
    end = _item(data, start, depth + 1, tags)
    tags.append((pos, end))
    return end


def _head(data: bytes, pos: int) -> tuple[int, int]:
    """Argument of the head at ``pos`` and where what follows starts."""
    info = data[pos] & 0x1F
    if info < _INLINE:
        return info, pos + 1
    width = _WIDTHS.get(info)
    if width is None:
        raise FormError("indefinite-length" if info == _INDEFINITE else "reserved-head", f"byte {pos}")
    start = pos + 1 + width
    if start > len(data):
        raise FormError("truncated", f"head at byte {pos}")
    argument = int.from_bytes(data[pos + 1 : start], "big")
    if argument < (_INLINE if width == 1 else 1 << 4 * width):
        raise FormError("not-minimal", f"{argument} in {width} bytes at byte {pos}")
    return argument, start


def _string(data: bytes, start: int, length: int, *, text: bool) -> int:
    end = start + length
    if end > len(data):
        raise FormError("truncated", f"string at byte {start}")
    if text:
        try:
            data[start:end].decode("utf-8")
        except UnicodeDecodeError as error:
            raise FormError("bad-utf8", f"text at byte {start}") from error
    return end


def _array(data: bytes, pos: int, count: int, depth: int, tags: Tags) -> int:
    """Columns are nearly all integers, dictionaries also short texts: these cost no call for each head."""
    sizes = _SCALAR
    for _ in range(count):
        size = sizes[data[pos]]
        if size == 1:
            pos += 1
        elif size == 2:
            if data[pos + 1] < 24:
                raise FormError("not-minimal", f"integer at byte {pos}")
            pos += 2
        elif size == 3:
            if not data[pos + 1]:
                raise FormError("not-minimal", f"integer at byte {pos}")
            pos += 3
        elif _SHORT_TEXT <= data[pos] < _SHORT_TEXT + _INLINE:
            pos = _string(data, pos + 1, data[pos] - _SHORT_TEXT, text=True)
        else:
            pos = _item(data, pos, depth, tags)
    return pos


def _map(data: bytes, pos: int, count: int, depth: int, tags: Tags) -> int:
    before = b""
    for _ in range(count):
        start = pos
        pos = _item(data, pos, depth, tags)
        key = data[start:pos]
        if key <= before:
            raise FormError("key-order", f"key at byte {start}")
        before = key
        pos = _item(data, pos, depth, tags)
    return pos
