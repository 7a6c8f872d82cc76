"""The verdict on sealed blocks: in words that a lawyer could read, and as data."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Final

import click

from agent.block.file_verdict import ChainVerdict, FileVerdict
from agent.cli.evidence import Part
from agent.cli.exit_codes import ExitCode
from agent.cli.output import Json, Output, columns
from agent.cli.verdict_findings import findings_of, place, utc
from agent.finding import Finding
from agent.language import N_, _

_SHOWN: Final = 20


class Judgement(Enum):
    """What may be said."""

    PROVEN = "proven"
    NOT_PROVEN = "not-proven"
    CANNOT_JUDGE = "cannot-judge"


_CODES: Final = {
    Judgement.PROVEN: ExitCode.DONE,
    Judgement.NOT_PROVEN: ExitCode.NO,
    Judgement.CANNOT_JUDGE: ExitCode.CANNOT_JUDGE,
}
_WORDS: Final = {
    Judgement.PROVEN: N_("proven: nothing was altered, reordered or left out"),
    Judgement.NOT_PROVEN: N_("NOT proven"),
    Judgement.CANNOT_JUDGE: N_("cannot be judged"),
}
_COLOURS: Final = {Judgement.PROVEN: "green", Judgement.NOT_PROVEN: "red", Judgement.CANNOT_JUDGE: "yellow"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Opinion:
    """A verdict with everything that is said of it.

    Attributes:
        names: what people call the trusted gateways, by gateway id.
        extra: findings that come from where the blocks lay rather than from the blocks.
        part: what was judged of an outbox whose older blocks were pruned; None for all.
        unfounded: so much was pruned that there is nothing to start from.
    """

    sources: tuple[str, ...]
    verdict: FileVerdict
    names: Mapping[bytes, str]
    extra: tuple[Finding, ...] = ()
    part: Part | None = None
    unfounded: bool = False

    @property
    def judgement(self) -> Judgement:
        """Proven, not proven, or cannot be judged."""
        verdict = self.verdict
        if verdict.proven:
            return Judgement.PROVEN
        if self.unfounded:
            return Judgement.CANNOT_JUDGE
        if verdict.bad_count or any(_broken(chain) for chain in verdict.chains):
            return Judgement.NOT_PROVEN
        return Judgement.CANNOT_JUDGE

    @property
    def code(self) -> ExitCode:
        """The exit code."""
        return _CODES[self.judgement]

    def findings(self) -> tuple[Finding, ...]:
        """Everything found."""
        return (*self.extra, *findings_of(self.verdict))

    def result(self) -> Json:
        """Give it for programs."""
        return {
            "sources": list(self.sources),
            "verdict": self.judgement.value,
            "proven": self.verdict.proven,
            "messages": self.verdict.messages,
            "bad": self.verdict.bad_count,
            "gateways": [_chain(chain, self.names.get(chain.gateway)) for chain in self.verdict.chains],
        }

    def print(self, out: Output) -> None:
        """Give it for people."""
        for source in self.sources:
            out.say(source)
        for chain in self.verdict.chains:
            out.say()
            for line in _lines(chain, self.names.get(chain.gateway)):
                out.say(line)
        found = self.findings()
        if found:
            out.say()
        for finding in found[:_SHOWN]:
            where = f"{finding.where}: " if finding.where else ""
            out.say(f"  - {where}{finding.sentence()}   {finding.tag}")
        if len(found) > _SHOWN:
            out.say("  - " + _("and {count} more: see --json").format(count=len(found) - _SHOWN))
        out.say()
        word = _(_WORDS[self.judgement])
        begins = max((chain.begins for chain in self.verdict.chains), default=0)
        if self.judgement is Judgement.PROVEN and begins:
            word = _("proven from epoch {epoch} on: nothing was altered, reordered or left out").format(epoch=begins)
        shown = click.style(word, fg=_COLOURS[self.judgement], bold=True)
        out.say(_("VERDICT  {verdict}").format(verdict=shown))


def _broken(chain: ChainVerdict) -> bool:
    """Tell whether something was shown to be wrong, rather than just not shown."""
    if not chain.trusted:
        return False
    if chain.refused or chain.unreadable or chain.forks:
        return True
    return chain.last is not None and not chain.proven


def _lines(chain: ChainVerdict, name: str | None) -> list[str]:
    trust = _('trusted as "{name}"').format(name=name or "-") if chain.trusted else _("NOT in the trust file")
    rows = [(_("gateway"), f"{chain.gateway.hex()}   {trust}")]
    if chain.trusted:
        rows += _rows(chain)
    return columns(rows)


def _rows(chain: ChainVerdict) -> list[tuple[str, str]]:
    refused = chain.refused + chain.unreadable
    rows = [
        (_("epochs"), _epochs(chain.epochs)),
        (_("blocks"), _blocks(chain)),
        (_("readings"), str(chain.readings)),
        (_("time"), _("{first} to {last} UTC").format(first=utc(chain.first_utc_ms), last=utc(chain.last_utc_ms))),
        (_("gaps"), _gaps(chain)),
        (_("forks"), str(chain.forks) if chain.forks else _("none")),
        (_("bad blocks"), str(refused) if refused else _("none")),
    ]
    if chain.duplicates:
        rows.append((_("repeated"), str(chain.duplicates)))
    if chain.last is not None:
        rows.append((_("head"), _("{head} of block {place}").format(head=chain.head.hex(), place=place(chain.last))))
        rows.append(("", _("compare it with a receipt: no file can show that its own end is missing")))
    return rows


def _epochs(epochs: Sequence[tuple[int, int]]) -> str:
    if not epochs:
        return "-"
    if len(epochs) == 1:
        return str(epochs[0][0])
    return _("{count}, from {first} to {last}").format(count=len(epochs), first=epochs[0][0], last=epochs[-1][0])


def _blocks(chain: ChainVerdict) -> str:
    if chain.last is None or not chain.epochs:
        return "0"
    span = _("{count}, from {first} to {last}, signatures and links good")
    return span.format(count=chain.blocks, first=place((chain.begins, 0)), last=place(chain.last))


def _gaps(chain: ChainVerdict) -> str:
    parts = []
    if chain.declared:
        lost = sum(loss.readings[1] - loss.readings[0] for loss in chain.declared)
        declared = _("{count} declared by the gateway (readings lost: {readings})")
        parts.append(declared.format(count=len(chain.declared), readings=lost))
    if chain.missing:
        parts.append(_("{count} NOT declared").format(count=len(chain.missing)))
    return ", ".join(parts) or _("none")


def _chain(chain: ChainVerdict, name: str | None) -> Json:
    return {
        "gateway": chain.gateway.hex(),
        "name": name,
        "trusted": chain.trusted,
        "proven": chain.proven,
        "proven_from_epoch": chain.begins,
        "first_seen": list(chain.first_seen),
        "last": None if chain.last is None else list(chain.last),
        "head": chain.head.hex(),
        "epochs": [{"epoch": epoch, "blocks": count} for epoch, count in chain.epochs],
        "blocks": chain.blocks,
        "readings": chain.readings,
        "first_utc_ms": chain.first_utc_ms,
        "last_utc_ms": chain.last_utc_ms,
        "declared": [
            {
                "first": list(loss.first),
                "until": list(loss.until),
                "readings": list(loss.readings),
                "reason": loss.reason,
            }
            for loss in chain.declared
        ],
        "missing": [{"first": list(one.first), "until": list(one.until)} for one in chain.missing],
        "duplicates": chain.duplicates,
        "detached": chain.detached,
        "parked": chain.parked,
        "dropped": chain.dropped,
        "refused": chain.refused,
        "unreadable": chain.unreadable,
        "forks": chain.forks,
        "bad": [
            {
                "index": bad.index,
                "block": None if bad.place is None else list(bad.place),
                "reason": bad.reason,
                "detail": bad.detail,
            }
            for bad in chain.bad
        ],
    }
