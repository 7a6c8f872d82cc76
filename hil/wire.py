"""A paced half-duplex bus as a pure machine: bytes and times in, bytes and times out.

``Line`` owns no clock, no thread and no descriptor. ``hil.memory`` drives it under an event loop (virtual time),
``hil.ptys`` drives it on a real pseudo-terminal. All times are nanoseconds of the clock of whoever drives it.

A request occupies the wire for as long as its characters take; its end is seen by the servers after t3.5 of silence,
as the standard has it; the reply follows after the server's turnaround, byte by byte at the pace of the line.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from hil.arrivals import Arrivals
from hil.characters import Characters, as_heard
from hil.damage import at_once, damage
from hil.faults import Fault, Injector


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """What a station answers.

    Attributes:
        data: the frame.
        delay_ns: turnaround, counted from the end of the silence that ends the request.
        fault: a fault of the station itself, NONE for none.
        held: (quantity, value) of everything the frame tells, for whoever compares later.
        settings: how its characters look, where the request ordered others than the station's; None for those.
    """

    data: bytes
    delay_ns: int = 0
    fault: Fault = Fault.NONE
    held: tuple[tuple[str, str], ...] = ()
    settings: Characters | None = None


class Station(Protocol):
    """A server on the bus."""

    @property
    def settings(self) -> Characters:
        """How its characters look."""
        ...

    def hear(self, frame: bytes, now_ns: int) -> Reply | None:
        """Take one frame as it arrived and answer it; None if it is not for this station or is damaged."""
        ...

    def stray(self, frame: bytes, now_ns: int) -> bytes | None:
        """Give the frame this station would send if it took the request, meant for another, for its own."""
        ...


class Speaker(Station, Protocol):
    """A station that sends by itself."""

    @property
    def due_ns(self) -> int:
        """When it begins the next time."""
        ...

    def speak(self, now_ns: int) -> Reply:
        """Give what it sends at ``now_ns``; it is due again later."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Exchange:
    """One request and what became of it.

    Attributes:
        number: count of the exchange on this line, from 0.
        start_ns: when the first bit of the request was on the wire.
        end_ns: when the last one was over.
        gap_ns: silence before the request, None before the first.
        inside_silence: the request began less than t3.5 after the last byte that the client had sent or been given.
        collided: something else was on the wire at the same time; the client need not have known.
        request: bytes that the client sent; empty for what a station sent by itself.
        reply: bytes on the wire after all faults; empty for none.
        reply_start_ns: first bit of the reply, None for none.
        reply_end_ns: end of its last character, None for none.
        fault: what was done to it.
        held: (quantity, value) that the undamaged reply tells.
        sender: who sent the reply, None if nobody did.
        settings: speed and parity of the client, with which the request was sent.
    """

    number: int
    start_ns: int
    end_ns: int
    gap_ns: int | None
    inside_silence: bool
    collided: bool
    request: bytes
    reply: bytes = b""
    reply_start_ns: int | None = None
    reply_end_ns: int | None = None
    fault: Fault = Fault.NONE
    held: tuple[tuple[str, str], ...] = ()
    sender: Station | None = None
    settings: Characters = field(default_factory=Characters)


@dataclass(slots=True)
class LineCounters:
    """Totals of a line since it was made."""

    requests: int = 0
    answered: int = 0
    unanswered: int = 0
    inside_silence: int = 0
    collisions: int = 0
    client_bytes: int = 0
    line_bytes: int = 0
    overruns: int = 0
    spoken: int = 0


@dataclass(slots=True)
class _Request:
    number: int
    start_ns: int
    end_ns: int
    gap_ns: int | None
    fault: Fault
    settings: Characters
    data: bytearray = field(default_factory=bytearray)
    collided: bool = False

    @property
    def over_ns(self) -> int:
        """When the silence that ends it is over, at the speed it was sent with: a line may carry several."""
        return self.end_ns + self.settings.silence_ns


class Line:
    """The bus. Not thread-safe: whoever drives it holds a lock.

    Attributes:
        stations: the servers; may be changed between exchanges.
        speakers: those that send by themselves.
        settings: what the line is meant to run at; the client's settings unless it says otherwise.
        injector: chooses the faults of the wire.
        echo: the adapter gives every byte of the client back.
        strict_silence: requests begun inside t3.5 are not heard by anyone, as by many real meters.
        step: most characters delivered at once; 1 delivers every byte at its own time.
        counters: totals.
    """

    def __init__(
        self,
        stations: Sequence[Station],
        *,
        settings: Characters | None = None,
        injector: Injector | None = None,
        echo: bool = False,
        strict_silence: bool = False,
        step: int = 1,
        on_exchange: Callable[[Exchange], None] | None = None,
        speakers: Sequence[Speaker] = (),
    ) -> None:
        self.stations: list[Station] = list(stations)
        self.speakers: list[Speaker] = list(speakers)
        self.settings = settings or Characters()
        self.injector = injector or Injector(0)
        self.echo = echo
        self.strict_silence = strict_silence
        self.step = step
        self.counters = LineCounters()
        self._on_exchange = on_exchange
        self._client = self.settings
        self._request: _Request | None = None
        self._arrivals = Arrivals()
        self._quiet_from: int | None = None
        self._late: dict[int, int] = {}  # id of a station -> when its late reply is over; it hears nothing before

    def client_sent(self, data: bytes, now_ns: int, settings: Characters | None = None) -> None:
        """Take bytes that the client began to send at ``now_ns`` with its ``settings``."""
        if not data:
            return
        self._client = settings or self.settings
        if self._request is not None and self._request.settings.baud != self._client.baud:
            spoken, self._request = self._request, None
            self._hear(spoken, spoken.over_ns)  # another speed: what was sent before is over, such as a break
        if self._request is None:
            self._begin(now_ns)
        request = self._request
        assert request is not None
        start = max(now_ns, request.end_ns)
        request.end_ns = start + self._client.duration_ns(len(data))
        request.data += data
        self.counters.client_bytes += len(data)
        met = self._arrivals.spoil(start, request.end_ns + self._client.character_ns, self.injector.random)
        if met and not request.collided:
            request.collided = True
            self.counters.collisions += 1
        if self.echo or request.fault is Fault.ECHO:
            self._arrivals.put(data, start, request.end_ns)
        self._quiet_from = request.end_ns

    def client_changed(self, settings: Characters) -> None:
        """Take the client's new settings: what is sent to it from now on is heard with them."""
        self._client = settings

    def noise(self, data: bytes, now_ns: int) -> None:
        """Put bytes on the wire that nobody sends on purpose, from ``now_ns`` on; they spoil what is on it."""
        end = now_ns + self.settings.duration_ns(len(data))
        if self._request is not None and now_ns < self._request.end_ns and not self._request.collided:
            self._request.collided = True
            self.counters.collisions += 1
        self._arrivals.put(data, now_ns, end)

    def next_ns(self) -> int | None:
        """Tell when ``advance`` has something to do; None if only the client can make something happen."""
        times = [speaker.due_ns for speaker in self.speakers]
        if self._request is not None:
            times.append(self._request.over_ns)
        if self._arrivals:
            times.append(self._arrivals.run(2 * self.settings.character_ns, self.step)[1])
        return min(times, default=None)

    def advance(self, now_ns: int) -> bytes:
        """Let time pass until ``now_ns``; give the bytes whose characters are over, never one before its time."""
        request = self._request
        if request is not None and now_ns >= request.over_ns:
            self._request = None
            self._hear(request, request.over_ns)
        for speaker in self.speakers:
            while (due_ns := speaker.due_ns) <= now_ns:
                self._speak(speaker, due_ns)
        out = self._arrivals.take_until(now_ns)
        if not out:
            return b""
        self.counters.line_bytes += len(out)
        self._quiet_from = max(now_ns, self._quiet_from or 0)
        return out

    def silence(self) -> None:
        """Forget everything that is on the wire: the client or the adapter is gone."""
        self._request = None
        self._arrivals.clear()

    def _begin(self, now_ns: int) -> None:
        number = self.counters.requests
        self.counters.requests += 1
        gap = None if self._quiet_from is None else now_ns - self._quiet_from
        if gap is not None and gap < self._client.silence_ns:
            self.counters.inside_silence += 1
        self._request = _Request(number, now_ns, now_ns, gap, self.injector.pick(number), self._client)

    def _hear(self, request: _Request, now_ns: int) -> None:
        frame = bytes(request.data)
        inside = request.gap_ns is not None and request.gap_ns < request.settings.silence_ns
        deaf = request.collided or (inside and self.strict_silence)
        sender, reply = self._answer(frame, request.settings, now_ns) if not deaf else (None, None)
        fault, sent, start, end = Fault.NONE, b"", None, None
        if sender is not None and reply is not None:
            fault, sent, start, end = self._send(sender, reply, frame, request.fault, now_ns)
        if request.fault is Fault.ECHO:
            fault = Fault.ECHO
        if fault is not Fault.NONE:
            self.injector.happened[fault] += 1
        if sent:
            self.counters.answered += 1
        else:
            self.counters.unanswered += 1
        if self._on_exchange is None:
            return
        self._on_exchange(
            Exchange(
                number=request.number, start_ns=request.start_ns, end_ns=request.end_ns, gap_ns=request.gap_ns,
                inside_silence=inside, collided=request.collided, request=frame, reply=sent, reply_start_ns=start,
                reply_end_ns=end, fault=fault, held=reply.held if reply else (), sender=sender,
                settings=request.settings,
            )
        )  # fmt: skip

    def _speak(self, speaker: Speaker, now_ns: int) -> None:
        number = self.counters.spoken
        self.counters.spoken += 1
        reply = speaker.speak(now_ns)
        fault, sent, start, end = self._send(speaker, reply, b"", self.injector.pick(number), now_ns)
        if fault is not Fault.NONE:
            self.injector.happened[fault] += 1
        if self._on_exchange is not None:
            self._on_exchange(
                Exchange(
                    number=number, start_ns=now_ns, end_ns=now_ns, gap_ns=None, inside_silence=False, collided=False,
                    request=b"", reply=sent, reply_start_ns=start, reply_end_ns=end, fault=fault, held=reply.held,
                )
            )  # fmt: skip

    def _answer(self, frame: bytes, client: Characters, now_ns: int) -> tuple[Station | None, Reply | None]:
        found: tuple[Station | None, Reply | None] = (None, None)
        for station in self.stations:
            if self._late.get(id(station), 0) > now_ns:
                continue
            reply = station.hear(as_heard(frame, client, station.settings), now_ns)
            if reply is not None and found[1] is None:
                found = (station, reply)
        return found

    def _send(
        self, sender: Station, reply: Reply, frame: bytes, wire_fault: Fault, now_ns: int
    ) -> tuple[Fault, bytes, int | None, int | None]:
        fault = wire_fault if wire_fault not in (Fault.NONE, Fault.ECHO) else reply.fault
        start = now_ns + reply.delay_ns
        data = reply.data
        settings = reply.settings or sender.settings
        if fault in (Fault.OTHER_UNIT, Fault.TWO_AT_ONCE):
            stray = self._stray(sender, frame, now_ns)
            if stray is None:
                fault = Fault.NONE  # nobody else is there to do it
            elif fault is Fault.OTHER_UNIT:
                data = stray
            else:
                data = at_once(data, stray)
        elif fault is Fault.LATE:
            start += self.injector.random.randint(*self.injector.sizes.late_ns)
        elif fault is Fault.STUCK:
            data = bytes(max(1, self.injector.sizes.stuck_ns // settings.character_ns))
        else:
            data = damage(data, fault, self.injector, settings.data_bits)
        if not data:
            return fault, b"", None, None
        if fault is Fault.SPLIT:
            end = self._transmit_split(data, start, settings)
        else:
            end = self._transmit(data, start, settings)
        if fault is Fault.LATE:
            self._late[id(sender)] = end
        if fault is Fault.DUPLICATE:
            end = self._transmit(data, end + settings.silence_ns, settings)
            data += data
        return fault, data, start, end

    def _stray(self, sender: Station, frame: bytes, now_ns: int) -> bytes | None:
        others = [station for station in self.stations if station is not sender]
        self.injector.random.shuffle(others)
        return next((data for other in others if (data := other.stray(frame, now_ns))), None)

    def _transmit(self, data: bytes, start_ns: int, settings: Characters) -> int:
        end = start_ns + settings.duration_ns(len(data))
        heard = as_heard(data, settings, self._client)
        if heard:
            self._arrivals.put(heard, start_ns, end)
        return end

    def _transmit_split(self, data: bytes, start_ns: int, settings: Characters) -> int:
        sizes, rand = self.injector.sizes, self.injector.random
        at = rand.randrange(1, len(data)) if sizes.split_at is None else min(sizes.split_at, len(data) - 1)
        pause_ns = rand.randint(*sizes.split_ns)
        return self._transmit(data[at:], self._transmit(data[:at], start_ns, settings) + pause_ns, settings)
