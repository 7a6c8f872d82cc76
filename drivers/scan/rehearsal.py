"""What it takes to find out the model of a device: the profiles are tried on one that is nowhere.

So the search can announce, before it begins and whenever somebody was found, what comes on top of its questions.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import TypeVar

from drivers.codec.framing import Frame, ReplyDecoder
from drivers.codec.modbus_pdu import EXCEPTION_FLAG
from drivers.codec.modbus_rtu import encode
from drivers.errors import DeviceFailedError, DriverError, NoReplyError
from drivers.link_counters import LinkCounters
from drivers.profile import LineSettings, Profile
from drivers.scan.propose import MOST_TURNS, MakeDevice, fingerprint, tested_points
from drivers.scan.propose_meter import MOST_READS
from drivers.sources import Device, SessionDevice

F = TypeVar("F", bound=Frame)
_REGISTERS = frozenset((3, 4))
_BITS = frozenset((1, 2))
_READ_BYTES = 5
_NO_SUCH_ADDRESS = 2
_SESSION_WORDS = 8  # begin, agree, ask who it is, and end, with their answers


@dataclass(frozen=True, slots=True, kw_only=True)
class Course:
    """What is asked of one device to find out its model.

    Attributes:
        questions: different ones; each is asked once.
        characters: of all questions and their answers.
    """

    questions: int = 0
    characters: int = 0

    def seconds(self, line: LineSettings, answer_s: float) -> float:
        """Give what it takes at a setting if the device begins to answer after ``answer_s``, silences counted in."""
        each_s = 2 * line.silence_s + line.character_s + answer_s
        return self.questions * each_s + self.characters * line.character_s


@dataclass(slots=True)
class Rehearsal:
    """A line on which nobody stands; it keeps the count of what is asked.

    Attributes:
        grants: a device of Modbus grants every read; else it refuses all, so that blocks are split. A meter has
            nothing, and says so, so that the next thing is asked.
    """

    name: str = "rehearsal"
    grants: bool = True
    _sizes: dict[object, int] = field(default_factory=dict)
    _longest: int = 0
    _sessions: list[tuple[int, int]] = field(default_factory=list)

    async def ask(
        self,
        unit: int,
        pdu: bytes,
        *,
        timeout_s: float,  # noqa: ARG002 - nobody waits
        line: LineSettings | None = None,  # noqa: ARG002
        reply_bytes: int | None = None,
    ) -> bytes:
        """Give a reply of zeros or a refusal; NoReplyError to what is no read."""
        reply = _granted(pdu)
        size = reply_bytes if not reply and reply_bytes else len(reply)
        self._sizes[unit, pdu] = len(encode(unit, pdu)) + len(encode(unit, bytes(size)))
        if not reply:
            raise NoReplyError("nobody is here")
        return reply if self.grants else bytes((pdu[0] | EXCEPTION_FLAG, _NO_SUCH_ADDRESS))

    async def exchange(
        self,
        request: bytes,
        decoder: ReplyDecoder[F],
        accept: Callable[[F], bool] | None = None,  # noqa: ARG002 - the shape of a FrameLine
        *,
        reply_bytes: int,
        timeout_s: float,  # noqa: ARG002
        settings: LineSettings | None = None,
        reply_settings: LineSettings | None = None,
        goes_on: bool = False,  # noqa: ARG002
    ) -> F:
        """Refuse: DeviceFailedError."""
        self._sizes[request, decoder.likeness, settings, reply_settings] = len(request) + reply_bytes
        raise DeviceFailedError("nothing is here", 0)

    def promised(self, device: Device) -> None:
        """Count what a meter reads in a session, whose rehearsal ends with the first question, and one readout."""
        sizes = [read.request_bytes + read.reply_bytes for read in tuple(device.reads)[:MOST_READS]]
        self._longest = max(self._longest, *sizes)
        if isinstance(device, SessionDevice):
            around = _SESSION_WORDS * (1 + max(sizes) // 2)
            self._sessions.append((_SESSION_WORDS + len(sizes), around + sum(sizes)))

    @property
    def counters(self) -> LinkCounters:
        """Nothing goes over a wire."""
        return LinkCounters()

    @property
    def course(self) -> Course:
        """What was asked so far."""
        return Course(
            questions=len(self._sizes) + sum(questions for questions, _ in self._sessions),
            characters=max(sum(self._sizes.values()), self._longest) + sum(size for _, size in self._sessions),
        )

    async def aclose(self) -> None:
        """There is nothing to close."""


def _granted(pdu: bytes) -> bytes:
    """Give the reply of a device that has zeros everywhere; nothing for what is no read of registers or bits."""
    count = int.from_bytes(pdu[3:5], "big")
    if len(pdu) != _READ_BYTES or pdu[0] not in _REGISTERS | _BITS:
        return b""
    size = 2 * count if pdu[0] in _REGISTERS else (count + 7) // 8
    return bytes((pdu[0], size & 0xFF)) + bytes(size)


async def rehearse_modbus(profiles: Sequence[Profile], unit: int, make: Callable[[Rehearsal], MakeDevice]) -> Course:
    """Count every question that ``propose`` may ask of a device, whatever it answers.

    Args:
        profiles: what may be recognised.
        unit: any address.
        make: makes what makes the device of a profile on a line.
    """
    line = Rehearsal()
    for profile in (one for one in profiles if one.protocol == "modbus"):
        await fingerprint(profile, unit, line)
        for line.grants in (True, False):
            device = make(line)(replace(profile, points=tested_points(profile)))
            for turn in range(MOST_TURNS):
                reads = device.reads
                if turn >= len(reads):
                    break
                with suppress(DriverError):
                    await device.read(reads[turn] if line.grants else reads[0])
        line.grants = True
    return line.course


async def rehearse_meter(
    profiles: Sequence[Profile], protocol: str, make: Callable[[Rehearsal], MakeDevice]
) -> Course:
    """Count every question that ``propose_meter`` may ask of a meter, of a session its beginning and its reads."""
    line = Rehearsal()
    for profile in (one for one in profiles if one.protocol == protocol and not one.controls):
        device = make(line)(profile)
        line.promised(device)
        for read in tuple(device.reads)[:MOST_READS]:
            with suppress(DriverError):
                await device.read(read)
    return line.course
