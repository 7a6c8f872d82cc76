"""The bench of one run: the far end at the right, and at the left an agent or whoever else a scenario lets speak."""

from __future__ import annotations

import random
import time
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from hil.characters import Characters
from hil.faults import Fault
from hil.pair.far_end import FarEnd
from hil.pair.gateway import Gateway, Reading
from hil.pair.probe import Ports
from hil.pair.units import SLOW, Unit
from hil.process import wait_until
from hil.stage import TIDEGATE
from hil.wire import Exchange

SETTINGS = Characters(baud=19200)
SLOW_SETTINGS = Characters(baud=9600)
LIVING = (1, 2, 3)
_HEALING_S = 30.0


class Bench:
    """What a scenario works with.

    Attributes:
        ports: the pair.
        far: the simulator.
        units: the devices that stand there, by address; the slow one is heard when the far end is as slow.
        rounds: how often a scenario repeats what is left to chance.
    """

    def __init__(
        self,
        ports: Ports,
        far: FarEnd,
        folder: Path,
        *,
        rounds: int,
        keys: Mapping[str, str],
        program: tuple[str, ...],
    ) -> None:
        """Take the pair; ``keys`` are what the site says of the adapter, ``program`` runs as the agent."""
        self.ports = ports
        self.far = far
        self.rounds = rounds
        self._folder = folder
        self._keys = {**({"echo": "true"} if ports.echo else {}), **keys}
        self._program = program or TIDEGATE
        self._polling: Gateway | None = None
        self._made = 0
        self.units: dict[int, Unit] = {}
        self.stand(SETTINGS)

    @property
    def left(self) -> str:
        """Path of the port where we speak."""
        return self.ports.left.path

    def stand(self, settings: Characters) -> None:
        """Let fresh devices answer with ``settings``, the slow one with its own."""
        self.units = {unit: Unit(unit, settings) for unit in LIVING}
        self.units[SLOW] = Unit(SLOW, SLOW_SETTINGS)
        self.far.stand(list(self.units.values()))
        self.far.tune(settings)

    def gateway(self, settings: Characters, units: Sequence[int], **keys: str) -> Gateway:
        """Give an agent of its own for one scenario, not started; the usual one has to be away."""
        self._made += 1
        folder = self._folder / f"agent{self._made}"
        folder.mkdir()
        return Gateway(
            folder, self.left, settings, keys={**self._keys, **keys}, units=units, slow=SLOW_SETTINGS,
            program=self._program,
        )  # fmt: skip

    def polled(self) -> Gateway:
        """Give the agent that polls all units, started if it is not running."""
        if self._polling is None:
            self.stand(SETTINGS)
            self._polling = self.gateway(SETTINGS, (*LIVING, SLOW))
            self._polling.start()
        return self._polling

    def free(self) -> None:
        """Take the agent away from the left port."""
        polling, self._polling = self._polling, None
        if polling is not None:
            polling.stop()

    def arm(self, unit: int, fault: Fault, count: int) -> None:
        """Let the next ``count`` replies of ``unit`` suffer."""
        with self.far.lock:
            self.units[unit].armed = [fault] * count

    @property
    def armed(self) -> bool:
        """Whether somebody is still to suffer."""
        with self.far.lock:
            return any(unit.armed for unit in self.units.values())

    def checked(self, readings: Iterable[Reading]) -> list[Reading]:
        """Give what was read; AssertionError if any value is not what the device held when it was asked for it."""
        found = list(readings)
        log = self.far.since(0)
        for one in found:
            if one.values:
                asked = _asked(log, one)
                held = dict(asked.held) if asked else {}
                wrong = {name: value for name, value in one.values.items() if str(value) != held.get(name)}
                assert not wrong, f"unit {one.unit} was read as {wrong}, but held {held} ({asked})"
        return found

    def settle(self, gateway: Gateway, units: Sequence[int] = LIVING) -> float:
        """Wait until ``units`` are read without a failure and give how long that took; AssertionError if never."""
        began_s = time.monotonic()

        def all_good() -> bool:
            return all(one.values and not one.error for one in self.checked(gateway.read(*units)))

        assert wait_until(all_good, _HEALING_S, 0.02), f"not back to normal within {_HEALING_S:.0f} s"
        return time.monotonic() - began_s


def _asked(log: Sequence[Exchange], reading: Reading) -> Exchange | None:
    """Find the last request to the unit before its reply came."""
    before = (
        one for one in reversed(log) if one.start_ns < reading.mono_ns and one.request[:1] == bytes([reading.unit])
    )
    return next(before, None)


def pick(rand: random.Random) -> tuple[int, int]:
    """Choose who suffers, and how many exchanges."""
    return rand.choice(LIVING), rand.randint(1, 3)
