"""The matrix catches broken code: each mutant of the product is played on one fault and has to be found out."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from agent.polling.probing import Probing
from agent.schedule import Schedule
from drivers import link, link_rtu, link_tcp
from drivers.codec import modbus_rtu
from drivers.codec.framing import Noise
from drivers.codec.modbus_rtu import RtuFrame, RtuReplyDecoder, RtuStreamDecoder
from drivers.hearing import Hearing
from drivers.link import Link
from drivers.link_tcp import TcpLink
from drivers.protocols.modbus import ModbusDevice
from drivers.turnaround import Turnaround
from tests.hil.fault_matrix.cells import BY_NAME
from tests.hil.fault_matrix.mutants import Patch, noticed

pytestmark = pytest.mark.bus


class AnyUnit(RtuReplyDecoder):
    """Takes the reply of whoever answers."""

    def feed(self, data: bytes) -> Iterator[RtuFrame | Noise]:
        if data and self.buffered == 0 and data[0] in (1, 2, 3) and data[0] != self._request[0]:
            function, unit = self._request[1], data[0]
            self._request = bytes((unit, function)) + self._request[2:]
            self._prefix = bytes((unit,)) + self._prefix[1:]
        return super().feed(data)


class NoNoise(RtuReplyDecoder):
    """Wants the reply at the very beginning."""

    def feed(self, data: bytes) -> Iterator[RtuFrame | Noise]:
        if self.buffered == 0 and data and data[0] != self._request[0]:
            return iter(())
        return super().feed(data)


class FirstFrame(RtuReplyDecoder):
    """Takes the first whole frame of the unit, whichever direction it went."""

    def feed(self, data: bytes) -> Iterator[RtuFrame | Noise]:
        self._buffer += data
        for event in RtuStreamDecoder().feed(bytes(self._buffer)):
            if isinstance(event, RtuFrame) and event.unit == self._request[0]:
                self._buffer.clear()
                yield event


def checksum_not_checked(patch: Patch) -> None:
    patch.setattr(modbus_rtu, "crc16_modbus", lambda _: 0)


def unit_not_matched(patch: Patch) -> None:
    patch.setattr(link_rtu, "RtuReplyDecoder", AnyUnit)


def noise_not_skipped(patch: Patch) -> None:
    patch.setattr(link_rtu, "RtuReplyDecoder", NoNoise)


def late_reply_accepted(patch: Patch) -> None:
    real = ModbusDevice._ask

    async def forgetful(self: ModbusDevice, *words: Any, **named: Any) -> bytes:
        try:
            return await real(self, *words, **named)
        finally:
            self._unsure = False

    patch.setattr(ModbusDevice, "_ask", forgetful)
    patch.setattr(Turnaround, "blocked_until_ns", lambda *_: 0)


def echo_not_removed(patch: Patch) -> None:
    real = Hearing.__init__

    def deaf(self: Hearing[Any], where: str, echo: bytes, *rest: Any) -> None:  # noqa: ARG001
        real(self, where, b"", *rest)

    patch.setattr(Hearing, "__init__", deaf)


def echo_taken_for_the_reply(patch: Patch) -> None:
    patch.setattr(link_rtu, "RtuReplyDecoder", FirstFrame)


def deadline_missing(patch: Patch) -> None:
    async def for_ever(self: Link, deadline_ns: int) -> bytes:  # noqa: ARG001
        return await self._stream.read()

    patch.setattr(Link, "_read_until", for_ever)


def silence_not_kept(patch: Patch) -> None:
    real = link._wire_ns
    patch.setattr(link, "_wire_ns", lambda line: (real(line)[0], 0))


def dead_never_probed(patch: Patch) -> None:
    patch.setattr(Probing, "choose", lambda *_: None)
    patch.setattr(Probing, "wake_ns", lambda *_: None)


def port_not_opened_again(patch: Patch) -> None:
    patch.setattr(Schedule, "resume", lambda *_: None)


def errors_not_counted(patch: Patch) -> None:
    from agent.polling.polled import Polled  # noqa: PLC0415 - as the others, patched where it is used
    from drivers.link_counters import LinkCounters  # noqa: PLC0415

    patch.setattr(Polled, "failed", lambda *_: None)
    patch.setattr(Link, "counters", property(lambda _: LinkCounters()))


def first_byte_is_not_awaited(patch: Patch) -> None:
    """Takes what came with the first wake-up for the whole reply."""
    real = Link._hear

    async def hasty(self: Link, hearing: Hearing[Any], *rest: Any) -> Any:
        try:
            async with asyncio.timeout(0.05):
                return await real(self, hearing, *rest)
        except TimeoutError:
            return self._give_up(hearing, 50_000_000)

    patch.setattr(Link, "_hear", hasty)


def transaction_not_matched(patch: Patch) -> None:
    real = TcpLink._take

    def any_number(self: TcpLink, event: Any) -> None:
        if not isinstance(event, Noise) and event.transaction not in self._open and self._open:
            self._answer(next(iter(self._open.values())), event.pdu)
            return
        real(self, event)

    patch.setattr(TcpLink, "_take", any_number)


def tcp_unit_not_matched(patch: Patch) -> None:
    patch.setattr(link_tcp, "answers", lambda *_: True)


def tcp_deadline_missing(patch: Patch) -> None:
    patch.setattr(TcpLink, "_expire", lambda *_: None)


def half_a_frame_swallows_the_next(patch: Patch) -> None:
    from drivers.codec.modbus_tcp import TcpStreamDecoder  # noqa: PLC0415

    patch.setattr(TcpStreamDecoder, "flush", lambda _: iter(()))


MUTANTS = [
    (checksum_not_checked, "rtu", "flip"),
    (unit_not_matched, "rtu", "another unit's reply"),
    (noise_not_skipped, "rtu", "glitch"),
    (late_reply_accepted, "rtu", "late"),
    (echo_not_removed, "rtu", "echo that is missing"),
    (echo_taken_for_the_reply, "rtu", "echo nobody spoke of"),
    (deadline_missing, "rtu", "loss"),
    (silence_not_kept, "rtu", "loss"),
    (dead_never_probed, "rtu", "silent line"),
    (port_not_opened_again, "rtu", "unplugged"),
    (errors_not_counted, "rtu", "loss"),
    (first_byte_is_not_awaited, "rtu", "split at every byte"),
    (transaction_not_matched, "tcp", "late"),
    (tcp_unit_not_matched, "tcp", "another unit's reply"),
    (tcp_deadline_missing, "tcp", "loss"),
    (half_a_frame_swallows_the_next, "tcp", "truncated"),
]


@pytest.mark.parametrize(("mutant", "framing", "fault"), MUTANTS, ids=lambda one: getattr(one, "__name__", str(one)))
def test_a_mutant_is_caught(
    mutant: Callable[[Patch], None], framing: str, fault: str, seed: int, monkeypatch: Patch
) -> None:
    mutant(monkeypatch)
    assert noticed(framing, BY_NAME[fault], seed), f"the matrix does not notice {mutant.__name__}"
