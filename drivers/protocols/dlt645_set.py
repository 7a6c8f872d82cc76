"""Setting the clock of a DL/T 645 meter, the only thing of it that is ever written.

``broadcast`` is function 08 of both editions: no password and no answer, everybody on the line hears it, and a meter
takes it once a day and by five minutes at most. ``write`` is function 14 of the 2007 edition under 0400010C, with
password and operator, and one meter alone takes it. How the 1997 edition lays a password into function 04 was found
nowhere for certain, so those meters have the broadcast alone.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime
from typing import Final

from drivers.codec import dlt645
from drivers.codec.dlt645 import WAKE_UP, Edition
from drivers.profile import Profile
from drivers.protocols.dlt645_dialogue import Dialogue
from drivers.setting import ClockWay, Credentials

_CLOCK: Final = "0400010C"
_CLOCK_BYTES: Final = 7
_CODE: Final = re.compile(r"[0-9A-Fa-f]{8}")
_EDITIONS: Final = frozenset(edition.value for edition in Edition)
_BROADCAST: Final = ClockWay(
    name="broadcast", telegram="DL/T 645 function 08, address 999999999999", most_step_s=300, once_a_day=True,
    heard_by=_EDITIONS, answered=False,
)  # fmt: skip
_WRITE: Final = ClockWay(name="write", telegram=f"DL/T 645-2007 function 14, {_CLOCK}", needs_password=True)
WAYS: Final[Mapping[Edition, Mapping[str, ClockWay]]] = {
    Edition.V2007: {"broadcast": _BROADCAST, "write": _WRITE},
    Edition.V1997: {"broadcast": _BROADCAST},
}


def ways(profile: Profile, edition: Edition, address: str) -> tuple[ClockWay, ...]:
    """Give the ways that the profile allows; a meter whose address nobody knows in full is never written to."""
    if profile.clock is None:
        return ()
    known = [way for name in profile.clock.ways if (way := WAYS[edition].get(name)) is not None]
    return tuple(way for way in known if address.isdecimal() or not way.answered)


def wire_bytes(way: ClockWay) -> int:
    """Give the length of the telegram, wake-up too: it tells when it arrives."""
    rest = 6 if way.name == _BROADCAST.name else 12 + _CLOCK_BYTES
    return len(WAKE_UP) + dlt645.OVERHEAD + rest


async def set_clock(dialogue: Dialogue, way: ClockWay, moment: datetime, credentials: Credentials) -> None:
    """Send ``moment``, the wall clock at which the telegram arrives; raises as ``SettableClock.set_clock``."""
    clock = (moment.year % 100, moment.month, moment.day, moment.hour, moment.minute, moment.second)
    if way.name == _BROADCAST.name:
        await dialogue.tell_everybody(dlt645.broadcast_time(clock))
        return
    data = dlt645.date_and_time(clock, moment.isoweekday() % 7)
    await dialogue.write(_CLOCK, _code(credentials.password), _code(credentials.operator or "0" * 8), data)


def check_credentials(credentials: Credentials) -> None:
    """Raise ValueError if they are no password and operator of this protocol; the sentence does not show them."""
    _code(credentials.password)
    _code(credentials.operator or "0" * 8)


def _code(text: str) -> bytes:
    """Give a code as its four bytes, in wire order: PA P0 P1 P2 of a password, C0 to C3 of an operator."""
    if not _CODE.fullmatch(text):
        raise ValueError("eight digits in the order PA P0 P1 P2, such as 02 and then the password; an operator eight")
    return bytes.fromhex(text)
