"""Names -> protocols and transports: the one file that knows them all."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from datetime import UTC, tzinfo
from importlib import import_module
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final, Literal, TypeVar

from drivers.clock import Clock
from drivers.decoded import FrameReader, RequestReader
from drivers.errors import ProfileError
from drivers.line_opening import open_link as open_link  # noqa: PLC0414 - callers find them here
from drivers.line_opening import open_stream as open_stream  # noqa: PLC0414
from drivers.line_opening import tcp_address as tcp_address  # noqa: PLC0414
from drivers.listening import FrameListener, Listening
from drivers.profile import Framing, LineSettings, Profile
from drivers.profile_fields import hint
from drivers.wire_protocol import AnyLink as AnyLink  # noqa: PLC0414 - callers find it here
from drivers.wire_protocol import LinkedDevice, Placed, Secret, WireProtocol

if TYPE_CHECKING:
    from drivers.scan.probe import Prober
    from drivers.scan.unasked import UnaskedProber

_PROTOCOLS: Final[Mapping[str, tuple[str, ...]]] = MappingProxyType({
    # name in a profile: module that has it in its PROTOCOLS, loaded when wanted; names for `decode` if others
    "modbus": ("drivers.protocols.modbus_wire", "modbus-rtu", "modbus-ascii", "modbus-tcp"),
    "dlt645-2007": ("drivers.protocols.dlt645",),
    "dlt645-1997": ("drivers.protocols.dlt645",),
    "cjt188": ("drivers.protocols.cjt188",),
    "mbus": ("drivers.protocols.mbus",),
    "iec62056-21": ("drivers.protocols.iec62056_21",),
    "iec62056-21-push": ("drivers.protocols.iec62056_21",),
    "sdi12": ("drivers.protocols.sdi12",),
    "sunspec": ("drivers.protocols.modbus_sunspec_wire",),
    "hj212": ("drivers.protocols.hj212",),
    "sml": ("drivers.protocols.sml",),
    "sml-pull": ("drivers.protocols.sml_pull",),
    "dlms": ("drivers.protocols.dlms", "dlms-hdlc", "dlms-apdu"),
    "dlms-push": ("drivers.protocols.dlms_push",),
})  # fmt: skip

T = TypeVar("T")


def protocol_names() -> tuple[str, ...]:
    """Give the protocols that a profile may name, sorted."""
    return tuple(sorted(_PROTOCOLS))


def find_protocol(name: str, where: str) -> WireProtocol:
    """Load the protocol that a profile calls ``name``.

    Raises:
        ProfileError: there is none; it starts with ``where``.
    """
    if name not in _PROTOCOLS:
        raise ProfileError(where, f"protocol {name!r} is not known; {hint(name, _PROTOCOLS)}")
    protocol = import_module(_PROTOCOLS[name][0]).PROTOCOLS[name]
    assert isinstance(protocol, WireProtocol)  # what such a module holds
    return protocol


def probers(only: tuple[str, ...] = ()) -> tuple[Prober, ...]:
    """Load what every protocol offers to be scanned for, in the order of the table; who speaks unasked comes last.

    Args:
        only: beginnings of the names of protocols; all if empty.
    """
    chosen = [find_protocol(name, name) for name in _PROTOCOLS if not only or name.startswith(only)]
    found = tuple(one.prober for one in chosen if one.prober is not None)
    hearing = unasked_prober(only)
    return (*found, hearing) if hearing is not None else found


def unasked_prober(only: tuple[str, ...] = ()) -> UnaskedProber | None:
    """Make what hears those who speak by themselves; None if no such protocol begins like one of ``only``."""
    chosen = [name for name in _PROTOCOLS if not only or name.startswith(only)]
    offered = {name: one for name in chosen if (one := find_protocol(name, name).unasked) is not None}
    if not offered:
        return None
    from drivers.scan.unasked import UnaskedProber  # noqa: PLC0415 - a gateway that polls does not search

    return UnaskedProber(offered, listeners)


def scanned_protocols() -> tuple[str, ...]:
    """Give the protocols whose devices a scan finds, in the order of the table."""
    both = ((name, find_protocol(name, name)) for name in _PROTOCOLS)
    return tuple(name for name, one in both if one.prober is not None or one.unasked is not None)


def find_listening(name: str) -> Listening | None:
    """Load what the protocol that a profile calls ``name`` offers for lines that are only listened to."""
    module = find_protocol(name, name).listening
    if not module:
        return None
    found = import_module(module).LISTENING[name]
    assert isinstance(found, Listening)  # what such a module holds
    return found


def listeners(only: Collection[str] = ()) -> dict[str, FrameListener[Any]]:
    """Make what hears the frames of every protocol on one line, by the names of ``DECODERS``.

    Args:
        only: these names alone; all if empty.
    """
    found = [find_listening(name) for name in _PROTOCOLS]
    makers = {name: make for one in found if one is not None for name, make in one.listeners.items()}
    return {name: make() for name, make in makers.items() if not only or name in only}


class _Readers(Mapping[str, T]):
    """Decoders by name; a protocol is loaded when one of its own is taken."""

    def __init__(self, kind: Literal["decoders", "request_decoders"]) -> None:
        self._kind = kind

    def __getitem__(self, name: str) -> T:
        protocol = find_protocol(_DECODED_BY[name], name)
        reader: T = getattr(protocol, self._kind)[name]
        return reader

    def __iter__(self) -> Iterator[str]:
        return iter(_DECODED_BY)

    def __len__(self) -> int:
        return len(_DECODED_BY)


_DECODED_BY: Final = {name: protocol for protocol, (_, *names) in _PROTOCOLS.items() for name in names or (protocol,)}

DECODERS: Final[Mapping[str, FrameReader]] = _Readers[FrameReader]("decoders")
"""Protocol names that ``decode_exchange`` takes."""

REQUEST_DECODERS: Final[Mapping[str, RequestReader]] = _Readers[RequestReader]("request_decoders")
"""What reads a request without a reply; a KeyError for a protocol whose requests say nothing."""


def build_device(
    protocol: str,
    *,
    index: int,
    unit: int,
    profile: Profile,
    link: AnyLink,
    clock: Clock,
    framing: Framing | None = None,
    settings: LineSettings | None = None,
    address: str = "",
    zone: tzinfo = UTC,
    password: Secret | None = None,
) -> LinkedDevice:
    """Make the device that speaks ``protocol`` over ``link``.

    Args:
        protocol: as the profile names it.
        index: its place in the site's device list.
        unit: its Modbus address.
        profile: what model it is.
        link: how it is asked; ``device.use`` gives it a new one after the line was opened again.
        clock: stamps the batches.
        framing: how its PDUs travel; None to see it from the link.
        settings: speed and parity of this device if the line carries several.
        address: its address, where the protocol's are texts.
        zone: of the wall clock that it shows.
        password: to read it with, where its protocol takes one.

    Raises:
        ProfileError: no such protocol, or it cannot use the profile.
    """
    return find_protocol(protocol, profile.id).build(
        Placed(
            index=index,
            unit=unit,
            address=address,
            profile=profile,
            link=link,
            clock=clock,
            framing=framing,
            settings=settings,
            zone=zone,
            password=password,
        )
    )
