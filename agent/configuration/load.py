"""``site.toml`` -> Site; every error with its line, its column and the nearest valid name."""

from __future__ import annotations

import re
import tomllib
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Final

from agent.config import Site
from agent.configuration.place import Place, locate
from agent.configuration.read import read_folders, read_site
from agent.configuration.values import Problem, Table
from agent.errors import ConfigError
from agent.finding import Finding

_SYNTAX: Final = re.compile(r"(?P<what>.*) \(at (?:line (?P<line>\d+), column (?P<column>\d+)|end of document)\)")


@dataclass(frozen=True, slots=True, kw_only=True)
class SiteCheck:
    """What ``check_site`` found.

    Attributes:
        site: the site, None if there is an error in the file.
        findings: errors and warnings in the order of the file.
    """

    site: Site | None
    findings: tuple[Finding, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Folders:
    """Where a gateway keeps what it has, and where its agent is asked."""

    state_dir: Path
    run_dir: Path


def load_site(path: Path, profile_roots: Sequence[Path]) -> Site:
    """Read the site file; profiles are looked for below ``profile_roots``, first root first.

    Raises:
        ConfigError: with every finding in ``findings``; ``where`` and ``what`` are those of the first error.
    """
    check = check_site(path, profile_roots)
    if check.site is not None:
        return check.site
    first = next(finding for finding in check.findings if not finding.warning)
    raise ConfigError(first.where, first.sentence(), first.act(), findings=check.findings)


def load_folders(path: Path) -> Folders:
    """Read only where state and socket lie, so that a running agent can be asked while its site file is being edited.

    Raises:
        ConfigError: the file is not there or is no TOML.
    """
    raw = _parse(path)
    if isinstance(raw, Finding):
        raise ConfigError(raw.where, raw.sentence(), raw.act(), findings=(raw,))
    state_dir, run_dir = read_folders(Table(raw.data, (), []).table("state"), path.resolve().parent)
    return Folders(state_dir=state_dir, run_dir=run_dir)


def check_site(path: Path, profile_roots: Sequence[Path]) -> SiteCheck:
    """Read the site file and tell everything that is wrong with it; never raises."""
    raw = _parse(path)
    if isinstance(raw, Finding):
        return SiteCheck(site=None, findings=(raw,))
    problems: list[Problem] = []
    root = Table(raw.data, (), problems)
    site = read_site(root, base=path.resolve().parent, roots=profile_roots, digest=raw.digest)
    placed = sorted(
        ((locate(raw.text, problem.path, at_key=problem.at_key), problem) for problem in problems),
        key=lambda pair: (pair[0].line, pair[0].column),
    )
    findings = tuple(_finding(path, raw.text, place, problem) for place, problem in placed)
    return SiteCheck(site=site if all(finding.warning for finding in findings) else None, findings=findings)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Parsed:
    text: str
    data: dict[str, object]
    digest: bytes


def _parse(path: Path) -> _Parsed | Finding:
    where = str(path)
    try:
        raw = path.read_bytes()
    except FileNotFoundError:
        return Finding(code="no-site", params={"path": where})
    except PermissionError:
        return Finding(code="file-denied", params={"path": where})
    except OSError as error:
        return Finding(code="file-failed", params={"path": where, "detail": error.strerror or "?"})
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        return Finding(code="bad-toml", params={"detail": "not UTF-8"}, where=f"{path}:{line}:1")
    try:
        data = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        return _syntax(path, text, error)
    return _Parsed(text=text, data=data, digest=sha256(raw).digest()[:16])


def _syntax(path: Path, text: str, error: tomllib.TOMLDecodeError) -> Finding:
    match = _SYNTAX.fullmatch(str(error))
    what = match["what"] if match else str(error)
    last = text.rstrip("\n").count("\n") + 1
    line = int(match["line"]) if match and match["line"] else last
    column = int(match["column"]) if match and match["column"] else 1
    place = Place(line=line, column=column, width=1)
    return Finding(
        code="bad-toml", params={"detail": what}, where=f"{path}:{line}:{column}", excerpt=_excerpt(text, place)
    )


def _finding(path: Path, text: str, place: Place, problem: Problem) -> Finding:
    return Finding(
        code=problem.code,
        params=problem.params,
        where=f"{path}:{place.line}:{place.column}",
        warning=problem.warning,
        excerpt=_excerpt(text, place),
        nearest=problem.nearest,
    )


def _excerpt(text: str, place: Place) -> str:
    """Show the line with a mark below it, as compilers do."""
    lines = text.split("\n")
    line = lines[min(place.line, len(lines)) - 1].replace("\t", " ")
    mark = " " * _cells(line[: place.column - 1]) + "^" * _cells(line[place.column - 1 :][: place.width] or " ")
    return f"{place.line:>5} | {line.rstrip()}\n      | {mark}"


def _cells(text: str) -> int:
    """Count the terminal cells of ``text``: Chinese characters take two."""
    return sum(2 if unicodedata.east_asian_width(character) in "WF" else 1 for character in text)
