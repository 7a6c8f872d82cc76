"""Epochs: when a session key is made, how long it seals, and when it is destroyed."""

from __future__ import annotations

from typing import Final

from agent.block.errors import SealError
from agent.block.record import ClockQuality, ClockSample
from agent.block.seal import Writer
from agent.errors import ChainDamagedError, KeyUnavailableError
from agent.keys import KeyStore, SigningKey

EPOCH_LIVED_S: Final = "epoch_lived_s"
"""State of the outbox: how long the gateway had run when its epoch was opened."""
_DAY_S: Final = 86_400


class Epochs:
    """The session keys of one chain."""

    def __init__(self, keys: KeyStore, identity: SigningKey, writer: Writer, max_days: float) -> None:
        self._keys = keys
        self._identity = identity
        self._writer = writer
        self._max_s = max_days * _DAY_S
        self._opened_s = 0.0
        self._next: SigningKey | None = None

    def resume(self, opened_s: int | None, now: ClockSample) -> bool:
        """Go on in the epoch that is open; False if there is none to go on in (first start, or its key is lost).

        Args:
            opened_s: ``EPOCH_LIVED_S`` as stored.
            now: to count the time that the gateway was without power.

        Raises:
            ChainDamagedError: keys of later epochs are here: the blocks are an older copy than the keys.
            KeyUnavailableError: the session key is here and cannot be used.
        """
        at = self._writer.position
        sessions = self._keys.sessions()
        later = [epoch for epoch in sessions if epoch > at.epoch]
        if later and (later[-1] > at.epoch + 1 or (at.epoch >= 0 and at.epoch not in sessions)):
            raise ChainDamagedError(
                f"there is a session key of epoch {later[-1]}, and the last block stored is of epoch {at.epoch}"
                " (a restored backup)"
            )
        if at.epoch < 0 or at.epoch not in sessions:
            return False
        try:
            self._writer.use_session(self._keys.session(at.epoch))
        except SealError:
            return False
        self._opened_s = float(opened_s or 0) - _off_s(at.clock, now)
        return True

    def over(self, lived_s: float) -> bool:
        """Tell whether the epoch has lasted as long as it may."""
        return lived_s - self._opened_s >= self._max_s

    def prepare(self) -> None:
        """Make the session key of the next epoch, before anything is signed that needs it.

        Raises:
            KeyUnavailableError: no key can be made.
        """
        self._next = self._keys.new_session(self._writer.position.epoch + 1)

    def open(self, now: ClockSample, lived_s: float) -> int:
        """Let the identity delegate the next epoch to the prepared session key; gives the epoch.

        Raises:
            KeyUnavailableError: the identity is not the one this chain started with.
        """
        assert self._next is not None
        try:
            epoch = self._writer.open_epoch(self._identity, self._next, now)
        except SealError as error:
            raise KeyUnavailableError(f"no epoch can be opened: {error}") from error
        self._opened_s, self._next = lived_s, None
        return epoch

    def destroy_old(self) -> None:
        """Destroy every session key of an epoch that is over; only after block 0 of a later one is committed.

        Raises:
            KeyUnavailableError: the key store refuses.
        """
        for epoch in self._keys.sessions():
            if epoch < self._writer.position.epoch:
                self._keys.destroy_session(epoch)


def _off_s(before: ClockSample | None, now: ClockSample) -> float:
    """How long the gateway was off, as far as two clocks that can be trusted a little tell."""
    if before is None or before.boot == now.boot or before.utc_ms is None or now.utc_ms is None:
        return 0.0
    if min(before.quality, now.quality) < ClockQuality.HARDWARE:
        return 0.0
    return max(0.0, (now.utc_ms - now.mono_ms - before.utc_ms) / 1000)
