"""``tidegate run``: the gateway itself, until it is told to stop."""

from __future__ import annotations

from agent.cli.output import Answer
from agent.cli.serving import serve_site
from agent.cli.session import Session
from agent.cli.verb import verb
from agent.language import N_

_HELP = N_("""Run the gateway: poll the devices, seal their readings, keep them, send them.

Stops in order on SIGTERM or Ctrl-C: what was read is sealed and stored. SIGHUP reads the site file again. The log
goes to standard error.
""")


@verb("run", help=_HELP)
def command(session: Session) -> Answer:
    """Start the agent with what the site file says."""
    return serve_site(session.site_path(), session.out.finding)
