"""``tidegate run``: the gateway itself, until it is told to stop."""

from __future__ import annotations

import logging

from agent.cli.exit_codes import ExitCode
from agent.cli.output import Answer
from agent.cli.session import Session
from agent.cli.verb import refusal, verb, wrong_site
from agent.errors import AgentError
from agent.finding import Finding
from agent.language import N_

_HELP = N_("""Run the gateway: poll the devices, seal their readings, keep them, send them.

Stops in order on SIGTERM or Ctrl-C: what was read is sealed and stored. SIGHUP reads the site file again. The log
goes to standard error.
""")
_log = logging.getLogger(__name__)


@verb("run", help=_HELP)
def command(session: Session) -> Answer:
    """Start the agent with what the site file says."""
    from agent.configuration.load import check_site  # noqa: PLC0415 - start-up time
    from drivers.profile_load import builtin_roots  # noqa: PLC0415

    check = check_site(session.site_path(), builtin_roots())
    if check.site is None:
        return wrong_site(check.findings)
    for finding in check.findings:
        session.out.finding(finding)

    from agent.heap import use_one_heap  # noqa: PLC0415
    from agent.keys import FileKeyStore  # noqa: PLC0415
    from agent.runtime import serve  # noqa: PLC0415

    if not FileKeyStore(check.site.state_dir / "keys").has_identity():
        finding = Finding(code="no-state", params={"path": str(check.site.state_dir)})
        return Answer(code=ExitCode.CONFIG, findings=(finding,))
    use_one_heap()
    try:
        serve(check.site, session.load_site)
    except ExceptionGroup as group:
        known, others = group.split(AgentError)
        if known is None:
            raise
        if others is not None:
            _log.error("what else went wrong", exc_info=others)
        return refusal(_first(known))
    return Answer()


def _first(group: ExceptionGroup[AgentError]) -> AgentError:
    """Give the first error of nested groups: why the agent could not go on; the others follow from it."""
    error = group.exceptions[0]
    return _first(error) if isinstance(error, ExceptionGroup) else error
