"""Finding frames that begin with a mark, by looking at each place where one may begin; for listening protocols.

A frame is known by its form and its checksum. After a failure the search goes on at the very next byte, since a mark
may stand anywhere, so a damaged frame never takes the next one with it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import Enum, auto
from typing import Final, Generic, TypeVar

from drivers.codec.framing import BufferingDecoder, Frame, Noise, NoiseReason, cut_noise

F = TypeVar("F", bound=Frame)


class Look(Enum):
    """What else may stand at a place than a frame."""

    MORE = auto()
    """What may become one."""
    DAMAGED = auto()
    """One whose checksum is wrong."""
    NOTHING = auto()


@dataclass(frozen=True, slots=True, kw_only=True)
class Form(Generic[F]):
    """What differs between protocols.

    Attributes:
        mark: how a frame begins.
        look: the frame whose first byte stands at this place of the buffer, or what else is there. MORE never for
            more bytes than the longest frame has.
        shared: the same for a frame that lacks the mark, since the end of the one before stands for it; None if
            there are none.
    """

    mark: bytes
    look: Callable[[bytearray, int], F | Look]
    shared: Callable[[bytearray], F | Look] | None = None


class SearchDecoder(BufferingDecoder[F]):
    """Finds the frames of a stream, whoever sent them."""

    def __init__(self, form: Form[F]) -> None:
        self._form = form
        super().__init__()
        self._behind_frame = False

    def flush(self) -> Iterator[F | Noise]:
        """Give what is held back."""
        yield from super().flush()
        self._behind_frame = False

    def _scan(self, *, last: bool) -> Iterator[F | Noise]:
        at = 0
        reason = NoiseReason.GARBAGE
        while (at := self._begins(at)) >= 0:
            found = self._look(at)
            if found is Look.MORE and not last:
                break
            if not isinstance(found, Look):
                yield from self._noise(at, reason)
                del self._buffer[: len(found.raw)]
                self._behind_frame = True
                yield found
                at, reason = 0, NoiseReason.GARBAGE
                continue
            reason = _worse(reason, found)
            at += 1
        kept = at if at >= 0 else self._tail()
        yield from self._noise(len(self._buffer) if last else kept, reason)

    def _begins(self, at: int) -> int:
        if at == 0 and self._behind_frame and self._form.shared is not None and self._buffer:
            return 0
        return self._buffer.find(self._form.mark, at)

    def _look(self, at: int) -> F | Look:
        if at == 0 and self._behind_frame and self._form.shared is not None:
            found = self._form.shared(self._buffer)
            if found is not Look.NOTHING or not self._buffer.startswith(self._form.mark):
                return found
        return self._form.look(self._buffer, at)

    def _tail(self) -> int:
        """Where the beginning of a mark begins that the buffer ends with."""
        for size in range(len(self._form.mark) - 1, 0, -1):
            if self._buffer.endswith(self._form.mark[:size]):
                return len(self._buffer) - size
        return len(self._buffer)

    def _noise(self, end: int, reason: NoiseReason) -> Iterator[Noise]:
        self._behind_frame &= not end
        yield from cut_noise(self._buffer, end, reason)


_GRAVITY: Final = (NoiseReason.GARBAGE, NoiseReason.CUT_SHORT, NoiseReason.BAD_CHECKSUM)


def _worse(reason: NoiseReason, found: Look) -> NoiseReason:
    now = {Look.MORE: NoiseReason.CUT_SHORT, Look.DAMAGED: NoiseReason.BAD_CHECKSUM}.get(found, reason)
    return max(reason, now, key=_GRAVITY.index)
