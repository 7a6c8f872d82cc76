"""Attributes of one DLMS meter: association opened when it is needed, what is refused remembered while it lasts."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from drivers.clock import Clock
from drivers.codec.axdr import Data
from drivers.errors import DeviceFailedError, NoReplyError, RefusedError
from drivers.protocols.dlms_place import Meter, ObjectPlace
from drivers.protocols.dlms_session import Exchange, LostError, Session
from drivers.wire_protocol import Secret

_FAILING: Final = frozenset((1, 2, 11, 14, 15, 16, 17, 18, 19, 250))
_NAMES: Final = {
    1: "hardware fault", 2: "temporary failure", 3: "read access denied", 4: "object undefined",
    9: "object class inconsistent", 11: "object unavailable", 12: "type unmatched", 13: "scope of access violated",
}  # fmt: skip
"""Data access results (IEC 62056-5-3, 7.3.13)."""
_PAUSE_NS: Final = 5_000_000_000
_DROPS: Final = 3  # pauses in a row after which the meter had ended the connection: it always does


class Talk:
    """What one meter is asked.

    Args:
        meter: whom to ask.
        exchange: does one exchange on the line.
        where: port and meter, for sentences.
        clock: tells how long nothing was asked.
        password: of low level security, None for none.
    """

    def __init__(
        self, meter: Meter, exchange: Exchange, where: Callable[[], str], clock: Clock, password: Secret | None
    ) -> None:
        """Begin without an association."""
        self._where = where
        self._session = Session(meter, exchange, where, password)
        self._clock = clock
        self._refused: dict[ObjectPlace, int] = {}
        self._heard_ns = 0
        self._drops = 0

    @property
    def is_open(self) -> bool:
        """Whether an association is there, as far as is known."""
        return self._session.is_open

    def lose(self) -> None:
        """Forget the association: the line is gone."""
        self._session.lose()

    async def close(self) -> None:
        """End the connection, if the meter may hold one; LinkDownError as ``Session.close`` says."""
        await self._session.close()

    async def open(self) -> None:
        """Associate anew; raises like ``Session.open``."""
        await self._session.open()
        self._refused.clear()
        self._heard_ns = self._clock.mono_ns()

    async def attribute(self, place: ObjectPlace) -> Data:
        """Read one attribute. A connection that the meter has ended in a pause is opened again, once.

        Raises:
            RefusedError: the meter has no such attribute or keeps it from us; not asked again in this association.
            DeviceFailedError: it cannot give it now.
            NoReplyError, FrameError, LinkDownError: as ``Link.exchange`` says; the association is opened anew then.
        """
        paused = self._clock.mono_ns() - self._heard_ns > _PAUSE_NS
        kept = self._session.is_open and not (paused and self._drops >= _DROPS)
        if not kept:
            await self.open()
        if place in self._refused:
            raise self._refusal(place, self._refused[place])
        try:
            result = await self._session.get(place)
        except (NoReplyError, LostError):
            if not kept:
                raise
            await self.open()
            result = await self._session.get(place)
            self._drops += paused
        else:
            self._drops = self._drops if not kept or not paused else 0
        self._heard_ns = self._clock.mono_ns()
        if isinstance(result, Data):
            return result
        raise self._refusal(place, result)

    def _refusal(self, place: ObjectPlace, code: int) -> RefusedError:
        sentence = f"{self._where()} refuses {place}: {_NAMES.get(code, 'error')} (data access result {code})"
        if code in _FAILING:
            return DeviceFailedError(sentence, code)
        self._refused[place] = code
        return RefusedError(sentence, code)
