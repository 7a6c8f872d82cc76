"""``tidegate profile list``: what the library holds, and what proves it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from agent.cli.exit_codes import ExitCode
from agent.cli.output import Answer, Json
from agent.cli.profile_words import family_word, proof_word, said
from agent.cli.session import Session
from agent.cli.verb import verb
from agent.finding import Finding
from agent.language import N_, _

if TYPE_CHECKING:
    from drivers.profile import Profile

_HELP = N_("""List the device profiles and what proves each of them.

WORDS narrow the list, by vendor, model, class or protocol:
tidegate profile list acrel, tidegate profile list soil 土壤, tidegate profile list mbus heat.
""")


@verb("list", help=_HELP, short_help=N_("List the profiles and what proves them."))
@click.argument("words", nargs=-1)
def command(session: Session, words: tuple[str, ...]) -> Answer:
    """Read every profile and print one line of each."""
    from drivers.profile_load import builtin_roots, find_profile, list_profiles, read_profile  # noqa: PLC0415 - start-up time

    roots = builtin_roots()
    found: list[Profile] = []
    findings: list[Finding] = []
    for profile_id in list_profiles(roots):
        parsed = read_profile(find_profile(profile_id, roots))
        if parsed.profile is not None:
            found.append(parsed.profile)
        else:
            fault = parsed.faults[0]
            findings.append(Finding(code="bad-profile", where=fault.where, params={"detail": fault.what}))
    chosen = [profile for profile in found if _fits(profile, words)]
    head = (_("profile"), _("model"), _("protocol"), _("points"), _("proven by"))
    rows = [(one.id, said(one.label), one.protocol, str(len(one.points)), proof_word(one.proof)) for one in chosen]
    if rows:
        session.out.table([head, *rows], right=(3,))
    elif words:
        findings.append(Finding(code="no-profile-fits", params={"words": " ".join(words)}, warning=True))
    code = ExitCode.BAD_DATA if any(not one.warning for one in findings) else ExitCode.DONE if chosen else ExitCode.NO
    return Answer(code=code, result={"profiles": [_result(one) for one in chosen]}, findings=tuple(findings))


def _fits(profile: Profile, words: tuple[str, ...]) -> bool:
    label = profile.label
    kinds = f"{profile.protocol} {profile.family} {family_word(profile.family)}"
    text = f"{profile.id} {profile.vendor} {profile.model} {kinds} {label.en} {label.zh}".lower()
    return all(word.lower() in text for word in words)


def _result(profile: Profile) -> Json:
    return {
        "profile": profile.id,
        "vendor": profile.vendor,
        "model": profile.model,
        "name": {"en": profile.label.en, "zh": profile.label.zh},
        "class": profile.family,
        "protocol": profile.protocol,
        "points": len(profile.points),
        "controls": len(profile.controls),
        "doubts": len(profile.doubts),
        "proof": str(profile.proof),
    }
