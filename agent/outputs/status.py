"""One output at a glance, for ``status``, the log and health."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from agent.delivery.mqtt_state import Facts, Phase


class OutputTrouble(Enum):
    """Why what is told does not arrive; the value is the key of the sentence that a person reads."""

    UNREACHABLE = "output-unreachable"
    SILENT = "output-silent"
    SECRET = "output-secret-unreadable"  # noqa: S105 - a key of a sentence
    STORE = "output-store-failed"


@dataclass(frozen=True, slots=True, kw_only=True)
class OutputStatus:
    """Where one output stands.

    Attributes:
        kind: ``hj212``.
        where: host and port.
        phase: of the connection.
        trouble: why nothing arrives now, None while all is well; facts: values for its sentence.
        since_mono_ms: when ``trouble`` (or its absence) began.
        waiting: reports without acknowledgement.
        lost: reports that were given up, since too many waited.
        sent: packets sent, repetitions counted, in this run; told: acknowledged; unanswered: not in time.
        strange: packets from there that were damaged, or acknowledged what was not asked, in this run.
        told_mono_ms: when the last one was acknowledged, None before.
    """

    name: str
    kind: str
    where: str
    phase: Phase
    trouble: OutputTrouble | None = None
    facts: Facts = ()
    since_mono_ms: int = 0
    waiting: int = 0
    lost: int = 0
    sent: int = 0
    told: int = 0
    unanswered: int = 0
    strange: int = 0
    told_mono_ms: int | None = None
