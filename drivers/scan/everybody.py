"""Stages of a protocol in which one question to everybody finds whoever is alone at a setting."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from drivers.profile import LineSettings
from drivers.scan.probe import Ask
from drivers.scan.stage import Rank, Stage, Wanted


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """Questions at one setting, with how likely that setting is."""

    rank: Rank
    line: LineSettings
    asks: tuple[Ask, ...]


def open_stages(
    protocol: str, trials: Sequence[Trial], wanted: Wanted, known: Sequence[tuple[LineSettings, Ask]] = ()
) -> Iterator[Stage]:
    """Give the stages: whom the site file knows, then everybody; with ``deep`` everybody once more, without haste.

    Args:
        protocol: its name.
        trials: likely ones first.
        wanted: what the plan is made from.
        known: a question to each device of the protocol in the site file.
    """
    if wanted.units:  # numbers were named, and those are Modbus addresses
        return
    by_line: dict[LineSettings, list[Ask]] = {}
    for line, ask in known:
        by_line.setdefault(line, []).append(ask)
    for line, asks in by_line.items():
        yield Stage(rank=Rank.KNOWN, protocol=protocol, line=line, asks=tuple(asks), patient=True)
    tried = [trial for trial in trials if wanted.allows(trial.line.baud)]
    yield from _stages(protocol, [trial for trial in tried if trial.rank is not Rank.DEEP])
    if wanted.deep:
        yield from _stages(protocol, [_once_more(trial) for trial in tried if trial.rank is not Rank.SWEEP])


def _stages(protocol: str, trials: Sequence[Trial]) -> Iterator[Stage]:
    """Bring together what has one rank and one setting."""
    found: dict[tuple[Rank, LineSettings], dict[Ask, None]] = {}
    for trial in trials:
        found.setdefault((trial.rank, trial.line), {}).update(dict.fromkeys(trial.asks))
    for (rank, line), asks in found.items():
        yield Stage(rank=rank, protocol=protocol, line=line, asks=tuple(asks), patient=rank is Rank.DEEP)


def _once_more(trial: Trial) -> Trial:
    return replace(trial, rank=Rank.DEEP, asks=tuple(replace(ask, thorough=True) for ask in trial.asks))
