"""Characters on their way to the client of a line: when each is over, and what becomes of those that meet."""

from __future__ import annotations

import random
from bisect import bisect_left, insort


class Arrivals:
    """Characters in the order in which they are over; false once there is none."""

    def __init__(self) -> None:
        self._characters: list[tuple[int, int, int]] = []  # (when it is over, order, byte), ascending
        self._order = 0

    def __len__(self) -> int:
        return len(self._characters)

    @property
    def first_ns(self) -> int | None:
        """When the first one is over."""
        return self._characters[0][0] if self._characters else None

    def put(self, data: bytes, start_ns: int, end_ns: int) -> None:
        """Add characters that take equal parts of a time; one that meets another is not there, but spoils it."""
        span, count = end_ns - start_ns, len(data)
        for index, byte in enumerate(data, 1):
            self._order += 1
            when = start_ns - (-span * index // count)
            if self._characters and self._meet(when, byte, span // (2 * count)):
                continue
            insort(self._characters, (when, self._order, byte))

    def spoil(self, after_ns: int, before_ns: int, rand: random.Random) -> bool:
        """Take bits from every character that is over within a time; tell whether there is one."""
        hit = False
        for index, (when, order, byte) in enumerate(self._characters):
            if after_ns < when < before_ns:
                self._characters[index] = (when, order, byte & rand.randrange(256))
                hit = True
        return hit

    def run(self, widest_ns: int, most: int | None = None) -> tuple[int, int]:
        """Give how many of the first ones follow each other within ``widest_ns``, and when the last of them is over.

        There has to be one.
        """
        count, end_ns = 1, self._characters[0][0]
        for when, _, _ in self._characters[1:most]:
            if when - end_ns > widest_ns:
                break
            count, end_ns = count + 1, when
        return count, end_ns

    def take(self, count: int) -> bytes:
        """Take the first ones away and give them."""
        taken = bytes(byte for _, _, byte in self._characters[:count])
        del self._characters[:count]
        return taken

    def take_until(self, now_ns: int) -> bytes:
        """Take away those that are over and give them."""
        count = 0
        while count < len(self._characters) and self._characters[count][0] <= now_ns:
            count += 1
        return self.take(count)

    def clear(self) -> None:
        """Forget them all."""
        self._characters.clear()

    def _meet(self, when: int, byte: int, near: int) -> bool:
        """Spoil a character that is less than ``near`` away from ``byte``; tell whether there is one."""
        index = bisect_left(self._characters, (when - near, 0, 0))
        if index == len(self._characters) or self._characters[index][0] >= when + near:
            return False
        other, order, there = self._characters[index]
        self._characters[index] = (other, order, there & byte)
        return True
