"""Ports on the simulated line that go away in the middle of an exchange."""

from __future__ import annotations

from collections.abc import Callable

from hil.memory import LineStream
from hil.virtualtime import here
from hil.wire import Line


class PulledStream(LineStream):
    """A port whose adapter goes away in the middle of an exchange."""

    def __init__(self, line: Line, pull: Callable[[], None]) -> None:
        super().__init__(line, parity_of=lambda settings: settings.parity.value)
        self.left: int | None = None
        self._pull = pull

    def write(self, data: bytes) -> None:
        super().write(data)
        if self.left is None:
            return
        if self.left <= len(data):
            after_s = self.left * self.line.settings.character_ns / 1e9
            here().call_later(after_s, self._pull)
            self.left = None
        else:
            self.left -= len(data)

    def _take(self, data: bytes) -> None:
        super()._take(data)
        if self.left is None or not data:
            return
        self.left -= len(data)
        if self.left <= 0:
            self.left = None
            here().call_soon(self._pull)


class DelayedStream(PulledStream):
    """The line behind a converter: bytes take their time both ways and keep their order."""

    def __init__(self, line: Line, pull: Callable[[], None], delay_s: float) -> None:
        super().__init__(line, pull)
        self._delay_s = delay_s

    def write(self, data: bytes) -> None:
        if self._down:
            super().write(data)  # says so at once
        here().call_later(self._delay_s, self._arrive, data)

    def _arrive(self, data: bytes) -> None:
        if not self._down:
            super().write(data)

    def _take(self, data: bytes) -> None:
        if data:
            here().call_later(self._delay_s, super()._take, data)
