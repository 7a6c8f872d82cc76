"""The work of ``tidegate monitor``: bytes to lines of text or JSON, and to a capture file."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Final

import click

from agent.cli.lines import Target
from agent.cli.monitor_source import Passed, from_agent, from_port
from agent.cli.output import Json, Output
from agent.control.client import ControlClient
from agent.language import _
from drivers.clock import Clock
from drivers.codec.modbus_pdu import exception_name, is_read
from drivers.decoded import DecodeError
from drivers.overhear import Kind, Overhearing, Said
from drivers.profile import Example, LineSettings, Profile
from drivers.protocols.modbus_example import covered_points
from drivers.reading import exact
from drivers.transport.pcap import PcapSink

_MOST_BYTES: Final = 16
_MOST_VALUES: Final = 8
_TABLES: Final = {1: "coils", 2: "inputs", 3: "holding", 4: "input"}  # words of profile files


class _At:
    """The clock of a capture: the time of what is being written."""

    utc = 0

    def utc_ns(self) -> int:
        """Give that time."""
        return self.utc

    def mono_ns(self) -> int:
        """Give it too; captures know no other."""
        return self.utc


class Listener:
    """Hears, shows and writes.

    Attributes:
        counts: requests, replies, requests without one, bytes of noise, pieces lost.
    """

    def __init__(
        self,
        out: Output,
        target: Target,
        clock: Clock,
        *,
        line: LineSettings,
        client: ControlClient | None,
        pcap: str | None,
        all_bytes: bool,
    ) -> None:
        self.counts = {"requests": 0, "replies": 0, "silent": 0, "noise": 0, "lost": 0}
        self._out = out
        self._clock = clock
        self._all_bytes = all_bytes
        self._client = client
        self._source = (
            from_port(target, line, clock) if client is None else from_agent(client, target.bus.name, clock)
        )
        self._hearing = Overhearing()
        self._profiles: dict[int, Profile] = {
            device.unit: device.profile for device in target.devices if device.profile.protocol == "modbus"
        }
        self._at = _At()
        self._file = Path(pcap).open("wb") if pcap else None  # noqa: SIM115 - closed by close()
        self._pcap = PcapSink(self._file, self._at) if self._file is not None else None
        self._quiet = 0

    @property
    def heard(self) -> int:
        """How many things were heard."""
        return sum(self.counts.values())

    async def run(self, seconds: float) -> None:
        """Listen for so long, or for ever with 0.

        Raises:
            LinkDownError: the port is gone; ControlError: the agent is.
        """
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds or None):
                async for passed in self._source:
                    for said in self._take(passed):
                        self._tell(said)
        for said in self._hearing.idle(self._clock.utc_ns(), silence=True):
            self._tell(said)

    def close(self) -> None:
        """Close the file and the connection."""
        if self._pcap is not None:
            self._pcap.finish()
        if self._file is not None:
            self._file.close()
        if self._client is not None:
            self._client.close()

    def _take(self, passed: Passed) -> Iterator[Said]:
        self.counts["lost"] += passed.lost
        at_ns = passed.utc_ns
        if not passed.data:
            self._quiet += 1
            yield from self._hearing.idle(at_ns, silence=self._quiet > 1 and passed.sent is None and not self._client)
            return
        self._quiet = 0
        if passed.sent is None:
            yield from self._hearing.heard(passed.data, at_ns)
        elif passed.sent:
            yield from self._hearing.sent(passed.data, at_ns)
        else:
            yield from self._hearing.received(passed.data, at_ns)

    def _tell(self, said: Said) -> None:
        if said.kind is Kind.NOISE:
            self.counts["noise"] += len(said.raw)
        else:
            self.counts[{Kind.REQUEST: "requests", Kind.REPLY: "replies", Kind.NO_REPLY: "silent"}[said.kind]] += 1
        if self._pcap is not None and said.raw:
            self._at.utc = said.at_ns
            self._pcap.sent(said.raw)
        if self._out.json:
            self._out.line(self._json(said))
            return
        self._out.say(self._line(said))
        values = self._values(said)
        if values:
            shown = "   ".join(f"{name} = {value} {unit or ''}".rstrip() for name, value, unit in values)
            self._out.say(" " * 18 + click.style(shown, fg="green"))

    def _line(self, said: Said) -> str:
        when = time.strftime("%H:%M:%S", time.localtime(said.at_ns // 1_000_000_000))
        clock = f"{when}.{said.at_ns // 1_000_000 % 1000:03}"
        after = "" if said.after_ns is None else f"{said.after_ns / 1e6:.1f} ms"
        if said.kind is Kind.NO_REPLY:
            return f"{clock}  !!  " + _("no reply of unit {unit} in {after}").format(unit=said.unit, after=after)
        mark = {Kind.REQUEST: "->", Kind.REPLY: "<-", Kind.NOISE: "??"}[said.kind]
        return f"{clock}  {mark}  {self._words(said):<44} {after:>9}  {self._hex(said.raw)}"

    def _words(self, said: Said) -> str:
        if said.kind is Kind.NOISE:
            reason = "" if said.reason is None else said.reason.value
            return _("{count} bytes of noise ({reason})").format(count=len(said.raw), reason=reason)
        unit = _("unit {unit}").format(unit=said.unit)
        if said.refusal is not None:
            return f"{unit}  " + _("refuses: {name}").format(name=exception_name(said.refusal))
        if said.kind is Kind.REPLY:
            return f"{unit}  " + _("function {function}, {count} bytes").format(
                function=said.function, count=max(0, len(said.raw) - 5)
            )
        pdu = said.raw[1:-2]
        if is_read(pdu):
            first, count = int.from_bytes(pdu[1:3], "big"), int.from_bytes(pdu[3:5], "big")
            return f"{unit}  " + _("read {table} 0x{first} +{count}").format(
                table=_TABLES[pdu[0]], first=f"{first:04X}", count=count
            )
        return f"{unit}  " + _("function {function}, {count} bytes").format(
            function=said.function, count=len(pdu) - 1
        )

    def _hex(self, raw: bytes) -> str:
        if self._all_bytes or len(raw) <= _MOST_BYTES:
            return raw.hex(" ").upper()
        return f"{raw[: _MOST_BYTES - 4].hex(' ')} ... {raw[-2:].hex(' ')}".upper()

    def _values(self, said: Said) -> list[tuple[str, str, str | None]]:
        """Decode a reply by the profile that the site names for its unit."""
        profile = self._profiles.get(said.unit or 0)
        if (
            profile is None
            or said.kind is not Kind.REPLY
            or said.refusal is not None
            or not is_read(said.request[1:-2])
        ):
            return []
        try:
            found = covered_points(profile, Example(source="", request=said.request, reply=said.raw, expect=()))
        except DecodeError:
            return []
        out: list[tuple[str, str, str | None]] = []
        for index, value in found.items():
            point = profile.readable[index]
            whole = isinstance(value, int) and not isinstance(value, bool)
            text = format(exact(int(value), point.exponent), "f") if whole else str(value)  # type: ignore[arg-type]
            out.append((point.name, "-" if value is None else text, point.unit))
        return out[: None if self._all_bytes else _MOST_VALUES]

    def _json(self, said: Said) -> Json:
        return {
            "schema": "tidegate.monitor/1",
            "event": said.kind.value,
            "utc_ms": said.at_ns // 1_000_000,
            "unit": said.unit,
            "raw": said.raw.hex(),
            "after_ms": None if said.after_ns is None else round(said.after_ns / 1e6, 1),
            "reason": None if said.reason is None else said.reason.value,
            "values": [{"point": name, "value": value, "unit": unit} for name, value, unit in self._values(said)],
        }
