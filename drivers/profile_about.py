"""What a profile says beside registers: names, evidence, doubts, ratios to be asked, what may be written."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from enum import Enum, StrEnum


@dataclass(frozen=True, slots=True, kw_only=True)
class Label:
    """A name or sentence in both languages."""

    en: str
    zh: str


class Access(Enum):
    """What a point allows; the value is the word of the profile file."""

    READ = "r"
    READ_WRITE = "rw"
    WRITE = "w"


class WriteClass(Enum):
    """What writing a point means for the site; the value is the word of the profile file."""

    OUTPUT = "output"  # relay, motor
    SETPOINT = "setpoint"
    CONFIG = "config"  # address, speed: one device on the bus
    CALIBRATION = "calibration"
    FORBIDDEN = "forbidden"  # not idempotent, factory reset, all outputs at once: no policy may grant it


@dataclass(frozen=True, slots=True, kw_only=True)
class WriteRule:
    """What may be written to a point. Registers are described and never written; ``device set`` writes words.

    Attributes:
        klass: what it means for the site.
        function: Modbus function that writes it: 5, 6, 15 or 16; 0 where the protocol has its own.
        low: smallest value in the point's unit, None if the source gives none.
        high: largest value in the point's unit, None if the source gives none.
        values: (word, raw number) where the raw numbers are commands.
        read_back: name of the point that shows whether it was done; empty where none does.
        shows: (word, raw number of that point) once it was done, a row for each of ``values``.
        rest_s: least time between two writes.
        settle_s: how long it may take until ``read_back`` shows it.
    """

    klass: WriteClass
    function: int
    low: Decimal | None = None
    high: Decimal | None = None
    values: tuple[tuple[str, int], ...] = ()
    read_back: str = ""
    shows: tuple[tuple[str, int], ...] = ()
    rest_s: float = 0.0
    settle_s: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Doubt:
    """Something that is not certain: sources disagree, or a fact is not verified.

    Attributes:
        says: what is in doubt, and what would settle it.
        points: names of the points it is about; empty for the device as a whole.
    """

    says: Label
    points: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Ratio:
    """A number that only the site knows: the device measures behind a transformer and does not reckon with it.

    Attributes:
        name: key in ``site.toml``: ``ratios = { ct = 40 }``.
        label: what it is.
        points: names of the points that it multiplies.
        low: smallest answer that can be right.
        high: largest answer that can be right.
    """

    name: str
    label: Label
    points: tuple[str, ...]
    low: Decimal
    high: Decimal


class Evidence(Enum):
    """Where the bytes of an example come from; the value is the word of the profile file."""

    CAPTURE = "capture"  # heard on a wire
    MANUAL = "manual example"
    PUBLISHED = "published"  # in somebody's source or text, not said how they came by it
    COMPUTED = "computed"  # by a rule of the source
    CONSTRUCTED = "constructed"  # by ours


class Proof(StrEnum):
    """What proves a profile, best first."""

    CAPTURE = "capture"
    MANUAL = "manual example"
    TWO_SOURCES = "two sources"
    ONE_SOURCE = "one source"
    NOTHING = "nothing"
