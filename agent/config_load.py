"""``site.toml`` -> Site; every error with its line, its column and the nearest valid name."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Final

from agent.config import Site
from agent.config_place import Place, locate
from agent.config_read import read_site
from agent.config_values import Problem, Table
from agent.errors import ConfigError
from agent.finding import Finding

SCHEMA: Final = 1
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


def check_site(path: Path, profile_roots: Sequence[Path]) -> SiteCheck:
    """Read the site file and tell everything that is wrong with it; never raises."""
    try:
        raw = path.read_bytes()
    except FileNotFoundError:
        return _refused(Finding(code="no-site", params={"path": str(path)}, where=str(path)))
    except PermissionError:
        return _refused(Finding(code="file-denied", params={"path": str(path)}, where=str(path)))
    except OSError as error:
        detail = error.strerror or "?"
        return _refused(Finding(code="file-failed", params={"path": str(path), "detail": detail}, where=str(path)))
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        return _refused(Finding(code="bad-toml", params={"detail": "not UTF-8"}, where=f"{path}:{line}:1"))
    try:
        data = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        return _refused(_syntax(path, text, error))
    problems: list[Problem] = []
    site = read_site(
        Table(data, (), problems), base=path.resolve().parent, roots=profile_roots, digest=sha256(raw).digest()[:16]
    )
    placed = sorted(
        ((locate(text, problem.path, at_key=problem.at_key), problem) for problem in problems),
        key=lambda pair: (pair[0].line, pair[0].column),
    )
    findings = tuple(_finding(path, text, place, problem) for place, problem in placed)
    return SiteCheck(site=site if all(finding.warning for finding in findings) else None, findings=findings)


def _refused(finding: Finding) -> SiteCheck:
    return SiteCheck(site=None, findings=(finding,))


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
    mark = " " * (place.column - 1) + "^" * place.width
    return f"{place.line:>5} | {line.rstrip()}\n      | {mark}"
