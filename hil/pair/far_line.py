"""The bus as the far end of a real wire sees it: characters that came are over, characters that go take their time.

``hil.wire.Line`` plays the wire itself. Here there is one - two adapters, or the crossing - so requests are dated
back by the time they were on it, and replies are handed over when their first character is due, not after each one.

What is measured this way errs to one side only: a request is noticed late, never early, and the end of a reply is
reckoned, never later than it was. A silence looks longer than it is by the latencies of both ports, so a request
that is found inside t3.5 was.
"""

from __future__ import annotations

from hil.characters import Characters
from hil.sim.modbus import crc16
from hil.wire import Line, _Request


class FarLine(Line):
    """A line whose wire is real.

    Attributes:
        wire: characters take their time between the ports; where they do not, this line plays the wire after all.
        hold_ns: how much later than its time the port may tell of a character: what a receive buffer and an adapter's
            latency timer hold back. The rest of a request whose checksum does not fit yet is waited for that long.
    """

    wire: bool = True
    hold_ns: int = 5_000_000

    def heard(self, data: bytes, now_ns: int) -> None:
        """Take what has come by ``now_ns``."""
        if not self.wire:
            self.client_sent(data, now_ns)
            return
        begin_ns = now_ns - self.settings.duration_ns(len(data))
        met = self._quiet_from is not None and begin_ns < self._quiet_from
        self.client_sent(data, begin_ns)
        if met and self._request is not None and not self._request.collided:
            self._request.collided = True
            self.counters.collisions += 1

    def tune(self, settings: Characters) -> None:
        """Take the speed and parity of the port on this side; what is on the wire is lost."""
        self.silence()
        self.settings = settings
        self.client_changed(settings)

    def next_ns(self) -> int | None:
        """Tell when a request has to be heard or a character begins."""
        if not self.wire:
            return super().next_ns()
        times = []
        if self._request is not None:
            times.append(self._over_ns(self._request))
        if (first_ns := self._arrivals.first_ns) is not None:
            times.append(first_ns - self.settings.character_ns)
        return min(times, default=None)

    def advance(self, now_ns: int) -> bytes:
        """Give the characters that follow each other without a pause, once the first of them is due."""
        if not self.wire:
            return super().advance(now_ns)
        request = self._request
        if request is not None and now_ns >= self._over_ns(request):
            self._request = None
            self._hear(request, self._over_ns(request))
        character_ns = self.settings.character_ns
        first_ns = self._arrivals.first_ns
        if first_ns is None or first_ns - character_ns > now_ns:
            return b""
        count, last_ns = self._arrivals.run(2 * character_ns)
        out = self._arrivals.take(count)
        self.counters.line_bytes += count
        self._quiet_from = max(last_ns, now_ns + self.settings.duration_ns(count), self._quiet_from or 0)
        return out

    def _over_ns(self, request: _Request) -> int:
        """When the silence after a request is over, as far as this port tells."""
        frame = request.data
        whole = len(frame) >= 4 and crc16(bytes(frame[:-2])) == frame[-2:]
        return request.over_ns if whole else request.over_ns + self.hold_ns
