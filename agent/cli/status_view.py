"""The status of a running agent on one screen."""

from __future__ import annotations

from collections.abc import Iterator

from agent.block.record import ClockQuality
from agent.cli.output import Json, columns
from agent.cli.verdict_findings import place
from agent.control.wire import to_json
from agent.delivery.mqtt_state import Phase
from agent.delivery.uplink_status import UplinkStatus
from agent.finding import Finding
from agent.health import AgentStatus, BusPhase, BusStatus, DeviceStatus, HeardCounts
from agent.language import N_, _
from agent.messages import knows
from agent.outputs.status import OutputStatus, OutputTrouble
from agent.polling.claims import Life
from agent.polling.counters import Break
from agent.storing.stored import Pressure

_PHASES = {
    BusPhase.OPENING: N_("opening"),
    BusPhase.UP: N_("up"),
    BusPhase.DOWN: N_("down"),
    BusPhase.LEASED: N_("lent to a technician"),
}
_CLOCKS = {
    ClockQuality.NONE: N_("unknown"),
    ClockQuality.SAVED: N_("saved over the power cut, not synchronised"),
    ClockQuality.HARDWARE: N_("hardware clock, not synchronised"),
    ClockQuality.NTP: N_("NTP"),
    ClockQuality.AUTHENTICATED: N_("authenticated NTP"),
    ClockQuality.RECEIPT: N_("anchored by a receipt"),
}
_MOST_NAMES = 4
_SYNCHRONISED = (ClockQuality.NTP, ClockQuality.AUTHENTICATED, ClockQuality.RECEIPT)
_LINKS = {
    Phase.STOPPED: N_("stopped"),
    Phase.CONNECTING: N_("connecting"),
    Phase.CONNECTED: N_("connected"),
    Phase.WAITING: N_("waiting before the next try"),
}
_PRESSURES = {
    Pressure.THIN: N_("telemetry is thinned"),
    Pressure.NO_SEAL: N_("telemetry is not sealed"),
    Pressure.NO_POLL: N_("telemetry is not polled"),
}


_BREAKS = {
    Break.ROLL_OVER.value: N_("it came to the end of its register and began again"),
    Break.RESET.value: N_("it was set back"),
    Break.BACKWARDS.value: N_("it is less than before"),
    Break.RETURNED.value: N_("it is back where it was before one wrong value"),
}
_DAY_MS = 86_400_000
_EXCHANGED_DAYS = 7


class Screen:
    """An AgentStatus as lines, findings and JSON."""

    def __init__(self, status: AgentStatus) -> None:
        self._status = status
        self._now_ms = status.clock.mono_ms

    def result(self) -> Json:
        """Give it for programs: the agent's own fields, storage under ``outbox``."""
        fields = to_json(self._status)
        fields["outbox"] = fields.pop("storage")
        return {"running": True, **fields}

    def lines(self) -> list[str]:
        """Give it for people."""
        status = self._status
        up = duration(self._now_ms - status.started_mono_ms)
        needs = sum(not finding.warning for finding in self.findings())
        attention = _("things that need you: {count}").format(count=needs) if needs else _("all is well")
        head = _("{site}   running {time}   {version}   {attention}")
        first = head.format(site=status.site, time=up, version=status.version, attention=attention)
        rows: list[tuple[str, str]] = []
        for bus in status.buses:
            rows.append((_("bus"), self._bus(bus)))
            rows += [("", self._device(one)) for one in status.devices if one.bus == bus.name and one.error_code]
            rows += [("", _cut(one)) for one in status.devices if one.bus == bus.name and one.blocks_cut]
            rows += [("", _ratios(one)) for one in status.devices if one.bus == bus.name and one.ratios]
            rows += [("", _unheard(one)) for one in status.devices if one.bus == bus.name and one.unheard]
        rows += [
            (_("outbox"), self._outbox()),
            *((_("uplink"), self._uplink(uplink)) for uplink in status.uplinks),
            *((_("output"), self._output(output)) for output in status.outputs),
            (_("trust"), self._trust()),
            (_("clock"), self._clock()),
            (_("flash"), _("{size} MB a day at this rate").format(size=round(status.storage.flash_bytes_day / 1e6))),
        ]
        if not status.uplinks:
            rows.insert(-3, (_("uplink"), _("none: the blocks are kept here")))
        return [first, *columns(rows)]

    def findings(self) -> tuple[Finding, ...]:
        """Give what needs attention, and what is good to know."""
        devices = (*self._of_buses(), *self._of_exchanges())
        return (*devices, *self._of_uplinks(), *self._of_outputs(), *self._of_storage())

    def _bus(self, bus: BusStatus) -> str:
        if bus.phase is not BusPhase.UP:
            since = duration(self._now_ms - bus.since_mono_ms)
            return _("{bus}   {phase} for {time}").format(bus=bus.name, phase=_(_PHASES[bus.phase]), time=since)
        if bus.heard is not None:
            return _listening(bus, bus.heard)
        what = _("{bus}   {answering} of {devices} devices answer   load {load} %   failed {failed} %")
        return what.format(
            bus=bus.name,
            answering=bus.answering,
            devices=bus.devices,
            load=round(100 * bus.load),
            failed=f"{100 * bus.error_share:.1f}",
        )

    def _device(self, device: DeviceStatus) -> str:
        since = duration(self._now_ms - (device.silent_since_mono_ms or self._now_ms))
        what = _("{device} silent {time}") if device.life is Life.DEAD else _("{device} troubled for {time}")
        return what.format(device=device.name, time=since)

    def _outbox(self) -> str:
        storage = self._status.storage
        if not self._status.uplinks:
            what = _("{blocks} blocks sealed, {readings} readings, {size} MB here")
        else:
            what = _("{pending} blocks without receipt, {blocks} sealed, {readings} readings, {size} MB here")
        return what.format(
            pending=storage.pending_blocks,
            blocks=storage.sealed_blocks,
            readings=storage.sealed_readings,
            size=f"{storage.kept_bytes / 1e6:.1f}",
        )

    def _uplink(self, uplink: UplinkStatus) -> str:
        receipt = _("receipts to {place}").format(place=place(uplink.receipted)) if uplink.receipted else ""
        if uplink.trouble is None:
            return _("{name}   {phase}   {receipt}").format(
                name=uplink.name, phase=_(_LINKS[uplink.link.phase]), receipt=receipt
            )
        since = duration(self._now_ms - uplink.since_mono_ns // 1_000_000)
        finding = _uplink_finding(uplink)
        return _("{name}   for {time}: {sentence}").format(name=uplink.name, time=since, sentence=finding.sentence())

    def _output(self, output: OutputStatus) -> str:
        if output.trouble is None:
            what = _("{name}   {phase}   {told} packets acknowledged, {waiting} periods waiting")
            return what.format(
                name=output.name, phase=_(_LINKS[output.phase]), told=output.told, waiting=output.waiting
            )
        since = duration(self._now_ms - output.since_mono_ms)
        what = _("{name}   {waiting} periods waiting   for {time}: {sentence}")
        sentence = _output_finding(output, output.trouble).sentence()
        return what.format(name=output.name, waiting=output.waiting, time=since, sentence=sentence)

    def _trust(self) -> str:
        status = self._status
        last = place(status.storage.last) if status.storage.last is not None else "-"
        what = _("gateway {gateway}   key {key}   sealed to block {place}")
        return what.format(gateway=status.gateway.hex(), key=status.key.hex(), place=last)

    def _clock(self) -> str:
        clock = self._status.clock
        if clock.quality not in _SYNCHRONISED:
            return _(_CLOCKS[clock.quality])
        return _("{source}, error at most {error} ms").format(
            source=_(_CLOCKS[clock.quality]), error=clock.max_error_ms
        )

    def _of_buses(self) -> Iterator[Finding]:
        for bus in self._status.buses:
            if bus.fault_code:
                yield _told(bus.fault_code, bus.fault, bus.name)
        for device in self._status.devices:
            if device.error_code:
                yield _told(device.error_code, device.error, f"{device.bus}/{device.name}")
            yield from self._of_counters(device)

    def _of_counters(self, device: DeviceStatus) -> Iterator[Finding]:
        """The last time that each counter did not go on, within a day."""
        newest = {one.point: one for one in device.breaks if self._now_ms - one.mono_ms < _DAY_MS}
        for one in newest.values():
            params: dict[str, str | int] = {"device": device.name, "point": one.point, "kind": _(_BREAKS[one.kind])}
            params |= {"last": one.last, "first": one.first}
            yield Finding(code="counter-broke", params=params, where=f"{device.bus}/{device.name}", warning=True)

    def _of_exchanges(self) -> Iterator[Finding]:
        """Devices that are others than before, for a week or until the agent starts again."""
        for one in self._status.storage.exchanged:
            if self._now_ms - one.mono_ms < _EXCHANGED_DAYS * _DAY_MS:
                params: dict[str, str | int] = {"device": one.device, "before": one.before, "now": one.now}
                yield Finding(code="device-exchanged", params=params, where=one.device)

    def _of_uplinks(self) -> Iterator[Finding]:
        yield from (_uplink_finding(uplink) for uplink in self._status.uplinks if uplink.trouble is not None)

    def _of_outputs(self) -> Iterator[Finding]:
        for output in self._status.outputs:
            if output.trouble is not None:
                yield _output_finding(output, output.trouble)
            if output.lost:
                params: dict[str, str | int] = {"output": output.name, "count": output.lost}
                yield Finding(code="output-reports-lost", params=params, where=output.name)

    def _of_storage(self) -> Iterator[Finding]:
        storage = self._status.storage
        if storage.fault_code:
            yield _told(storage.fault_code, storage.fault, "")
        if storage.pressure is not Pressure.NONE:
            params: dict[str, str | int] = {"pending": storage.pending_blocks}
            params["pressure"] = _(_PRESSURES[storage.pressure])
            yield Finding(code="outbox-filling", params=params)
        if storage.dropped_blocks:
            yield Finding(code="blocks-dropped", params={"count": storage.dropped_blocks})
        if self._status.clock.quality not in _SYNCHRONISED:
            yield Finding(code="clock-unsure", warning=True)


def _listening(bus: BusStatus, heard: HeardCounts) -> str:
    what = _(
        "{bus}   listening, {answering} of {devices} devices heard   {requests} requests, {replies} replies,"
        " {silent} without reply, {noise} bytes of noise"
    )
    return what.format(
        bus=bus.name,
        answering=bus.answering,
        devices=bus.devices,
        requests=heard.requests,
        replies=heard.replies + heard.unasked,
        silent=heard.silent,
        noise=heard.noise_bytes,
    )


def _unheard(device: DeviceStatus) -> str:
    what = _("{device}: nobody asks for {points}")
    names = ", ".join(device.unheard[:_MOST_NAMES])
    left = len(device.unheard) - _MOST_NAMES
    return what.format(device=device.name, points=f"{names} +{left}" if left > 0 else names)


def _ratios(device: DeviceStatus) -> str:
    answers = ", ".join(f"{name} {answer}" for name, answer in device.ratios)
    return _("{device} with ratios {ratios}").format(device=device.name, ratios=answers)


def _cut(device: DeviceStatus) -> str:
    what = _("{device} refused {count} blocks: it is read in {parts} parts")
    return what.format(device=device.name, count=device.blocks_cut, parts=len(device.reads))


def _uplink_finding(uplink: UplinkStatus) -> Finding:
    assert uplink.trouble is not None
    return Finding(code=uplink.trouble.value, params=dict(uplink.facts), where=uplink.name)


def _output_finding(output: OutputStatus, trouble: OutputTrouble) -> Finding:
    return Finding(code=trouble.value, params=dict(output.facts), where=output.name)


def _told(code: str, detail: str, where: str) -> Finding:
    """Make a finding of a code that came from the agent with its sentence."""
    return Finding(code=code if knows(code) else "agent-error", params={"detail": detail.rstrip(".")}, where=where)


def duration(ms: int) -> str:
    """Write a length of time in its two largest units: ``12 d 4 h``."""
    seconds = max(0, ms) // 1000
    for size, unit, smaller, small in ((86400, "d", 3600, "h"), (3600, "h", 60, "min"), (60, "min", 1, "s")):
        if seconds >= size:
            return f"{seconds // size} {unit} {seconds % size // smaller} {small}"
    return f"{seconds} s"
