"""``tidegate profile new``: a profile file to begin with, copied from the nearest model."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import click

from agent.cli.exit_codes import ExitCode, of_code
from agent.cli.output import Answer
from agent.cli.profile_words import path_of
from agent.cli.session import Session
from agent.cli.verb import verb
from agent.finding import Finding
from agent.language import N_, _

_HELP = N_("""Begin the profile of a model that the library does not have.

\b
  tidegate profile new acme/meter-3 --like eastron/sdm120

Writes acme/meter-3.toml below --dir (the folder you are in), copied from the profile of a similar device. What proved
that one - sources, examples, fingerprint, doubts - is left out: it proves nothing here.
""")
_ID: Final = re.compile(r"[a-z0-9][a-z0-9._-]*/[a-z0-9][a-z0-9._-]*")
_PROTOCOL: Final = re.compile(r'^protocol = "([^"]+)"', re.MULTILINE)
_HEADER: Final = re.compile(r"\s*\[+([a-z]+)")
_PLAIN: Final = "generic/xy-md02"  # two Modbus registers, where no name says what the device is
_ALIKE: Final = 0.6  # of SequenceMatcher: below it names share letters by chance
_LEFT_OUT: Final = ("doubt", "example", "fingerprint")
_BEGUN: Final = N_("Profile of {profile}, begun as a copy of {like}. Go through every line:")
_REGISTERS: Final = (
    N_("1. source: manual, revision, page. Addresses count from 0, as on the wire."),
    N_("2. Points: names and units stay, addresses, types and scales are those of your device. Delete the rest."),
)
_PLACES: Final = (
    N_("1. source: manual, revision, page, or whose capture it is."),
    N_("2. Points: names and units stay, at says where your device has them: tidegate decode {protocol} FRAME names"
       " what a captured frame holds. Delete the rest."),
)  # fmt: skip
_STEPS: Final = (
    N_("3. Read the device once and compare each value with its display: tidegate read"),
    N_('4. Add an [[example]] with request and reply as they were on the wire, and evidence = "capture".'),
    N_("5. tidegate profile check {file}"),
)


@verb("new", help=_HELP, short_help=N_("Begin a profile as a copy of the nearest."))
@click.argument("profile")
@click.option("--like", metavar="ID", help=N_("The profile to copy, instead of the one with the nearest name."))
@click.option("--dir", "folder", metavar="DIR", default=".", help=N_("Folder that VENDOR/MODEL.toml goes to."))
@click.option("--yes", is_flag=True, help=N_("Overwrite a file that is there."))
def command(session: Session, profile: str, like: str | None, folder: str, yes: bool) -> Answer:
    """Copy, strip, write."""
    if not _ID.fullmatch(profile):
        raise click.UsageError(_("{profile} is not of the form vendor/model").format(profile=profile))
    target = Path(folder) / f"{profile}.toml"
    if target.exists() and not yes:
        return Answer(code=ExitCode.USAGE, findings=(Finding(code="file-exists", params={"path": str(target)}),))
    alike = like or _nearest(profile)
    near = alike or _PLAIN
    source = path_of(near)
    if isinstance(source, Finding):
        return Answer(code=of_code(source.code), findings=(source,))
    model = source.read_text(encoding="utf-8")
    text = "\n".join((*_opening(profile, near, target, model), *_copied(model, profile)))
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(text.rstrip() + "\n", encoding="utf-8")
    if not alike:
        session.out.note(
            _("No profile has a name like that; name a similar device with --like: tidegate profile list")
        )
    session.out.say(_("{file} is written, as a copy of {like}.").format(file=target, like=near))
    session.out.say(_("Next: go through it, then tidegate profile check {file}").format(file=target))
    return Answer(result={"profile": profile, "like": near, "file": str(target)})


def _nearest(profile: str) -> str:
    """Give the id whose model reads most like the wanted one, empty if none does; of equals by the vendor."""
    from difflib import SequenceMatcher, get_close_matches  # noqa: PLC0415 - start-up time

    from drivers.profile_load import builtin_roots, list_profiles  # noqa: PLC0415

    known = list_profiles(builtin_roots())
    vendor, _slash, model = profile.partition("/")

    def likeness(one: str) -> float:
        its_vendor, _slash, its_model = one.partition("/")
        return 2 * SequenceMatcher(None, model, its_model).ratio() + SequenceMatcher(None, vendor, its_vendor).ratio()

    models = get_close_matches(model, {one.partition("/")[2] for one in known}, n=len(known), cutoff=_ALIKE)
    return max((one for one in known if one.partition("/")[2] in models), key=likeness, default="")


def _opening(profile: str, like: str, target: Path, text: str) -> Iterator[str]:
    found = _PROTOCOL.search(text)
    protocol = found[1] if found else ""
    first = _REGISTERS if protocol in ("modbus", "sunspec") else _PLACES
    steps = (_BEGUN, *first, *_STEPS)
    yield from ("# " + _(step).format(profile=profile, like=like, file=target, protocol=protocol) for step in steps)


def _copied(text: str, profile: str) -> Iterator[str]:
    """Give the lines of a profile file without its comments on top and without what proves it."""
    vendor, _slash, model = profile.partition("/")
    own = {
        "vendor": f'vendor = "{vendor}"',
        "model": f'model = "{model}"',
        "name": f'name = {{ en = "{vendor} {model}", zh = "{vendor} {model}" }}',
        "source": 'source = "none: not filled in yet"',
    }
    section, skipping, on_top = "", False, True
    for line in text.splitlines():
        if on_top and line.startswith("#"):
            continue
        on_top = False
        header = _HEADER.match(line)
        if header and not line.startswith((" ", "\t")):
            section, skipping = header[1], False
        if section in _LEFT_OUT or skipping:
            skipping = skipping and not line.startswith("]")
            continue
        key = line.partition("=")[0].strip()
        if not section and key == "confirmed_by":
            skipping = line.rstrip().endswith("[")
        elif not section and key in own:
            yield own[key]
        else:
            yield line
