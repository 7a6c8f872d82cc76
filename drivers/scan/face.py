"""The line of a scan in the shape that device models talk to, with a memory: one question is asked once."""

from __future__ import annotations

from drivers.codec.modbus_rtu import encode
from drivers.errors import ChecksumError, NoReplyError
from drivers.link_counters import LinkCounters
from drivers.profile import LineSettings
from drivers.scan.line import ScanLine
from drivers.scan.modbus import ModbusProbes
from drivers.scan.probe import Verdict


class ScanFace:
    """A ``Line`` for one unit at one setting, over a ScanLine.

    Attributes:
        exchanges: questions that went over the wire.
    """

    def __init__(self, line: ScanLine, settings: LineSettings, *, patience_s: float, name: str = "scan") -> None:
        self.name = name
        self.exchanges = 0
        self._line = line
        self._settings = settings
        self._patience_s = patience_s
        self._probes = ModbusProbes()
        self._known: dict[tuple[int, bytes], bytes | None] = {}

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
        if key not in self._known:
            self._known[key] = await self._ask(encode(unit, pdu))
        reply = self._known[key]
        if reply is None:
            raise NoReplyError(f"unit {unit} did not answer")
        return reply

    async def _ask(self, request: bytes) -> bytes | None:
        for _ in range(2):
            self.exchanges += 1
            came = await self._line.ask(
                request, self._settings, self._patience_s, lambda data: self._probes.is_whole(request, data)
            )
            heard = self._probes.hear(request, came.data)
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
