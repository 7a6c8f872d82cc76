"""What a verb says: the JSON envelope for programs, sentences, findings and tables for people."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Sequence
from typing import Final, TextIO

import click

from agent.cli.answer import Answer as Answer  # noqa: PLC0414 - verbs find both here
from agent.cli.answer import Json as Json  # noqa: PLC0414
from agent.cli.exit_codes import ExitCode
from agent.finding import Finding
from agent.language import Language, _

_GAP: Final = "  "
_BELOW: Final = "      "
_LEAST_FOLDED: Final = (
    24  # cells of a folded column; narrower it is harder to read than a line that the terminal breaks
)


class Output:
    """Where a verb's words go: stdout, or nowhere while ``json`` keeps it for the envelope; notes go to stderr."""

    def __init__(self, *, json: bool = False, color: bool | None = None) -> None:
        self.json = json
        self.color = color

    def say(self, text: str = "") -> None:
        """Print a line of the answer for people."""
        if not self.json:
            click.echo(text, color=self.color)

    def note(self, text: str) -> None:
        """Print a line beside the answer: progress, a warning; on stderr."""
        click.echo(text, err=True, color=self.color)

    def table(self, rows: Sequence[Sequence[str]], *, right: Sequence[int] = ()) -> None:
        """Print columns, as wide as their widest cell; those in ``right`` end in line. The first row is the head.

        On a terminal that is too narrow the last column goes on in the next line.
        """
        if not self.json:
            for line in columns(rows, right, room=_room()):
                click.echo(line, color=self.color)

    def finding(self, finding: Finding) -> None:
        """Print a finding: place, what, the line, what to do, code."""
        kind = _("warning") if finding.warning else _("error")
        paint = "yellow" if finding.warning else "red"
        where = f"{finding.where}: " if finding.where else ""
        self.note(f"{where}{click.style(kind, fg=paint, bold=True)}: {finding.sentence()}   {finding.tag}")
        meant = _('did you mean "{name}"?').format(name=finding.nearest) if finding.nearest else ""
        if finding.excerpt or meant:
            self.note(f"{finding.excerpt}  {meant}".rstrip())
        if finding.act():
            self.note(f"   {finding.act()}")

    def finish(self, verb: str, answer: Answer) -> None:
        """Print what is left to print: the findings, and with ``json`` the envelope."""
        if not answer.told or self.json:
            for finding in answer.findings:
                self.finding(finding)
        if self.json:
            click.echo(envelope(verb, answer))

    def line(self, value: Json, stream: TextIO | None = None) -> None:
        """Print one JSON line at once, for verbs that answer line by line."""
        print(json.dumps(value, ensure_ascii=False), file=stream or sys.stdout, flush=True)


def envelope(verb: str, answer: Answer) -> str:
    """Give the one object that ``--json`` prints: ``{schema, ok, code, result, findings}``."""
    return dumps(
        {
            "schema": f"tidegate.{verb.replace(' ', '-')}/1",
            "ok": answer.code is ExitCode.DONE,
            "code": int(answer.code),
            "result": answer.result,
            "findings": [_finding(finding) for finding in answer.findings],
        }
    )


def dumps(value: Json) -> str:
    """Write JSON in one line, in ASCII where stdout cannot carry more."""
    plain = (sys.stdout.encoding or "").lower() not in ("utf-8", "utf8")
    return json.dumps(value, ensure_ascii=plain, allow_nan=False)


def _finding(finding: Finding) -> dict[str, Json]:
    return {
        "code": finding.code,
        "tag": finding.tag,
        "severity": "warning" if finding.warning else "error",
        "where": finding.where or None,
        "params": dict(finding.params),
        "text": {language.value: finding.sentence(language) for language in Language},
        "act": {language.value: finding.act(language) for language in Language},
    }


def columns(rows: Sequence[Sequence[str]], right: Sequence[int] = (), *, room: int = 0) -> list[str]:
    """Lay out rows of cells in columns by the width that a terminal gives them (Chinese characters take two).

    Args:
        rows: cells; a row may be shorter than others.
        right: columns that end in line.
        room: cells of a line, 0 for no end; a long last column that does not fit is folded, below itself if that
            leaves it enough, else below its row.
    """
    if not rows:
        return []
    widths = [max((width(row[i]) for row in rows if i < len(row)), default=0) for i in range(max(map(len, rows)))]
    before = sum(widths[:-1]) + len(_GAP) * (len(widths) - 1)
    last = len(widths) - 1
    folds = widths[last] >= _LEAST_FOLDED and _LEAST_FOLDED <= room < before + widths[last]
    below = folds and room - before < _LEAST_FOLDED
    indent = len(_BELOW) if below else before
    lines: list[str] = []
    for row in rows:
        folded = _folded(row[last], room - indent) if folds and len(row) > last else [*row[last:]]
        if below:
            folded = ["", *folded]
        cells = [
            " " * (widths[i] - width(cell)) + cell if i in right else cell + " " * (widths[i] - width(cell))
            for i, cell in enumerate((*row[:last], *folded[:1]))
        ]
        lines.append(_GAP.join(cells).rstrip())
        lines += [" " * indent + rest for rest in folded[1:] if rest]
    return lines


def _folded(text: str, room: int) -> list[str]:
    """Break a text between words, and where there are none (Chinese) between characters."""
    lines = [""]
    for word in text.split(" "):
        longer = f"{lines[-1]} {word}" if lines[-1] else word
        if width(longer) <= room:
            lines[-1] = longer
            continue
        lines += [""] if lines[-1] else []
        for letter in word:
            if width(lines[-1] + letter) > room:
                lines.append("")
            lines[-1] += letter
    return lines


def _room() -> int:
    """Give the width of the terminal that is written to; 0 for a file or a pipe."""
    return shutil.get_terminal_size((0, 0)).columns if sys.stdout.isatty() else 0


def width(text: str) -> int:
    """Count the terminal cells that ``text`` takes, without its colours."""
    from rich.cells import cell_len  # noqa: PLC0415 - start-up time

    return cell_len(click.unstyle(text))
