"""``tidegate device set``: writes to a device what its profile allows, once, with a typed yes, and reads it back."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from agent.cli.asking import typed
from agent.cli.exit_codes import ExitCode, of_code
from agent.cli.output import Answer, Json
from agent.cli.session import Session
from agent.cli.verb import verb
from agent.finding import Finding
from agent.language import N_, _

if TYPE_CHECKING:
    from agent.cli.device_port import Setter
    from agent.config import SiteDevice
    from agent.control.commands import AskPrepare, CarriedOutAnswer, PreparedAnswer, Refusal

_HELP = N_("""Set the clock of a meter to ours, or an output of it, such as a valve.

\b
  tidegate device set main-meter clock --dry-run
  tidegate device set main-meter clock --password-file meter.password
  tidegate device set garden-water valve close

Only what the profile of the device allows. It shows what will be written, asks for the name of the device, writes
once, reads back, and seals all of that. While the agent runs it does it; else the port is opened for this one time.
A password comes from a file of mode 0600 or is asked for; of DL/T 645 it is PA P0 P1 P2, eight digits.
Ends with 0 if it is done, 1 if not, 3 if nobody knows, 75 if it has to wait, 77 if it is not allowed.
""")
_NOTHING_TO_DO = ("clock-agrees", "already-so")


@verb("set", help=_HELP, short_help=N_("Set the clock of a meter, or open and close its valve."))
@click.argument("name", metavar="DEVICE")
@click.argument("what", metavar="clock|OUTPUT")
@click.argument("word", metavar="[STATE]", required=False, default="")
@click.option("--dry-run", is_flag=True, help=N_("Only read, and show what would be written."))
@click.option("--yes", is_flag=True, help=N_("Ask nothing."))
@click.option(
    "--password-file", type=click.Path(dir_okay=False), help=N_("File of mode 0600 with the password of the device.")
)
@click.option("--operator", default="", help=N_("Code that the device keeps in its own log of who set it."))
def command(
    session: Session,
    name: str,
    what: str,
    word: str,
    dry_run: bool,
    yes: bool,
    password_file: str | None,
    operator: str,
) -> Answer:
    """Show, ask, write, read back."""
    from pathlib import Path  # noqa: PLC0415 - start-up time

    from agent.cli.device_port import setter_of  # noqa: PLC0415
    from agent.cli.password_file import read_password  # noqa: PLC0415
    from agent.configuration.values import nearest  # noqa: PLC0415
    from agent.control.commands import AskPrepare  # noqa: PLC0415

    site = session.load_site()
    device = next((one for one in site.devices if one.name == name), None)
    if device is None:
        near = nearest(name, [one.name for one in site.devices])
        return _no(Finding(code="no-such-device", params={"device": name}, nearest=near))
    wanted = _wanted(device, what, word)
    if isinstance(wanted, Finding):
        return _no(wanted)
    if session.out.json and not (yes or dry_run):
        return _no(Finding(code="needs-yes"))
    password = "" if password_file is None else read_password(Path(password_file))
    if isinstance(password, Finding):
        return _no(password)
    ask = AskPrepare(device=name, control=wanted, word=word, with_password=bool(password), rehearsal=dry_run)
    with setter_of(site, device) as setter:
        return _Talk(session, device, setter, ask).run(password, operator, yes=yes)


def _wanted(device: SiteDevice, what: str, word: str) -> str | Finding:
    """Give the name of the control that is meant, empty for the clock."""
    if what == "clock":
        if word:
            raise click.UsageError(_("a clock is set to our time, to nothing else"))
        return ""
    for control in device.profile.controls:
        rule = control.write
        if rule is not None and rule.read_back and what in (control.name, rule.read_back):
            words = [known for known, _raw in rule.values]
            if word in words:
                return control.name
            params = {"device": device.name, "what": what, "word": word or "-", "known": ", ".join(words)}
            return Finding(code="no-such-state", params=params)
    return Finding(code="not-settable", params={"device": device.name, "what": what, "profile": device.profile.id})


class _Talk:
    """One command from the first look to the end."""

    def __init__(self, session: Session, device: SiteDevice, setter: Setter, ask: AskPrepare) -> None:
        self._session = session
        self._device = device
        self._setter = setter
        self._ask = ask

    def run(self, password: str, operator: str, *, yes: bool) -> Answer:
        from agent.cli.device_text import done_lines, lines  # noqa: PLC0415 - start-up time

        out = self._session.out
        found = self._setter.prepare(self._ask)
        for line in lines(self._device, self._ask, found):
            out.note(line)
        if found.refusal is not None:
            return self._refused(found.refusal, found)
        if self._ask.rehearsal:
            out.say(_("Nothing was written."))
            return Answer(result=self._result(found))
        if found.needs_password and not password:
            if yes or out.json:
                return self._end(Finding(code="needs-password", params={"device": self._device.name}), found)
            password = click.prompt(_("Password of the device"), hide_input=True, err=True)
        if not yes and not self._confirmed():
            return self._end(Finding(code="not-confirmed"), found)
        done = self._setter.carry_out(found.ticket, password, operator)
        for line in done_lines(self._device, self._ask, done):
            out.say(line)
        return self._told(found, done)

    def _confirmed(self) -> bool:
        return typed(_("Type the name of the device to go on")) == self._device.name

    def _told(self, found: PreparedAnswer, done: CarriedOutAnswer) -> Answer:
        from agent.control.commands import Outcome  # noqa: PLC0415 - start-up time

        result = self._result(found, done)
        if done.refusal is not None:
            return self._refused(done.refusal, found, done)
        about = {"device": self._device.name}
        findings: list[Finding] = []
        if done.acknowledged is False:
            findings.append(Finding(code="not-acknowledged", params=about, warning=True))
        codes = {Outcome.NOT_DONE: "command-not-done", Outcome.UNKNOWN: "command-unknown"}
        if (code := codes.get(done.outcome)) is not None:
            findings.append(Finding(code=code, params=about))
        worst = findings[-1].code if done.outcome in codes else ""
        return Answer(code=of_code(worst) if worst else ExitCode.DONE, result=result, findings=tuple(findings))

    def _refused(self, no: Refusal, found: PreparedAnswer, done: CarriedOutAnswer | None = None) -> Answer:
        finding = Finding(code=no.code, params=dict(no.params), warning=no.code in _NOTHING_TO_DO)
        return Answer(code=of_code(no.code), result=self._result(found, done), findings=(finding,))

    def _end(self, finding: Finding, found: PreparedAnswer) -> Answer:
        return Answer(code=of_code(finding.code), result=self._result(found), findings=(finding,))

    def _result(self, found: PreparedAnswer, done: CarriedOutAnswer | None = None) -> dict[str, Json]:
        before: dict[str, Json] = {
            "device_time": found.shown,
            "our_time": found.ours or None,
            "zone": found.zone or None,
            "difference_ms": found.difference_ms,
            "our_error_ms": found.error_ms,
            "way": found.way or None,
            "telegram": found.telegram or None,
            "why": found.why or None,
            "hearers": list(found.hearers),
            "state": found.state,
        }
        after: dict[str, Json] | None = None
        if done is not None:
            after = {
                "outcome": done.outcome.value,
                "acknowledged": done.acknowledged,
                "written": done.written or None,
                "device_time": done.shown,
                "difference_ms": done.difference_ms,
                "state": done.state,
                "command": done.command or None,
            }
        return {
            "device": self._device.name,
            "bus": self._device.bus,
            "what": self._ask.control or "clock",
            "to": self._ask.word or None,
            "dry_run": self._ask.rehearsal,
            "via": "agent" if self._setter.by_agent else "port",
            "before": before,
            "after": after,
        }


def _no(finding: Finding) -> Answer:
    return Answer(code=of_code(finding.code), findings=(finding,))
