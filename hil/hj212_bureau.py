"""The platform of an environment bureau, written from HJ 212-2017 (6.3, 6.5, annex A and C) with a CRC of its own.

It keeps every packet that reaches it, damaged ones too, answers as the standard says, and can be told to do
otherwise: faults are taken from ``faults``, one for each packet that wants an answer, then ``usual`` goes on.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from enum import Enum
from types import TracebackType
from typing import Final, Self

_ACKNOWLEDGED: Final = ("2011", "2021", "2031", "2041", "2051", "2061", "2081")
_LAST: Final = ("9012", "9013")


class Fault(Enum):
    """What the bureau does with a packet that wants an answer."""

    NONE = "none"
    SILENT = "silent"
    """No acknowledgement; the packet was stored all the same."""
    DEAF = "deaf"
    """It never arrived."""
    WRONG_NUMBER = "wrong-number"
    DAMAGED = "damaged"
    """The acknowledgement has a wrong CRC."""
    LATE = "late"
    TWICE = "twice"
    RESET = "reset"
    """The connection breaks instead."""
    NOISE = "noise"
    """Bytes that are no packet come in front of the acknowledgement."""


def check(segment: bytes) -> int:
    """Give the CRC as annex A describes it, bit by bit."""
    register = 0xFFFF
    for byte in segment:
        register = (register >> 8) ^ byte
        for _ in range(8):
            low = register & 1
            register >>= 1
            if low:
                register ^= 0xA001
    return register


def packet(segment: str) -> bytes:
    """Wrap a data segment."""
    data = segment.encode()
    return b"##%04d%s%04X\r\n" % (len(data), data, check(data))


@dataclass(frozen=True, slots=True, kw_only=True)
class Heard:
    """One whole packet.

    Attributes:
        header: fields before ``CP``; area: what stands between the ``&&``.
        size: bytes of the data segment; sound: whether its CRC was right.
    """

    header: tuple[tuple[str, str], ...]
    area: str
    size: int
    sound: bool

    def head(self, name: str) -> str:
        """Give a field of the header, empty without it."""
        return dict(self.header).get(name, "")

    def field(self, name: str) -> str | None:
        """Give a field of the area, None without it."""
        pairs = (part.partition("=") for item in self.area.split(";") for part in item.split(",") if part)
        return next((value for key, _, value in pairs if key == name), None)

    @property
    def about(self) -> tuple[str, str]:
        """Command and ``DataTime``: what a bureau stores it under."""
        return self.head("CN"), self.field("DataTime") or ""


class Bureau:
    """A listening platform; ``async with`` it.

    Attributes:
        heard: every packet in the order of arrival, repetitions too.
        faults: what to do with the next packets that want an answer; usual: with all others.
        connections: how often somebody connected.
        late_s: how long a late acknowledgement waits.
        refuses: whether new connections are closed at once.
    """

    def __init__(self, port: int = 0, *, decipher: Callable[[bytes], bytes] | None = None) -> None:
        self.heard: list[Heard] = []
        self.faults: deque[Fault] = deque()
        self.usual = Fault.NONE
        self.connections = 0
        self.late_s = 0.2
        self.refuses = False
        self.port = port
        self.host = "127.0.0.1"
        self._decipher = decipher
        self._server: asyncio.Server | None = None
        self._writers: set[asyncio.StreamWriter] = set()
        self._answers: asyncio.Queue[Heard] = asyncio.Queue()
        self._change = asyncio.Event()

    async def __aenter__(self) -> Self:
        """Listen; ``port`` tells where."""
        self._server = await asyncio.start_server(self._serve, self.host, self.port)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close."""
        await self.close()

    async def close(self) -> None:
        """Stop listening and drop every connection, as in an outage."""
        if self._server is not None:
            self._server.close()
            self.drop()
            await self._server.wait_closed()
            self._server = None
            await self.until(lambda: not self._writers, 1.0)

    def drop(self) -> None:
        """Break every connection with a reset."""
        for writer in list(self._writers):
            writer.transport.abort()

    async def until(self, condition: Callable[[], bool], patience_s: float = 10.0) -> bool:
        """Wait until ``condition`` holds, looked at whenever something came; False after ``patience_s``."""
        with suppress(TimeoutError):
            async with asyncio.timeout(patience_s):
                while not condition():
                    self._change.clear()
                    with suppress(TimeoutError):
                        async with asyncio.timeout(0.2):
                            await self._change.wait()
        return condition()

    def stored(self, command: str) -> dict[str, list[Heard]]:
        """Give the sound packets of a command by ``DataTime``."""
        found: dict[str, list[Heard]] = {}
        for one in self.heard:
            if one.sound and one.head("CN") == command:
                found.setdefault(one.field("DataTime") or "", []).append(one)
        return found

    async def ask(
        self,
        command: str,
        area: str = "",
        *,
        mn: str,
        pw: str = "123456",
        st: str = "32",
        qn: str = "20250101000000001",
    ) -> list[Heard]:
        """Send a request and give all that was answered under its number, until the last."""
        while not self._answers.empty():
            self._answers.get_nowait()
        said = f"QN={qn};ST={st};CN={command};PW={pw};MN={mn};Flag=5;CP=&&{area}&&"
        self.tell(packet(said))
        answers: list[Heard] = []
        async with asyncio.timeout(5):
            while True:
                one = await self._answers.get()
                if one.head("QN") != qn:
                    continue
                answers.append(one)
                refused = one.head("CN") == "9011" and one.field("QnRtn") != "1"
                if refused or one.head("CN") in _LAST:
                    return answers

    def tell(self, data: bytes) -> None:
        """Send bytes to whoever is connected."""
        for writer in self._writers:
            writer.write(data)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self.refuses:
            writer.transport.abort()
            return
        self.connections += 1
        self._writers.add(writer)
        buffer = b""
        try:
            while data := await reader.read(4096):
                buffer += data
                while (whole := _whole(buffer)) is not None:
                    segment, told, buffer = whole
                    await self._take(segment, told, writer)
        except ConnectionError:
            pass
        finally:
            self._writers.discard(writer)
            writer.close()
            self._change.set()

    async def _take(self, segment: bytes, told: bytes, writer: asyncio.StreamWriter) -> None:
        size = len(segment)
        if self._decipher is not None:
            segment = self._decipher(segment)
        sound = told == b"%04X" % check(segment)
        one = _heard(segment.decode("utf-8", "replace"), size, sound)
        wants = one.head("CN") in _ACKNOWLEDGED and bool(int(one.head("Flag") or "0") & 1)
        fault = Fault.NONE
        if wants and sound:
            fault = self.faults.popleft() if self.faults else self.usual
        if fault is not Fault.DEAF:
            self.heard.append(one)
        if one.head("CN") == "9015":
            writer.write(_answer(one, "9013"))
        elif wants and sound:
            await self._acknowledge(one, fault, writer)
        elif sound:
            self._answers.put_nowait(one)
        self._change.set()

    async def _acknowledge(self, one: Heard, fault: Fault, writer: asyncio.StreamWriter) -> None:
        answer = _answer(one, "9014")
        if fault in (Fault.SILENT, Fault.DEAF):
            return
        if fault is Fault.RESET:
            writer.transport.abort()
            return
        if fault is Fault.WRONG_NUMBER:
            answer = _answer(one, "9014", qn="20010101000000000")
        elif fault is Fault.DAMAGED:
            answer = answer.replace(b"CN=9014", b"CN=9O14")
        elif fault is Fault.LATE:
            await asyncio.sleep(self.late_s)
        elif fault is Fault.TWICE:
            answer += answer
        elif fault is Fault.NOISE:
            answer = b"\x00##00zz##0900" + answer
        writer.write(answer)


def _answer(one: Heard, command: str, qn: str = "") -> bytes:
    flag = int(one.head("Flag")) & ~0x03
    return packet(
        f"QN={qn or one.head('QN')};ST=91;CN={command};PW={one.head('PW')};MN={one.head('MN')};Flag={flag};CP=&&&&"
    )


def _whole(buffer: bytes) -> tuple[bytes, bytes, bytes] | None:
    """Give segment, CRC and what follows; a sender that does not keep to the form is a fault of the test."""
    if len(buffer) < 6:
        return None
    assert buffer.startswith(b"##"), buffer[:40]
    end = 6 + int(buffer[2:6])
    if len(buffer) < end + 6:
        return None
    assert buffer[end + 4 : end + 6] == b"\r\n", buffer[end : end + 8]
    return buffer[6:end], buffer[end : end + 4], buffer[end + 6 :]


def _heard(text: str, size: int, sound: bool) -> Heard:
    head, _, rest = text.partition("CP=&&")
    pairs: Sequence[tuple[str, str, str]] = [part.partition("=") for part in head.split(";") if part]
    header = tuple((name, value) for name, _, value in pairs)
    return Heard(header=header, area=rest.removesuffix("&&"), size=size, sound=sound)
