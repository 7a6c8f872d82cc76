"""SML files that a meter pushes, on lines that are only listened to."""

from __future__ import annotations

from dataclasses import replace
from datetime import tzinfo
from typing import Final

from drivers.codec.framing import Decoder
from drivers.codec.sml import SmlFrame, stream_decoder
from drivers.codec.sml_list import read_list
from drivers.codec.sml_value import SmlError
from drivers.errors import DriverError
from drivers.listening import Act, FrameListener, Kind, Listening, Meaning, Said, Taken
from drivers.named_values import NOTHING
from drivers.profile import Profile
from drivers.protocols.sml import plan
from drivers.protocols.sml_place import ANY
from drivers.protocols.sml_told import understand
from drivers.protocols.telegram import Group, Telegram

_BITS: Final = 100  # eight bytes begin a file, five end it, and the CRC


class SmlListener(FrameListener[SmlFrame]):
    """The protocol on one line."""

    strictest = _BITS

    def decoder(self) -> Decoder[SmlFrame]:
        """Make an empty decoder."""
        return stream_decoder()

    def proof(self, frame: SmlFrame) -> int:  # noqa: ARG002
        """The same for all files."""
        return _BITS

    def meaning(self, frame: SmlFrame, asked: SmlFrame | None) -> Meaning:  # noqa: ARG002
        """Tell who sends and how many values."""
        try:
            found = read_list(frame.payload)
        except SmlError:
            return Meaning(kind=Kind.UNASKED, address="", act=Act.DATA, data_bytes=len(frame.payload))
        return Meaning(
            kind=Kind.UNASKED,
            address=found.server_id.hex().upper(),
            act=Act.DATA,
            what=f"{len(found.entries)} values",
            data_bytes=len(frame.payload),
        )


class SmlOverheard:
    """The points of one meter inside the lists that it sends; with a server id for an address those of it alone."""

    def __init__(self, profile: Profile, address: str, zone: tzinfo) -> None:  # noqa: ARG002
        self._address = "" if address == ANY else address
        self._groups = plan(profile)

    def take(self, said: Said) -> Taken | None:
        """Give the points of which a list says something; short and long ones may take turns."""
        if said.protocol != "sml" or (self._address and said.address != self._address):
            return None
        try:
            telegram = understand(said.frame, said.at_ns, "")
        except DriverError:
            return None
        if telegram is None:
            return None
        parts = [_told(group, telegram, said.at_ns) for group in self._groups if group.count(telegram)]
        return replace(_together(parts), plate=telegram.plate) if parts else None


def _told(group: Group, telegram: Telegram, at_ns: int) -> Taken:
    """Give the rows of a group of which a list says something."""
    batch = group.batch(0, at_ns, telegram)
    rows = [row for row, place in enumerate(group.places) if place.find(telegram.said) is not NOTHING]
    at = {row: place for place, row in enumerate(rows)}
    return Taken(
        points=tuple([batch.points[row] for row in rows]),
        values=tuple([batch.values[row] for row in rows]),
        statuses=tuple([batch.statuses[row] for row in rows]),
        device_times=tuple(replace(time, row=at[time.row]) for time in batch.device_times if time.row in at),
        raws=tuple((at[row], raw) for row, raw in batch.raws if row in at),
    )


def _together(parts: list[Taken]) -> Taken:
    """Put columns behind each other."""
    taken = parts[0]
    for one in parts[1:]:
        first = len(taken.points)
        taken = Taken(
            points=taken.points + one.points,
            values=taken.values + one.values,
            statuses=taken.statuses + one.statuses,
            device_times=taken.device_times + tuple(replace(time, row=first + time.row) for time in one.device_times),
            raws=taken.raws + tuple((first + row, raw) for row, raw in one.raws),
        )
    return taken


LISTENING: Final = {"sml": Listening(listeners={"sml": SmlListener}, overheard=SmlOverheard)}
