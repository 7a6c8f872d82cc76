"""The state file of a scan: the record of the search, and the profiles that were proposed for what it found."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any, TypeAlias

from drivers.scan.propose import Certainty, Proposal, Shown
from drivers.scan.record import RecordError, from_json, line_words, read_line, to_json
from drivers.scan.sighting import Progress, Spot

Proposals: TypeAlias = dict[Spot, tuple[Proposal, ...]]


def write_record(path: Path, progress: Progress, proposals: Mapping[Spot, tuple[Proposal, ...]]) -> None:
    """Write the file in one step; OSError if that is not possible."""
    record = json.loads(to_json(progress))
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


def _entry(found: dict[str, Any]) -> tuple[Spot, tuple[Proposal, ...]]:
    address = found["address"] if isinstance(found["address"], int) else str(found["address"])
    spot = (str(found["protocol"]), address, read_line(found["line"]))
    return spot, tuple(_proposal(one) for one in found["choices"])


def _proposal(found: dict[str, Any]) -> Proposal:
    shown = tuple(Shown(**one) for one in found["shown"])
    return Proposal(**{**found, "certainty": Certainty(found["certainty"]), "shown": shown})
