"""The line of a scan in the shape that device models talk to, with a memory: one question is asked once."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, Generic, TypeAlias, TypeVar

from drivers.codec.framing import Frame, Noise, NoiseReason, ReplyDecoder
from drivers.codec.modbus_rtu import encode
from drivers.errors import ChecksumError, FrameError, NoReplyError
from drivers.hearing import behind
from drivers.link_counters import LinkCounters
from drivers.profile import LineSettings
from drivers.scan.line import Came, ScanLine
from drivers.scan.modbus import hear_reply, reply_is_whole
from drivers.scan.probe import Verdict

F = TypeVar("F", bound=Frame)
_TRIES: Final = 2
_NOBODY: Final = 12  # questions of different kinds that brought not one byte
_GAP_S: Final = 0.5  # DL/T 645 lets a meter pause so long between two bytes
_LONGEST_BYTES: Final = 16384
_Key: TypeAlias = tuple[bytes, bytes, LineSettings | None, LineSettings | None]


class ScanFace:
    """A ``Line`` and a ``FrameLine`` for one device at one setting, over a ScanLine.

    Attributes:
        exchanges: questions that went over the wire.
    """

    def __init__(
        self,
        line: ScanLine,
        settings: LineSettings,
        *,
        patience_s: float,
        name: str = "scan",
        seen: bool = True,
        told: Callable[[], None] | None = None,
    ) -> None:
        """Take a line.

        Args:
            line: asks, at any setting.
            settings: those of the device.
            patience_s: how long an answer is waited for.
            name: of the line, for messages.
            seen: whether the device has answered before; one that has not, and does not, is soon asked no more.
            told: is called after each question.
        """
        self.name = name
        self.exchanges = 0
        self._line = line
        self._settings = settings
        self._patience_s = patience_s
        self._known: dict[tuple[int, bytes], bytes | None] = {}
        self._seen = seen
        self._came: dict[_Key, bytes] = {}
        self._behind = b""
        self._told = told or _nobody_is_told

    async def ask(
        self,
        unit: int,
        pdu: bytes,
        *,
        timeout_s: float,  # noqa: ARG002 - the scan has a patience of its own
        line: LineSettings | None = None,  # noqa: ARG002 - and asks at the setting that was found
        reply_bytes: int | None = None,  # noqa: ARG002 - replies end with silence here
    ) -> bytes:
        """Give the PDU of the reply; NoReplyError or ChecksumError (also from memory), LinkDownError."""
        key = (unit, pdu)
        if key not in self._known and (self._seen or self.exchanges < _NOBODY):
            self._known[key] = await self._ask(encode(unit, pdu))
        reply = self._known.get(key)
        if reply is None:
            raise NoReplyError(f"unit {unit} did not answer")
        return reply

    async def exchange(
        self,
        request: bytes,
        decoder: ReplyDecoder[F],
        accept: Callable[[F], bool] | None = None,
        *,
        reply_bytes: int,  # noqa: ARG002 - replies end with the frame, or with silence, here
        timeout_s: float,
        settings: LineSettings | None = None,
        reply_settings: LineSettings | None = None,
        goes_on: bool = False,  # noqa: ARG002
    ) -> F:
        """Give the reply; NoReplyError, FrameError or ChecksumError (also from memory), LinkDownError."""
        key: _Key = (request, decoder.peer + decoder.likeness, settings, reply_settings)
        for _ in range(_TRIES):
            hearing = _Hearing(request, decoder.fresh())
            if key not in self._came:
                self.exchanges += 1
                begun = b"" if request else self._behind  # it goes on by itself: nothing of it is to be lost
                hearing.goes_on(begun)
                came = await self._line.ask(
                    request,
                    settings or self._settings,
                    timeout_s,
                    hearing.is_whole,
                    gap_s=_GAP_S,
                    reply_line=reply_settings,
                    longest=_LONGEST_BYTES,
                )
                self._came[key] = begun + came.data
                self._told()
            hearing = _Hearing(request, decoder.fresh())
            frame = hearing.end(self._came[key])
            if frame is not None and (accept is None or accept(frame)):
                self._behind = behind(hearing.raw, frame.raw)
                return frame
            if not hearing.failed:
                break
            del self._came[key]
        if hearing.failed:
            raise ChecksumError(f"{decoder.asked} answers with wrong checksums", hearing.raw)
        if hearing.cut_short:
            raise FrameError(f"{decoder.asked} began an answer and did not end it", hearing.raw)
        raise NoReplyError(f"{decoder.asked} did not answer", hearing.raw)

    async def _ask(self, request: bytes) -> bytes | None:
        for _ in range(_TRIES):
            self.exchanges += 1
            came: Came = await self._line.ask(
                request, self._settings, self._patience_s, lambda data: reply_is_whole(request, data)
            )
            self._seen |= bool(came.data)
            self._told()
            heard = hear_reply(request, came.data)
            if heard.verdict is Verdict.ANSWER:
                return heard.frame[1:]
            if heard.verdict is not Verdict.DAMAGED:
                return None
        raise ChecksumError(f"unit {request[0]} answers with wrong checksums", came.data)

    @property
    def counters(self) -> LinkCounters:
        """What went over the wire for this device."""
        return LinkCounters(exchanges=self.exchanges)

    async def aclose(self) -> None:
        """The line belongs to the scan."""


def _nobody_is_told() -> None:
    """Say nothing."""


class _Hearing(Generic[F]):
    """Finds the frame of an answer while its bytes come in; an echo in front is left out."""

    def __init__(self, request: bytes, decoder: ReplyDecoder[F]) -> None:
        self.raw = b""
        self.failed = self.cut_short = False
        self._request = request
        self._decoder: ReplyDecoder[F] = decoder
        self._fed = 0
        self._begun = b""
        self._frame: F | None = None

    def goes_on(self, begun: bytes) -> None:
        """Take what came of it together with the answer before."""
        self._begun = begun

    def is_whole(self, data: bytes) -> bool:
        """Tell whether the frame is there."""
        return self._feed(self._begun + data, last=False)

    def end(self, data: bytes) -> F | None:
        """Give the frame in all that came."""
        self._feed(data, last=True)
        return self._frame

    def _feed(self, data: bytes, *, last: bool) -> bool:
        echo = len(self._request) if data.startswith(self._request) else 0
        self.raw = data[echo:]
        events = [*self._decoder.feed(self.raw[self._fed :]), *(self._decoder.flush() if last else ())]
        self._fed = len(self.raw)
        for event in events:
            if not isinstance(event, Noise):
                self._frame = self._frame or event
            else:
                self.failed |= event.reason is NoiseReason.BAD_CHECKSUM
                self.cut_short |= event.reason is NoiseReason.CUT_SHORT
        return self._frame is not None
