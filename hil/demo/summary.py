"""How a demo run ended: one object for scripts, a few lines for people."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from hil.demo.platform_view import Totals
from hil.ledger import Ledger

_MOST_WRONG: Final = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary:
    """The result of one run.

    Attributes:
        living: devices that the simulator kept alive.
        heard: of these, how many have a verified reading that is what they told.
        silent: names of living devices without one.
        equal: verified readings that are what their device told.
        wrong: sentences about verified readings that are not, or that should not be.
        ledger: committed against arrived.
        verified: what ``tidegate verify`` said of the platform's store: proven or not.
        embedded: no broker, so that nothing could be receipted.
        first_reading_s: from the agent's start to its first verified reading.
        kills: what the storm did.
        unplugged: devices on the adapter that the storm pulled.
        unhealed: of these, those without a good reading taken after it was put back.
    """

    seed: int
    living: int
    heard: int
    silent: Sequence[str]
    equal: int
    wrong: Sequence[str]
    totals: Totals
    ledger: Ledger
    verified: bool
    embedded: bool
    first_reading_s: float | None
    kills: Sequence[str]
    unplugged: Sequence[str] = ()
    unhealed: Sequence[str] = ()

    @property
    def ok(self) -> bool:
        """Whether all that live were verified and right, each line healed and, with a broker, all receipted once."""
        custody = self.embedded or self.totals.receipted == self.totals.blocks > 0
        heard = self.heard == self.living > 0 and not self.unhealed
        return heard and not self.wrong and self.verified and custody and self.ledger.exactly_once

    def as_object(self) -> dict[str, object]:
        """Give it for ``--json``."""
        return {
            "schema": "tidegate.demo/1",
            "ok": self.ok,
            "seed": self.seed,
            "devices": {"living": self.living, "heard": self.heard, "silent": list(self.silent)},
            "blocks": {
                "verified": self.totals.blocks,
                "receipted": self.totals.receipted,
                "refused": self.totals.refused,
            },
            "readings": {
                "committed": self.ledger.committed,
                "arrived": self.ledger.arrived,
                "lost": self.ledger.missing,
                "twice": self.ledger.twice,
                "as_told": self.equal,
                "wrong": list(self.wrong),
            },
            "bytes_per_reading": self.totals.bytes_per_reading and round(self.totals.bytes_per_reading, 2),
            "first_reading_s": self.first_reading_s and round(self.first_reading_s, 2),
            "proven": self.verified,
            "embedded": self.embedded,
            "kills": list(self.kills),
            "unplugged": {"devices": len(self.unplugged), "silent_since": list(self.unhealed)},
        }

    def as_lines(self) -> list[str]:
        """Give it for people."""
        ledger, totals = self.ledger, self.totals
        lines = [
            f"devices   {self.heard} of {self.living} living ones verified"
            + (f"; silent: {', '.join(self.silent)}" if self.silent else ""),
            (
                f"readings  {ledger.committed} committed, {ledger.arrived} arrived, {ledger.missing} lost, "
                f"{ledger.twice} twice"
            ),
            f"blocks    {totals.blocks} verified, {totals.receipted} receipted, {totals.refused} refused"
            + (" (embedded archive: nobody receipts)" if self.embedded else ""),
            f"values    {self.equal} as the devices told them, {len(self.wrong)} wrong",
            *(f"wrong     {one}" for one in self.wrong[:_MOST_WRONG]),
            f"chain     {'proven from the genesis to the last block' if self.verified else 'NOT proven'}",
        ]
        lines += [f"storm     {kill}" for kill in self.kills]
        if self.unplugged:
            back = len(self.unplugged) - len(self.unhealed)
            silent = f"; silent: {', '.join(self.unhealed)}" if self.unhealed else ""
            lines.append(
                f"adapter   {back} of {len(self.unplugged)} devices read again after it was put back{silent}"
            )
        lines.append(f"seed      {self.seed}   {'ok' if self.ok else 'NOT ok'}")
        return lines
