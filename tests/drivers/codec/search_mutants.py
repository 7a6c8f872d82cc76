"""Deliberately broken search decoders that the conformance suite has to catch, and ways to damage a frame."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from random import Random
from typing import Any, TypeVar

from drivers.codec.framing import Frame, Noise
from drivers.codec.searched import Form, Look, SearchDecoder
from tests.drivers.codec.rounds import rounds

F = TypeVar("F", bound=Frame)

ROUNDS = rounds(3000)


class Deaf(SearchDecoder[F]):
    def _noise(self, end: int, reason: object) -> Iterator[Noise]:
        for _ in super()._noise(end, reason):  # type: ignore[arg-type]
            yield from ()


class NoRestart(SearchDecoder[F]):
    def feed(self, data: bytes) -> Iterator[F | Noise]:
        for event in super().feed(data):
            yield event
            if isinstance(event, Noise):
                self._buffer.clear()


class Hoarder(SearchDecoder[F]):
    def _noise(self, end: int, reason: object) -> Iterator[Noise]:
        yield from super()._noise(end, reason) if not self._buffer.startswith(b"\x00") else iter(())  # type: ignore[arg-type]


class Impatient(SearchDecoder[F]):
    def feed(self, data: bytes) -> Iterator[F | Noise]:
        self._buffer += data
        yield from self._scan(last=True)


class Leaper(SearchDecoder[F]):
    """After a damaged frame it goes on behind it."""

    def _look(self, at: int) -> F | Look:
        found = super()._look(at)
        if found is Look.DAMAGED:
            self._buffer[at + 1 :] = bytes(len(self._buffer) - at - 1)
        return found


MUTANTS: dict[str, Callable[[Form[Any]], SearchDecoder[Any]]] = {
    "deaf": Deaf,
    "without restart": NoRestart,
    "a hoarder": Hoarder,
    "impatient": Impatient,
    "leaping over what is damaged": Leaper,
}


def mangled(data: bytes, chance: Random) -> bytes:
    """Damage a frame: flipped bits, a piece cut out, replaced, doubled, or nothing of it left."""
    at, end = sorted(chance.choices(range(len(data) + 1), k=2))
    number = int.from_bytes(data, "big")
    for bit in chance.sample(range(8 * len(data)), chance.randint(1, 4)):
        number ^= 1 << bit
    return chance.choice(
        (
            number.to_bytes(len(data), "big"),
            data[:at] + data[end:],
            data[:at] + chance.randbytes(end - at) + data[end:],
            data[:at] + data[:end],
            data[:at] + data,
            chance.randbytes(len(data)),
        )
    )
