"""Runs the verifier over files and forms the opinion that ``tidegate verify`` gives."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from agent.block.cbseq import BadStretch
from agent.block.dictionary import Tables
from agent.block.errors import BlockError
from agent.block.file_verdict import FileVerdict
from agent.block.sequence import verify_sequence
from agent.block.verify import Trust
from agent.cli.evidence import Kind, Part, kind_of, messages, tables_beside, whole_part
from agent.cli.verdict import Opinion
from agent.errors import ConfigError
from agent.finding import Finding
from agent.keys import NamedKey
from agent.outbox import read_blocks


def judge(files: Sequence[Path], keys: Sequence[NamedKey]) -> Opinion:
    """Judge what lies in ``files``, one after the other, by the identity keys ``keys``.

    Raises:
        OSError: a file cannot be read.
        StorageError: a database cannot be read.
        ConfigError: a ``.cbdict`` beside a file is none.
    """
    trust = Trust.of(key.spki for key in keys)
    verdict = verify_sequence(_all(files), trust, _tables(files, keys))
    extra: tuple[Finding, ...] = ()
    part: Part | None = None
    unfounded = False
    if not verdict.messages and not verdict.bad_count:
        extra = tuple(Finding(code="nothing-to-judge", params={"path": str(path)}) for path in files)
    elif len(files) == 1 and _only_holes(verdict) and kind_of(files[0]) is Kind.OUTBOX:
        part = _whole_part(files[0])
        if part is None:
            unfounded, extra = True, (Finding(code="start-unknown"),)
        elif part.epoch:
            tables = {chain.gateway: part.tables for chain in verdict.chains}
            verdict = verify_sequence(messages(files[0], part), trust, tables)
            extra = (Finding(code="start-missing", params={"epoch": part.epoch}, warning=True),)
    names = {key.kid: key.name for key in keys}
    return Opinion(
        sources=tuple(map(str, files)), verdict=verdict, names=names, extra=extra, part=part, unfounded=unfounded
    )


def _whole_part(path: Path) -> Part | None:
    try:
        return whole_part(read_blocks(path))
    except BlockError:
        return None  # a block that nothing links to is malformed inside: there is nothing to start from


def _all(files: Sequence[Path]) -> Iterator[bytes | BadStretch]:
    for path in files:
        yield from messages(path)


def _tables(files: Sequence[Path], keys: Sequence[NamedKey]) -> dict[bytes, Tables]:
    """Take the dictionary beside the first file that has one; it serves only the gateway whose blocks bear it out."""
    for path in files:
        try:
            tables = tables_beside(path)
        except BlockError as error:
            raise ConfigError(str(path.with_suffix(".cbdict")), str(error)) from error
        if tables is not None:
            return {key.kid: tables for key in keys}
    return {}


def _only_holes(verdict: FileVerdict) -> bool:
    """Tell whether blocks are lacking and nothing else is wrong: so it is where receipted blocks were pruned."""
    return not verdict.bad_count and any(
        chain.trusted and not (chain.proven or chain.refused or chain.unreadable or chain.forks)
        for chain in verdict.chains
    )
