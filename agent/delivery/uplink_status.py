"""One destination at a glance, for ``status``, the log and health."""

from __future__ import annotations

from dataclasses import dataclass

from agent.delivery.mqtt_state import Facts, LinkState, Outcome, Trouble


@dataclass(frozen=True, slots=True, kw_only=True)
class UplinkStatus:
    """Where one destination stands.

    Attributes:
        name: what its key line calls it, else its kid in hex.
        kid: first 8 bytes of SHA-256 over its receipt key.
        url: of the broker.
        link: the connection; it keeps the reason of the last failure until the next success.
        trouble: why blocks do not end in receipts now, the link's first; None while all is well.
        facts: values for the sentence of ``trouble``.
        since_mono_ns: when ``trouble`` (or its absence) began.
        window: publishes that the broker allows without PUBACK, 0 while not connected.
        in_flight: publishes without PUBACK.
        published_blocks: blocks that the broker took in (PUBACK 0), repetitions counted, in this run.
        refusals: publishes that the broker did not take, by outcome, in this run.
        resends: requests of the platform for blocks, in this run.
        receipts: valid receipts in this run.
        ignored: messages on our topics that the platform did not sign, in this run.
        receipted: (epoch, number) of the last receipt in this run, None before.
        receipt_mono_ns: when it came.
        quarantine: (epoch, number) of blocks that the broker refuses for what they are; they stay in the outbox.
    """

    name: str
    kid: bytes
    url: str
    link: LinkState
    trouble: Trouble | None = None
    facts: Facts = ()
    since_mono_ns: int = 0
    window: int = 0
    in_flight: int = 0
    published_blocks: int = 0
    refusals: tuple[tuple[Outcome, int], ...] = ()
    resends: int = 0
    receipts: int = 0
    ignored: int = 0
    receipted: tuple[int, int] | None = None
    receipt_mono_ns: int | None = None
    quarantine: tuple[tuple[int, int], ...] = ()
