"""What a fuzz target is, and the laws that every decoder of bytes has to hold whatever comes in.

An input is two bytes that steer and the bytes of the wire: which decoder, how the bytes are cut, what comes.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from random import Random
from typing import Any, Final

from drivers.codec.framing import Decoder, Noise
from drivers.decode import decode_exchange

STEERING_BYTES: Final = 2
FLOOD: Final = 255
"""The cutting that repeats the bytes until they are far more than a decoder may hold."""
_FLOOD_FRAMES: Final = 5
_MOST_FRAMES_HELD: Final = 4
_MOST_PIECES: Final = 200


class BrokenLawError(AssertionError):
    """A codec did what it must never do."""


def law(holds: bool, sentence: str) -> None:
    """Raise BrokenLawError unless it holds."""
    if not holds:
        raise BrokenLawError(sentence)


@dataclass(slots=True)
class Tally:
    """How deep a run came: what was accepted."""

    frames: int = 0
    values: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """One codec under fuzz.

    Attributes:
        name: as on the command line.
        judges: ways to put an input through it; each takes how the bytes are cut and the bytes, and raises whatever
            the code raises, or BrokenLawError.
        seeds: bytes that others published, or made by their rules.
        mend: puts checksum and, by chance, lengths right, so that what is behind them is reached.
        longest_bytes: of the wire.
        tally: what was accepted so far.
    """

    name: str
    judges: Sequence[Callable[[int, bytes], None]]
    seeds: Sequence[bytes]
    mend: Callable[[bytes, Random], bytes]
    longest_bytes: int
    tally: Tally

    def run(self, data: bytes) -> None:
        """Judge one input."""
        if len(data) >= STEERING_BYTES:
            self.judges[data[0] % len(self.judges)](data[1], data[STEERING_BYTES:])

    def inputs(self) -> Iterator[bytes]:
        """Each seed for each judge."""
        for number, wire in enumerate(self.seeds):
            for judge in range(len(self.judges)):
                yield bytes((judge, (0, 1, 7, 128 + number % 64)[(number + judge) % 4])) + wire[: self.longest_bytes]


@dataclass(frozen=True, slots=True, kw_only=True)
class Stream:
    """A judge of one kind of decoder: no byte lost, none held without bound, no frame that is not sound.

    Attributes:
        decoder: makes a fresh one.
        honest: whether, by the standard's own rule written apart from the codec, the bytes of the frame are one with
            a right checksum, and the frame says what they say.
        longest_bytes: of a frame.
    """

    decoder: Callable[[], Decoder[Any]]
    honest: Callable[[Any], bool]
    longest_bytes: int
    tally: Tally

    def __call__(self, cutting: int, wire: bytes) -> None:
        """Feed it all in pieces."""
        decoder = self.decoder()
        fed, out = 0, bytearray()
        if cutting == FLOOD and wire:
            wire *= _FLOOD_FRAMES * self.longest_bytes // len(wire) + 1
        most = _MOST_FRAMES_HELD * self.longest_bytes
        for piece in pieces(cutting, wire):
            for event in decoder.feed(piece):
                self._take(event, out)
            fed += len(piece)
            held = decoder.buffered
            if held + len(out) != fed or held > most:
                raise BrokenLawError(f"{fed} bytes in, {len(out)} out, {held} held")
        law(getattr(decoder, "missing", 0) >= 0, "fewer than no bytes are missing")
        for event in decoder.flush():
            self._take(event, out)
        law(decoder.buffered == 0, "bytes are held after the end")
        if out != wire:
            raise BrokenLawError(f"what came out differs from byte {_first_difference(out, wire)} on")

    def _take(self, event: Any, out: bytearray) -> None:
        law(bool(event.raw), "an event without bytes")
        out += event.raw
        if not isinstance(event, Noise):
            self.tally.frames += 1
            if not self.honest(event):
                raise BrokenLawError(f"no frame by the standard: {event!r}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Values:
    """A judge of what ``tidegate decode`` tells: values only where a right checksum vouches for them.

    Attributes:
        protocol: key of the registry.
        vouched: whether some stretch of the bytes is a frame with a right checksum by the rule written here.
        request: what was asked.
    """

    protocol: str
    vouched: Callable[[bytes], bool]
    request: bytes | None = None
    tally: Tally = field(default_factory=Tally)

    def __call__(self, cutting: int, wire: bytes) -> None:
        """Decode it as one capture."""
        del cutting
        if not wire:
            return  # then the request alone may tell something: a write
        decoded = decode_exchange(self.protocol, self.request, wire, {})
        law((decoded.fault is None) is bool(decoded.quantities), f"fault {decoded.fault}, {decoded.quantities}")
        for quantity in decoded.quantities:
            json.dumps(quantity.json_value(), allow_nan=False)
        if decoded.quantities:
            self.tally.values += len(decoded.quantities)
            if not self.vouched(wire):
                raise BrokenLawError(f"values that no checksum vouches for: {decoded.quantities}")


def pieces(cutting: int, wire: bytes) -> Iterator[bytes]:
    """Cut ``wire``: 0 not at all, 1 to 127 into pieces of so many bytes, else by chance that ``cutting`` seeds.

    What is long is cut into larger pieces: some hundreds at most.
    """
    dice = Random(cutting) if cutting > 127 else None
    least = len(wire) // (_MOST_PIECES // 4 if cutting == FLOOD else _MOST_PIECES) + 1
    size = max(least, cutting or len(wire))
    at = 0
    while at < len(wire):
        if dice is not None:
            size = least + dice.randrange(40)
        yield wire[at : at + size]
        at += size


def _first_difference(out: bytearray, wire: bytes) -> int:
    return next((at for at, (one, two) in enumerate(zip(out, wire, strict=False)) if one != two), len(out))
