"""A search as text: what a state file keeps, so that it can go on tomorrow."""

from __future__ import annotations

import json
from collections import deque
from typing import Any, Final

from drivers.profile import LineSettings, Parity
from drivers.scan.probe import Address, Ask, Manner, Probe, Verdict
from drivers.scan.sighting import Progress, Sighting, Voice

SCHEMA: Final = 2


class RecordError(ValueError):
    """The text is no record of a search."""


def to_json(progress: Progress) -> str:
    """Write ``progress`` down."""
    return json.dumps(
        {
            "schema": SCHEMA,
            "done": progress.done,
            "open": [_open(probe) for probe in progress.open],
            "later": [_open(probe) for probe in progress.later],
            "sightings": [
                {
                    "protocol": s.protocol,
                    "address": s.address,
                    "line": line_words(s.line),
                    "tries": s.tries,
                    "whole": s.whole,
                    "damaged": s.damaged,
                    "fastest_s": s.fastest_s,
                    "slowest_s": s.slowest_s,
                    "frame": s.frame.hex(),
                    "who": s.who,
                    "family": s.family,
                    "unasked": s.unasked,
                }
                for s in progress.sightings
            ],
            "voices": [
                {"address": v.address, "line": line_words(v.line), "raw": v.raw.hex(), "verdict": v.verdict.value}
                for v in progress.voices
            ],
            "slowest_s": progress.slowest_s,
            "parted": [[protocol, line_words(line)] for protocol, line in progress.parted],
            "refused": [line_words(line) for line in progress.refused],
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
            open=deque(_probe(one) for one in found["open"]),
            later=deque(_probe(one) for one in found.get("later", ())),
            sightings=[_sighting(one) for one in found["sightings"]],
            voices=[
                Voice(
                    address=_address(one["address"]),
                    line=read_line(one["line"]),
                    raw=bytes.fromhex(one["raw"]),
                    verdict=Verdict(one["verdict"]),
                )
                for one in found["voices"]
            ],
            slowest_s={str(name): float(seconds) for name, seconds in found["slowest_s"].items()},
            parted=[(str(protocol), read_line(line)) for protocol, line in found["parted"]],
            refused=[read_line(one) for one in found["refused"]],
            echo=bool(found["echo"]),
            probes=int(found["probes"]),
        )
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise RecordError(f"no record of a search ({error})") from error


def _sighting(found: dict[str, Any]) -> Sighting:
    return Sighting(
        protocol=str(found["protocol"]),
        address=_address(found["address"]),
        line=read_line(found["line"]),
        tries=int(found["tries"]),
        whole=int(found["whole"]),
        damaged=int(found["damaged"]),
        fastest_s=float(found["fastest_s"]),
        slowest_s=float(found["slowest_s"]),
        frame=bytes.fromhex(found["frame"]),
        who=str(found["who"]),
        family=str(found["family"]),
        unasked=bool(found.get("unasked")),
    )


def _open(probe: Probe) -> dict[str, Any]:
    ask = probe.ask
    return {
        "protocol": probe.protocol,
        "line": line_words(probe.line),
        "window_s": probe.window_s,
        "address": ask.address,
        "request": ask.request.hex(),
        "manner": ask.manner.value,
        "aim": ask.aim,
        "parities": [parity.value for parity in ask.parities],
        "ask_s": ask.window_s,
        "gap_s": ask.gap_s,
        "flags": [ask.hasty, ask.thorough, ask.parting, ask.binding],
        "tries": ask.tries,
        "narrowing": ask.narrowing,
        "answer_bytes": ask.answer_bytes,
        "reply": None if ask.reply_line is None else line_words(ask.reply_line),
        "rouse": None if ask.rouse is None else line_words(ask.rouse),
    }


def _probe(found: dict[str, Any]) -> Probe:
    hasty, thorough, parting, binding = found["flags"]
    ask = Ask(
        address=_address(found["address"]),
        request=bytes.fromhex(found["request"]),
        manner=Manner(found["manner"]),
        aim=str(found["aim"]),
        parities=tuple(Parity(one) for one in found["parities"]),
        window_s=None if found["ask_s"] is None else float(found["ask_s"]),
        gap_s=float(found["gap_s"]),
        hasty=bool(hasty),
        thorough=bool(thorough),
        parting=bool(parting),
        binding=bool(binding),
        tries=int(found["tries"]),
        narrowing=str(found.get("narrowing", "")),
        answer_bytes=int(found.get("answer_bytes", 0)),
        reply_line=None if found.get("reply") is None else read_line(found["reply"]),
        rouse=None if found.get("rouse") is None else read_line(found["rouse"]),
    )
    line, window_s = read_line(found["line"]), float(found["window_s"])
    return Probe(protocol=str(found["protocol"]), ask=ask, line=line, window_s=window_s)


def _address(found: object) -> Address:
    return found if isinstance(found, int) else str(found)


def line_words(line: LineSettings) -> list[int | str]:
    """Write settings down."""
    return [line.baud, line.data_bits, line.parity.value, line.stop_bits]


def read_line(found: list[Any]) -> LineSettings:
    """Read what ``line_words`` wrote; ValueError or TypeError if it is something else."""
    baud, data_bits, parity, stop_bits = found
    return LineSettings(baud=int(baud), data_bits=int(data_bits), parity=Parity(parity), stop_bits=int(stop_bits))
