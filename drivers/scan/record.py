"""A search as text: what a state file keeps, so that it can go on tomorrow."""

from __future__ import annotations

import json
from typing import Any, Final

from drivers.profile import LineSettings, Parity
from drivers.scan.probe import Verdict
from drivers.scan.search import Progress, Sighting, Voice

SCHEMA: Final = 1


class RecordError(ValueError):
    """The text is no record of a search."""


def to_json(progress: Progress) -> str:
    """Write ``progress`` down."""
    return json.dumps(
        {
            "schema": SCHEMA,
            "done": progress.done,
            "sightings": [
                {
                    "protocol": s.protocol,
                    "address": s.address,
                    "line": _line(s.line),
                    "tries": s.tries,
                    "whole": s.whole,
                    "damaged": s.damaged,
                    "fastest_s": s.fastest_s,
                    "slowest_s": s.slowest_s,
                    "frame": s.frame.hex(),
                }
                for s in progress.sightings
            ],
            "voices": [
                {"address": v.address, "line": _line(v.line), "raw": v.raw.hex(), "verdict": v.verdict.value}
                for v in progress.voices
            ],
            "slowest_s": progress.slowest_s,
            "echo": progress.echo,
            "probes": progress.probes,
        }
    )


def from_json(text: str) -> Progress:
    """Read what ``to_json`` wrote.

    Raises:
        RecordError: it is something else, or of a newer schema.
    """
    try:
        found = json.loads(text)
        newer = found["schema"] != SCHEMA
    except (ValueError, KeyError, TypeError) as error:
        raise RecordError(f"no record of a search ({error})") from error
    if newer:
        raise RecordError(f"schema {found['schema']} is not known")
    try:
        return Progress(
            done={str(key): int(count) for key, count in found["done"].items()},
            sightings=[_sighting(one) for one in found["sightings"]],
            voices=[
                Voice(
                    address=int(one["address"]),
                    line=_settings(one["line"]),
                    raw=bytes.fromhex(one["raw"]),
                    verdict=Verdict(one["verdict"]),
                )
                for one in found["voices"]
            ],
            slowest_s=None if found["slowest_s"] is None else float(found["slowest_s"]),
            echo=bool(found["echo"]),
            probes=int(found["probes"]),
        )
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise RecordError(f"no record of a search ({error})") from error


def _sighting(found: dict[str, Any]) -> Sighting:
    return Sighting(
        protocol=str(found["protocol"]),
        address=int(found["address"]),
        line=_settings(found["line"]),
        tries=int(found["tries"]),
        whole=int(found["whole"]),
        damaged=int(found["damaged"]),
        fastest_s=float(found["fastest_s"]),
        slowest_s=float(found["slowest_s"]),
        frame=bytes.fromhex(found["frame"]),
    )


def _line(line: LineSettings) -> list[int | str]:
    return [line.baud, line.data_bits, line.parity.value, line.stop_bits]


def _settings(found: list[Any]) -> LineSettings:
    baud, data_bits, parity, stop_bits = found
    return LineSettings(baud=int(baud), data_bits=int(data_bits), parity=Parity(parity), stop_bits=int(stop_bits))
