"""``tidegate status``: everything at a glance, from the running agent or else from what lies on the disk."""

from __future__ import annotations

from typing import TYPE_CHECKING

from agent.cli.exit_codes import ExitCode
from agent.cli.output import Answer
from agent.cli.session import Session
from agent.cli.verb import verb
from agent.errors import ControlError, StorageError
from agent.finding import Finding, of_error
from agent.language import N_

if TYPE_CHECKING:
    from agent.configuration.load import Folders

_HELP = N_("""Show lines, outbox, uplink, trust and clock on one screen.

Ends with 0 if all is well and with 1 if something needs attention. Without a running agent it shows what lies on the
disk, read-only.
""")


@verb("status", help=_HELP)
def command(session: Session) -> Answer:
    """Ask the agent, or look at the disk."""
    from agent.cli.status_view import Screen  # noqa: PLC0415 - start-up time
    from agent.control.client import ControlClient  # noqa: PLC0415
    from agent.control.protocol import AskStatus  # noqa: PLC0415

    folders = session.folders()
    try:
        with ControlClient(folders.run_dir) as agent:
            screen = Screen(agent.ask(AskStatus()))
    except ControlError as error:
        return _from_disk(session, folders, of_error(error))
    for line in screen.lines():
        session.out.say(line)
    findings = screen.findings()
    attention = any(not finding.warning for finding in findings)
    return Answer(code=ExitCode.NO if attention else ExitCode.DONE, result=screen.result(), findings=findings)


def _from_disk(session: Session, folders: Folders, finding: Finding) -> Answer:
    from agent.cli.status_disk import look  # noqa: PLC0415 - start-up time

    outbox = folders.state_dir / "outbox.db"
    if not outbox.exists():
        empty = Finding(code="nothing-stored", params={"path": str(folders.state_dir)})
        return Answer(code=ExitCode.NO, result={"running": False, "outbox": None}, findings=(finding, empty))
    try:
        stored = look(outbox)
    except StorageError as error:
        return Answer(
            code=ExitCode.NO, result={"running": False, "outbox": None}, findings=(finding, of_error(error))
        )
    for line in stored.lines():
        session.out.say(line)
    return Answer(code=ExitCode.NO, result={"running": False, "outbox": stored.result()}, findings=(finding,))
