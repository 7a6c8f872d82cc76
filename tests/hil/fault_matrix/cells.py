"""Every fault of the matrix: what happens, what has to be counted, what it may cost."""

from __future__ import annotations

import random
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any

from hil.characters import Characters
from hil.faults import Fault, FaultSizes
from hil.virtualtime import here
from tests.hil.fault_matrix.meters import METERS
from tests.hil.fault_matrix.speaking import SPEAKING
from tests.hil.fault_matrix.wires import RtuWire, Wire
from tests.hil.fault_matrix.world import MAKERS, Cell, World

PATIENCE_S = 250.0  # five late answers of a device that counts as dead
BROKEN = ("bad_checksum", "bad_frame", "no_reply", "bad-checksum", "bad-frame", "no-reply")


def replies(fault: Fault) -> Callable[[World], Awaitable[None]]:
    """Let the victim's next replies suffer; over when the last one has left the wire."""

    async def act(world: World) -> None:
        number = len(world.wire.log)
        world.wire.arm(world.victim, fault, world.count)
        await world.until(lambda: world.wire.armed == 0, PATIENCE_S)
        hit = [one for one in world.wire.log[number:] if one.fault is fault]
        assert hit, f"{fault} never happened"
        world.over_ns = max(max(one.end_ns, one.reply_end_ns or 0) for one in hit)

    return act


def every_split(fault: Fault = Fault.SPLIT) -> Callable[[World], Awaitable[None]]:
    """Let a reply pause behind each of its bytes in turn; of a long one behind every few, from a random one on."""

    async def act(world: World) -> None:
        wire = world.wire
        injector = wire.line.injector if isinstance(wire, RtuWire) else wire.server.injector
        for at in range(world.rand.randint(1, wire.splits), wire.reply_bytes, wire.splits):
            injector.sizes = replace(injector.sizes, split_at=at)
            world.wire.arm(world.victim, fault, 1)
            await world.until(lambda: world.wire.armed == 0, PATIENCE_S)

    return act


async def silence(world: World) -> None:
    """Nobody answers for a while."""
    world.wire.mute(world.wire.members, muted=True)
    await world.wait(_length_s(world))
    world.wire.mute(world.wire.members, muted=False)


def noise(make: Callable[[random.Random, int], bytes]) -> Callable[[World], Awaitable[None]]:
    """Keep the wire busy with bytes of nobody."""

    async def act(world: World) -> None:
        end_s = here().time() + _length_s(world)
        while here().time() < end_s:
            await world.wait(world.wire.noise(make(world.rand, 50)))

    return act


def spoken(change: Callable[[random.Random, Characters], Characters]) -> Callable[[World], Awaitable[None]]:
    """Let the victim speak with other settings for a while."""

    async def act(world: World) -> None:
        wire = world.wire
        assert isinstance(wire, RtuWire)
        wire.speak(world.victim, change(world.rand, wire.settings))
        await world.wait(_length_s(world) + wire.period_s)
        wire.speak(world.victim, None)

    return act


async def unplugged(world: World) -> None:
    """Pull the adapter at some byte of an exchange and put it back."""
    await pull(world, world.rand.randint(1, world.wire.request_bytes + world.wire.reply_bytes))


async def pull(world: World, at: int) -> None:
    """Pull the adapter at byte ``at`` of an exchange and put it back after a while."""
    world.wire.pull_at(at)
    assert await world.until(lambda: world.wire.pulled, PATIENCE_S), f"byte {at} never came"
    await world.wait(_length_s(world))
    world.wire.put_back()


async def nothing(world: World) -> None:
    """Let the wire be as it is."""
    await world.wait(3 * world.wire.period_s)


def _length_s(world: World) -> float:
    """Give a length in time: within a period, or longer than any device is waited for."""
    return world.rand.uniform(0.05, 0.3) if world.count == 1 else world.rand.uniform(1, 9) * world.wire.period_s


def _other_baud(rand: random.Random, own: Characters) -> Characters:
    return replace(own, baud=rand.choice([baud for baud in (2400, 4800, 9600, 19200, 115200) if baud != own.baud]))


def _other_parity(rand: random.Random, own: Characters) -> Characters:
    if own.parity == "N":
        return replace(own, parity=rand.choice("EO"))
    return replace(own, parity="N", data_bits=8)  # odd for even is heard all the same without input checking


def _echoing(wire: type[RtuWire], rand: random.Random, sizes: FaultSizes) -> Wire:
    return wire(rand, sizes, echo=True)


def _echoing_as_told(wire: type[RtuWire], rand: random.Random, sizes: FaultSizes) -> Wire:
    return wire(rand, sizes, echo=True, echo_told=True)


def _echo_missing(wire: type[RtuWire], rand: random.Random, sizes: FaultSizes) -> Wire:
    return wire(rand, sizes, echo=False, echo_told=True)


LINE = tuple(name for name in MAKERS if name != "tcp")
PLAIN = ("rtu", *METERS)
WAKING = {
    **dict.fromkeys(("dlt645", "cjt188"), ("surplus",)),  # FE behind a reply may be the beginning of another
    "sdi12": ("late_replies",),  # its answers are so short that glitches before one outlast the learnt time-out
}
IN_A_ROW = (
    "mbus",
    "iec62056-21",
    "sdi12",
)  # the next request follows at once, and a second copy of an answer spoils it
SHARED = tuple(name for name in MAKERS if name != "iec62056-21")  # an optical head sits on one meter
NOISE = ("garbage", "glitch", "cut_short")


def one(
    name: str, fault: Fault, *counted: str, free: bool = False, framings: tuple[str, ...] = tuple(MAKERS), **rest: Any
) -> Cell:
    """A fault of single replies that leaves the next exchange alone."""
    return Cell(
        name=name, act=replies(fault), counted=counted, free=free, framings=framings, one_is_not_death=True, **rest
    )


CELLS = (
    Cell(name="echo nobody spoke of", act=nothing, counted=("echo",), free=True, framings=PLAIN, make=_echoing),
    Cell(name="echo as told", act=nothing, free=True, framings=PLAIN, make=_echoing_as_told),
    Cell(
        name="echo that is missing",
        act=nothing,
        counted=("echo_missing",),
        free=True,
        framings=PLAIN,
        make=_echo_missing,
    ),
    one("echo by a server", Fault.ECHO, "other_reply", *NOISE, framings=("tcp",)),
    one("glitch", Fault.GLITCH, "glitch", free=True, framings=LINE, also=WAKING),
    one("glitch in the stream", Fault.GLITCH, *NOISE, framings=("tcp",)),
    one("loss", Fault.DROP, "no_reply"),
    one("lost byte", Fault.LOSE_BYTE, *BROKEN, *NOISE),
    one("flip", Fault.FLIP, *BROKEN, "other_unit", "other_reply", "late_replies"),
    one("garbage", Fault.GARBAGE, *BROKEN, *NOISE),
    Cell(name="split at every byte", act=every_split(), free=True),
    Cell(
        name="late",
        act=replies(Fault.LATE),
        counted=("late_replies", "bad_checksum", *NOISE),
        # what names nobody (an acknowledgement of M-Bus is one byte) passes for the answer to the next of its kind
        also=dict.fromkeys(("iec62056-21", "mbus", "sdi12"), ("no_reply",)),
    ),
    Cell(
        name="later than any ceiling",
        act=replies(Fault.LATE),
        counted=("no_reply",),
        framings=LINE,
        late=True,
        costly=True,
    ),
    one("duplicate", Fault.DUPLICATE, "surplus", "other_reply", "late_replies", *NOISE, free=True, costs=IN_A_ROW),
    one("another unit's reply", Fault.OTHER_UNIT, "other_unit", framings=SHARED, also={"mbus": ("bad-frame",)}),
    one("truncated", Fault.TRUNCATE, *BROKEN, *NOISE),
    one("two at once", Fault.TWO_AT_ONCE, *BROKEN, "other_unit", framings=SHARED),
    one("babble for an answer", Fault.BABBLE, *BROKEN, *NOISE),
    Cell(name="babble", act=noise(lambda rand, count: rand.randbytes(count)), counted=(*BROKEN, *NOISE)),
    Cell(name="stuck for an answer", act=replies(Fault.STUCK), counted=(*BROKEN, *NOISE)),
    Cell(name="stuck line", act=noise(lambda _, count: bytes(count)), counted=(*BROKEN, *NOISE)),
    Cell(name="silent line", act=silence),
    Cell(name="wrong baud", act=spoken(_other_baud), counted=BROKEN, framings=LINE),
    Cell(name="wrong parity", act=spoken(_other_parity), counted=BROKEN, framings=LINE),
    Cell(name="unplugged", act=unplugged, counted=("link_down",)),
)
_HEARD = ("sml", "dlms-push")
_TOLD = tuple(SPEAKING)
_DAMAGE = (*BROKEN, *NOISE)
SPOKEN = (
    one("spoken: glitch", Fault.GLITCH, "glitch", "garbage", free=True, framings=_HEARD),
    one("spoken: glitch that nobody counts", Fault.GLITCH, free=True, framings=("hj212",)),
    one("spoken: loss", Fault.DROP, framings=_TOLD),
    *(
        one(f"spoken: {fault.value}", fault, *_DAMAGE, framings=_HEARD)
        for fault in (Fault.LOSE_BYTE, Fault.FLIP, Fault.GARBAGE, Fault.TRUNCATE, Fault.BABBLE, Fault.STUCK)
    ),
    *(
        one(f"spoken: {fault.value} that nobody counts", fault, framings=("hj212",))
        for fault in (Fault.LOSE_BYTE, Fault.FLIP, Fault.GARBAGE, Fault.TRUNCATE, Fault.BABBLE, Fault.STUCK)
    ),
    one("spoken: late", Fault.LATE, free=True, framings=_TOLD),
    one("spoken: twice", Fault.DUPLICATE, free=True, framings=_TOLD),
    Cell(name="spoken: split at every byte", act=every_split(), free=True, framings=_TOLD),
    Cell(name="spoken: babble", act=noise(lambda rand, count: rand.randbytes(count)), framings=_TOLD),
    Cell(name="spoken: stuck line", act=noise(lambda _, count: bytes(count)), framings=_TOLD),
    Cell(name="spoken: silent line", act=silence, framings=_TOLD),
    Cell(name="spoken: wrong baud", act=spoken(_other_baud), framings=_TOLD),
    Cell(name="spoken: wrong parity", act=spoken(_other_parity), framings=_TOLD),
    Cell(name="spoken: unplugged", act=unplugged, counted=("link_down",), framings=_TOLD),
)
"""For those that speak by themselves: nothing answers too late; what one telegram lost comes with the next."""
BY_NAME = {cell.name: cell for cell in CELLS}
