"""What a scan is made from: the site, the profiles, the protocols, the record of the scan before, and wishes."""

from __future__ import annotations

import math
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Final

from agent.cli.lines import Target, in_production
from agent.cli.scan_identify import spot_of, spots_of
from agent.cli.scan_naming import Courses
from agent.cli.scan_record import Proposals, Unasked, read_record, read_unasked
from agent.cli.scan_ticker import Ticker
from agent.cli.scan_work import SLICE_S, Wishes, Work, slack_s
from agent.cli.session import Session
from agent.clock import SystemClock, TimerfdPause
from agent.errors import AgentError
from agent.finding import Finding
from agent.language import _
from drivers.profile import LineSettings, Profile
from drivers.profile_load import builtin_roots, find_profile, list_profiles, read_profile
from drivers.registry import probers, scanned_protocols
from drivers.scan.forecast import Forecast
from drivers.scan.plan import factory_places, make_plan
from drivers.scan.record import RecordError
from drivers.scan.search import Search
from drivers.scan.stage import Place, Wanted

if TYPE_CHECKING:
    from drivers.scan.probe import Prober
    from drivers.scan.sighting import Progress

_MOST_UNIT: Final = 247
_NETWORK_SWITCH_S: Final = 0.2  # a device server is asked for each setting and answers


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What a person asked for; see the options of ``tidegate scan``.

    Attributes:
        units: as typed, such as ``1:32``; empty for all.
        protocols: names or beginnings of names; empty for all.
    """

    units: str = ""
    bauds: tuple[int, ...] = ()
    protocols: tuple[str, ...] = ()
    deep: bool = False
    stop_after: int = 0
    resume: bool = False
    state: str = ""
    listen_s: float = 3.0
    anyway: bool = False


def prepare(session: Session, target: Target, asked: Asked) -> Work:
    """Lay out the scan of a line.

    Raises:
        WishError: no such address or protocol.
    """
    profiles, bus = all_profiles(), target.bus
    meant = _meant(asked)
    wanted = Wanted(
        known=_known(target),
        neighbours=_neighbours(target),
        factory=factory_places(profiles),
        bauds=asked.bauds,
        units=_units(asked.units) if asked.units else (),
        deep=asked.deep,
        most_listen_s=SLICE_S if in_production(target) else math.inf,
    )
    record = Path(asked.state) if asked.state else record_path(session, bus.port)
    progress, proposals = _earlier(session, record) if asked.resume else (None, {})
    switch_s = _NETWORK_SWITCH_S if "://" in bus.port else bus.adapter.switch_ms / 1000
    clock, known = SystemClock(), spots_of(target.devices, bus.line)
    courses = Courses(profiles, clock)
    forecast = Forecast(
        naming_s=lambda one: 0.0 if one.spot in known or one.spot in proposals else courses.seconds(one),
        switch_s=switch_s,
        slack_s=slack_s(bus.port),
    )
    search = Search(make_plan(meant, wanted), progress=progress, forecast=forecast)
    ticker = Ticker(session.out)
    return Work(
        target=target,
        search=search,
        probers={prober.protocol: prober for prober in probers()},
        wishes=Wishes(
            listen_s=asked.listen_s,
            anyway=asked.anyway,
            polite=True,
            stop_after=asked.stop_after,
            record=record,
            profiles=profiles,
        ),
        courses=courses,
        clock=clock,
        pause=TimerfdPause(),
        tell=lambda now_s: ticker.tell(search, now_s),
        done=ticker.clear,
        proposals=proposals,
        known=known,
    )


def all_profiles() -> tuple[Profile, ...]:
    """Read every profile that can be read."""
    roots = builtin_roots()
    parsed = (read_profile(find_profile(name, roots)) for name in list_profiles(roots))
    return tuple(one.profile for one in parsed if one.profile is not None)


def record_path(session: Session, port: str) -> Path:
    """Give where the record of the last scan of a port is kept."""
    home = session.environ.get("XDG_STATE_HOME") or str(_home(session) / ".local" / "state")
    name = "".join(letter if letter.isalnum() else "-" for letter in port).strip("-")
    return Path(home) / "tidegate" / f"scan-{name[-80:]}.json"


def _home(session: Session) -> Path:
    """Give the user's folder; where the user has none (a service, a container) the one that the command runs in."""
    if session.environ.get("HOME", "/"):
        with suppress(RuntimeError):
            return Path.home()
    return Path.cwd()


def last_scan(session: Session, port: str) -> tuple[Progress | None, Proposals]:
    """Read the record of the last scan of a port; nothing without one that can be read."""
    try:
        return read_record(record_path(session, port))
    except (OSError, RecordError):
        return None, {}


def last_unasked(session: Session, port: str) -> Unasked:
    """Give what the last scan of a port has not asked; nothing where its record does not tell."""
    try:
        return read_unasked(record_path(session, port))
    except (OSError, RecordError):
        return Unasked()


def scanned_at(session: Session, port: str) -> str:
    """Say when the last scan of a port ended; OSError if there was none."""
    written_s = record_path(session, port).stat().st_mtime
    return f"{datetime.fromtimestamp(written_s, UTC):%Y-%m-%d %H:%M} UTC"


class WishError(AgentError):
    """An address or a protocol that there is not."""

    code = "address-out-of-range"

    def __init__(self, finding: Finding) -> None:
        super().__init__(finding.sentence())
        self.finding = finding


def _meant(asked: Asked) -> Sequence[Prober]:
    known = scanned_protocols()
    for name in asked.protocols:
        if not any(protocol.startswith(name) for protocol in known):
            raise WishError(Finding(code="no-such-protocol", params={"value": name, "known": ", ".join(known)}))
    return probers(asked.protocols)


def _known(target: Target) -> tuple[Place, ...]:
    spots = [(spot_of(device, target.bus.line), device.name) for device in target.devices]
    return tuple(
        Place(protocol=protocol, address=address, line=line, name=name) for (protocol, address, line), name in spots
    )


def _neighbours(target: Target) -> tuple[LineSettings, ...]:
    if target.site is None:
        return (target.bus.line,) if target.in_site else ()
    return tuple(bus.line for bus in target.site.buses if "://" not in bus.port)


def _units(text: str) -> tuple[int, ...]:
    """Read ``1:32``, ``5,17``; WishError names what cannot be an address."""
    found: dict[int, None] = {}
    for part in text.split(","):
        first, _colon, last = part.partition(":")
        try:
            numbers = range(int(first), int(last or first) + 1)
        except ValueError:
            raise _no_unit(part) from None
        if not numbers or numbers[0] < 1 or numbers[-1] > _MOST_UNIT:
            raise _no_unit(part)
        found.update(dict.fromkeys(numbers))
    return tuple(found)


def _no_unit(text: str) -> WishError:
    return WishError(Finding(code="address-out-of-range", params={"address": text, "low": 1, "high": _MOST_UNIT}))


def _earlier(session: Session, record: Path) -> tuple[Progress | None, Proposals]:
    """Read how far the last scan came; nothing, with a note, where that cannot be told."""
    try:
        return read_record(record)
    except FileNotFoundError:
        session.out.note(_("There is no record of an earlier scan of this line; it begins anew."))
    except RecordError:
        session.out.note(_("The record {path} cannot be read; the scan begins anew.").format(path=record))
    return None, {}
