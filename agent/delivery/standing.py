"""What a broker's answers and a platform's receipts say about a destination, and so how much may be sent. Pure."""

from __future__ import annotations

import random
from typing import Final

from agent.delivery.mqtt_state import Facts, Outcome, Trouble

RECEIPT_PATIENCE_S: Final = 10.0
REFUSED_PAUSE_S: Final = 1.0
MOST_PAUSE_S: Final = 300.0

_TROUBLES: Final = {
    Outcome.NO_SUBSCRIBERS: Trouble.NO_SUBSCRIBERS,
    Outcome.DENIED: Trouble.PUBLISH_DENIED,
    Outcome.QUOTA: Trouble.QUOTA,
    Outcome.FAILED: Trouble.PUBLISH_FAILED,
}


class Standing:
    """Times are seconds of any clock that only goes forward.

    Args:
        rng: spreads the pauses of many gateways that met the same refusal.
    """

    def __init__(self, rng: random.Random) -> None:
        self._rng = rng
        self._refusal: Trouble | None = None
        self._refusal_facts: Facts = ()
        self._pause_s = REFUSED_PAUSE_S
        self._not_before_s = 0.0
        self._receipt: Trouble | None = None
        self._receipt_facts: Facts = ()
        self._patience_s = RECEIPT_PATIENCE_S
        self._due_s: float | None = None
        self._other_kid = ""

    @property
    def trouble(self) -> tuple[Trouble | None, Facts]:
        """Why blocks do not end in receipts, as far as a working connection tells."""
        if self._refusal is not None:
            return self._refusal, self._refusal_facts
        return self._receipt, self._receipt_facts

    def accepted(self, now_s: float) -> None:
        """The broker took a block in: it can be sent at full speed, and a receipt is due."""
        self._refusal = None
        self._pause_s = REFUSED_PAUSE_S
        if self._due_s is None:
            self._due_s = now_s + self._patience_s

    def refused(self, outcome: Outcome, facts: Facts, now_s: float) -> None:
        """The broker did not take a block for a reason that holds for the next one too: pause, then try one."""
        if now_s < self._not_before_s:
            return  # more answers of the same window
        self._refusal = _TROUBLES[outcome]
        self._refusal_facts = facts
        self._not_before_s = now_s + self._rng.uniform(0.5, 1.0) * self._pause_s
        self._pause_s = min(MOST_PAUSE_S, self._pause_s * 2)

    def set_aside(self, facts: Facts) -> None:
        """The broker refuses one block for what it is; those behind it will never be receipted without it."""
        self._receipt = Trouble.BLOCK_REFUSED
        self._receipt_facts = facts

    def receipted(self, now_s: float, *, progress: bool, waiting: bool) -> None:
        """A valid receipt came; ``waiting`` tells whether blocks that the broker took in still have none."""
        self._not_before_s = 0.0  # the platform is there: whatever the broker said about subscribers is over
        if not progress:
            return
        self._receipt, self._other_kid = None, ""
        self._patience_s = RECEIPT_PATIENCE_S
        self._due_s = now_s + self._patience_s if waiting else None

    def signed_by_another(self, kid: str) -> None:
        """Another key signed a receipt: anyone may send one, so it tells only if no good one comes."""
        self._other_kid = kid

    def disagrees(self, facts: Facts) -> None:
        """A receipt names a block that is not ours. Stands until a receipt fits again."""
        self._receipt = Trouble.RECEIPT_DISAGREES
        self._receipt_facts = facts

    def overdue(self, now_s: float) -> bool:
        """Tell, once for each growing pause, that a receipt should have come by now."""
        if self._due_s is None or now_s < self._due_s:
            return False
        if self._receipt in (None, Trouble.NO_RECEIPT):
            self._receipt = Trouble.RECEIPT_KEY if self._other_kid else Trouble.NO_RECEIPT
            self._receipt_facts = (("seconds", f"{self._patience_s:.0f}"), ("kid", self._other_kid))
        self._patience_s = min(MOST_PAUSE_S, self._patience_s * 2)
        self._due_s = now_s + self._patience_s
        return True

    def reconnected(self) -> None:
        """A new connection: what the broker refused on the last one may pass now."""
        self._not_before_s = 0.0

    def allowance(self, free: int, in_flight: int, now_s: float) -> int:
        """How many publishes may go now: the whole window, a single trial after a refusal, or none in its pause."""
        if now_s < self._not_before_s:
            return 0
        return free if self._refusal is None else min(free, max(0, 1 - in_flight))
