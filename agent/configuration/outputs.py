"""``[[output]]`` of ``site.toml``: who is told beside the own platform."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

from agent.config import SiteDevice
from agent.configuration.values import Table, nearest
from agent.outputs.hj212_settings import (
    REALTIME_S,
    STANDARD_MINUTES,
    BureauSettings,
    FactorRule,
    Hj212Output,
    Report,
)
from drivers.codec.hj212 import Edition
from drivers.codec.hj212_factors import CODE, FACTORS, GAS_FLOW, WATER_FLOW, Medium, medium_of
from drivers.conversion import factor
from drivers.profile import Point

_KINDS: Final = ("hj212",)
_EDITIONS: Final = {"2017": Edition.V2017, "2025": Edition.V2025}
_REPORTS: Final = {report.name.lower(): report for report in Report}
_MN: Final = re.compile(r"[0-9A-F]{24}")
_PLAIN: Final = re.compile(r"[0-9A-Za-z._-]{1,64}")
_SYSTEM: Final = re.compile(r"[0-9A-Z]{2}")
_DAY_S: Final = 86_400.0
CHINA: Final = "+08:00"
"""Where the standard is in force; a site that says nothing is taken to be there."""
_FLOWS: Final = {Medium.WATER: WATER_FLOW, Medium.GAS: GAS_FLOW}


def read_outputs(
    tables: Sequence[Table], base: Path, devices: Sequence[SiteDevice], timezone: str
) -> Iterator[Hj212Output]:
    """Read every output; what is wrong with one is reported to its table."""
    names: set[str] = set()
    for table in tables:
        table.choice("kind", _KINDS, _KINDS[0])
        output = _hj212(table, base, devices, timezone)
        if output.name in names:
            table.report("name-twice", "name", value=output.name)
        names.add(output.name)
        table.close()
        yield output


def _hj212(table: Table, base: Path, devices: Sequence[SiteDevice], timezone: str) -> Hj212Output:
    edition = table.choice("version", tuple(_EDITIONS), "2017")
    if edition == "2025":
        table.report("output-edition-2025", "version", warning=True)
    rules = tuple(_rules(table.tables("factor"), devices))
    if not table.holds("factor"):
        table.text("factor", required=True)  # says that it is missing
    key_file = table.text("key_file")
    if key_file and edition != "2025":
        table.report("output-not-enciphered", "key_file")
    return Hj212Output(
        name=table.name() if table.holds("name") else "bureau",
        host=table.text("host", required=True),
        port=table.integer("port", 0, 1, 65_535, required=True),
        mn=_mn(table),
        password_file=_path(base, table.text("password_file", required=True)),
        system=_system(table),
        factors=rules,
        edition=_EDITIONS[edition],
        timezone=timezone if timezone != "UTC" else CHINA,
        reports=_reports(table),
        usual=_usual(table),
        keep_days=round(table.duration_s("keep", 30 * _DAY_S, _DAY_S, 3660 * _DAY_S) / _DAY_S),
        heartbeat_s=table.duration_s("heartbeat", 0.0, 0.0, 3600.0),
        key_file=_path(base, key_file) if key_file else None,
    )


def _usual(table: Table) -> BureauSettings:
    usual = BureauSettings()
    minute_s = round(table.duration_s("minute", usual.minute_s, 1, 3600))
    if minute_s not in {60 * minutes for minutes in STANDARD_MINUTES}:
        part = 3600 % minute_s == 0
        table.report("output-odd-period", "minute", warning=part, key="minute", value=table.text("minute"))
    realtime_s = table.duration_s("realtime", usual.realtime_s, 1, REALTIME_S[1])
    if realtime_s < REALTIME_S[0]:
        table.report("output-odd-period", "realtime", warning=True, key="realtime", value=table.text("realtime"))
    return BureauSettings(
        overtime_s=table.duration_s("overtime", usual.overtime_s, 0.1, 99),
        recount=table.integer("recount", usual.recount, 0, 99),
        realtime_s=realtime_s,
        minute_s=minute_s,
    )


def _reports(table: Table) -> tuple[Report, ...]:
    if not table.holds("reports"):
        return tuple(Report)
    words = table.texts("reports")
    for word in words:
        if word not in _REPORTS:
            table.report(
                "unknown-value",
                "reports",
                nearest=nearest(word, tuple(_REPORTS)),
                key="reports",
                value=word,
                known=", ".join(_REPORTS),
            )
    return tuple(report for word, report in _REPORTS.items() if word in words)


def _mn(table: Table) -> str:
    mn = table.text("mn", required=True)
    if mn and not _PLAIN.fullmatch(mn):
        table.report("output-bad-identity", "mn", key="mn", value=mn)
    elif mn and not _MN.fullmatch(mn):
        table.report("output-odd-identity", "mn", warning=True, value=mn)
    return mn


def _system(table: Table) -> str:
    system = table.text("st", required=True)
    if system and not _SYSTEM.fullmatch(system):
        table.report("output-bad-identity", "st", key="st", value=system)
    return system


def _rules(tables: Sequence[Table], devices: Sequence[SiteDevice]) -> Iterator[FactorRule]:
    codes: set[str] = set()
    totals: list[tuple[Table, str]] = []
    for table in tables:
        code = table.text("code", required=True)
        if code in codes:
            table.report("name-twice", "code", value=code)
        elif code and not CODE.fullmatch(code):
            table.report("output-bad-identity", "code", key="code", value=code)
        codes.add(code)
        rule = _rule(table, code, devices)
        table.close()
        if rule is None:
            continue
        if rule.total:
            totals.append((table, code))
        yield rule
    for table, code in totals:
        flow = _FLOWS.get(medium_of(code))
        if flow is None or flow not in codes:
            table.report("output-total-needs-flow", "total", code=code, flow=flow or f"{WATER_FLOW}, {GAS_FLOW}")


def _rule(table: Table, code: str, devices: Sequence[SiteDevice]) -> FactorRule | None:
    known = FACTORS.get(code)
    point = _point(table, devices)
    total = table.flag("total", False)
    unit = table.text("unit") or (known.unit if known is not None else "")
    usual = known.decimals if known is not None else max(0, -point.exponent) if point is not None else 2
    decimals = table.integer("decimals", usual, 0, 9)
    if point is None:
        return None
    if unit and factor(point.unit, unit) is None:
        table.report("output-unit", "point", point=point.name, unit=point.unit or "-", wanted=unit)
    return FactorRule(
        code=code, device=table.text("device"), point=point.name, unit=unit, decimals=decimals, total=total
    )


def _point(table: Table, devices: Sequence[SiteDevice]) -> Point | None:
    name, wanted = table.text("device", required=True), table.text("point", required=True)
    device = next((one for one in devices if one.name == name), None)
    if device is None:
        if name:
            names = [one.name for one in devices]
            table.report(
                "unknown-device", "device", nearest=nearest(name, names), value=name, known=", ".join(names) or "-"
            )
        return None
    found = next((point for point in device.profile.points if point.name == wanted), None)
    if found is None and wanted:
        points = [point.name for point in device.profile.points]
        table.report(
            "unknown-point",
            "point",
            nearest=nearest(wanted, points),
            device=name,
            value=wanted,
            known=", ".join(points[:20]),
        )
    return found


def _path(base: Path, text: str) -> Path:
    return base / Path(text).expanduser()
