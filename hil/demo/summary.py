"""How a demo run ended: one object for scripts, a few lines for people."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
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

    def as_lines(self, text: Mapping[str, str]) -> list[str]:
        """Give it for people, in the sentences of ``hil.demo.words.closing``."""
        ledger, totals, silent = self.ledger, self.totals, text["silent"]
        lines = [
            text["devices"].format(heard=self.heard, living=self.living)
            + (silent.format(names=", ".join(self.silent)) if self.silent else ""),
            text["readings"].format(
                committed=ledger.committed, arrived=ledger.arrived, lost=ledger.missing, twice=ledger.twice
            ),
            text["blocks"].format(verified=totals.blocks, receipted=totals.receipted, refused=totals.refused)
            + (text["embedded"] if self.embedded else ""),
            text["values"].format(equal=self.equal, wrong=len(self.wrong)),
            *(text["wrong"].format(what=one) for one in self.wrong[:_MOST_WRONG]),
            text["proven" if self.verified else "unproven"],
        ]
        lines += [text["storm"].format(what=kill) for kill in self.kills]
        if self.unplugged:
            back = len(self.unplugged) - len(self.unhealed)
            lines.append(
                text["adapter"].format(back=back, all=len(self.unplugged))
                + (silent.format(names=", ".join(self.unhealed)) if self.unhealed else "")
            )
        lines.append(text["ok" if self.ok else "not ok"].format(seed=self.seed))
        return lines
