"""What ``tidegate device set`` says before it writes, and afterwards."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from agent.block.record import ClockQuality
from agent.cli.output import columns
from agent.cli.profile_words import said
from agent.config import SiteDevice
from agent.control.commands import AskPrepare, CarriedOutAnswer, Outcome, PreparedAnswer
from agent.language import N_, _
from drivers.profile import Point

_WHY: Final = {
    "password": N_("with the password it reaches this device alone"),
    "no-password": N_("it needs no password, and the difference is small enough"),
    "only-way": N_("it is the only way that the profile allows now"),
}


def lines(device: SiteDevice, ask: AskPrepare, found: PreparedAnswer) -> Iterator[str]:
    """Give what a person has to see before they say yes."""
    yield _("{device}   {profile}   on bus {bus}").format(
        device=device.name, profile=device.profile.id, bus=device.bus
    )
    rows = list(_control_rows(device, ask, found) if ask.control else _clock_rows(found))
    yield from columns([(f"  {name}", text) for name, text in rows])


def done_lines(device: SiteDevice, ask: AskPrepare, done: CarriedOutAnswer) -> Iterator[str]:
    """Give what came of it; why it did not is a finding."""
    if ask.control:
        if done.state is not None:
            yield _("{device} shows now: {state}").format(device=device.name, state=_state(device, ask, done.state))
        return
    if done.written:
        yield _("Sent: {time}").format(time=_moment(done.written))
    if done.shown is not None:
        yield _("{device} shows now: {time}, {difference}").format(
            device=device.name, time=_moment(done.shown), difference=_difference(done.difference_ms)
        )
    if done.outcome is Outcome.DONE:
        yield _("Done, and recorded as {command}.").format(command=done.command)


def _clock_rows(found: PreparedAnswer) -> Iterator[tuple[str, str]]:
    if not found.ours:
        return
    yield _("its clock"), f"{_moment(found.shown)}   ({found.zone})"
    yield _("our clock"), f"{_moment(found.ours)}   {_quality(found)}"
    yield _("difference"), _difference(found.difference_ms)
    if found.way:
        yield _("to be written"), _("our time at the full second, {telegram}").format(telegram=found.telegram)
        yield _("why that way"), _(_WHY[found.why])
    if found.hearers:
        yield (
            _("heard by"),
            _("{devices} as well, and every other meter of the line").format(devices=", ".join(found.hearers)),
        )


def _control_rows(device: SiteDevice, ask: AskPrepare, found: PreparedAnswer) -> Iterator[tuple[str, str]]:
    control = _control(device, ask)
    yield _("output"), said(control.label)
    yield _("shows"), "-" if found.state is None else _state(device, ask, found.state)
    yield _("to be written"), ask.word
    if control.write is not None:
        yield (
            _("limits"),
            _("once in {rest} s, read back for up to {settle} s").format(
                rest=f"{control.write.rest_s:g}", settle=f"{control.write.settle_s:g}"
            ),
        )


def _control(device: SiteDevice, ask: AskPrepare) -> Point:
    return next(one for one in device.profile.controls if one.name == ask.control)


def _state(device: SiteDevice, ask: AskPrepare, raw: int) -> str:
    rule = _control(device, ask).write
    profile = device.profile
    label = None if rule is None else profile.points[profile.index_of(rule.read_back)].state_of(raw)
    return str(raw) if label is None else f"{raw} ({said(label)})"


def _moment(local: str | None) -> str:
    return "-" if local is None else local.replace("T", " ")


def _difference(milliseconds: int | None) -> str:
    if milliseconds is None:
        return _("unknown")
    text = f"{milliseconds / 1000:+.1f} s"
    if milliseconds > 0:
        return _("{difference}, it is fast").format(difference=text)
    return _("{difference}, it is slow").format(difference=text)


def _quality(found: PreparedAnswer) -> str:
    if found.quality < ClockQuality.NTP:
        return _("not synchronised")
    return _("right to {error} ms").format(error=found.error_ms)
