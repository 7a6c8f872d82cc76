"""What faults do to the bytes of one reply."""

from __future__ import annotations

from hil.faults import Fault, Injector


def damage(data: bytes, fault: Fault, injector: Injector, data_bits: int = 8) -> bytes:
    """Give what is left of a reply of so many data bits that meets ``fault``; unchanged by faults of time."""
    rand = injector.random
    if fault is Fault.DROP:
        return b""
    if fault is Fault.LOSE_BYTE:
        at = rand.randrange(len(data))
        return data[:at] + data[at + 1 :]
    if fault is Fault.FLIP:
        at = rand.randrange(len(data))
        return data[:at] + bytes([data[at] ^ (1 << rand.randrange(data_bits))]) + data[at + 1 :]
    if fault is Fault.GLITCH:
        before, after = (bytes(rand.choices(b"\x00\xff\xfe", k=rand.randint(1, 3))) for _ in range(2))
        return before + data + after
    if fault is Fault.GARBAGE:
        return rand.randbytes(rand.randint(1, 12)) + data + rand.randbytes(rand.randint(1, 12))
    if fault is Fault.TRUNCATE:
        return data[: rand.randrange(1, max(2, len(data)))]
    if fault is Fault.BABBLE:
        return rand.randbytes(injector.sizes.babble_bytes)
    return data


def at_once(one: bytes, two: bytes) -> bytes:
    """Two drivers on one pair: a bit is 1 only if both send it; the longer frame goes on alone."""
    shared = bytes(a & b for a, b in zip(one, two, strict=False))
    return shared + max(one, two, key=len)[len(shared) :]
