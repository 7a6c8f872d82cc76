"""A meter of IEC 62056-21 mode A or B (6.4.2, 6.4.3): its readout follows the identification, nobody asks for it.

In mode A all is said at the speed of the sign-on; in mode B the meter goes over to the speed that its identification
names. It hears nothing while it sends, so a break does not stop it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from hil.characters import Characters
from hil.sim.iec62056_21 import LINE, Cell, IecMeter, checked
from hil.wire import Reply

MODE_A: Final = "Y"
"""Z of a meter that knows one speed: a character that names none (6.3.2)."""
_SPEEDS: Final = {"A": 600, "B": 1200, "C": 2400, "D": 4800, "E": 9600, "F": 19200}
_NEVER: Final = 1 << 62


class SwitchingMeter(IecMeter):
    """A meter on a ``hil.wire.Line``; it stands among its stations and its speakers.

    Attributes:
        readouts: speeds at which it has sent its data.
        interrupted: how often something was sent to it before its data was over.
    """

    def __init__(
        self,
        cells: Sequence[Cell],
        *,
        offered: str = MODE_A,
        address: str = "12345678",
        turnaround_ns: int = 200_000_000,
        pause_ns: int | None = None,
        settings: Characters = LINE,
    ) -> None:
        """Take the content.

        Args:
            cells: what it holds.
            offered: Z of its identification: a letter of mode B, or ``MODE_A``.
            address: what a sign-on has to name, if it names one.
            turnaround_ns: before its identification.
            pause_ns: between that and the readout; None for none in mode A, and a turnaround in mode B.
            settings: those of the sign-on.
        """
        super().__init__(cells, address=address, offered=offered, turnaround_ns=turnaround_ns, settings=settings)
        switches = offered in _SPEEDS
        self._pause_ns = pause_ns if pause_ns is not None else turnaround_ns * switches
        self._fast = replace(settings, baud=_SPEEDS[offered]) if switches else settings
        self._due_ns = _NEVER
        self._over_ns = -1
        self.interrupted = 0

    @property
    def due_ns(self) -> int:
        """When its readout begins."""
        return self._due_ns

    def hear(self, frame: bytes, now_ns: int) -> Reply | None:
        """Answer a sign-on; an option names nothing that it could do."""
        if self._due_ns != _NEVER or now_ns < self._over_ns:
            self.interrupted += 1
            return None
        if frame[:2] != b"/?":
            return None
        reply = super().hear(frame, now_ns)
        if reply is not None:
            over_ns = now_ns + reply.delay_ns + self.settings.duration_ns(len(reply.data))
            self._due_ns = over_ns + self._pause_ns
        return reply

    def speak(self, now_ns: int) -> Reply:
        """Give the readout, without having been asked for it."""
        self._due_ns = _NEVER
        self.readouts.append(self._fast.baud)
        t = self.time_s(now_ns)
        body = self.texts + "".join(cell.sent(t) for cell in self.cells) + "!\r\n"
        held = tuple((cell.name, cell.shown(t)) for cell in self.cells)
        data = checked(body)
        self._over_ns = now_ns + self._fast.duration_ns(len(data))
        return Reply(data=data, held=held, settings=self._fast)
