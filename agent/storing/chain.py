"""Opening a gateway's chain: everything that has to fit together before a single block may be signed."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from agent.block import errors, events
from agent.block.errors import BlockError
from agent.block.form import read_form
from agent.block.record import ZERO_HEAD, ClockSample, Event, EventKind
from agent.block.seal import Writer
from agent.config import BlockRules, OutboxLimits
from agent.errors import ChainDamagedError
from agent.keys import KeyStore, key_id
from agent.outbox import LAST_SEQ, Outbox
from agent.storing.epochs import EPOCH_LIVED_S, Epochs
from agent.storing.joining import Joining, join
from agent.storing.stored import StoredBlock, place_of

OUTBOX_FILE: Final = "outbox.db"
CLEAN_SEQ: Final = "clean_seq"
"""State of the outbox: the last block when the agent stopped in order."""
_CHECKED: Final = 64
"""Newest blocks whose bytes and links are checked at every start; the whole chain is ``verify``'s work."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StorageSettings:
    """What storage has to know of the site.

    Attributes:
        folder: where the outbox lies; it has to exist.
        destinations: key ids of the receipt keys of every uplink.
        configuration: digest of the site file, for event 11.
        software_hash: of the agent's own files, for event 12.
        software_version: for event 12.
    """

    folder: Path
    rules: BlockRules
    limits: OutboxLimits
    destinations: tuple[bytes, ...] = ()
    configuration: bytes = bytes(16)
    software_hash: bytes = bytes(16)
    software_version: str = ""


class Lifetime:
    """How long the gateway has run over its life, from the clock that never jumps."""

    def __init__(self, before_s: int, seen_mono_ms: int) -> None:
        self._before_s = before_s
        self._seen_mono_ms = seen_mono_ms

    def lived_s(self, mono_ms: int) -> int:
        """Give whole seconds up to ``mono_ms`` of CLOCK_BOOTTIME, time without power left out."""
        return self._before_s + max(0, mono_ms - self._seen_mono_ms) // 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class Chain:
    """An open chain.

    Attributes:
        resumed: the newest epoch goes on; otherwise one has to be opened before anything is sealed.
        first_events: what the first block of this run has to say.
    """

    outbox: Outbox
    writer: Writer
    epochs: Epochs
    joining: Joining
    lifetime: Lifetime
    resumed: bool
    first_events: tuple[Event, ...]


def open_chain(settings: StorageSettings, keys: KeyStore, now: ClockSample) -> Chain:
    """Open the outbox and find the end of the chain in the blocks stored.

    Raises:
        StorageError: the disk refuses, or another agent is running.
        ChainDamagedError: the blocks, the receipts and the keys do not fit together.
        KeyUnavailableError: the identity or the session key cannot be used.
    """
    identity = keys.identity()
    _check_file(settings.folder / OUTBOX_FILE, keys)
    outbox = Outbox(settings.folder / OUTBOX_FILE)
    with ExitStack() as failed:
        failed.callback(outbox.close)
        writer = _resume(outbox, key_id(identity.spki))
        _check_newest(outbox)
        epochs = Epochs(keys, identity, writer, settings.rules.epoch_max_days)
        resumed = epochs.resume(outbox.state(EPOCH_LIVED_S), now)
        joining = join(outbox, settings.destinations, settings.limits.keep_bytes)
        first_events = (_boot(outbox, writer, now), *_facts(settings, joining, now.mono_ms))
        failed.pop_all()
    return Chain(
        outbox=outbox,
        writer=writer,
        epochs=epochs,
        joining=joining,
        lifetime=_lifetime(outbox, writer, now),
        resumed=resumed,
        first_events=first_events,
    )


def _check_file(path: Path, keys: KeyStore) -> None:
    """Where there is a session key and no file, blocks were signed and are gone: no number may be signed again.

    The file is made before the first key.
    """
    sessions = keys.sessions()
    if sessions and not path.exists():
        raise ChainDamagedError(
            f"{path} is missing and there is a session key of epoch {sessions[-1]}: the file was deleted, its disk is"
            " not mounted, or this is a restored backup"
        )


def _resume(outbox: Outbox, gateway: bytes) -> Writer:
    try:
        return Writer.resume(gateway, outbox.kept())
    except errors.ChainDamagedError as error:
        if error.reason == "other-gateway":
            raise ChainDamagedError(
                f"{outbox.path} belongs to gateway {error.detail}, not to this identity"
            ) from error
        raise ChainDamagedError(f"{outbox.path}: {error}") from error


def _check_newest(outbox: Outbox) -> None:
    """Bytes against heads, and each link of the newest blocks to the one before."""
    last = outbox.last
    if last is None:
        return
    newest = outbox.between(max(0, last.seq - _CHECKED), LAST_SEQ, _CHECKED + 1)
    before: StoredBlock | None = None
    for block in newest:
        try:
            form = read_form(block.message)
        except BlockError as error:
            raise ChainDamagedError(f"{outbox.path}: block {place_of(block.seq)}: {error}") from error
        if form.head != block.head or form.place != (block.epoch, block.number):
            raise ChainDamagedError(f"{outbox.path}: block {place_of(block.seq)} is not what was stored")
        linked = before is None or before.seq + 1 != block.seq or form.prev == before.head
        if not linked or (block.seq == 0 and form.prev != ZERO_HEAD):
            raise ChainDamagedError(f"{outbox.path}: block {place_of(block.seq)} does not follow the one before it")
        before = block


def _lifetime(outbox: Outbox, writer: Writer, now: ClockSample) -> Lifetime:
    last, clock = outbox.last, writer.position.clock
    if last is None or clock is None:
        return Lifetime(0, now.mono_ms)
    return Lifetime(last.lived_s, clock.mono_ms if clock.boot == now.boot else 0)


def _boot(outbox: Outbox, writer: Writer, now: ClockSample) -> Event:
    last, clock = outbox.last, writer.position.clock
    return events.boot(
        now.mono_ms,
        boot_before=clock.boot if clock is not None else None,
        last_sealed_mono_ms=clock.mono_ms if clock is not None else None,
        clean=last is None or outbox.state(CLEAN_SEQ) == last.seq,
    )


def _facts(settings: StorageSettings, joining: Joining, mono_ms: int) -> list[Event]:
    software = (settings.software_hash, settings.software_version)
    facts = [
        Event(kind=EventKind.CONFIGURATION, mono_ms=mono_ms, fields=(settings.configuration,)),
        Event(kind=EventKind.SOFTWARE, mono_ms=mono_ms, fields=software),
    ]
    facts += (Event(kind=EventKind.DESTINATION_ADDED, mono_ms=mono_ms, fields=(kid,)) for kid in joining.added)
    if joining.gap is not None:
        facts.append(events.gap(mono_ms, joining.gap))
    return facts
