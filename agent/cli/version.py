"""``tidegate version``."""

from __future__ import annotations

from agent.cli.output import Answer
from agent.cli.session import Session
from agent.cli.verb import verb
from agent.language import N_


@verb("version", help=N_("Say which version this is, and on what it runs."))
def command(session: Session) -> Answer:
    """Print the version of the distribution."""
    import platform  # noqa: PLC0415 - start-up time
    from importlib.metadata import version  # noqa: PLC0415

    result = {"version": version("tidegate"), "python": platform.python_version(), "machine": platform.machine()}
    session.out.say(f"tidegate {result['version']}   Python {result['python']}   {result['machine']}")
    return Answer(result=result)
