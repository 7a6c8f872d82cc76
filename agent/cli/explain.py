"""``tidegate explain CODE``: what a TG code means and what to do, in both languages."""

from __future__ import annotations

import click

from agent.cli.exit_codes import ExitCode
from agent.cli.output import Answer
from agent.cli.session import Session
from agent.cli.verb import verb
from agent.finding import Finding
from agent.language import N_, Language, active, translate
from agent.messages import find


@verb("explain", help=N_("Say what a TG code means and what to do, in both languages."))
@click.argument("code")
def command(session: Session, code: str) -> Answer:
    """Look up a row of the table of codes."""
    message = find(code)
    if message is None:
        return Answer(code=ExitCode.USAGE, findings=(Finding(code="unknown-code", params={"value": code}),))
    session.out.say(f"{message.tag}  {message.key}")
    for language in sorted(Language, key=lambda one: one is not active()):
        session.out.say(f"  {language.value}  {translate(message.text, language)}")
        if message.act:
            session.out.say(f"      {translate(message.act, language)}")
    both = {language.value: translate(message.text, language) for language in Language}
    acts = {language.value: translate(message.act, language) for language in Language}
    return Answer(result={"tag": message.tag, "key": message.key, "text": both, "act": acts})
