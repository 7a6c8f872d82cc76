"""In which order a line is searched. Nothing is left out; what is likely comes first.

1. what the site file says stands on this line, 2. factory settings of the profiles, 3. one question to everybody in
each protocol that has such a one, at likely settings, 4. a few seconds of listening for those who speak by
themselves, 5. low Modbus addresses at every speed by parity-blind probes, 6. questions to everybody at the other
settings, 7. listening there, for ten seconds each, 8. low addresses with even parity where the blind ones cannot show
it, 9. the same for the high addresses, 10. addresses one by one where a question to everybody should have sufficed,
11. a minute of listening, 12. with ``deep``: every address at every speed and parity once more, as patiently as the
slowest device wants.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence

from drivers.profile import LineSettings, Profile
from drivers.scan.modbus_stages import BAUDS as BAUDS  # noqa: PLC0414 - callers find the usual speeds here
from drivers.scan.probe import Prober
from drivers.scan.stage import Place, Rank, Stage, Wanted


def factory_places(profiles: Iterable[Profile], protocol: str = "modbus") -> tuple[Place, ...]:
    """Give the factory settings of ``profiles``, each once, those of many models first."""
    counts = Counter((p.line, p.unit) for p in profiles if p.protocol == protocol and p.unit)
    return tuple(Place(line=line, address=unit) for (line, unit), _ in counts.most_common())


def make_plan(probers: Sequence[Prober], wanted: Wanted) -> tuple[Stage, ...]:
    """Lay out the search: the stages of all protocols by rank, questions to everybody grouped by setting."""
    stages = [stage for prober in probers for stage in prober.stages(wanted) if stage.asks]
    order: dict[LineSettings, int] = {}
    for stage in stages:
        if stage.rank in _GROUPED:
            order.setdefault(stage.line, len(order))
    near = {place.line.baud for place in wanted.known} | {line.baud for line in wanted.neighbours}

    def key(stage: Stage) -> tuple[int, bool, int]:
        if stage.rank not in _GROUPED:
            return stage.rank, False, 0
        return stage.rank, stage.line.baud not in near, order[stage.line]

    return tuple(sorted(stages, key=key))


_GROUPED = frozenset((Rank.WILD, Rank.WILD_RARE))
