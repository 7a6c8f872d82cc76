"""The clock of a DL/T 645 meter, and how it lets itself be set: function 14 (2007) and the broadcast 08.

Shares no code with the drivers. A password is its level and three bytes, PA P0 P1 P2 on the wire. The broadcast is
taken once a day of the meter's own, while it is off by five minutes at most; nobody answers it.
"""

from __future__ import annotations

from datetime import date, datetime, timedelta
from typing import Final

from hil.sim.wall import Wall, showing

DATE_AND_TIME: Final = bytes.fromhex("0C010004")
"""0400010C as on the wire: YYMMDDWWhhmmss."""
PASSWORD: Final = bytes.fromhex("02123456")
OTHER: Final = 0x01
NO_DATA: Final = 0x02
NOT_ALLOWED: Final = 0x04
_MOST: Final = timedelta(minutes=5)
_HEAD: Final = 12


class MeterClock:
    """A clock on the wall of a meter.

    Attributes:
        wall: what it shows; None for a meter without one.
        password: what a write has to bring.
        asked: data of every telegram that wanted to set it, obeyed or not.
        operators: codes of those who set it.
    """

    def __init__(self, wall: Wall | None, password: bytes = PASSWORD) -> None:
        self.wall = wall
        self.password = password
        self.asked: list[bytes] = []
        self.operators: list[bytes] = []
        self._taken: date | None = None

    def write(self, data: bytes, now_ns: int) -> int:
        """Take the data of function 14; give the error word, 0 when it was done."""
        self.asked.append(data)
        if data[:4] != DATE_AND_TIME or self.wall is None:
            return NO_DATA
        if data[4:8] != self.password:
            return NOT_ALLOWED
        moment = _moment(data[_HEAD:], weekday=True)
        if moment is None:
            return OTHER
        self.operators.append(data[8:_HEAD])
        self.wall = showing(moment, now_ns)
        return 0

    def told(self, data: bytes, now_ns: int) -> None:
        """Hear the broadcast of the time."""
        self.asked.append(data)
        moment = _moment(data, weekday=False)
        if self.wall is None or moment is None:
            return
        shown = self.wall(now_ns)
        if abs(shown.replace(tzinfo=None) - moment) > _MOST or self._taken == shown.date():
            return
        self._taken = moment.date()
        self.wall = showing(moment, now_ns)


def _moment(data: bytes, *, weekday: bool) -> datetime | None:
    """Read a moment, low byte first; None for what no calendar has, a wrong weekday too."""
    form = "%y%m%d0%w%H%M%S" if weekday else "%y%m%d%H%M%S"
    digits = data[::-1].hex()
    if not digits.isdecimal() or len(digits) != (14 if weekday else 12):
        return None
    plain = digits[:6] + digits[8:] if weekday else digits
    try:
        moment = datetime.strptime(plain, "%y%m%d%H%M%S")  # noqa: DTZ007 - a meter knows no zone
    except ValueError:
        return None
    return moment if moment.strftime(form) == digits else None
