"""Starting a collector: on a broker until it is told to stop, or over a file to its end. Composes clocks and keys."""

from __future__ import annotations

import asyncio
import random
import secrets
import signal
from collections import Counter
from collections.abc import Callable
from contextlib import closing, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from agent.block.cbseq import BadStretch, read_cbseq
from agent.block.errors import BlockError
from agent.block.verify import Verdict
from agent.clock import SystemClock
from agent.collector.ingest import Arrival, Batch, Ingest, Progress
from agent.collector.service import BATCH_BLOCKS, CollectorStoppedError, Service
from agent.collector.store import Database
from agent.delivery.mqtt_options import Credentials, MqttOptions, parse_broker_url
from agent.delivery.mqtt_state import LinkState
from agent.errors import ConfigError
from agent.keys import FileKeyStore, SigningKey, key_line, load_trust

_KEYS_SUFFIX: Final = ".keys"
_WINDOW: Final = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class CollectOptions:
    """What ``tidegate collect`` is told.

    Attributes:
        db: database, made if it is not there; the receipt key lies in a folder beside it, ``NAME.keys``.
        trust: file of identity key lines, as ``tidegate init`` prints them.
        broker: URL, None to read ``input`` only.
        input: ``.cbseq`` file to take in; without ``broker`` that is all.
        name: of this platform, in its key line.
        credentials: for the broker.
        protocol: MQTT 5, or 4 for 3.1.1.
    """

    db: Path
    trust: Path
    broker: str | None = None
    input: Path | None = None
    name: str = "collector"
    credentials: Credentials = field(default_factory=Credentials)
    protocol: int = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Collected:
    """What a file brought.

    Attributes:
        messages: in the file.
        bad_stretches: stretches of bytes that belong to no message.
        blocks: chained now.
        readings: of those blocks.
        verdicts: messages by kebab-case verdict; ``refused`` includes those that are no blocks.
        reasons: refusals by kebab-case reason.
        gateways: that the file spoke of.
        waiting: of those, how many have blocks that wait for others.
        forked: of those, how many have two histories.
        seconds: from the first message to the last commit.
    """

    messages: int = 0
    bad_stretches: int = 0
    blocks: int = 0
    readings: int = 0
    verdicts: tuple[tuple[str, int], ...] = ()
    reasons: tuple[tuple[str, int], ...] = ()
    gateways: int = 0
    waiting: int = 0
    forked: int = 0
    seconds: float = 0.0

    @property
    def whole(self) -> bool:
        """Whether every message became part of a chain, or was there already, and all can be read."""
        bad = {Verdict.REFUSED.value, Verdict.UNREADABLE.value}
        return not (
            self.bad_stretches or self.waiting or self.forked or any(name in bad for name, _ in self.verdicts)
        )


def receipt_key(db: Database) -> SigningKey:
    """Give this platform's receipt key, made at the first start; two collectors on one database share it.

    Raises:
        KeyUnavailableError: it cannot be read or made.
    """
    store = FileKeyStore(db.path.with_name(db.path.name + _KEYS_SUFFIX))
    with db.transaction():  # one of two that start at once makes it
        return store.identity() if store.has_identity() else store.create_identity()


def run_collect(
    options: CollectOptions,
    *,
    on_key: Callable[[str], None] | None = None,
    on_link: Callable[[LinkState], None] | None = None,
    on_batch: Callable[[Batch], None] | None = None,
    on_fault: Callable[[str], None] | None = None,
) -> Collected:
    """Collect. With a broker this ends by SIGTERM or SIGINT, without one at the end of the file.

    Args:
        options: what to do.
        on_key: given the line to put into ``site.toml`` as ``receipt_key``, before anything is taken in.
        on_link: given every change of the connection.
        on_batch: given what each committed batch brought.
        on_fault: given the sentence when nothing can be stored, and an empty one when it can again.

    Raises:
        ConfigError: URL or trust file are wrong, the trust file is empty, or there is neither broker nor input.
        StorageError: the database cannot be opened.
        KeyUnavailableError: the receipt key cannot be used.
        CollectorStoppedError: a fault of this program.
        OSError: the input cannot be read.
    """
    if options.broker is None and options.input is None:
        raise ConfigError("collect", "there is nothing to collect from", "give --broker URL or --input FILE")
    endpoint = None if options.broker is None else parse_broker_url(options.broker, "--broker")
    trust = load_trust(options.trust)
    if not trust:
        raise ConfigError(str(options.trust), "no key is in it", "put the line that tidegate init printed into it")
    with closing(Database.open(options.db)) as db:
        try:
            ingest = Ingest(db, trust)
        except BlockError as error:
            raise ConfigError(str(options.trust), f"a key in it cannot be used: {error}") from error
        clock = SystemClock()
        collected = Collected() if options.input is None else _take_file(options.input, ingest, clock, on_batch)
        if endpoint is None:
            return collected
        signer = receipt_key(db)
        if on_key is not None:
            on_key(key_line(signer.spki, options.name))
        client = MqttOptions(
            endpoint=endpoint,
            client_id=f"tidegate-collector-{signer.kid.hex()}-{secrets.token_hex(3)}",
            credentials=options.credentials,
            protocol=options.protocol,
            window=_WINDOW,
        )
        with suppress(asyncio.CancelledError):
            asyncio.run(_serve(client, ingest, signer, clock, on_link, on_batch, on_fault))
    return collected


async def _serve(
    client: MqttOptions,
    ingest: Ingest,
    signer: SigningKey,
    clock: SystemClock,
    on_link: Callable[[LinkState], None] | None,
    on_batch: Callable[[Batch], None] | None,
    on_fault: Callable[[str], None] | None,
) -> None:
    service = Service(
        client,
        ingest,
        signer,
        clock=clock,
        rng=random.SystemRandom(),
        on_change=on_link,
        on_batch=on_batch,
        on_fault=on_fault,
    )
    task = asyncio.current_task()
    assert task is not None
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, task.cancel)
    try:
        await service.run()
    except* CollectorStoppedError as group:
        raise group.exceptions[0] from None


def _take_file(path: Path, ingest: Ingest, clock: SystemClock, on_batch: Callable[[Batch], None] | None) -> Collected:
    """Feed a file in batches as large as those on the line."""
    verdicts: Counter[str] = Counter()
    reasons: Counter[str] = Counter()
    gateways: dict[bytes, Progress] = {}
    messages = bad = blocks = readings = 0
    began_ns = clock.mono_ns()
    with path.open("rb") as stream:
        items = read_cbseq(stream)
        while chunk := [item for _, item in zip(range(BATCH_BLOCKS), items, strict=False)]:
            arrivals = [Arrival(message=item) for item in chunk if not isinstance(item, BadStretch)]
            bad += len(chunk) - len(arrivals)
            messages += len(arrivals)
            batch = ingest.take(arrivals, clock.utc_ns() // 1_000_000)
            verdicts.update({verdict.value: count for verdict, count in batch.verdicts})
            reasons.update(dict(batch.reasons))
            gateways.update((progress.gateway, progress) for progress in batch.progress)
            blocks += sum(progress.chained for progress in batch.progress)
            readings += batch.readings
            if on_batch is not None:
                on_batch(batch)
    refused = sum(reasons.values())
    if refused:
        verdicts[Verdict.REFUSED.value] = refused
    return Collected(
        messages=messages,
        bad_stretches=bad,
        blocks=blocks,
        readings=readings,
        verdicts=tuple(sorted(verdicts.items())),
        reasons=tuple(sorted(reasons.items())),
        gateways=len(gateways),
        waiting=sum(1 for progress in gateways.values() if progress.waits_at is not None or progress.parked),
        forked=sum(progress.forked for progress in gateways.values()),
        seconds=(clock.mono_ns() - began_ns) / 1e9,
    )
