from __future__ import annotations

import io
import struct

from drivers.transport.pcap import PcapSink


class Clock:
    """Each look at it is a millisecond later."""

    def __init__(self) -> None:
        self._utc_ns = 1_700_000_000_999_000_000

    def mono_ns(self) -> int:
        return 0

    def utc_ns(self) -> int:
        self._utc_ns += 1_000_000
        return self._utc_ns


def packets(data: bytes) -> list[tuple[float, bytes]]:
    """Take a capture file apart, as its format has it."""
    magic, major, minor, _, _, _, link_type = struct.unpack_from("<IHHiIII", data)
    assert (magic, major, minor, link_type) == (0xA1B23C4D, 2, 4, 147)
    at, found = 24, []
    while at < len(data):
        seconds, nanoseconds, kept, length = struct.unpack_from("<IIII", data, at)
        assert kept == length
        found.append((seconds + nanoseconds / 1e9, data[at + 16 : at + 16 + kept]))
        at += 16 + kept
    return found


def test_what_comes_in_between_two_requests_is_one_packet() -> None:
    file = io.BytesIO()
    sink = PcapSink(file, Clock())
    sink.sent(b"ask")
    sink.received(b"ans")
    sink.received(b"wer")
    sink.sent(b"again")
    sink.received(b"late")
    sink.finish()
    sink.finish()
    found = packets(file.getvalue())
    assert [data for _, data in found] == [b"ask", b"answer", b"again", b"late"]
    assert [time for time, _ in found] == sorted(time for time, _ in found)
    assert round(found[0][0] % 1, 3) == 0.0  # the full second


def test_a_babble_that_nobody_answers_is_written_in_pieces() -> None:
    file = io.BytesIO()
    sink = PcapSink(file, Clock())
    for _ in range(20):
        sink.received(bytes(10_000))
    sink.finish()
    found = packets(file.getvalue())
    assert b"".join(data for _, data in found) == bytes(200_000)


def test_a_splitter_cuts_what_came_in() -> None:
    file = io.BytesIO()
    sink = PcapSink(file, Clock(), split=lambda data: [data[:2], data[2:]])
    sink.received(b"abcd")
    sink.finish()
    assert [data for _, data in packets(file.getvalue())] == [b"ab", b"cd"]
