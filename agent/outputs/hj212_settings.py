"""What a site says of an output toward an environment bureau, and what the bureau may change of it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Final

from drivers.codec.hj212 import Edition

STANDARD_MINUTES: Final = (1, 2, 3, 4, 5, 6, 10, 12, 15, 20, 30)
"""Lengths of the minute period that the standard knows (6.3.3.2.3, ``MinInterval``)."""
REALTIME_S: Final = (30, 3600)
"""Shortest and longest ``RtdInterval``."""


class Report(Enum):
    """What is told; the value is the command number (table 9)."""

    REALTIME = "2011"
    MINUTE = "2051"
    HOUR = "2061"
    DAY = "2031"


STORED: Final = (Report.MINUTE, Report.HOUR, Report.DAY)
"""Reports that are kept until the bureau has acknowledged them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FactorRule:
    """One point under the code that the bureau knows it by.

    Attributes:
        code: of the standard, such as ``w01018``, or one that was agreed on.
        device: name in the site; point: name in its profile.
        unit: that the bureau wants, UCUM; empty for the point's own.
        decimals: places behind the point in what is told.
        total: whether the amount of a period (``Cou``) is told: of a flow its volume, of a pollutant its mass.
    """

    code: str
    device: str
    point: str
    unit: str
    decimals: int
    total: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class BureauSettings:
    """What the bureau may set, beginning with what the site file says.

    Attributes:
        overtime_s: how long an acknowledgement is waited for; recount: how often a packet is sent again.
        realtime_s: between two real-time packets; realtime_on: whether they are wanted at all.
        minute_s: length of the minute period.
    """

    overtime_s: float = 5.0
    recount: int = 3
    realtime_s: float = 30.0
    realtime_on: bool = True
    minute_s: int = 600


@dataclass(frozen=True, slots=True, kw_only=True)
class Hj212Output:
    """One bureau.

    Attributes:
        name: for people.
        mn: what identifies this data logger there, 24 characters by the standard.
        password_file: its one line is the password ``PW``; nobody but the owner may read it.
        key_file: 32 hex digits of an SM4 key that enciphers data areas (edition of 2025); None for plain text.
        system: ``ST``, such as 32 for a source of water pollution, 31 for one of air pollution.
        timezone: as ``agent.zones`` reads it; the standard's times are local.
        reports: what is told.
        usual: what the bureau may change.
        keep_days: how long acknowledged reports stay, for questions about the past.
        heartbeat_s: between two heartbeats (edition of 2025); 0 for none.
    """

    name: str
    host: str
    port: int
    mn: str
    password_file: Path
    system: str
    factors: tuple[FactorRule, ...]
    edition: Edition = Edition.V2017
    timezone: str = "+08:00"
    reports: tuple[Report, ...] = tuple(Report)
    usual: BureauSettings = BureauSettings()
    keep_days: int = 30
    heartbeat_s: float = 0.0
    key_file: Path | None = None
