"""What a verdict found, as rows of the table of codes."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Final

from agent.block.chain import Loss
from agent.block.file_verdict import BadMessage, ChainVerdict, FileVerdict
from agent.block.findings import Finding as Seen
from agent.block.findings import FindingCode
from agent.finding import Finding
from agent.language import N_, _

_SIGNATURE: Final = frozenset({"bad-signature", "signature-size"})
_SIGNER: Final = frozenset({"wrong-signer", "wrong-algorithm"})
_FORK: Final = frozenset({"same-number", "other-prev", "opens-elsewhere", "detached-rival", "second-opening"})
_PLACE: Final = frozenset({"epoch-closed", "genesis-prev", "other-gateway"})
CONTENT: Final = frozenset(
    {
        "bad-text", "clock-form", "clock-quality", "column-length", "columns-form", "dictionary-device",
        "dictionary-empty",
        "dictionary-form", "dictionary-hash", "dictionary-order", "epoch-open-misplaced", "event-form", "event-twice",
        "identity-change", "mono-range", "null-without-status", "point-index", "reading-number", "receipt-ahead",
        "receipt-back", "receipt-form", "receipt-twice", "sparse-row", "tables-torn", "value-range", "value-type",
    }
)  # fmt: skip
"""Reasons of ``ContentError``: the block is the gateway's and in its place, and breaks the format."""

LOSS_REASONS: Final = {1: N_("outbox full"), 2: N_("storage damaged"), 3: N_("before this destination was added")}


def row_of(reason: str) -> str:
    """Give the row of the table of codes for a verifier's reason."""
    for reasons, row in (
        (_SIGNATURE, "bad-signature"),
        (_SIGNER, "wrong-signer"),
        (_FORK, "fork"),
        (_PLACE, "misplaced"),
        (CONTENT, "unreadable-block"),
        (frozenset({"unknown-gateway"}), "unknown-gateway"),
        (frozenset({"bad-stretch"}), "bad-stretch"),
    ):
        if reason in reasons:
            return row
    return "bad-form"


def findings_of(verdict: FileVerdict) -> tuple[Finding, ...]:
    """Everything that stands in the way of a proof, then everything to look at."""
    hindering = [_bad(bad, "") for bad in verdict.bad]
    looked_at: list[Finding] = []
    for chain in verdict.chains:
        gateway = chain.gateway.hex()
        if not chain.trusted:
            hindering.append(Finding(code="unknown-gateway", params={"gateway": gateway}, where=gateway))
            continue
        hindering += [_bad(bad, gateway) for bad in chain.bad]
        hindering += list(_lacking(chain))
        looked_at += [_loss(loss, gateway) for loss in chain.declared]
        looked_at += [_seen(seen, gateway) for seen in chain.findings if seen.code is not FindingCode.DECLARED_LOSS]
    return tuple(hindering + looked_at)


def place(at: tuple[int, int]) -> str:
    """Write (epoch, number) as people say it: ``1/20``."""
    return f"{at[0]}/{at[1]}"


def utc(ms: int | None) -> str:
    """Write UTC to the second; a dash for none, and for one beyond the calendar's year 9999."""
    try:
        return "-" if ms is None else datetime.fromtimestamp(ms / 1000, UTC).strftime("%Y-%m-%d %H:%M:%S")
    except (ValueError, OverflowError):
        return "-"


def before(at: tuple[int, int]) -> str:
    """Write the place before a block: the last one of the epoch before where the block is a first one."""
    return place((at[0], at[1] - 1)) if at[1] else _("the end of epoch {epoch}").format(epoch=max(at[0] - 1, 0))


def loss_reason(loss: Loss) -> str:
    """Say why the gateway dropped blocks."""
    return _(LOSS_REASONS[loss.reason])


def _bad(bad: BadMessage, gateway: str) -> Finding:
    where = _("message {index}").format(index=bad.index)
    if bad.place is not None:
        where = _("block {place}").format(place=place(bad.place))
    where = f"{gateway} {where}".strip()
    return Finding(code=row_of(bad.reason), params={"reason": bad.reason, "detail": bad.detail}, where=where)


def _lacking(chain: ChainVerdict) -> Iterator[Finding]:
    gateway = chain.gateway.hex()
    if chain.last is None and chain.detached:
        yield Finding(code="start-unknown", where=gateway)
        return
    for missing in chain.missing:
        params = {"first": place(missing.first), "last": before(missing.until)}
        yield Finding(code="undeclared-loss", params=params, where=gateway)
    if chain.parked:
        yield Finding(code="parked", params={"count": chain.parked}, where=gateway)
    if chain.detached + chain.dropped:
        yield Finding(code="detached", params={"count": chain.detached + chain.dropped}, where=gateway)


def _loss(loss: Loss, gateway: str) -> Finding:
    params: dict[str, str | int] = {
        "first": place(loss.first),
        "last": before(loss.until),
        "reason": loss_reason(loss),
        "readings": loss.readings[1] - loss.readings[0],
    }
    return Finding(code="declared-loss", params=params, where=gateway, warning=True)


def _seen(seen: Seen, gateway: str) -> Finding:
    where = _("{gateway} block {place}").format(gateway=gateway, place=place(seen.place))
    params = {
        "seconds": f"{seen.value_ms / 1000:g}",
        "from_utc": utc(seen.from_utc_ms),
        "to_utc": utc(seen.to_utc_ms),
    }
    return Finding(code=seen.code.value, params=params, where=where, warning=True)
