from __future__ import annotations

import asyncio

import pytest

from drivers.errors import LinkDownError
from drivers.profile import LineSettings
from drivers.transport.memory import pipe
from drivers.transport.tap import Tap


async def test_what_one_end_writes_the_other_reads_in_order() -> None:
    left, right = pipe()
    left.write(b"a")
    left.write(b"b")
    right.write(b"c")
    assert (await right.read(), await left.read()) == (b"ab", b"c")
    assert right.discard_input() == b""
    await right.set_line(LineSettings(baud=300))
    assert right.line == LineSettings(baud=300)


async def test_a_read_that_was_cancelled_loses_nothing() -> None:
    left, right = pipe()
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0):
            await right.read()
    left.write(b"a")
    assert await right.read() == b"a"


async def test_closing_one_end_closes_both_after_what_was_there() -> None:
    left, right = pipe("here")
    left.write(b"a")
    await left.aclose()
    assert await right.read() == b"a"
    for use in (right.discard_input, lambda: left.write(b"b")):
        with pytest.raises(LinkDownError, match="here: the connection is closed"):
            use()
    with pytest.raises(LinkDownError):
        await right.read()


class Notes:
    """A sink that remembers."""

    def __init__(self) -> None:
        self.lines: list[tuple[str, bytes]] = []

    def sent(self, data: bytes) -> None:
        self.lines.append((">", data))

    def received(self, data: bytes) -> None:
        self.lines.append(("<", data))


async def test_a_tap_tells_all_and_changes_nothing() -> None:
    left, right = pipe()
    notes = Notes()
    tap = Tap(left, notes)
    tap.write(b"ask")
    assert await right.read() == b"ask"
    right.write(b"answer")
    assert await tap.read() == b"answer"
    right.write(b"stray")
    assert tap.discard_input() == b"stray"
    assert tap.discard_input() == b""
    await tap.set_line(LineSettings())
    await tap.aclose()
    assert left.line == LineSettings()
    assert notes.lines == [(">", b"ask"), ("<", b"answer"), ("<", b"stray")]
    with pytest.raises(LinkDownError):
        tap.write(b"more")
    assert len(notes.lines) == 3
