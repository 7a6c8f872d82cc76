"""The state file of a scan: the record of the search, and the profiles that were proposed for what it found."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, TypeAlias

from drivers.scan.propose import Certainty, Proposal, Shown
from drivers.scan.record import RecordError, from_json, line_words, read_line, to_json
from drivers.scan.search import Search
from drivers.scan.sighting import Progress, Spot
from drivers.scan.stage import Rank

Proposals: TypeAlias = dict[Spot, tuple[Proposal, ...]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Unasked:
    """What a scan that ended early has not asked.

    Attributes:
        questions: how many; 0 after a scan that came to its end.
        rank, protocol, listens: of the stage that comes next; None where only answers were still looked into.
        hushed: somebody spoke on the line, so it goes on only with a yes.
    """

    questions: int = 0
    rank: Rank | None = None
    protocol: str = ""
    listens: bool = False
    hushed: bool = False


def unasked_of(search: Search) -> Unasked:
    """Count what ``search`` has not asked of its plan, and of what answers have raised."""
    progress = search.progress
    left = [(stage, len(stage.asks) - progress.done.get(stage.key, 0)) for stage in search.plan]
    ahead = [(stage, count) for stage, count in left if count > 0]
    stage = search.stage or (ahead[0][0] if ahead else None)
    return Unasked(
        questions=sum(count for _stage, count in ahead) + len(progress.open) + len(progress.later),
        rank=stage.rank if stage else None,
        protocol=stage.protocol if stage else "",
        listens=stage is not None and stage.listens,
        hushed=search.agenda.hushed,
    )


def write_record(path: Path, search: Search, proposals: Mapping[Spot, tuple[Proposal, ...]]) -> None:
    """Write the file in one step; OSError if that is not possible."""
    record = json.loads(to_json(search.progress))
    left = unasked_of(search)
    record["unasked"] = {**asdict(left), "rank": left.rank.name if left.rank is not None else None}
    record["proposals"] = [
        {
            "protocol": protocol,
            "address": address,
            "line": line_words(line),
            "choices": [{**asdict(one), "certainty": one.certainty.value} for one in choices],
        }
        for (protocol, address, line), choices in proposals.items()
    ]
    fresh = path.with_suffix(".new")
    fresh.parent.mkdir(parents=True, exist_ok=True)
    fresh.write_text(json.dumps(record), encoding="utf-8")
    fresh.replace(path)


def read_record(path: Path) -> tuple[Progress, Proposals]:
    """Read what ``write_record`` wrote.

    Raises:
        FileNotFoundError: there is none.
        RecordError: it is something else.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise RecordError("no text") from error
    progress = from_json(text)
    try:
        return progress, dict(_entry(one) for one in json.loads(text).get("proposals", ()))
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise RecordError(f"no record of a search ({error})") from error


def read_unasked(path: Path) -> Unasked:
    """Read what the scan of a record has not asked; nothing where the record does not tell.

    Raises:
        FileNotFoundError: there is none.
        RecordError: it is something else.
    """
    try:
        found = json.loads(path.read_text(encoding="utf-8")).get("unasked", {})
        rank = Rank[found["rank"]] if found.get("rank") else None
        return Unasked(**{**found, "rank": rank})
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise RecordError(f"no record of a search ({error})") from error


def _entry(found: dict[str, Any]) -> tuple[Spot, tuple[Proposal, ...]]:
    address = found["address"] if isinstance(found["address"], int) else str(found["address"])
    spot = (str(found["protocol"]), address, read_line(found["line"]))
    return spot, tuple(_proposal(one) for one in found["choices"])


def _proposal(found: dict[str, Any]) -> Proposal:
    shown = tuple(Shown(**one) for one in found["shown"])
    return Proposal(**{**found, "certainty": Certainty(found["certainty"]), "shown": shown})
