"""Commands to devices: look, limit, act once, read back, record. Nothing else ever writes to a device.

A command is recorded and committed before a byte of it is sent (event 8), its end too (event 10), and each refusal
(event 9). What a device did not acknowledge is never sent again: reading back tells.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Final

from agent.block.record import Event, EventKind
from agent.clock import SealingClock
from agent.commanding.commanded import Target, clock_shown, credentials_fault, operate, set_clock, state_of
from agent.commanding.limits import AGREE_MS
from agent.commanding.limits import refusal as refused
from agent.commanding.look import CLOCK, Find, Looked, Looker, device_said, difference_ms, limited
from agent.commanding.memory import CommandMemory
from agent.control.commands import AskCarryOut, AskPrepare, CarriedOutAnswer, Outcome, PreparedAnswer, Refusal
from agent.errors import StorageError
from agent.polling.questions import BusLentError
from drivers.errors import DriverError, RefusedError
from drivers.profile import Point
from drivers.setting import ClockWay, Credentials

TICKET_S: Final = 120
_LOOK_EVERY_S: Final = 1.0
_ID_BYTES: Final = 8
_TEXT_BYTES: Final = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class _Ticket:
    """What somebody was shown, to be carried out as long as it stays so."""

    ask: AskPrepare
    shown: Looked
    until_ns: int


class Commands:
    """Prepares commands and carries them out, one after the other.

    Args:
        find: gives a device of the site by its name.
        clock: ours, which has to be right before another is set by it.
        folder: state folder, for what limits how often.
        note: takes an event for the chain.
        committed: returns when everything noted is on the disk; raises StorageError.
    """

    def __init__(
        self,
        find: Find,
        clock: SealingClock,
        folder: Path,
        *,
        note: Callable[[Event], None],
        committed: Callable[[], Awaitable[None]],
    ) -> None:
        self._clock = clock
        self._memory = CommandMemory(folder, clock)
        self._looker = Looker(find, clock, self._memory)
        self._note_event = note
        self._committed = committed
        self._turn = asyncio.Lock()
        self._tickets: dict[str, _Ticket] = {}

    async def prepare(self, ask: AskPrepare, who: str) -> PreparedAnswer:
        """Look and judge; a refusal is recorded unless it is a rehearsal.

        Raises:
            StorageError: a refusal cannot be recorded, or nobody knows what was done before.
        """
        async with self._turn:
            looked = await self._looker.look(ask)
            no = looked.answer.refusal
            if ask.rehearsal:
                return looked.answer
            if no is not None:
                await self._refuse(ask, no, who)
                return looked.answer
            now_ns = self._clock.mono_ns()
            self._tickets = {key: one for key, one in self._tickets.items() if one.until_ns > now_ns}
            key = secrets.token_hex(_ID_BYTES)
            self._tickets[key] = _Ticket(ask=ask, shown=looked, until_ns=now_ns + TICKET_S * 1_000_000_000)
            return replace(looked.answer, ticket=key)

    async def carry_out(self, ask: AskCarryOut, who: str) -> CarriedOutAnswer:
        """Look and judge once more, write once, read back; every end is recorded.

        Raises:
            StorageError: it cannot be recorded, so nothing was written.
        """
        async with self._turn:
            ticket = self._tickets.pop(ask.ticket, None)
            if ticket is None or ticket.until_ns <= self._clock.mono_ns():
                return CarriedOutAnswer(device="", outcome=Outcome.REFUSED, refusal=refused("ticket-over"))
            looked = await self._looker.look(ticket.ask)
            credentials = Credentials(password=ask.password, operator=ask.operator)
            no = looked.answer.refusal or await self._second_thoughts(ticket, looked, credentials)
            if no is not None or looked.target is None:
                assert no is not None  # without a device there is a refusal
                command = await self._refuse(ticket.ask, no, who)
                return CarriedOutAnswer(
                    device=ticket.ask.device, outcome=Outcome.REFUSED, refusal=no, command=command.hex()
                )
            return await self._do(looked.target, ticket.ask, looked.way, credentials, who)

    async def _second_thoughts(self, ticket: _Ticket, looked: Looked, credentials: Credentials) -> Refusal | None:
        """Refuse what is no longer what was confirmed, or lacks the right password."""
        device, before, now = ticket.ask.device, ticket.shown.answer, looked.answer
        moved_ms = abs((now.difference_ms or 0) - (before.difference_ms or 0))
        if looked.way != ticket.shown.way or now.state != before.state or moved_ms > AGREE_MS + now.error_ms:
            return refused("changed-meanwhile", device=device)
        if looked.way is None or not looked.way.needs_password or looked.target is None:
            return None
        if not credentials.password:
            return refused("needs-password", device=device)
        fault = await looked.target.ask(partial(credentials_fault, credentials=credentials))
        return refused("bad-password", device=device, detail=fault) if fault else None

    async def _do(
        self, target: Target, ask: AskPrepare, way: ClockWay | None, credentials: Credentials, who: str
    ) -> CarriedOutAnswer:
        command = secrets.token_bytes(_ID_BYTES)
        what = limited(target, ask, way)
        if what:
            await self._memory.remember(what)
        detail = "" if way is None else way.telegram
        self._note(EventKind.COMMAND_ACCEPTED, command, ask.device, _what(ask), who, detail)
        try:
            await self._committed()
        except StorageError:  # sealed when the disk is back: nobody may take it for done then
            self._note(EventKind.COMMAND_RESULT, command, Outcome.NOT_DONE.value, "not sent", ask.device, _what(ask))
            raise
        if way is not None:
            answer = await self._set_clock(target, way, credentials)
        else:
            control = next(one for one in target.site.profile.controls if one.name == ask.control)
            answer = await self._operate(target, control, ask.word)
        answer = replace(answer, command=command.hex())
        self._note(EventKind.COMMAND_RESULT, command, answer.outcome.value, _told(answer), ask.device, _what(ask))
        with suppress(StorageError):  # it is sealed as soon as the disk is back; what was done has to be told now
            await self._committed()
        return answer

    async def _set_clock(self, target: Target, way: ClockWay, credentials: Credentials) -> CarriedOutAnswer:
        answer = CarriedOutAnswer(device=target.site.name, outcome=Outcome.UNKNOWN)
        try:
            written = await target.ask(partial(set_clock, way=way, credentials=credentials))
            answer = replace(answer, written=written, acknowledged=True if way.answered else None)
        except RefusedError as error:
            return replace(answer, outcome=Outcome.REFUSED, acknowledged=False, refusal=device_said(target, error))
        except (DriverError, BusLentError):
            answer = replace(answer, acknowledged=False)
        try:
            seen = await target.ask(clock_shown)
        except (DriverError, BusLentError):
            return answer
        left_ms = difference_ms(target, seen)
        near = left_ms is not None and abs(left_ms) <= AGREE_MS + self._clock.sample().max_error_ms
        outcome = Outcome.DONE if near else Outcome.NOT_DONE
        return replace(answer, outcome=outcome, shown=seen.local, difference_ms=left_ms)

    async def _operate(self, target: Target, control: Point, word: str) -> CarriedOutAnswer:
        answer = CarriedOutAnswer(device=target.site.name, outcome=Outcome.UNKNOWN)
        assert control.write is not None  # it was looked at
        try:
            await target.ask(partial(operate, control=control, word=word))
            answer = replace(answer, acknowledged=True)
        except RefusedError as error:
            return replace(answer, outcome=Outcome.REFUSED, acknowledged=False, refusal=device_said(target, error))
        except (DriverError, BusLentError):
            answer = replace(answer, acknowledged=False)
        wanted = dict(control.write.shows)[word]
        until_ns = self._clock.mono_ns() + round(control.write.settle_s * 1e9)
        while True:
            state = await _state_or_none(target, control)
            outcome = Outcome.DONE if state == wanted else Outcome.NOT_DONE
            answer = replace(answer, state=state, outcome=Outcome.UNKNOWN if state is None else outcome)
            if answer.outcome is Outcome.DONE or self._clock.mono_ns() >= until_ns:
                return answer
            await asyncio.sleep(_LOOK_EVERY_S)

    async def _refuse(self, ask: AskPrepare, no: Refusal, who: str) -> bytes:
        """Record a refusal; gives its id."""
        command = secrets.token_bytes(_ID_BYTES)
        self._note(EventKind.COMMAND_REFUSED, command, no.code, ask.device, _what(ask), who)
        await self._committed()
        return command

    def _note(self, kind: EventKind, command: bytes, *texts: str) -> None:
        fields = (command, *(_short(text) for text in texts))
        self._note_event(Event(kind=kind, mono_ms=self._clock.mono_ns() // 1_000_000, fields=fields))


async def _state_or_none(target: Target, control: Point) -> int | None:
    try:
        return await target.ask(partial(state_of, profile=target.site.profile, control=control))
    except (DriverError, BusLentError):
        return None


def _what(ask: AskPrepare) -> str:
    return f"{ask.control}={ask.word}" if ask.control else CLOCK


def _told(answer: CarriedOutAnswer) -> str:
    """Say for the chain what was seen: codes and numbers, no sentences but the device's own."""
    parts = [] if answer.acknowledged is None else ["acknowledged" if answer.acknowledged else "not acknowledged"]
    parts += [f"wrote {answer.written}"] if answer.written else []
    parts += [] if answer.refusal is None else [text for name, text in answer.refusal.params if name == "detail"]
    parts += [f"shows {answer.shown}"] if answer.shown else []
    parts += [] if answer.difference_ms is None else [f"difference {answer.difference_ms} ms"]
    parts += [] if answer.state is None else [f"state {answer.state}"]
    return ", ".join(parts)


def _short(text: str) -> str:
    return text.encode()[:_TEXT_BYTES].decode(errors="ignore")
