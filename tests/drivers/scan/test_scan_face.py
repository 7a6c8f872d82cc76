"""What a driver is told that speaks to its device through the scan."""

from __future__ import annotations

from drivers.codec.sdi12_reply import BREAK, BreakDecoder, Marking
from drivers.profile import LineSettings
from drivers.scan.face import ScanFace
from drivers.scan.line import ScanLine
from hil.virtualtime import VirtualClock, VirtualPause, here, run
from tests.drivers.scan.parity_wire import ParityStream, parity_line


def test_a_break_that_only_silence_answers_is_answered() -> None:
    async def work() -> Marking:
        clock = VirtualClock(here())
        scan = ScanLine(ParityStream(parity_line([])), clock=clock, pause=VirtualPause(clock), line=LineSettings())
        face = ScanFace(scan, LineSettings(baud=1200), patience_s=0.25)
        return await face.exchange(BREAK, BreakDecoder(1), reply_bytes=0, timeout_s=0.003)

    assert run(work()) == Marking()
