"""Speaking to one SDI-12 sensor: break, command, answer, again if it failed.

At 1200 Bd the port is the line itself, and what wakes the sensors is made here: a character 00 at 600 Bd is low for
15 ms. At any other speed there is an adapter that speaks to them, and it makes the break.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Final

from drivers.codec.sdi12 import Sdi12Frame, command
from drivers.codec.sdi12_reply import BREAK, BreakDecoder, Form, Sdi12ReplyDecoder, timing
from drivers.codec.seven_bit import with_parity
from drivers.errors import DeviceFailedError, DriverError, FrameError, NoReplyError, RefusedError
from drivers.nameplate import Nameplate
from drivers.profile import LineSettings, Parity
from drivers.protocols.sdi12_decode import identity_of
from drivers.protocols.sdi12_place import Command
from drivers.wire_protocol import Placed, frames_on

LINE_BAUD: Final = 1200
BREAK_BAUD: Final = 600
_MARK_S: Final = 0.003
_LONGER_S: Final = 0.08
"""A sensor may take up to 100 ms to wake up, and falls asleep after 100 ms without a command (7.1): the first try
follows the break once the silence in front of every request is over, 32 ms, the second one as late as it may."""
_EIGHT: Final = 8
_BRIEF_S: Final = 2  # so long the line may wait for a measurement because of a damaged character
_MOST_D: Final = 10
_BYTES: Final = {Form.ACK: 3, Form.TIMING: 8, Form.TEXT: 36, Form.VALUES: 81}
"""Of the longest answer (4.4); values of M are 40 less."""
NS: Final = 1_000_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Taken:
    """What a measurement gave.

    Attributes:
        values: in the order of the sensor.
        raw: the answers that they came in.
    """

    values: tuple[Decimal, ...]
    raw: bytes


class Talk:
    """One sensor and the line to it.

    Attributes:
        line: may be exchanged.
        plate: what it said of itself.
    """

    def __init__(self, placed: Placed) -> None:
        """Take the place of the sensor."""
        self.line = placed.link
        self.plate = Nameplate()
        self._clock = placed.clock
        self._address = placed.address
        self._settings = placed.settings or placed.profile.line
        self._timeout_s = placed.profile.limits.turnaround_ms / 1000
        self._breaks = 0
        self._identity: str | None = None
        self._longest_s: dict[str, int] = {}  # by command

    @property
    def where(self) -> str:
        """Port and sensor, for a sentence."""
        return f"{self.line.name}: sensor {self._address}"

    async def identify(self) -> None:
        """Ask who it is, twice where that is news: the answer has no checksum.

        It also proves that nothing older is on its way, since no answer to another command looks like this one.
        """
        told = (await self.ask("I", Form.TEXT)).body
        if told == self._identity:
            return
        again = (await self.ask("I", Form.TEXT)).body
        if again != told:
            raise FrameError(f"{self.where} says of itself first {told!r}, then {again!r}")
        self._identity = told
        said = identity_of(told)
        names = ("vendor", "manufacturer"), ("model", "model"), ("firmware", "firmware"), ("serial", "serial")
        self.plate.learn({part: said.get(name) for name, part in names})

    async def acknowledge(self) -> None:
        """Ask whether it is there."""
        await self.ask("", Form.ACK)

    async def begin(self, what: Command) -> tuple[int, int]:
        """Start a measurement and give how many seconds it takes and how many values it has.

        The answer has no checksum, and nobody may speak for as long as it says: a longer time than ever is asked for
        again, which starts the measurement anew.

        Raises:
            RefusedError: it has none under this command.
            FrameError: the second answer is another one, and longer.
        """
        seconds, count = await self._timing(what)
        if seconds > max(_BRIEF_S, self._longest_s.get(what.text, 0)):
            first_s, (seconds, count) = seconds, await self._timing(what)
            if seconds > first_s:
                raise FrameError(f"{self.where} says that {what.text} takes first {first_s} s, then {seconds} s")
            self._longest_s[what.text] = max(seconds, self._longest_s.get(what.text, 0))
        return seconds, count

    async def _timing(self, what: Command) -> tuple[int, int]:
        frame = await self.ask(what.text, Form.TIMING)
        seconds, count = timing(frame) or (0, 0)
        if not count:
            raise RefusedError(f"{self.where} measures nothing at {what.text}", 0, frame.raw)
        return seconds, count

    async def measure(self, what: Command) -> Taken:
        """Do a measurement whose end is waited for; nobody else may speak meanwhile (4.4.5)."""
        if what.continuous:
            return self._taken([await self.ask(what.text, Form.VALUES, crc=what.crc)])
        seconds, count = await self.begin(what)
        if seconds:
            await self._service_request(self._clock.mono_ns() + seconds * NS)
        return await self.fetch(what, count)

    async def fetch(self, what: Command, count: int) -> Taken:
        """Ask for the ``count`` values of a measurement that has ended.

        Raises:
            DeviceFailedError: there are none: it was broken off.
            FrameError: they are not as many as it said.
        """
        frames: list[Sdi12Frame] = []
        got = 0
        while got < count and len(frames) < _MOST_D:
            frame = await self._data(len(frames), crc=what.crc)
            if not frame.values:
                break
            frames.append(frame)
            got += len(frame.values)
        if not frames:
            raise DeviceFailedError(f"{self.where} has broken its measurement off", 0)
        if got != count:
            raise FrameError(f"{self.where} promised {count} values and gave {got}", frames[-1].raw)
        return self._taken(frames)

    async def ask(self, body: str, form: Form, *, crc: bool = False) -> Sdi12Frame:
        """Do one exchange, and once more if it failed, as the standard wants (7.2). Raises as ``Device.read`` says.

        Before values are asked for again the sensor has to acknowledge itself: behind that nothing older can come,
        such as the answer to the first D0 for that to D1.
        """
        try:
            return await self._exchange(body, form, crc=crc)
        except (NoReplyError, FrameError):
            await asyncio.sleep(self._timeout_s)  # so long the link waits for what is late: before the break
        if form is Form.VALUES:
            await self._exchange("", Form.ACK, mark_s=_LONGER_S)
        return await self._exchange(body, form, crc=crc, mark_s=_LONGER_S)

    async def _data(self, number: int, *, crc: bool) -> Sdi12Frame:
        """Ask for data; an answer without any, once more: a service request that comes late looks like that."""
        frame = await self.ask(f"D{number}", Form.VALUES, crc=crc)
        return frame if frame.values else await self.ask(f"D{number}", Form.VALUES, crc=crc)

    async def _service_request(self, until_ns: int) -> None:
        """Wait for it, or until the measurement has ended by the sensor's own word (4.4.6)."""
        while (left_ns := until_ns - self._clock.mono_ns()) > 0:
            try:
                await frames_on(self.line).exchange(
                    b"",
                    Sdi12ReplyDecoder(self._address, Form.ACK),
                    reply_bytes=_BYTES[Form.ACK],
                    timeout_s=left_ns / NS,
                    settings=self._settings,
                )
            except (NoReplyError, FrameError):
                continue
            return

    async def _exchange(self, body: str, form: Form, *, crc: bool = False, mark_s: float = 0.0) -> Sdi12Frame:
        own = self._settings
        request = command(self._address, body)
        if own.baud == LINE_BAUD:
            await self._break(own, mark_s)
            if own.data_bits == _EIGHT and own.parity is Parity.NONE:
                request = with_parity(request)
        return await frames_on(self.line).exchange(
            request,
            Sdi12ReplyDecoder(self._address, form, crc=crc, command=request),
            reply_bytes=_BYTES[form],
            timeout_s=self._timeout_s,
            settings=own,
        )

    async def _break(self, own: LineSettings, mark_s: float) -> None:
        self._breaks += 1
        await frames_on(self.line).exchange(
            BREAK,
            BreakDecoder(self._breaks),
            reply_bytes=0,
            timeout_s=_MARK_S,
            settings=replace(own, baud=BREAK_BAUD),
            reply_settings=own,
        )
        await asyncio.sleep(mark_s)

    def _taken(self, frames: Sequence[Sdi12Frame]) -> Taken:
        values = tuple([Decimal(value) for frame in frames for value in frame.values])
        if not values:
            raise DeviceFailedError(f"{self.where} has no values", 0)
        return Taken(values=values, raw=b"".join([frame.raw for frame in frames]))


def is_lost(error: DriverError) -> bool:
    """Tell whether after ``error`` something older may still come, or another sensor may stand there."""
    return not isinstance(error, RefusedError)
