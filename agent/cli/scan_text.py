"""What ``tidegate scan`` says: the table of what was found, its words, and JSON."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from agent.cli.output import Json
from agent.cli.scan_record import Unasked
from agent.finding import Finding
from agent.language import _
from drivers.profile import LineSettings
from drivers.scan.conclude import Concluded, Conclusion
from drivers.scan.propose import Certainty, Proposal
from drivers.scan.search import Search
from drivers.scan.sighting import Progress, Sighting, Spot
from drivers.scan.stage import Rank, Stage

Proposals = Mapping[Spot, Sequence[Proposal]]


def setting(line: LineSettings) -> str:
    """Write ``9600 8N1``."""
    return f"{line.baud} {line.data_bits}{line.parity.value}{line.stop_bits}"


def duration(seconds: float) -> str:
    """Write minutes and seconds."""
    whole = round(seconds)
    return f"{whole // 60}:{whole % 60:02}"


def span(least_s: float, most_s: float) -> str:
    """Write from when to when."""
    ends = dict.fromkeys((duration(max(1.0, least_s)), duration(max(1.0, most_s))))
    return "-".join(ends)


def stage_name(stage: Stage) -> str:
    """Say what a stage looks for."""
    return stage_words(stage.rank, stage.protocol, listens=stage.listens)


def stage_words(rank: Rank, protocol: str, *, listens: bool) -> str:
    """Say what a stage of this rank looks for."""
    if listens:
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
    return f"{names[rank]} ({protocol})"


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
            tried = _("no profile fits") if one.whole else ""  # of spoilt answers no profile is tried
            rows.append((*head, "-", "", "; ".join(word for word in (one.who, tried) if word)))
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


def unfinished(left: Unasked, line: str) -> tuple[Finding, ...]:
    """Say that a scan of ``line`` ended early, what it has not asked, and how it goes on; nothing if it did not."""
    if not left.questions:
        return ()
    ahead = _("a closer look at who answered")
    if left.rank is not None:
        ahead = stage_words(left.rank, left.protocol, listens=left.listens)
    params: dict[str, str | int] = {
        "questions": left.questions,
        "next": ahead,
        "line": line,
        "yes": " --yes" if left.hushed else "",
    }
    return (Finding(code="scan-unfinished", params=params, warning=True),)


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
        "finished": search.is_done and not search.agenda.hushed,
        "probes": progress.probes,
        "announced_s": round(announced_s, 1),
        "added_s": round(search.forecast.added_s, 1),
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
