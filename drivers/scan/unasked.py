"""Finding devices that speak by themselves: nothing is said, and whoever is heard is told by what it sends.

One window of listening at a setting serves every protocol whose devices may be heard there. Whose the bytes are is
decided as on lines that are monitored, so a frame inside another protocol's frame is nobody's telegram.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final

from drivers.codec.framing import is_glitch
from drivers.listening import FrameListener, Kind, Said
from drivers.overhear import Overhearing
from drivers.profile import LineSettings
from drivers.scan.probe import Ask, Heard, Verdict
from drivers.scan.stage import Rank, Stage, Wanted

UNASKED: Final = "unasked"
"""Name of the prober; sightings have the protocol of who was heard."""
_MOST_LOOKED_AT: Final = 3072
"""Bytes, of the end of what came, in which a telegram is looked for in a pause: more than nearly all have."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Introduced:
    """Who sent a telegram.

    Attributes:
        addresses: under which a site file may have it; a new device gets the first.
        who: what it says of itself.
        family: what it measures, as profiles say it; empty if it does not tell.
        said: the same as ``Fingerprint.fits`` takes it.
        seven_bits: eight bits without parity were heard where it sends seven with even parity.
    """

    addresses: tuple[str, ...]
    who: str
    family: str = ""
    said: Mapping[str, str] = field(default_factory=dict)
    seven_bits: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """Where devices of a protocol are listened for.

    Attributes:
        seconds: of their rhythm and one telegram.
        rank: how early.
    """

    line: LineSettings
    seconds: float
    rank: Rank


@dataclass(frozen=True, slots=True, kw_only=True)
class Unasked:
    """What a protocol offers whose devices speak by themselves (``WireProtocol.unasked``).

    Attributes:
        listener: its name among the listeners.
        windows: where to listen, likely ones first.
        introduce: frames of the listener, one behind the other -> who sent the first telegram; None if that is none
            which was sent unasked, or not all of it. Never raises.
        lists_s: of devices that send lists of several kinds: how long it takes to hear most of them; 0 for others.
    """

    listener: str
    windows: tuple[Window, ...]
    introduce: Callable[[bytes], Introduced | None]
    lists_s: float = 0.0


class UnaskedProber:
    """A ``Prober`` for all who speak by themselves.

    Args:
        protocols: what each offers, by its name in profiles.
        listeners: makes what hears frames of every protocol.
    """

    protocol: Final = UNASKED

    def __init__(
        self, protocols: Mapping[str, Unasked], listeners: Callable[[], Mapping[str, FrameListener[Any]]]
    ) -> None:
        self._protocols = protocols
        self._listeners = listeners

    def stages(self, wanted: Wanted) -> Iterator[Stage]:
        """Give one window for each rank and setting, the longest that any protocol wants there."""
        if wanted.units:  # numbers were named, and those are Modbus addresses
            return
        yield from self._known(wanted)
        found: dict[tuple[Rank, LineSettings], float] = {}
        for window in (window for one in self._protocols.values() for window in one.windows):
            if wanted.allows(window.line.baud) and (window.rank is not Rank.DEEP or wanted.deep):
                key = window.rank, window.line
                found[key] = max(found.get(key, 0.0), min(window.seconds, wanted.most_listen_s))
        for (rank, line), seconds in found.items():
            yield Stage(rank=rank, protocol=UNASKED, line=line, asks=(_window("", seconds),))

    def _known(self, wanted: Wanted) -> Iterator[Stage]:
        by_line: dict[LineSettings, list[Ask]] = {}
        for name, one in self._protocols.items():
            for place in wanted.known_of(name):
                usual_s = max(
                    (w.seconds for w in one.windows if w.line == place.line), default=one.windows[0].seconds
                )
                seconds = min(one.lists_s or usual_s, wanted.most_listen_s)
                by_line.setdefault(place.line, []).append(_window(str(place.address), seconds, name))
        for line, asks in by_line.items():
            yield Stage(rank=Rank.KNOWN, protocol=UNASKED, line=line, asks=tuple(asks))

    def hear(self, ask: Ask, data: bytes) -> Heard:
        """Tell who was heard; of lists of several kinds all are waited for before anybody is there."""
        said = self._said(data)
        found = dict(self._introduced(ask, said))
        if not found:
            return Heard(verdict=_rest(data, said), raw=data)
        name, told = next(iter(found.items()))
        one = self._protocols[name]
        others = tuple(replace(ask, aim=other) for other in found if other != name)
        if not ask.aim and one.lists_s:
            again = replace(ask, aim=name, window_s=max(one.lists_s, ask.window_s or 0.0))
            return Heard(verdict=Verdict.STRANGER, raw=data, then=(again, *others))
        return Heard(
            verdict=Verdict.ANSWER,
            raw=data,
            frame=_raw(said, one),
            protocol=name,
            speaker=ask.address if ask.address in told.addresses else told.addresses[0],
            then=others,
            who=told.who,
            family=told.family,
            seven_bits=told.seven_bits,
        )

    def is_whole(self, ask: Ask, data: bytes) -> bool:
        """Tell whether a telegram is there and no other one is wanted."""
        found = self._introduced(ask, self._said(data[-_MOST_LOOKED_AT:]))
        return any(not (ask.aim and self._protocols[name].lists_s) for name, _told in found)

    def introduced(self, protocol: str, frames: bytes) -> Introduced | None:
        """Tell who sent what was heard, None if it says nothing of the kind."""
        one = self._protocols.get(protocol)
        return None if one is None else one.introduce(frames)

    def _said(self, data: bytes) -> Sequence[Said]:
        ears = Overhearing(self._listeners())
        return [*ears.heard(data, 0), *ears.idle(0, silence=True)]

    def _introduced(self, ask: Ask, said: Sequence[Said]) -> Iterator[tuple[str, Introduced]]:
        for name, one in self._protocols.items():
            if ask.aim not in ("", name):
                continue
            raw = _raw(said, one)
            told = one.introduce(raw) if raw else None
            if told is not None:
                yield name, told


def _window(address: str, seconds: float, aim: str = "") -> Ask:
    return Ask(address=address, request=b"", aim=aim, window_s=seconds, tries=1)


def _raw(said: Sequence[Said], one: Unasked) -> bytes:
    """Give the frames of a protocol, one behind the other."""
    return b"".join(frame.raw for frame in said if frame.protocol == one.listener)


def _rest(data: bytes, said: Sequence[Said]) -> Verdict:
    """Tell what bytes are in which nobody speaks by himself."""
    if not data:
        return Verdict.SILENCE
    if any(one.kind in (Kind.REQUEST, Kind.REPLY) for one in said):
        return Verdict.STRANGER
    return Verdict.GLITCH if is_glitch(data) else Verdict.GARBAGE
