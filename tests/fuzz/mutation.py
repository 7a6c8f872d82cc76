"""Changes that a line makes of frames, and frames that are wrong in content and right in checksum."""

from __future__ import annotations

from collections.abc import Callable
from random import Random
from typing import Final

from tests.fuzz.target import FLOOD, STEERING_BYTES, Target

_TELLING: Final = bytes((0x00, 0x01, 0x10, 0x16, 0x1A, 0x1B, 0x68, 0x7E, 0x7F, 0x80, 0xAA, 0xE5, 0xFE, 0xFF))
"""Starts, ends, escapes, wake-ups, and numbers at the edge."""

Inner = Callable[[bytes, int], bytes]
"""Changes bytes without knowing them, to at most so many."""


def mutated(target: Target, data: bytes, dice: Random, inner: Inner) -> bytes:
    """Give another input made of ``data``; half of them with a checksum that is put right."""
    steering, wire = data[:STEERING_BYTES], data[STEERING_BYTES:]
    if len(steering) < STEERING_BYTES or dice.randrange(6) == 0:
        steering = bytes((dice.randrange(256), dice.choice((0, 1, FLOOD, dice.randrange(256), dice.randrange(256)))))
    for _ in range(dice.choice((1, 1, 1, 2, 3))):
        wire = _changed(target, wire, dice, inner)
    if dice.randrange(2):
        wire = target.mend(wire, dice)
    match dice.randrange(12):
        case 0:
            wire += dice.choice(target.seeds)
        case 1:
            wire = dice.choice(target.seeds) + wire
        case 2:
            wire = dice.choice((b"\x00", b"\xff", b"\xfe\xfe", dice.randbytes(3))) + wire
        case 3:
            wire = wire[: dice.randrange(len(wire) + 1)] + wire
        case _:
            pass
    return steering + wire[: target.longest_bytes]


def _changed(target: Target, wire: bytes, dice: Random, inner: Inner) -> bytes:
    at, end = sorted((dice.randrange(len(wire) + 1), dice.randrange(len(wire) + 1)))
    match dice.randrange(10):
        case 0 | 1 | 2 | 3:
            return inner(wire, target.longest_bytes)
        case 4 if wire:
            at = dice.randrange(len(wire))
            return wire[:at] + bytes((wire[at] ^ 1 << dice.randrange(8),)) + wire[at + 1 :]
        case 5:
            return wire[:at] + wire[min(end, at + 8) :]
        case 6:
            return wire[:end] + wire[at:]
        case 7:
            return wire[:at] + bytes((dice.choice(_TELLING),)) + wire[at + dice.randrange(2) :]
        case 8:
            return dice.choice(target.seeds)
        case _:
            return wire[:at] + dice.choice(target.seeds) + wire[end:]


def unknowing(dice: Random) -> Inner:
    """Changes for a run without coverage: bytes set, put in, taken out."""

    def change(wire: bytes, longest_bytes: int) -> bytes:
        changed = bytearray(wire)
        for _ in range(dice.randint(1, 4)):
            at = dice.randrange(len(changed) + 1)
            changed[at : at + dice.randrange(3)] = dice.randbytes(dice.randrange(3))
        return bytes(changed[:longest_bytes])

    return change
