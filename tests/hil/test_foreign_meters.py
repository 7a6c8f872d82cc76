"""A DL/T 645 program that nobody here wrote: our device reads its meter, its client reads our simulator."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest
from dlt645.protocol.protocol import DLT645Protocol
from dlt645.service.clientsvc.client_service import MeterClientService
from dlt645.service.serversvc.server_service import MeterServerService
from dlt645.transport.client.rtu_client import RtuClient
from dlt645.transport.server.rtu_server import RtuServer

from drivers.errors import RefusedError
from drivers.link import Link
from drivers.link_rtu import RtuLink
from drivers.profile import LineSettings, Parity
from drivers.profile_load import builtin_roots, find_profile, load_profile
from drivers.quality import is_bad
from drivers.registry import build_device
from hil.characters import Characters
from hil.memory import LineStream
from hil.ptys import PtyLine
from hil.sim import dlt645
from hil.virtualtime import VirtualClock, VirtualPause, here, virtual
from hil.wire import Line, Reply

pytestmark = [pytest.mark.bus, pytest.mark.peers]

ADDRESS = "223002000066"
WIRE_ADDRESS = "660000023022"
"""As the foreign library takes an address: in the order of the wire."""
HELD = {
    0x00010000: ("energy.active.import", "23.67"), 0x00010100: ("energy.active.import.tariff1", "11.20"),
    0x00020000: ("energy.active.export", "1.26"), 0x02010100: ("voltage.l1", "231.5"),
    0x02010200: ("voltage.l2", "229.9"), 0x02020100: ("current.l1", "4.999"), 0x02020200: ("current.l2", "-1.250"),
    0x02030000: ("power.active", "-1.1234"), 0x02030100: ("power.active.l1", "0.2512"),
    0x02040000: ("power.reactive", "0.4331"), 0x02060000: ("power.factor", "-0.982"),
}  # fmt: skip


class ForeignMeter:
    """The foreign library's meter as a ``hil.wire.Station``."""

    settings = dlt645.LINE

    def __init__(self) -> None:
        self.service: Any = MeterServerService(RtuServer("none"))
        assert self.service.set_address(WIRE_ADDRESS)
        for identifier, (_, value) in HELD.items():
            write = self.service.set_00 if identifier >> 24 == 0 else self.service.set_02
            assert write(identifier, float(value))

    def hear(self, frame: bytes, now_ns: int) -> Reply | None:  # noqa: ARG002 - a Station is told
        _, asked = DLT645Protocol.deserialize_with_remaining(frame)
        answer = None if asked is None else self.service.handle_request(asked)
        return None if answer is None else Reply(data=bytes(answer), delay_ns=20_000_000)

    def stray(self, frame: bytes, now_ns: int) -> bytes | None:  # noqa: ARG002 - a Station is told
        return None


@virtual
async def test_our_device_reads_a_foreign_meter_that_has_no_blocks() -> None:
    line = Line([ForeignMeter()], settings=dlt645.LINE)
    clock = VirtualClock(here())
    settings = LineSettings(baud=2400, parity=Parity.EVEN)
    link = RtuLink(
        Link(LineStream(line), name="peer", clock=clock, pause=VirtualPause(clock), line=settings)
    )  # fmt: skip
    profile = load_profile(find_profile("generic/dlt645-2007-three-phase", builtin_roots()))
    device = build_device(
        "dlt645-2007", index=0, unit=0, address=ADDRESS, profile=profile, link=link, clock=clock, settings=settings
    )
    found: dict[str, Decimal] = {}
    for _ in range(2):  # blocks that are refused are given up
        for read in device.reads:
            try:
                batch = await device.read(read)
            except RefusedError:
                continue
            for index, value, status in zip(batch.points, batch.values, batch.statuses, strict=True):
                point = profile.points[index]
                if is_bad(status):
                    continue  # what was not set is 0, and 0 Hz is not plausible
                assert isinstance(value, int)
                found[point.name] = Decimal(value).scaleb(point.exponent)
    assert {name: found[name] for name, _ in HELD.values()} == {name: Decimal(value) for name, value in HELD.values()}


def test_a_foreign_client_reads_the_simulator(on_pty: Callable[[Line], PtyLine]) -> None:
    settings = Characters(baud=9600)  # that client sets termios before each read, which a pty with parity refuses
    memory = dlt645.single_phase("peer")
    still = {name: (cell.sent(100.0), cell.shown(100.0)) for name, (cell,) in memory.items()}
    frozen = {
        name: (dlt645.Cell(name=cell.name, size=cell.size, decimals=cell.decimals, signed=cell.signed,
                           value=_constant(still[name][1])),)
        for name, (cell,) in memory.items()
    }  # fmt: skip
    meter = dlt645.Dlt645Meter(ADDRESS, frozen, settings=settings)
    pty = on_pty(Line([meter], settings=settings))
    client: Any = MeterClientService(RtuClient(str(pty.path), 9600, 8, 1, "N", 2.0))
    assert client.set_address(WIRE_ADDRESS)
    with client:
        address = client.read_address()
        assert address is not None
        for name in ("00010000", "00000000", "00020000"):
            assert client.read_00(int(name, 16)).value == pytest.approx(float(still[name][1] or "nan"))
        for name in ("02010100", "02020100", "02030000", "02800002"):
            assert client.read_02(int(name, 16)).value == pytest.approx(float(still[name][1] or "nan"))
    assert meter.damaged == 0
    assert meter.heard == 8


def _constant(shown: str | None) -> Callable[[float], float]:
    assert shown is not None
    value = float(shown)
    return lambda _t: value
