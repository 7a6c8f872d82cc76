"""What the registry opens and builds."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

import pytest

from drivers.errors import LinkDownError, ProfileError
from drivers.link_rtu import RtuLink
from drivers.link_tcp import TcpLink
from drivers.profile import LineSettings
from drivers.profile_load import builtin_roots, find_profile, load_profile
from drivers.registry import DECODERS, build_device, find_protocol, open_link, protocol_names, tcp_address
from hil.virtualtime import VirtualClock, VirtualLoop, VirtualPause

_CLOCK = VirtualClock(VirtualLoop())
_PAUSE = VirtualPause(_CLOCK)


@pytest.mark.parametrize(
    ("port", "address"),
    [
        ("tcp://10.0.0.5:1502", ("10.0.0.5", 1502)),
        ("tcp://meter.local", ("meter.local", 502)),
        ("tcp://[::1]:502", ("::1", 502)),
    ],
)
def test_tcp_addresses(port: str, address: tuple[str, int]) -> None:
    assert tcp_address(port) == address


@pytest.mark.parametrize("port", ["udp://10.0.0.5:502", "tcp://:502", "tcp://h:99999", "tcp://h/x", "tcp://h:x"])
def test_what_is_no_address_is_one_sentence(port: str) -> None:
    with pytest.raises(LinkDownError, match="tcp://host:port"):
        tcp_address(port)


async def test_a_tcp_port_gives_a_tcp_link_and_its_lengths() -> None:
    server = await asyncio.start_server(lambda _reader, writer: writer.close(), "127.0.0.1", 0)
    number = server.sockets[0].getsockname()[1]
    link = await open_link(f"tcp://127.0.0.1:{number}", LineSettings(), echo=False, clock=_CLOCK, pause=_PAUSE)
    assert isinstance(link, TcpLink)
    profile = load_profile(find_profile("generic/block-98", builtin_roots()))
    device = build_device("modbus", index=0, unit=1, profile=profile, link=link, clock=_CLOCK)
    (read,) = device.reads
    assert (read.request_bytes, read.reply_bytes, len(read.points)) == (12, 209, 98)
    await link.aclose()
    server.close()
    await server.wait_closed()


async def test_a_path_gives_an_rtu_link() -> None:
    near, far = os.openpty()
    try:
        link = await open_link(os.ttyname(far), LineSettings(), echo=False, clock=_CLOCK, pause=_PAUSE)
        assert isinstance(link, RtuLink)
        profile = load_profile(find_profile("generic/xy-md02", builtin_roots()))
        device = build_device("modbus", index=0, unit=1, profile=profile, link=link, clock=_CLOCK)
        (read,) = device.reads
        assert (read.request_bytes, read.reply_bytes) == (8, 9)
        await link.aclose()
    finally:
        os.close(near)
        os.close(far)


async def test_a_port_that_is_not_there_is_down(tmp_path: Path) -> None:
    with pytest.raises(LinkDownError):
        await open_link(os.fspath(tmp_path / "none"), LineSettings(), echo=False, clock=_CLOCK, pause=_PAUSE)


def test_an_unknown_protocol_is_a_profile_error() -> None:
    profile = load_profile(find_profile("generic/xy-md02", builtin_roots()))
    with pytest.raises(ProfileError, match="dlt645"):
        build_device("dlt645", index=0, unit=1, profile=profile, link=None, clock=_CLOCK)  # type: ignore[arg-type]


def test_decoders_are_named_by_protocol_and_framing() -> None:
    assert {"modbus-ascii", "modbus-rtu", "modbus-tcp", "dlt645-2007", "cjt188"} <= set(DECODERS)


@pytest.mark.parametrize("name", protocol_names())
def test_every_line_of_the_registry_loads_and_has_the_decoders_it_names(name: str) -> None:
    assert find_protocol(name, "here").decoders.keys() <= set(DECODERS)
    assert all(callable(DECODERS[one]) for one in find_protocol(name, "here").decoders)
