"""The data segment of an HJ 212 packet (6.3): header fields, data items, splitting into packets, acknowledgements.

Packets of one message have numbers of their own in ``QN`` (annex C, tables C.49 and C.50), since each is acknowledged
by itself; what belongs together is told by the rest of the header and by ``DataTime``.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final

from drivers.codec.hj212 import Edition

_OPEN: Final = "CP=&&"
_CLOSE: Final = "&&"
ANSWER: Final = 0x01
"""Bit A of ``Flag``: an answer is wanted."""
SPLIT: Final = 0x02
"""Bit D of ``Flag``: packet numbers are there."""
_VERSION_SHIFT: Final = 2
_QN_DIGITS: Final = 17

SYSTEM: Final = "91"
"""``ST`` of what the two ends say to each other."""
REQUEST_ANSWER: Final = "9011"
EXECUTED: Final = "9012"
NOTICE_ANSWER: Final = "9013"
DATA_ANSWER: Final = "9014"

Field = tuple[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Segment:
    """What one packet says.

    Attributes:
        header: fields before ``CP`` in their order, such as ``("QN", "20160801085857223")``.
        items: items of ``CP``; each of one field or of several that belong together.
    """

    header: tuple[Field, ...]
    items: tuple[tuple[Field, ...], ...]

    def head(self, name: str) -> str:
        """Give a header field, empty without it."""
        return dict(self.header).get(name, "")

    @property
    def flag(self) -> int:
        """Bits of ``Flag``; 0 without it."""
        return _number(self.head("Flag"))

    @property
    def version(self) -> int:
        """Version number in ``Flag``: 0 is 2005, 1 is 2017; see ``Edition``."""
        return self.flag >> _VERSION_SHIFT

    @property
    def wants_answer(self) -> bool:
        """Whether the sender waits for an acknowledgement."""
        return bool(self.flag & ANSWER)

    @property
    def place(self) -> tuple[int, int]:
        """Number of this packet, from 1, and of how many; (1, 1) where it is whole. Zeroes where it is nonsense."""
        if not self.head("PNUM") and not self.head("PNO"):
            return 1, 1
        number, count = _number(self.head("PNO")), _number(self.head("PNUM"))
        return (number, count) if 1 <= number <= count else (0, 0)


def parse(segment: bytes) -> Segment | None:
    """Read a data segment; None if it is none. Text is UTF-8; what is not stays as replacement characters."""
    text = segment.decode("utf-8", "replace")
    head, opened, rest = text.partition(_OPEN)
    if not opened or not rest.endswith(_CLOSE) or (head and not head.endswith(";")):
        return None
    header = _fields(head.rstrip(";").split(";")) if head else ()
    items = [_fields(item.split(",")) for item in rest[: -len(_CLOSE)].split(";") if item]
    if header is None or None in items:
        return None
    return Segment(header=header, items=tuple(item for item in items if item is not None))


def compose(said: Segment) -> bytes:
    """Write a data segment; the counterpart of ``parse``."""
    head = "".join(f"{name}={value};" for name, value in said.header)
    body = ";".join(",".join(f"{name}={value}" for name, value in item) for item in said.items)
    return f"{head}{_OPEN}{body}{_CLOSE}".encode()


def answer(to: Segment, command: str, edition: Edition, items: tuple[tuple[Field, ...], ...] = ()) -> Segment:
    """Make the answer to a packet: ``9013`` or ``9014`` say that it came, ``9011`` and ``9012`` carry a result."""
    names = (
        ("QN", to.head("QN")),
        ("ST", SYSTEM),
        ("CN", command),
        ("PW", to.head("PW")),
        ("MN", to.head("MN")),
        ("Flag", str(edition.value << _VERSION_SHIFT)),
    )
    return Segment(header=tuple((name, value) for name, value in names if value), items=items)


def split(said: Segment, longest: int) -> tuple[Segment, ...]:
    """Divide a segment into packets of at most ``longest`` bytes, numbered if there are several.

    ``DataTime`` goes into each; each but the first has a ``QN`` one millisecond later than the one before, as in
    table C.50. ``Flag`` must be in the header where it is needed.

    Raises:
        ValueError: one item alone is too long.
    """
    if len(compose(said)) <= longest:
        return (said,)
    times = tuple(item for item in said.items if item and item[0][0] == "DataTime")
    packets: list[tuple[tuple[Field, ...], ...]] = [times]
    for item in said.items:
        if item in times:
            continue
        if len(compose(_numbered(said, 9999, 9999, (*packets[-1], item)))) > longest and packets[-1] != times:
            packets.append(times)
        packets[-1] += (item,)
        if len(compose(_numbered(said, 9999, 9999, packets[-1]))) > longest:
            raise ValueError(f"the item {item[0][0]} alone is longer than a packet of {longest} bytes")
    return tuple(_numbered(said, number, len(packets), items) for number, items in enumerate(packets, 1))


def joined(packets: Iterable[Segment]) -> tuple[Segment, ...]:
    """Put packets of one message together, where all of them are there; others stay as they are.

    Packets belong together by ``DataTime`` and every header field but ``QN`` and their number. A packet that came
    twice counts once; the whole has the ``QN`` of the first.
    """
    found: dict[tuple[Field, ...], dict[int, Segment]] = {}
    for packet in packets:
        number, count = packet.place
        key = _unnumbered(packet) if count > 1 else (*packet.header, ("", str(len(found))))
        found.setdefault(key, {}).setdefault(number, packet)
    whole: list[Segment] = []
    for parts in found.values():
        first = parts[min(parts)]
        count = first.place[1]
        if count > 1 and sorted(parts) == list(range(1, count + 1)):
            header = tuple(one for one in first.header if one[0] not in ("PNUM", "PNO"))
            items = dict.fromkeys(item for number in sorted(parts) for item in parts[number].items)
            whole.append(Segment(header=header, items=tuple(items)))
        else:
            whole += parts.values()
    return tuple(whole)


def later(qn: str, ms: int) -> str:
    """Give the request number ``ms`` milliseconds behind ``qn``; a ``qn`` that is no time stays as it is."""
    try:
        moment = datetime.strptime(f"{qn}000", "%Y%m%d%H%M%S%f") + timedelta(milliseconds=ms)  # noqa: DTZ007 - local time
    except (ValueError, OverflowError):
        return qn
    return f"{moment:%Y%m%d%H%M%S%f}"[:_QN_DIGITS]


def _unnumbered(packet: Segment) -> tuple[Field, ...]:
    times = tuple(item[0] for item in packet.items if item and item[0][0] == "DataTime")
    return (*(one for one in packet.header if one[0] not in ("QN", "PNO")), *times)


def _numbered(said: Segment, number: int, count: int, items: tuple[tuple[Field, ...], ...]) -> Segment:
    header = [
        (name, later(value, number - 1) if name == "QN" else value)
        for name, value in said.header
        if name not in ("PNUM", "PNO", "Flag")
    ]
    flag = ("Flag", str(said.flag | SPLIT))
    return replace(said, header=(*header, flag, ("PNUM", str(count)), ("PNO", str(number))), items=items)


def _fields(texts: list[str]) -> tuple[Field, ...] | None:
    pairs = [text.partition("=") for text in texts if text]
    if not all(name and equals for name, equals, _ in pairs):
        return None
    return tuple((name, value) for name, _, value in pairs)


def _number(text: str) -> int:
    return int(text) if text.isascii() and text.isdigit() and len(text) <= 4 else 0
