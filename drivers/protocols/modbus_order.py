"""Which request an overheard Modbus reply may belong to, when one before it got none.

A reply shows unit, function and length alone: requests with the same are of one likeness. Behind a request without a
reply, the next reply of its likeness may be the late one, and so may all that follow: whoever asks again and again
then takes each answer for that to the question after. Doubt ends when the unit has answered a request of another
likeness, since it answers in order; when a reply came that nobody waited for; or when nothing of this likeness was
asked of it for so long that whatever was open would have come.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from typing import Final

LONGEST_NS: Final = 2_000_000_000
SHORTEST_NS: Final = 300_000_000
_MOST_UNITS: Final = 256
_MOST_DOUBTS: Final = 16


@dataclass(slots=True)
class _Doubt:
    """Replies of one likeness may be late.

    Attributes:
        request: the one without a reply; None if there were several of different content.
        pause_ns: how long a pause ends the doubt.
        last_ns: when the last request of the likeness went.
        open: replies that may still come.
    """

    request: bytes | None
    pause_ns: int
    last_ns: int
    open: int = 1


class Order:
    """What is in doubt on one line, by unit."""

    def __init__(self) -> None:
        self._units: OrderedDict[int, dict[tuple[int, int], _Doubt]] = OrderedDict()

    def asked(self, unit: int, likeness: tuple[int, int], at_ns: int) -> None:
        """Note a request."""
        doubts = self._units.get(unit)
        doubt = None if doubts is None else doubts.get(likeness)
        if doubts is None or doubt is None:
            return
        if at_ns - doubt.last_ns >= doubt.pause_ns:
            del doubts[likeness]
        else:
            doubt.last_ns = at_ns

    def answered(self, unit: int, likeness: tuple[int, int], request: bytes) -> bool:
        """Note a reply that fits the open request; False if it may belong to an older one."""
        doubts = self._units.get(unit)
        if not doubts:
            return True
        doubt = doubts.get(likeness)
        if doubt is None:
            doubts.clear()
            return True
        return doubt.request == request

    def orphan(self, unit: int, function: int, size: int) -> None:
        """Note a reply that nobody waited for."""
        doubts = self._units.get(unit)
        for likeness in [one for one in doubts or () if one[0] == function & 0x7F and one[1] in (0, size)]:
            assert doubts is not None  # it had keys
            doubts[likeness].open -= 1
            if doubts[likeness].open <= 0:
                del doubts[likeness]

    def unanswered(self, unit: int, likeness: tuple[int, int], request: bytes, at_ns: int, now_ns: int) -> None:
        """Note a request of ``at_ns`` that was given up at ``now_ns``."""
        doubts = self._units.setdefault(unit, {})
        self._units.move_to_end(unit)
        if len(self._units) > _MOST_UNITS:
            self._units.popitem(last=False)
        pause_ns = min(LONGEST_NS, max(SHORTEST_NS, 2 * (now_ns - at_ns)))
        doubt = doubts.get(likeness)
        if doubt is None:
            if len(doubts) >= _MOST_DOUBTS:
                doubts.pop(next(iter(doubts)))
            doubts[likeness] = _Doubt(request, pause_ns, at_ns)
            return
        if doubt.request != request:
            doubt.request = None
        doubt.pause_ns = max(doubt.pause_ns, pause_ns)
        doubt.open += 1
