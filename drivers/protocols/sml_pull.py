"""Meters that send their SML list when they are asked for it (SML 1.04, SML_GetList.Req). Only reading."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Final

from drivers.batch import Batch
from drivers.codec.listened import ListeningDecoder
from drivers.codec.sml import SmlFrame, stream_decoder
from drivers.codec.sml_list import read_list
from drivers.codec.sml_request import list_request
from drivers.codec.sml_value import SmlError
from drivers.errors import RefusedError
from drivers.nameplate import Nameplate
from drivers.protocols.sml import USUAL_BYTES, covered, plan
from drivers.protocols.sml_place import ANY, check_places, read_address
from drivers.protocols.sml_scan import SmlPullProber
from drivers.protocols.sml_told import read_sml, understand
from drivers.protocols.telegram import Telegram
from drivers.sources import Read
from drivers.wire_protocol import AnyLink, Placed, WireProtocol, frames_on

_REQUEST_BYTES: Final = 100
_MESSAGES: Final = 3
_TRANSACTIONS: Final = 1 << 32


class SmlPullDevice:
    """One meter; a ``LinkedDevice`` of ``drivers.wire_protocol``, and an ``IdentifiedDevice``."""

    def __init__(self, placed: Placed) -> None:
        """Raise ProfileError if the profile has a place that is none."""
        self._index = placed.index
        self._line = placed.link
        self._clock = placed.clock
        self._settings = placed.settings
        self._timeout_s = placed.profile.limits.turnaround_ms / 1000
        self._server_id = b"" if placed.address in ("", ANY) else bytes.fromhex(placed.address)
        self._groups = {group.read.points: group for group in plan(placed.profile, _REQUEST_BYTES)}
        self._reads = tuple(group.read for group in self._groups.values())
        self._transaction = placed.clock.mono_ns() // 1000 % _TRANSACTIONS  # no number of a program that ran before
        self._plate = Nameplate()

    @property
    def reads(self) -> Sequence[Read]:
        """One list for the points of each period."""
        return self._reads

    @property
    def identity(self) -> str | None:
        """What it said of itself so far."""
        return self._plate.text

    def use(self, line: AnyLink) -> None:
        """Talk over ``line`` from now on."""
        self._line = line

    async def read(self, read: Read) -> Batch:
        """Ask for the list; raises as ``Device.read`` says."""
        telegram = await self._list()
        return self._groups[read.points].batch(self._index, telegram.mono_ns, telegram)

    async def probe(self) -> None:
        """Ask for the list: nothing shorter is answered by every meter. Raises like ``read``."""
        await self._list()

    async def _list(self) -> Telegram:
        self._transaction = (self._transaction + _MESSAGES) % (_TRANSACTIONS - _MESSAGES)
        asked = self._transaction
        frame = await frames_on(self._line).exchange(
            list_request(asked, self._server_id),
            ListeningDecoder(stream_decoder, peer=b"sml" + self._server_id),
            lambda one: _answers(one, asked),
            reply_bytes=USUAL_BYTES,
            timeout_s=self._timeout_s,
            settings=self._settings,
        )
        telegram = understand(frame, self._clock.mono_ns(), self._line.name)
        if telegram is None:
            raise RefusedError(f"{self._line.name}: the meter answers without a list", 0, frame.raw)
        self._plate.learn(telegram.plate)
        return telegram


def _answers(frame: SmlFrame, transaction: int) -> bool:
    """Tell whether a file answers the request: one that the meter sent by itself, or late, has another number."""
    try:
        said = read_list(frame.payload)
    except SmlError:
        return True  # told apart by whoever reads it
    numbers = [((transaction + step) % _TRANSACTIONS).to_bytes(4, "big") for step in range(_MESSAGES)]
    return said.transaction in numbers


PROTOCOLS: Final[Mapping[str, WireProtocol]] = MappingProxyType({
    "sml-pull": WireProtocol(
        build=SmlPullDevice,
        check=check_places,
        covered=covered,
        decoders={"sml-pull": read_sml},
        address=read_address,
        prober=SmlPullProber(),
    ),
})  # fmt: skip
