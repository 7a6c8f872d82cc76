"""A station that speaks HJ 212, written from HJ 212-2017 (6.2, 6.3, annex A, tables C.14 to C.18), with its own CRC.

It connects to a platform or talks over a line, pushes what it measures, and sends a packet again until it is
acknowledged. Faults are those of the way between: of the packet, or of the acknowledgement.
"""

from __future__ import annotations

import asyncio
import random
import re
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import Enum
from typing import Final

_ACKNOWLEDGEMENT: Final = re.compile(rb"##(\d{4})(.*?)([0-9A-F]{4})\r\n", re.DOTALL)
_STAMP: Final = "%Y%m%d%H%M%S"
LONGEST: Final = 1024


class Fault(Enum):
    """What befalls one transmission of a packet."""

    FLIP = "flip"
    LOSE_BYTE = "lose-byte"
    DROP = "drop"
    TRUNCATE = "truncate"
    TWICE = "twice"
    GLITCH = "glitch"
    PIECES = "pieces"
    FALSE_START = "false-start"
    DEAF = "deaf"
    """It arrives whole; the acknowledgement does not."""


def check(segment: bytes) -> int:
    """Give the CRC of annex A."""
    register = 0xFFFF
    for byte in segment:
        register = register >> 8 ^ byte
        for _ in range(8):
            register = register >> 1 ^ (0xA001 if register & 1 else 0)
    return register


def wrap(segment: str) -> bytes:
    """Make a packet of a data segment."""
    data = segment.encode()
    return b"##" + f"{len(data):04d}".encode() + data + f"{check(data):04X}".encode() + b"\r\n"


@dataclass(frozen=True, slots=True, kw_only=True)
class Upload:
    """What a station tells at once.

    Attributes:
        command: ``CN``.
        stamp: ``DataTime``.
        items: text of each item, such as ``w01018-Rtd=2.2,w01018-Flag=N``.
    """

    command: str
    stamp: str
    items: tuple[str, ...]


@dataclass(slots=True, kw_only=True)
class Station:
    """One station.

    Attributes:
        version: number in ``Flag``: 1 for 2017, 2 for 2025.
        wants_answer: whether it asks to be acknowledged.
        acknowledged: numbers of packets that were, in order.
        strange: bytes from the other end that were no sound acknowledgement of it.
    """

    mn: str = "010000A8900016F000169DC0"
    password: str = "123456"
    system: str = "32"
    version: int = 1
    wants_answer: bool = True
    acknowledged: list[str] = field(default_factory=list)
    strange: int = 0
    _now: datetime = datetime(2026, 1, 1, 8)  # noqa: DTZ001 - a station's local time
    _buffer: bytes = b""

    def packets(self, upload: Upload) -> list[tuple[str, bytes]]:
        """Give number and bytes of each packet of an upload, split where it is too long."""
        parts: list[list[str]] = [[]]
        for item in upload.items:
            if len(";".join([*parts[-1], item])) > LONGEST - 160:
                parts.append([])
            parts[-1].append(item)
        made = []
        for number, items in enumerate(parts, 1):
            self._now += timedelta(milliseconds=1)
            qn = f"{self._now:{_STAMP}%f}"[:17]
            flag = self.version << 2 | (len(parts) > 1) << 1 | self.wants_answer
            split = f"PNUM={len(parts)};PNO={number};" if len(parts) > 1 else ""
            head = f"QN={qn};ST={self.system};CN={upload.command};PW={self.password};MN={self.mn};Flag={flag};{split}"
            made.append((qn, wrap(f"{head}CP=&&{';'.join([f'DataTime={upload.stamp}', *items])}&&")))
        return made

    def hear(self, data: bytes) -> None:
        """Take in what the platform sends."""
        self._buffer += data
        while (found := _ACKNOWLEDGEMENT.search(self._buffer)) is not None:
            self.strange += found.start()
            self._buffer = self._buffer[found.end() :]
            segment = found[2]
            fields = dict(
                part.partition("=")[::2] for part in segment.decode().partition("CP=")[0].split(";") if part
            )
            good = int(found[1]) == len(segment) and int(found[3], 16) == check(segment)
            known = fields.get("CN") in ("9013", "9014") and fields.get("ST") == "91" and fields.get("MN") == self.mn
            if good and known and fields.get("Flag") == str(self.version << 2):
                self.acknowledged.append(fields["QN"])
            else:
                self.strange += found.end() - found.start()


def realtime(stamp: str, values: Mapping[str, tuple[str, str]]) -> Upload:
    """Give what is measured now: code -> value and mark; an empty value is left out (table C.14)."""
    items = tuple(
        f"{f'{code}-Rtd={value},' if value else ''}{code}-Flag={mark}" for code, (value, mark) in values.items()
    )
    return Upload(command="2011", stamp=stamp, items=items)


def period(command: str, stamp: str, values: Mapping[str, tuple[str, str, str]]) -> Upload:
    """Give what a period was: code -> least, mean and most (tables C.16 to C.18)."""
    items = tuple(
        f"{code}-Min={low},{code}-Avg={mean},{code}-Max={high},{code}-Flag=N"
        for code, (low, mean, high) in values.items()
    )
    return Upload(command=command, stamp=stamp, items=items)


class Sender:
    """A station on a pair of streams: TCP, or the far end of a pseudo-terminal.

    Args:
        station: who sends.
        reader, writer: the way to the platform.
        rates: how likely each fault is; the rest of the time nothing happens.
        seed: of the faults.
        overtime_s: how long an acknowledgement is waited for.
    """

    def __init__(
        self,
        station: Station,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        *,
        rates: Mapping[Fault, float] | None = None,
        seed: int = 0,
        overtime_s: float = 0.1,
    ) -> None:
        self._station = station
        self._reader = reader
        self._writer = writer
        self._rates = dict(rates or {})
        self._dice = random.Random(seed)
        self._overtime_s = overtime_s

    async def close(self) -> None:
        """Hang up."""
        self._writer.close()
        with suppress(OSError):
            await self._writer.wait_closed()

    async def send(self, upload: Upload, tries: int = 40) -> bool:
        """Send an upload until each packet of it is acknowledged; False if one never was."""
        for qn, data in self._station.packets(upload):
            for _ in range(tries):
                deaf = await self._transmit(data)
                if not self._station.wants_answer:
                    break
                if await self._acknowledged(qn, deaf=deaf):
                    break
            else:
                return False
        return True

    async def _transmit(self, data: bytes) -> bool:
        """Put a packet on the way, as the dice will; tell whether its acknowledgement is lost."""
        fault = self._pick()
        at = self._dice.randrange(len(data))
        pieces: Sequence[bytes] = [data]
        if fault is Fault.FLIP:
            pieces = [data[:at] + bytes([data[at] ^ 1 << self._dice.randrange(8)]) + data[at + 1 :]]
        elif fault is Fault.LOSE_BYTE:
            pieces = [data[:at] + data[at + 1 :]]
        elif fault is Fault.DROP:
            pieces = []
        elif fault is Fault.TRUNCATE:
            pieces = [data[:at]]
        elif fault is Fault.TWICE:
            pieces = [data + data]
        elif fault is Fault.GLITCH:
            pieces = [b"\x00\xfe\xff" + data + b"\xff"]
        elif fault is Fault.PIECES:
            pieces = [data[i : i + 7] for i in range(0, len(data), 7)]
        elif fault is Fault.FALSE_START:
            pieces = [b"##0#" + data]
        for piece in pieces:
            self._writer.write(piece)
            await self._writer.drain()
            await asyncio.sleep(0)
        return fault is Fault.DEAF

    async def _acknowledged(self, qn: str, *, deaf: bool) -> bool:
        with suppress(TimeoutError):
            async with asyncio.timeout(self._overtime_s):
                while qn not in self._station.acknowledged:
                    data = await self._reader.read(4096)
                    if not data:
                        raise ConnectionResetError("the platform hung up")
                    if not deaf:
                        self._station.hear(data)
        return qn in self._station.acknowledged

    def _pick(self) -> Fault | None:
        dice = self._dice.random()
        for fault, rate in self._rates.items():
            if (dice := dice - rate) < 0:
                return fault
        return None
