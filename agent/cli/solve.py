"""``tidegate solve``: raw registers and the display of the meter to type, word order and scale."""

from __future__ import annotations

from decimal import Decimal, InvalidOperation
from typing import TYPE_CHECKING

import click

from agent.cli.bytes_text import parse_hex
from agent.cli.exit_codes import ExitCode
from agent.cli.output import Answer, Json
from agent.cli.session import Session
from agent.cli.verb import verb
from agent.finding import Finding
from agent.language import N_, _

if TYPE_CHECKING:
    from drivers.solve import Pair, Reading, Solution

_MOST_LINES = 8
_HELP = N_("""Find out how registers are to be read, from what the display shows.

\b
  tidegate solve 43663333 --value 230.2
  tidegate solve 0000 --value 0.0 0929 --value 234.5
  tidegate solve '33 33 43 66'

Give another pair, taken at another time, if several ways fit. Without --value every way to read is shown. Ends with 0
if one way fits, with 1 if none or several do.
""")


@verb("solve", help=_HELP)
@click.argument("registers", metavar="BYTES...", nargs=-1, required=True)
@click.option(
    "--value", "values", metavar="DISPLAYED", multiple=True, help=N_("What the display shows, digit by digit.")
)
def command(session: Session, registers: tuple[str, ...], values: tuple[str, ...]) -> Answer:
    """Solve and show."""
    from drivers.solve import solve  # noqa: PLC0415 - start-up time

    if values and len(values) != len(registers):
        detail = _("{bytes} groups of bytes and {values} values").format(bytes=len(registers), values=len(values))
        return _wrong(Finding(code="usage", params={"detail": detail}))
    pairs = _pairs(registers, values)
    if isinstance(pairs, Finding):
        return _wrong(pairs)
    try:
        solution = solve(pairs)
    except ValueError:
        detail = _("whole registers are two bytes each, and as many in every group")
        return _wrong(Finding(code="bad-hex", params={"detail": detail}))
    _show(session, solution)
    return _answer(solution, values)


def _pairs(registers: tuple[str, ...], values: tuple[str, ...]) -> list[Pair] | Finding:
    from drivers.solve import Pair  # noqa: PLC0415 - start-up time

    pairs: list[Pair] = []
    for index, text in enumerate(registers):
        try:
            data = parse_hex(text)
        except ValueError as error:
            return Finding(code="bad-hex", params={"detail": str(error)})
        shown = None
        if values:
            shown = _decimal(values[index])
            if shown is None:
                params = {"key": "--value", "value": values[index], "example": "230.2"}
                return Finding(code="not-a-number", params=params)
        pairs.append(Pair(registers=data, shown=shown))
    return pairs


def _decimal(text: str) -> Decimal | None:
    try:
        number = Decimal(text.replace(" ", "").replace(",", "."))
    except InvalidOperation:
        return None
    return number if number.is_finite() else None


def _wrong(finding: Finding) -> Answer:
    return Answer(code=ExitCode.USAGE, findings=(finding,))


def _show(session: Session, solution: Solution) -> None:
    if not solution.readings:
        return
    rows = [(_("TYPE"), _("WORDS"), _("REGISTER"), _("SCALE"), _("GIVES"))]
    for one in solution.readings[:_MOST_LINES]:
        values = ", ".join(format(value, "f") for value in one.values)
        rows.append((one.type, one.order.value, f"+{one.offset}", one.scale, values))
    session.out.table(rows)
    more = len(solution.readings) - _MOST_LINES
    if more > 0:
        session.out.say(_("and {more} more").format(more=more))
    if solution.twins:
        session.out.say(
            _("{types} gives the same here; they differ for negative or very large values.").format(
                types=", ".join(dict.fromkeys(one.type for one in solution.twins))
            )
        )


def _answer(solution: Solution, values: tuple[str, ...]) -> Answer:
    result: Json = {
        "readings": [_json(one) for one in solution.readings],
        "ambiguous": solution.ambiguous,
        "twins": [one.type for one in solution.twins],
    }
    if not values:
        return Answer(result=result)
    if not solution.readings:
        finding = Finding(code="no-fit", params={"value": ", ".join(values)})
        return Answer(code=ExitCode.NO, result=result, findings=(finding,))
    if solution.ambiguous:
        count = len(solution.readings) - len(solution.twins)
        finding = Finding(code="several-fit", params={"count": count}, warning=True)
        return Answer(code=ExitCode.NO, result=result, findings=(finding,))
    return Answer(result=result)


def _json(one: Reading) -> Json:
    return {
        "type": one.type,
        "words": one.order.value,
        "offset": one.offset,
        "scale": one.scale,
        "values": [format(value, "f") for value in one.values],
    }
