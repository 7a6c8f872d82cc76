"""What a codec has to hold, as checks that any codec can be put through: ``check_codec``.

No single kind of test finds every kind of fault, so a codec takes all of them. Not loaded by the agent.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

from drivers.codec.framing import Decoder, Frame, Noise


class Chance(Protocol):
    """Seeded randomness, as ``random.Random`` offers it."""

    def randrange(self, stop: int, /) -> int:
        """Give a number from 0 to ``stop - 1``."""
        ...

    def randbytes(self, n: int, /) -> bytes:
        """Give ``n`` bytes."""
        ...


F = TypeVar("F", bound=Frame)


@dataclass(frozen=True, slots=True, kw_only=True)
class Vector(Generic[F]):
    """A frame that others published, and what is in it.

    Attributes:
        source: where the bytes come from.
        wire: the frame as on the wire.
        frame: what the decoder has to give, written down by hand and not by our encoder.
    """

    source: str
    wire: bytes
    frame: F


@dataclass(frozen=True, slots=True, kw_only=True)
class Codec(Generic[F]):
    """A codec as the conformance suite takes it.

    Attributes:
        name: for the report.
        decoder: makes a fresh decoder fit for the frame of a vector.
        encode: the frame back to bytes; the decoder's counterpart.
        longest_bytes: length of the longest frame.
        guarded: whether a checksum protects every bit of a frame; without one, whatever looks like a frame is
            believed, and what stands behind a false start cannot be asked for.
    """

    name: str
    decoder: Callable[[F], Decoder[F]]
    encode: Callable[[F], bytes]
    longest_bytes: int
    guarded: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """One way in which a codec failed.

    Attributes:
        check: name of the check, such as ``no byte lost``.
        what: what was fed and what came, for whoever mends it.
    """

    check: str
    what: str


def check_codec(
    codec: Codec[F], vectors: Sequence[Vector[F]], chance: Chance, *, rounds: int = 40
) -> tuple[Fault, ...]:
    """Put ``codec`` through every check and give its faults, none if it is good.

    Args:
        codec: the codec and how to make its decoders.
        vectors: at least two, one of them with a payload of several bytes that are not all alike.
        chance: seeded; print the seed.
        rounds: repetitions of the random checks.
    """
    if len(vectors) < 2 or all(len(set(vector.wire)) < 6 for vector in vectors):
        return (Fault(check="vectors", what="two vectors are needed, one of them with a varied payload"),)
    bench = _Bench(codec=codec, vectors=vectors, chance=chance, rounds=rounds)
    return tuple(
        fault
        for check in (
            bench.vectors_both_ways,
            bench.any_chunking,
            bench.no_byte_lost,
            bench.found_behind_noise,
            bench.damage_is_no_frame,
            bench.bounded_memory,
            bench.never_raises,
        )
        for fault in check()
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Bench(Generic[F]):
    codec: Codec[F]
    vectors: Sequence[Vector[F]]
    chance: Chance
    rounds: int

    def vectors_both_ways(self) -> Iterator[Fault]:
        """A frame comes out as written down, as soon as its last byte is in, and goes back to the same bytes."""
        for vector in self.vectors:
            got = list(self.codec.decoder(vector.frame).feed(vector.wire))
            if got != [vector.frame]:
                yield Fault(check="vector decoded", what=f"{vector.wire.hex(' ')}: {got}")
            sent = self.codec.encode(vector.frame)
            if sent != vector.wire:
                yield Fault(check="vector encoded", what=f"{vector.wire.hex(' ')}: {sent.hex(' ')}")

    def any_chunking(self) -> Iterator[Fault]:
        """Where the bytes are cut does not matter."""
        for vector in self.vectors:
            wire = b"\x00\xff" + vector.wire + vector.wire
            whole = self._run(vector.frame, [wire])
            for cut in range(1, len(wire)):
                if self._run(vector.frame, [wire[:cut], wire[cut:]]) != whole:
                    yield Fault(check="any chunking", what=f"{wire.hex(' ')} cut at {cut}")
            if self._run(vector.frame, [bytes((byte,)) for byte in wire]) != whole:
                yield Fault(check="any chunking", what=f"{wire.hex(' ')} byte by byte")

    def no_byte_lost(self) -> Iterator[Fault]:
        """What went in comes out, as frames and noise, in order."""
        for _ in range(self.rounds):
            vector = self._any()
            wire = self._mixture(vector)
            out = b"".join(event.raw for event in self._events(vector.frame, self._chunks(wire)))
            if out != wire:
                yield Fault(check="no byte lost", what=f"{wire.hex(' ')} came out as {out.hex(' ')}")

    def found_behind_noise(self) -> Iterator[Fault]:
        """A good frame is found behind glitches, random bytes and every false start of its own kind."""
        if not self.codec.guarded:
            return
        for vector in self.vectors:
            starts = [vector.wire[:length] for length in range(1, len(vector.wire))]
            glitches = [bytes((byte,)) * count for byte in (0x00, 0xFE, 0xFF) for count in (1, 2, 5)]
            boasts = [vector.wire[:length] + b"\xff" for length in range(1, min(8, len(vector.wire)))]
            randoms = [self.chance.randbytes(1 + self.chance.randrange(40)) for _ in range(self.rounds)]
            for noise in (*glitches, *starts, *boasts, *randoms):
                events = self._events(vector.frame, [noise, vector.wire])
                if vector.frame not in events:
                    yield Fault(check="found behind noise", what=f"{vector.wire.hex(' ')} behind {noise.hex(' ')}")

    def damage_is_no_frame(self) -> Iterator[Fault]:
        """No flipped bit and no missing byte gives a frame, where a checksum guards it."""
        if not self.codec.guarded:
            return
        for vector in self.vectors:
            wire = vector.wire
            damaged = [_flip(wire, bit) for bit in range(8 * len(wire))]
            damaged += [
                wire[:at] + wire[at + 1 :] for at in range(len(wire)) if wire[at : at + 1] != wire[at + 1 : at + 2]
            ]
            for bad in damaged:
                if any(not isinstance(event, Noise) for event in self._events(vector.frame, [bad])):
                    yield Fault(check="damage is no frame", what=bad.hex(" "))

    def bounded_memory(self) -> Iterator[Fault]:
        """However long the babble, what is held back stays below some frames."""
        for vector in self.vectors:
            starts = ((b"", vector.wire[:1]), (b"", vector.wire[:-1]), (vector.wire[:1], vector.wire[1:2]))
            others = tuple((b"", babble) for babble in (b"\x00", b"\xff", self.chance.randbytes(64)))
            for start, babble in (*starts, *others):
                decoder = self.codec.decoder(vector.frame)
                for _event in decoder.feed(start):
                    pass
                chunk = babble * (64 // len(babble) + 1)
                for _ in range(6 * self.codec.longest_bytes // 64):
                    for _event in decoder.feed(chunk):
                        pass
                if decoder.buffered > 4 * self.codec.longest_bytes:
                    yield Fault(
                        check="bounded memory", what=f"{decoder.buffered} bytes held of {babble.hex(' ')} ..."
                    )
                    break

    def never_raises(self) -> Iterator[Fault]:
        """No input makes a decoder raise."""
        for _ in range(self.rounds):
            vector = self._any()
            wire = self._mixture(vector) + vector.wire[: self.chance.randrange(len(vector.wire))]
            try:
                self._events(vector.frame, self._chunks(wire))
            except (ValueError, IndexError, KeyError, TypeError, AttributeError, ArithmeticError) as error:
                yield Fault(check="never raises", what=f"{wire.hex(' ')}: {error!r}")

    def _any(self) -> Vector[F]:
        return self.vectors[self.chance.randrange(len(self.vectors))]

    def _mixture(self, vector: Vector[F]) -> bytes:
        """Frames, halves, damaged frames, glitches and random bytes in a row."""
        wire = b""
        for _ in range(1 + self.chance.randrange(5)):
            cut = self.chance.randrange(len(vector.wire))
            wire += (
                vector.wire,
                vector.wire[:cut],
                vector.wire[cut:],
                _flip(vector.wire, self.chance.randrange(8 * len(vector.wire))),
                b"\x00\xff\xfe"[: cut % 4],
                self.chance.randbytes(self.chance.randrange(30)),
            )[self.chance.randrange(6)]
        return wire

    def _chunks(self, wire: bytes) -> list[bytes]:
        chunks = []
        while wire:
            size = 1 + self.chance.randrange(20)
            chunks.append(wire[:size])
            wire = wire[size:]
        return chunks

    def _events(self, frame: F, chunks: Sequence[bytes]) -> list[F | Noise]:
        decoder = self.codec.decoder(frame)
        events = [event for chunk in chunks for event in decoder.feed(chunk)]
        return events + list(decoder.flush())

    def _run(self, frame: F, chunks: Sequence[bytes]) -> list[F | bytes]:
        """Events with neighbouring noise as one: how noise is cut is no promise."""
        merged: list[F | bytes] = []
        for event in self._events(frame, chunks):
            if not isinstance(event, Noise):
                merged.append(event)
            elif merged and isinstance(merged[-1], bytes):
                merged[-1] += event.raw
            else:
                merged.append(event.raw)
        return merged


def _flip(wire: bytes, bit: int) -> bytes:
    changed = bytearray(wire)
    changed[bit // 8] ^= 1 << bit % 8
    return bytes(changed)
