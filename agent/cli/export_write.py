"""Rows of readings as CSV that a spreadsheet opens unharmed, or as lines of JSON."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterable
from datetime import UTC, datetime, tzinfo
from typing import Final, TextIO

from agent.cli.export_rows import Row

COLUMNS: Final = (
    "kind", "utc", "local", "error_ms", "device", "quantity", "value", "unit", "quality", "block", "reading",
    "device_utc", "device_sequence", "device_flags", "raw",
)  # fmt: skip
_FORMULA: Final = ("=", "+", "-", "@", "\t", "\r")


def write_csv(stream: TextIO, rows: Iterable[Row], zone: tzinfo, separator: str) -> int:
    """Write a table; gives the number of rows.

    A text that a spreadsheet would take for a formula gets an apostrophe before it; numbers do not.
    """
    writer = csv.writer(stream, delimiter=separator, lineterminator="\r\n")
    writer.writerow(COLUMNS)
    count = 0
    for row in rows:
        value = row.value or ""
        writer.writerow(
            (
                row.kind,
                _iso(row.utc_ms, UTC),
                _iso(row.utc_ms, zone),
                "" if row.error_ms is None else row.error_ms,
                guarded(row.device),
                guarded(row.quantity),
                value if row.numeric else guarded(value),
                row.unit or "",
                row.quality,
                guarded(row.block),
                "" if row.number is None else row.number,
                _iso(row.device_ms, UTC),
                "" if row.sequence is None else row.sequence,
                row.device_flags,
                row.raw,
            )
        )
        count += 1
    return count


def write_jsonl(stream: TextIO, rows: Iterable[Row], zone: tzinfo) -> int:
    """Write an object a line, values as decimal text; gives the number of rows."""
    count = 0
    for row in rows:
        fields = {
            "kind": row.kind,
            "utc": _iso(row.utc_ms, UTC) or None,
            "local": _iso(row.utc_ms, zone) or None,
            "error_ms": row.error_ms,
            "device": row.device,
            "quantity": row.quantity,
            "value": row.value,
            "unit": row.unit,
            "quality": row.quality,
            "block": row.block,
            "reading": row.number,
            "device_utc": _iso(row.device_ms, UTC) or None,
            "device_sequence": row.sequence,
            "device_flags": row.device_flags or None,
            "raw": row.raw or None,
        }
        stream.write(json.dumps(fields, ensure_ascii=False) + "\n")
        count += 1
    return count


def guarded(text: str) -> str:
    """Keep a spreadsheet from running a text as a formula."""
    return f"'{text}" if text.startswith(_FORMULA) else text


def _iso(ms: int | None, zone: tzinfo) -> str:
    """Write a time; nothing for none, and for one beyond the calendar's year 9999, which a block may name."""
    if ms is None:
        return ""
    try:
        moment = datetime.fromtimestamp(ms // 1000, zone).replace(microsecond=ms % 1000 * 1000)
    except (ValueError, OverflowError):
        return ""
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
