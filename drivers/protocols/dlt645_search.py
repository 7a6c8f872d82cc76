"""Finding DL/T 645 meters whose addresses nobody knows, by wildcards: first whoever is there, then digit by digit.

Two meters that answer at once spoil each other's bytes: that is what tells that there are several, and the search
goes on with the low digits, two at a time, 100 questions for each spoilt answer. A meter that was found is asked once
more by its own address, since eight bits of sum let one spoilt answer in 256 through. A refusal does not count: so
answers a meter of the other edition.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from drivers.codec.dlt645 import ANY, WAKE_UP, Dlt645Frame, Edition, address_request, read_request, reply_decoder
from drivers.codec.framing import is_glitch
from drivers.errors import FrameError, NoReplyError
from drivers.profile import LineSettings
from drivers.wire_protocol import FrameLine

_QUESTIONS: Final = {Edition.V2007: "00010000", Edition.V1997: "9010"}
"""What every meter of the edition has: its energy."""
_REPLY_BYTES: Final = 26
_PAIRS: Final = 6


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundMeter:
    """A meter on the line.

    Attributes:
        address: twelve digits; all A where an old meter answers a wildcard with the wildcard.
    """

    edition: Edition
    address: str


async def find_meters(
    line: FrameLine, *, settings: LineSettings | None = None, timeout_s: float = 0.6, most_questions: int = 700
) -> tuple[FoundMeter, ...]:
    """Find the meters that answer at these settings: those of the later edition, then of the earlier one.

    Args:
        line: where to ask.
        settings: speed and parity, 2400 8E1 as a rule.
        timeout_s: how long a meter may take; the standard allows half a second.
        most_questions: when to stop, a spoilt answer costs 100; what was found until then is given.

    Raises:
        LinkDownError: the port is gone.
    """
    search = _Search(line, settings, timeout_s, most_questions)
    return tuple([meter for edition in (Edition.V2007, Edition.V1997) for meter in await search.meters(edition)])


class _Search:
    def __init__(self, line: FrameLine, settings: LineSettings | None, timeout_s: float, most_questions: int) -> None:
        self._line = line
        self._settings = settings
        self._timeout_s = timeout_s
        self._left = most_questions

    async def meters(self, edition: Edition) -> list[FoundMeter]:
        """Search depth first for meters of one edition."""
        found: list[str] = []
        pending = [""]
        while pending and self._left > 0:
            tail = pending.pop()
            told, spoilt = await self._ask(edition, _wildcard(tail))
            if told is not None and await self._is_there(edition, told):
                found.append(told)
            elif (spoilt or told is not None) and len(tail) < 2 * _PAIRS:
                pending += reversed(list(_longer(tail)))
        return [FoundMeter(edition=edition, address=address) for address in dict.fromkeys(found)]

    async def _is_there(self, edition: Edition, address: str) -> bool:
        if address == ANY:
            return edition is Edition.V1997
        told, _ = await self._ask(edition, address)
        return told == address

    async def _ask(self, edition: Edition, address: str) -> tuple[str | None, bool]:
        """Give the address that answered, and whether something answered that cannot be read."""
        requests = [read_request(edition, address, _QUESTIONS[edition])]
        if address == ANY and edition is Edition.V2007:
            requests.insert(0, address_request())  # not every meter knows it
        spoilt = False
        for request in requests:
            told, spoilt = await self._one(edition, request)
            if told is not None or spoilt:
                return told, spoilt
        return None, spoilt

    async def _one(self, edition: Edition, request: bytes) -> tuple[str | None, bool]:
        self._left -= 1
        try:
            reply: Dlt645Frame = await self._line.exchange(
                WAKE_UP + request,
                reply_decoder(request, edition),
                reply_bytes=_REPLY_BYTES,
                timeout_s=self._timeout_s,
                settings=self._settings,
            )
        except NoReplyError as error:
            return None, not is_glitch(error.raw)
        except FrameError:
            return None, True
        return (None if reply.is_refusal else reply.address), False


def _wildcard(tail: str) -> str:
    return "A" * (2 * _PAIRS - len(tail)) + tail


def _longer(tail: str) -> Iterator[str]:
    """Give every ending that is two digits longer."""
    return (f"{pair:02d}{tail}" for pair in range(100))
