"""What ``tidegate scan`` says: the plan, progress, the table of what was found, and JSON."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from typing import Final

import click

from agent.cli.output import Json, Output
from agent.finding import Finding
from agent.language import _
from drivers.profile import LineSettings
from drivers.scan.conclude import Concluded, Conclusion
from drivers.scan.propose import Certainty, Proposal
from drivers.scan.search import Search
from drivers.scan.sighting import Progress, Sighting, Spot
from drivers.scan.stage import Rank, Stage

_TELL_EVERY_S: Final = 5.0
_DRAW_EVERY_S: Final = 0.2
Proposals = Mapping[Spot, Sequence[Proposal]]


def setting(line: LineSettings) -> str:
    """Write ``9600 8N1``."""
    return f"{line.baud} {line.data_bits}{line.parity.value}{line.stop_bits}"


def duration(seconds: float) -> str:
    """Write minutes and seconds."""
    whole = round(seconds)
    return f"{whole // 60}:{whole % 60:02}"


def stage_name(stage: Stage) -> str:
    """Say what a stage looks for."""
    if stage.listens:
        return _("listening for devices that speak by themselves")
    names = {
        Rank.KNOWN: _("devices of the site"),
        Rank.FACTORY: _("factory settings"),
        Rank.WILD: _("a question to everybody"),
        Rank.LOW: _("low addresses"),
        Rank.WILD_RARE: _("a question to everybody"),
        Rank.LOW_EVEN: _("low addresses, even parity"),
        Rank.HIGH: _("high addresses"),
        Rank.HIGH_EVEN: _("high addresses, even parity"),
        Rank.SWEEP: _("address by address"),
        Rank.DEEP: _("once more, patiently"),
    }
    return f"{names[stage.rank]} ({stage.protocol})"


class Ticker:
    """Progress on stderr: one line that is drawn over on a terminal, a line each 5 s elsewhere."""

    def __init__(self, out: Output) -> None:
        self._out = out
        self._terminal = sys.stderr.isatty()
        self._told_s = 0.0
        self._drawn = False

    def tell(self, search: Search, now_s: float) -> None:
        """Say how far the search is, if it is time to."""
        stage = search.stage
        if (stage is None and search.is_between) or now_s - self._told_s < (
            _DRAW_EVERY_S if self._terminal else _TELL_EVERY_S
        ):
            return
        self._told_s = now_s
        text = self._text(search, stage)
        if self._terminal:
            click.echo(f"\r\x1b[K{text}", err=True, nl=False)
            self._drawn = True
        else:
            self._out.note(text)

    def _text(self, search: Search, stage: Stage | None) -> str:
        """Say what is being asked; one who has just answered comes before the stage at work."""
        progress = search.progress
        found, left = len(progress.sightings), duration(search.remaining_s())
        if progress.open or stage is None:
            first = progress.open[0]
            return _(
                "following up ({protocol}), {line}: {open} questions; found {found}; at most {left} left"
            ).format(
                protocol=first.protocol, line=setting(first.line), open=len(progress.open), found=found, left=left
            )
        return _("{stage}, {line}: {done} of {all}; found {found}; at most {left} left").format(
            stage=stage_name(stage),
            line=setting(stage.line),
            done=progress.done.get(stage.key, 0),
            all=len(stage.asks),
            found=found,
            left=left,
        )

    def clear(self) -> None:
        """Take the line away, for others to print."""
        if self._drawn:
            click.echo("\r\x1b[K", err=True, nl=False)
            self._drawn = False


def found_rows(progress: Progress, proposals: Proposals, names: Mapping[Spot, str]) -> list[tuple[str, ...]]:
    """Lay out what was found; a further line for each further proposal."""
    rows: list[tuple[str, ...]] = [
        ("#", _("SETTING"), _("PROTOCOL"), _("ADDRESS"), _("ANSWERS"), _("PROFILE PROPOSED"), "", _("EVIDENCE"))
    ]
    for number, one in enumerate(progress.sightings, 1):
        head = (str(number), setting(one.line), one.protocol, str(one.address), _answers(one))
        name = names.get(one.spot, "")
        choices = proposals.get(one.spot, ())
        if name:
            rows.append((*head, _("known: {name}").format(name=name), "", ""))
        elif not choices:
            rows.append((*head, "-", "", "; ".join(word for word in (one.who, _("no profile fits")) if word)))
        for place, choice in enumerate(() if name else choices):
            start = head if place == 0 else ("",) * len(head)
            who = f"{one.who}; " if one.who and place == 0 else ""
            rows.append((*start, choice.profile, certainty(choice), who + evidence(choice)))
    return rows


def _answers(one: Sighting) -> str:
    if one.unasked:
        return _("speaks by itself")
    return _("{whole} of {tries}, {fastest} to {slowest} ms").format(
        whole=one.whole, tries=one.tries, fastest=round(one.fastest_s * 1000), slowest=round(one.slowest_s * 1000)
    )


def certainty(choice: Proposal) -> str:
    """Say how sure a proposal is."""
    words = {
        Certainty.RECOGNISED: _("recognised"),
        Certainty.LIKELY: _("likely"),
        Certainty.POSSIBLE: _("possible"),
    }
    return words[choice.certainty]


def evidence(choice: Proposal) -> str:
    """Say what speaks for a proposal."""
    parts = [_("{plausible} of {tested} plausible").format(plausible=choice.plausible, tested=choice.tested)]
    parts += [f"{one.point} {one.value} {one.unit or ''}".rstrip() for one in choice.shown if one.value is not None]
    if choice.fingerprint:
        parts.append(_("its mark is there"))
    if choice.factory:
        parts.append(_("factory settings"))
    return ", ".join(parts)


def findings_of(conclusions: Sequence[Concluded], progress: Progress, port: str) -> tuple[Finding, ...]:
    """Turn conclusions, and settings that the port did not take, into findings."""
    told = [_finding(one, progress, port) for one in conclusions]
    for line in progress.refused:
        params: dict[str, str | int] = {"port": port, "line": setting(line)}
        told.append(Finding(code="setting-refused", params=params, warning=True))
    return tuple(told)


def _finding(one: Concluded, progress: Progress, port: str) -> Finding:
    params: dict[str, str | int] = {"port": port}
    if one.what is Conclusion.NOBODY:
        params["probes"] = progress.probes
    if one.what is Conclusion.OTHER_SPEED:
        voice = one.voices[-1]
        params |= {"bytes": voice.raw[:16].hex(" "), "line": setting(voice.line)}
    if one.sighting is not None:
        who = one.sighting
        params |= {
            "protocol": who.protocol,
            "address": who.address,
            "line": setting(who.line),
            "damaged": who.damaged,
            "tries": who.tries,
        }
    return Finding(code=one.what.value, params=params, warning=one.what is not Conclusion.NOBODY)


def result_of(
    search: Search,
    proposals: Proposals,
    names: Mapping[Spot, str],
    *,
    port: str,
    announced_s: float,
    took_s: float,
) -> Json:
    """Give the search for programs."""
    progress = search.progress
    return {
        "port": port,
        "finished": search.stage is None and not search.hushed,
        "probes": progress.probes,
        "announced_s": round(announced_s, 1),
        "took_s": round(took_s, 1),
        "remaining_s": round(search.remaining_s(), 1),
        "echo": progress.echo,
        "found": [
            {
                "protocol": one.protocol,
                "address": one.address,
                "who": one.who or None,
                "baud": one.line.baud,
                "parity": one.line.parity.name.lower(),
                "stop_bits": one.line.stop_bits,
                "data_bits": one.line.data_bits,
                "device": names.get(one.spot),
                "tries": one.tries,
                "whole": one.whole,
                "damaged": one.damaged,
                "fastest_ms": round(one.fastest_s * 1000, 1),
                "slowest_ms": round(one.slowest_s * 1000, 1),
                "proposals": [_proposal(choice) for choice in proposals.get(one.spot, ())],
            }
            for one in progress.sightings
        ],
    }


def _proposal(choice: Proposal) -> Json:
    return {
        "profile": choice.profile,
        "certainty": choice.certainty.value,
        "fingerprint": choice.fingerprint,
        "factory": choice.factory,
        "plausible": choice.plausible,
        "tested": choice.tested,
        "values": [{"point": one.point, "value": one.value, "unit": one.unit} for one in choice.shown],
    }
