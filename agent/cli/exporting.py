"""Writes what ``tidegate export`` was asked for: whole or not at all, with the verdict on what it was taken from."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import tzinfo
from pathlib import Path
from typing import TextIO

from agent.block.cbseq import BadStretch, write_cbseq
from agent.block.errors import BlockError
from agent.block.form import CLOCK, Form, read_form
from agent.block.sections import read_clock
from agent.block.verify import Trust
from agent.cli.evidence import TABLES_SUFFIX, encoded_tables, messages
from agent.cli.export_rows import Readings, Row
from agent.cli.export_write import write_csv, write_jsonl
from agent.cli.judge import judge
from agent.cli.output import Answer, Output
from agent.cli.verdict import Judgement, Opinion
from agent.keys import NamedKey
from agent.language import _


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """What is to be written.

    Attributes:
        source: outbox, collector's database or ``.cbseq`` file.
        keys: identity keys to judge by.
        zone: of the local times in a table.
        from_ms, to_ms: period, UTC; None for no bound.
        bom: mark a CSV as UTF-8.
    """

    source: Path
    keys: tuple[NamedKey, ...]
    target: Path
    zone: tzinfo
    from_ms: int | None
    to_ms: int | None
    bom: bool
    separator: str


def write(job: Job, out: Output) -> Answer:
    """Write the file; the exit code is that of the verdict on the source, for what is not proven should not pass so.

    Raises:
        OSError, StorageError: source or target refuse; nothing is left of the target then.
    """
    opinion = judge([job.source], job.keys)
    result: dict[str, str | int | bool | None] = {"file": str(job.target), "verdict": opinion.judgement.value}
    if job.target.suffix == ".cbseq":
        result |= _write_blocks(job, opinion)
        out.say(_("{file}: {blocks} blocks").format(file=job.target, blocks=result["blocks"]))
        if result["dictionary"]:
            what = _("{file}: the dictionary before them; keep the two together")
            out.say(what.format(file=result["dictionary"]))
        out.say(_("Check it anywhere: tidegate verify {file} --trust TRUST.TXT").format(file=job.target))
    else:
        result["readings"] = _write_readings(job, opinion)
        out.say(_("{file}: {rows} rows").format(file=job.target, rows=result["readings"]))
    findings = opinion.findings() if opinion.judgement is not Judgement.PROVEN else opinion.extra
    return Answer(code=opinion.code, result=result, findings=findings)


def _write_readings(job: Job, opinion: Opinion) -> int:
    part = opinion.part
    tables = {key.kid: part.tables for key in job.keys} if part is not None else {}
    readings = Readings(lambda: messages(job.source, part), Trust.of(key.spki for key in job.keys), tables)
    rows = readings.rows(job.from_ms, job.to_ms)
    encoding = "utf-8-sig" if job.bom and job.target.suffix == ".csv" else "utf-8"
    with _whole_file(job.target) as path, path.open("w", encoding=encoding, newline="") as stream:
        return _table(job, stream, rows)


def _table(job: Job, stream: TextIO, rows: Iterable[Row]) -> int:
    if job.target.suffix == ".csv":
        return write_csv(stream, rows, job.zone, job.separator)
    return write_jsonl(stream, rows, job.zone)


def _write_blocks(job: Job, opinion: Opinion) -> dict[str, str | int | bool | None]:
    first = opinion.part.epoch if opinion.part is not None else 0
    if job.from_ms is not None and opinion.judgement is Judgement.PROVEN and len(opinion.verdict.chains) == 1:
        first = max(first, _epoch_at(job.source, job.from_ms))
    with _whole_file(job.target) as path, path.open("wb") as stream:
        blocks = write_cbseq(stream, _until(messages(job.source), first, job.to_ms))
    beside = job.target.with_suffix(TABLES_SUFFIX)
    if not first:
        return {"blocks": blocks, "first_epoch": 0, "dictionary": None}
    with _whole_file(beside) as path:
        path.write_bytes(encoded_tables(_before(messages(job.source), first)))
    return {"blocks": blocks, "first_epoch": first, "dictionary": str(beside)}


def _epoch_at(source: Path, utc_ms: int) -> int:
    """Give the last epoch that was open before ``utc_ms``: a chain can be judged from its first block on."""
    found = 0
    for message in messages(source):
        form = _form(message)
        if form is not None and form.number == 0 and (_utc(form) or 0) <= utc_ms:
            found = max(found, form.epoch)
    return found


def _until(found: Iterable[bytes | BadStretch], first: int, to_ms: int | None) -> Iterator[bytes]:
    """Give what can be messages from an epoch on, and nothing behind the first block sealed at or after ``to_ms``."""
    for message in found:
        form = _form(message)
        if isinstance(message, BadStretch) or (form is not None and form.epoch < first):
            continue
        yield message
        sealed = _utc(form) if form is not None else None
        if to_ms is not None and sealed is not None and sealed >= to_ms:
            return


def _before(found: Iterable[bytes | BadStretch], first: int) -> Iterator[bytes]:
    for message in found:
        form = _form(message)
        if form is not None and form.epoch < first:
            yield form.message


def _form(message: bytes | BadStretch) -> Form | None:
    if isinstance(message, BadStretch):
        return None
    try:
        return read_form(message)
    except BlockError:
        return None


def _utc(form: Form) -> int | None:
    try:
        return read_clock(form.payload[CLOCK]).utc_ms
    except BlockError:
        return None


@contextmanager
def _whole_file(target: Path) -> Iterator[Path]:
    """Give a file beside ``target`` that takes its place only when all is written and on the disk."""
    fresh = target.with_name(f"{target.name}.part")
    try:
        yield fresh
        with fresh.open("rb") as file:
            os.fsync(file.fileno())
        fresh.replace(target)
    finally:
        fresh.unlink(missing_ok=True)
