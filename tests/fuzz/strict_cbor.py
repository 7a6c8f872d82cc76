"""Target: the one allowed CBOR, told by a rule of its own and by ``agent.block.cbor`` alike."""

from __future__ import annotations

from typing import Final

from agent.block.cbor import decode_strict
from agent.block.errors import FormError
from tests.fuzz.target import Tally, Target, law
from tests.fuzz.vectors import document

_MOST_NESTING: Final = 8


class _NotAllowedError(Exception):
    pass


def canonical(data: bytes) -> bool:
    """RFC 8949, 4.2.1, with the types that the block format has; written apart from ``agent.block.cbor``."""
    try:
        return _item(data, 0, 0) == len(data)
    except (_NotAllowedError, IndexError, UnicodeDecodeError):
        return False


def _item(data: bytes, at: int, depth: int) -> int:
    major, argument, at = _argument(data, at)
    if major < 2:
        return at
    if major in (2, 3):
        content = data[at : at + argument]
        if len(content) != argument:
            raise _NotAllowedError
        if major == 3:
            content.decode()
        return at + argument
    if depth == _MOST_NESTING or (major == 6 and argument != 18):
        raise _NotAllowedError
    last = b""
    for number in range({4: argument, 5: 2 * argument, 6: 1}[major]):
        begin = at
        at = _item(data, at, depth + 1)
        if major == 5 and number % 2 == 0:
            if data[begin:at] <= last:
                raise _NotAllowedError
            last = data[begin:at]
    return at


def _argument(data: bytes, at: int) -> tuple[int, int, int]:
    major, short = data[at] >> 5, data[at] & 31
    if major == 7:
        if short not in (20, 21, 22):
            raise _NotAllowedError
        return 0, short, at + 1
    if short < 24:
        return major, short, at + 1
    if short > 27:
        raise _NotAllowedError
    size = 1 << short - 24
    content = data[at + 1 : at + 1 + size]
    argument = int.from_bytes(content, "big")
    least = (24, 1 << 8, 1 << 16, 1 << 32)[short - 24]
    if len(content) != size or argument < least:
        raise _NotAllowedError
    return major, argument, at + 1 + size


def cbor() -> Target:
    """One data item: accepted exactly when the rule written here accepts it."""
    tally = Tally()

    def judge(cutting: int, wire: bytes) -> None:
        del cutting
        try:
            decode_strict(wire)
        except FormError as error:
            law(error.reason == "key-type" or not canonical(wire), f"refused as {error.reason}")
            return
        tally.frames += 1
        law(canonical(wire), "accepted, and no core deterministic CBOR of the allowed types")

    vectors = document("block/cbor.json")
    seeds = [bytes.fromhex(one) for one in vectors["well_formed"]]
    seeds += [bytes.fromhex(one) for one, _ in vectors["malformed"] if len(one) < 200]
    return Target(
        name="cbor", judges=[judge], seeds=seeds, mend=lambda wire, _dice: wire, longest_bytes=300, tally=tally
    )
