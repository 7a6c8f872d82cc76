"""A profile as lines for people and as data for programs."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from agent.cli.output import Json, columns
from agent.cli.profile_words import EVIDENCE, WRITES, proof_word, said
from agent.language import _
from drivers.profile import Fingerprint, Location, ModbusLocation, Point, Profile
from drivers.profile_about import WriteRule

_BY_UNIT = ("modbus", "sunspec")


def lines(profile: Profile) -> Iterator[str]:
    """Give what ``profile show`` prints."""
    yield f"{profile.id}   {said(profile.label)}"
    yield ""
    yield from columns(list(_about(profile)))
    if profile.doubts:
        yield ""
        yield _("In doubt:")
        for doubt in profile.doubts:
            about = f"   ({', '.join(doubt.points)})" if doubt.points else ""
            yield f"  - {said(doubt.says)}{about}"
    if profile.ratios:
        yield ""
        yield _("The site has to answer, in [[device]]:")
        answers = ", ".join(f"{ratio.name} = {ratio.low:f}" for ratio in profile.ratios)
        yield f"  ratios = {{ {answers} }}"
        yield from (
            f"  {ratio.name}: {said(ratio.label)}   {ratio.low:f} .. {ratio.high:f}" for ratio in profile.ratios
        )
    yield ""
    head = (_("point"), _("name"), _("where"), _("unit"), _("plausible"), _("every"))
    yield from columns([head, *(_row(point) for point in profile.points)])
    written = [*(point for point in profile.points if point.write is not None), *profile.controls]
    if written:
        yield ""
        yield _("Settings and outputs; only tidegate device set writes, and only what can be read back:")
        yield from columns([_control(point) for point in written])


def _about(profile: Profile) -> Iterator[tuple[str, str]]:
    line = profile.line
    yield _("vendor"), profile.vendor
    yield _("model"), profile.model
    setting = f"{line.baud} {line.data_bits}{line.parity.value}{line.stop_bits}"
    has_unit = profile.protocol in _BY_UNIT  # the others have addresses of their own, which no factory gives alike
    yield _("protocol"), profile.protocol
    yield _("line"), _("{setting}, unit {unit}").format(setting=setting, unit=profile.unit) if has_unit else setting
    if profile.clock is not None:
        ways, limit = ", ".join(profile.clock.ways), f"{profile.clock.most_step_s:g}"
        yield _("clock"), _("may be set by up to {limit} s: {ways}").format(limit=limit, ways=ways)
    yield _("proven by"), _proof(profile)
    yield _("source"), profile.source
    yield from (("", _("confirmed by {source}").format(source=source)) for source in profile.confirmed_by)
    for example in profile.examples:
        covered = ", ".join(expected.point for expected in example.expect[:6])
        kind = _(EVIDENCE[example.evidence.value])
        yield _("example"), f"{kind}: {example.source}   ({covered}{', ...' if len(example.expect) > 6 else ''})"
    yield _("fingerprint"), _fingerprint(profile.fingerprint)


def _proof(profile: Profile) -> str:
    """Say what proves the profile, and for how many of its points: an example proves those that it covers."""
    word = proof_word(profile.proof)
    covered = proven_points(profile)
    if not covered:
        return word
    return _("{proof}, of {covered} of {all} points").format(
        proof=word, covered=len(covered), all=len(profile.readable)
    )


def proven_points(profile: Profile) -> tuple[str, ...]:
    """Give the points that frames of the proof's own kind cover; none where no frame is the proof."""
    covered = {
        expected.point
        for example in profile.examples
        if example.evidence.value == profile.proof
        for expected in example.expect
    }
    return tuple(point.name for point in profile.readable if point.name in covered)


def _fingerprint(mark: Fingerprint | None) -> str:
    if mark is None:
        return _("none")
    alike = ", ".join(mark.alike)
    if mark.told:
        told = ", ".join(f"{name} {' / '.join(texts)}" for name, texts in mark.told)
        text = _("it says {identity}").format(identity=told)
        return text + (_("; so does {others}").format(others=alike) if alike else "")
    if mark.location is None:
        return _("none: cannot be told apart from {others}").format(others=alike) if alike else _("none")
    place = _where(mark.location)
    if mark.own_unit:
        text = _("{place} holds the unit's own address").format(place=place)
    else:
        text = _("{place} holds {values}").format(place=place, values=", ".join(map(str, mark.values)))
    if mark.mask is not None:
        text += f" & 0x{mark.mask:X}"
    return text + (_("; so does {others}").format(others=alike) if alike else "")


def _where(at: Location) -> str:
    if not isinstance(at, ModbusLocation):
        return " ".join(f"{key} {value}" for key, value in at.words)
    place = f"{at.table.name.lower().partition('_')[0]} 0x{at.address:04X}"
    if at.table.is_bits:
        return place
    words = "" if at.words.value == "big" else f" {at.words.value}"
    bit = "" if at.bit is None else f".{at.bit}"
    return f"{place}{bit} {at.type.value}{words}"


def _row(point: Point) -> tuple[str, ...]:
    return (
        point.name,
        said(point.label),
        _where(point.place),
        point.unit or "",
        _range(point),
        f"{point.period_s:g} s",
    )


def _range(point: Point) -> str:
    if point.states:
        return ", ".join(f"{raw} {said(label)}" for raw, label in point.states)
    if point.low is None and point.high is None:
        return ""
    low = "" if point.low is None else f"{point.low:f}"
    return f"{low} .. {'' if point.high is None else f'{point.high:f}'}".strip()


def _control(point: Point) -> tuple[str, ...]:
    rule = point.write
    meaning = "" if rule is None else _(WRITES[rule.klass.value])
    return (f"  {point.name}", said(point.label), _where(point.place), point.access.value, meaning, _limits(rule))


def _limits(rule: WriteRule | None) -> str:
    if rule is None:
        return ""
    words = ", ".join(f"{word} = 0x{raw:04X}" for word, raw in rule.values)
    if rule.read_back:
        return _("{words}; shown by {point}, once in {rest} s").format(
            words=words, point=rule.read_back, rest=f"{rule.rest_s:g}"
        )
    return words or (f"{rule.low:f} .. {rule.high:f}" if rule.low is not None and rule.high is not None else "")


def result(profile: Profile, path: Path) -> Json:
    """Give the profile for programs."""
    mark = profile.fingerprint
    return {
        "profile": profile.id,
        "file": str(path),
        "digest": profile.digest.hex(),
        "vendor": profile.vendor,
        "model": profile.model,
        "name": {"en": profile.label.en, "zh": profile.label.zh},
        "class": profile.family,
        "protocol": profile.protocol,
        "line": {
            "baud": profile.line.baud,
            "parity": profile.line.parity.name.lower(),
            "stop_bits": profile.line.stop_bits,
            "unit": profile.unit,
        },
        "clock": None
        if profile.clock is None
        else {"ways": list(profile.clock.ways), "most_step_s": profile.clock.most_step_s},
        "proof": str(profile.proof),
        "proven_points": list(proven_points(profile)),
        "source": profile.source,
        "confirmed_by": list(profile.confirmed_by),
        "examples": [
            {"source": e.source, "evidence": e.evidence.value, "points": [x.point for x in e.expect]}
            for e in profile.examples
        ],
        "doubts": [{"en": d.says.en, "zh": d.says.zh, "points": list(d.points)} for d in profile.doubts],
        "ratios": [
            {"name": r.name, "points": list(r.points), "low": f"{r.low:f}", "high": f"{r.high:f}"}
            for r in profile.ratios
        ],
        "fingerprint": None
        if mark is None
        else {
            "at": None if mark.location is None else _where(mark.location),
            "values": list(mark.values),
            "own_unit": mark.own_unit,
            "identity": {name: list(texts) for name, texts in mark.told},
            "alike": list(mark.alike),
        },
        "points": [_point(point) for point in profile.points],
        "controls": [_point(point) for point in profile.controls],
    }


def _point(point: Point) -> Json:
    rule = point.write
    return {
        "name": point.name,
        "label": {"en": point.label.en, "zh": point.label.zh},
        "at": _where(point.place),
        "unit": point.unit,
        "scale": f"{point.scale:f}",
        "exponent": point.exponent,
        "kind": point.kind.name.lower(),
        "class": point.klass.name.lower(),
        "low": None if point.low is None else f"{point.low:f}",
        "high": None if point.high is None else f"{point.high:f}",
        "every_s": point.period_s,
        "access": point.access.value,
        "states": {str(raw): {"en": label.en, "zh": label.zh} for raw, label in point.states},
        "write": None
        if rule is None
        else {
            "class": rule.klass.value,
            "function": rule.function,
            "limits": _limits(replace(rule, read_back="")),
            "read_back": rule.read_back or None,
            "rest_s": rule.rest_s,
        },
    }
