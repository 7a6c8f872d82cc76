"""``site.toml`` as the benches, scenarios and the demo write it: what a technician would write, from typed parts."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from hil.characters import Characters

_PARITIES: Final = {"N": "none", "E": "even", "O": "odd"}
_WIRED_DIRECTLY: Final = ("chint/dtsu666",)
"""Profiles that ask for the ratios of the transformers; on benches such meters are wired directly."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BusEntry:
    """One ``[[bus]]``.

    Attributes:
        port: path or URL.
        settings: of a serial line, None for the usual 9600 8N1.
        keys: further ones, such as those of an adapter; values as TOML has them.
    """

    name: str
    port: str
    settings: Characters | None = None
    keys: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceEntry:
    """One ``[[device]]``.

    Attributes:
        bus: name of its bus.
        unit: Modbus address; left out where ``address`` is given.
        address: of a protocol whose addresses are texts.
        every: period, such as ``2 s``; empty for the profile's.
        settings: speed and parity of its own, None for those of its bus.
    """

    name: str
    bus: str
    profile: str
    unit: int = 0
    address: str = ""
    every: str = ""
    settings: Characters | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class UplinkEntry:
    """The one ``[[uplink]]``.

    Attributes:
        url: ``mqtt://host:port`` or ``mqtts://host:port``.
        receipt_key: as the collector printed it.
        credentials: (key, file), such as ``("ca_file", path)``.
    """

    url: str
    receipt_key: str
    credentials: Sequence[tuple[str, Path]] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Sealing:
    """When blocks are sealed; None leaves it to the product.

    Attributes:
        max_age: such as ``250 ms``.
        max_readings: readings of one block.
    """

    max_age: str | None = None
    max_readings: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SiteFile:
    """Everything a site file of ours says.

    Attributes:
        name: of the gateway.
        label: free text.
        uplink: None for a gateway that only archives.
    """

    buses: Sequence[BusEntry]
    devices: Sequence[DeviceEntry]
    name: str = "bench"
    label: str = ""
    uplink: UplinkEntry | None = None
    sealing: Sealing = field(default_factory=Sealing)

    def write(self, path: Path) -> None:
        """Write it to ``path``; state and control socket lie beside it."""
        path.write_text("\n".join(self._lines(path.parent)) + "\n", encoding="utf-8")

    def _lines(self, folder: Path) -> Iterator[str]:
        yield from ("schema = 1", "", "[site]", _pair("name", self.name))
        if self.label:
            yield _pair("label", self.label)
        yield from ("", "[state]", _pair("dir", folder / "state"), _pair("run_dir", folder / "run"))
        if self.uplink is not None:
            yield from ("", "[uplink]", _pair("url", self.uplink.url), _pair("receipt_key", self.uplink.receipt_key))
            yield _pair("keepalive", "5 s")
            yield from (_pair(key, file) for key, file in self.uplink.credentials)
        yield from ("", "[block]")
        if self.sealing.max_age is not None:
            yield _pair("max_age", self.sealing.max_age)
        if self.sealing.max_readings is not None:
            yield f"max_readings = {self.sealing.max_readings}"
        settings = {}
        for bus in self.buses:
            settings[bus.name] = bus.settings or Characters()
            yield from ("", "[[bus]]", _pair("name", bus.name), _pair("port", bus.port))
            yield from _characters(settings[bus.name], Characters())
            yield from (f"{key} = {value}" for key, value in bus.keys.items())
        for device in self.devices:
            yield from _device(device, settings[device.bus])


def _device(device: DeviceEntry, line: Characters) -> Iterator[str]:
    yield from ("", "[[device]]", _pair("name", device.name), _pair("bus", device.bus))
    yield _pair("address", device.address) if device.address else f"unit = {device.unit}"
    yield _pair("profile", device.profile)
    if device.every:
        yield _pair("every", device.every)
    if device.profile in _WIRED_DIRECTLY:
        yield "ratios = { ct = 1, pt = 1 }"
    own = ", ".join(_characters(device.settings or line, line))
    if own:
        yield f"line = {{ {own} }}"


def _characters(wanted: Characters, usual: Characters) -> Iterator[str]:
    """Give the keys in which ``wanted`` differs from ``usual``."""
    if wanted.baud != usual.baud:
        yield f"baud = {wanted.baud}"
    if wanted.parity != usual.parity:
        yield _pair("parity", _PARITIES[wanted.parity])
    if wanted.stop_bits != usual.stop_bits:
        yield f"stop_bits = {wanted.stop_bits}"
    if wanted.data_bits != usual.data_bits:
        yield f"data_bits = {wanted.data_bits}"


def _pair(key: str, value: str | Path) -> str:
    return f"{key} = {json.dumps(str(value), ensure_ascii=False)}"
