"""Which profiles fit a device that a scan found: what it says of itself, and what each profile reads from it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from agent.config import SiteDevice
from drivers.clock import Clock
from drivers.decode import decode_exchange
from drivers.profile import Example, Framing, LineSettings, Profile
from drivers.profile_point import MODBUS
from drivers.registry import build_device, find_protocol, unasked_prober
from drivers.scan.face import ScanFace
from drivers.scan.line import ScanLine
from drivers.scan.probe import Address
from drivers.scan.propose import Proposal, propose
from drivers.scan.propose_heard import propose_heard
from drivers.scan.propose_meter import propose_meter
from drivers.scan.sighting import Sighting, Spot
from drivers.scan.timing import PATIENCE_S
from drivers.scan.unasked import Introduced
from drivers.sources import Device, SessionDevice
from drivers.wire_protocol import AnyLink, LinkedDevice

_OVER_MODBUS = frozenset((MODBUS, "sunspec"))


async def identify(
    line: ScanLine,
    port: str,
    one: Sighting,
    profiles: Sequence[Profile],
    clock: Clock,
    *,
    patience_s: float = PATIENCE_S,
    told: Callable[[], None] | None = None,
) -> tuple[Proposal, ...]:
    """Propose profiles for the device that was sighted; ``told`` is called after each question.

    Raises:
        LinkDownError: the port is gone.
    """
    hearing = unasked_prober((one.protocol,))
    introduced = None if hearing is None else hearing.introduced(one.protocol, one.frame)
    if introduced is not None:
        return _heard(one, profiles, introduced)
    face = ScanFace(line, one.line, patience_s=patience_s, name=port, seen=one.whole > 0, told=told)

    def make(profile: Profile) -> Device:
        device = device_on(face, profile, one.address, one.line, clock)
        if isinstance(device, SessionDevice):  # what was answered in one session does not hold in the next
            device.use(ScanFace(line, one.line, patience_s=patience_s, name=port, told=told))
        return device

    if isinstance(one.address, int):
        return await propose(profiles, unit=one.address, settings=one.line, line=face, make_device=make)
    return await propose_meter(
        profiles,
        protocol=one.protocol,
        settings=one.line,
        family=one.family,
        said=said(one),
        make_device=make,
    )


def device_on(
    link: AnyLink, profile: Profile, address: Address, settings: LineSettings, clock: Clock
) -> LinkedDevice:
    """Make the polled device of a profile at an address that a scan found."""
    by_number = isinstance(address, int)
    return build_device(
        profile.protocol,
        index=0,
        unit=address if isinstance(address, int) else 0,
        address="" if by_number else str(address),
        profile=profile,
        link=link,
        clock=clock,
        framing=Framing.RTU if by_number else None,
        settings=settings,
    )


def _heard(one: Sighting, profiles: Sequence[Profile], introduced: Introduced) -> tuple[Proposal, ...]:
    """Propose profiles for one that speaks by itself, by what it was heard to say."""
    covered = find_protocol(one.protocol, one.protocol).covered
    example = Example(source="", request=b"", reply=one.frame, expect=())
    return propose_heard(
        profiles,
        protocol=one.protocol,
        settings=one.line,
        family=one.family,
        said={**said(one), **introduced.said},
        take_values=lambda profile: covered(profile, example),
    )


def spots_of(devices: Sequence[SiteDevice], bus_line: LineSettings) -> Mapping[Spot, str]:
    """Give where the devices of a site stand on their line, with their names."""
    return {spot_of(device, bus_line): device.name for device in devices}


def spot_of(device: SiteDevice, bus_line: LineSettings) -> Spot:
    """Give where a scan would find a device of the site."""
    line, protocol = device.line or bus_line, device.profile.protocol
    return (MODBUS, device.unit, line) if protocol in _OVER_MODBUS else (protocol, device.address, line)


def said(one: Sighting) -> dict[str, str]:
    """Give what its first answer says, as ``tidegate decode`` tells it."""
    told = decode_exchange(one.protocol, None, one.frame).quantities
    return {quantity.quantity: str(quantity.value) for quantity in told if quantity.value is not None}
