"""``tidegate collect``: the platform side: verify, store, receipt."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from agent.cli.exit_codes import ExitCode
from agent.cli.output import Answer, Json, Output
from agent.cli.session import Session
from agent.cli.verb import verb
from agent.finding import Finding
from agent.language import N_, _

if TYPE_CHECKING:
    from agent.collector.ingest import Batch
    from agent.collector.run import Collected, CollectOptions
    from agent.delivery.mqtt_state import LinkState

_PATH = click.Path(path_type=Path)
_MOST_STRANGERS: Final = 100
"""Anyone who may publish can make up gateways: so many are named."""
_HELP = N_("""Collect sealed blocks: verify each, store it, and sign a receipt when it is stored.

\b
  tidegate collect --db city.db --trust trust.txt --broker mqtts://mqtt.example.org:8883
  tidegate collect --db city.db --trust trust.txt --input haimen-07.cbseq

At its first start it makes a receipt key beside the database and prints its line, which belongs into receipt_key of
[uplink] in each gateway's site.toml. Query the view readings of the database at any time.
""")


@verb("collect", help=_HELP)
@click.option("--db", required=True, metavar="FILE", type=_PATH, help=N_("Database; made if it is not there."))
@click.option(
    "--trust",
    required=True,
    metavar="FILE",
    type=_PATH,
    help=N_("Identity keys of the gateways: the lines that tidegate init printed."),
)
@click.option("--broker", metavar="URL", help=N_("mqtt://host:port or mqtts://host:port; without it only --input."))
@click.option("--input", "source", metavar="FILE", type=_PATH, help=N_("Take in a .cbseq file first."))
@click.option("--name", default="collector", help=N_("Name of this platform, in its key line."))
@click.option("--ca-file", metavar="FILE", type=_PATH, help=N_("Certificate authority of the broker."))
@click.option("--cert-file", metavar="FILE", type=_PATH, help=N_("Our certificate for the broker, PEM."))
@click.option("--key-file", metavar="FILE", type=_PATH, help=N_("The key to it."))
@click.option("--username", help=N_("User at the broker."))
@click.option("--password-file", metavar="FILE", type=_PATH, help=N_("File of mode 0600 with the password in it."))
@click.option("--protocol", type=click.Choice(["5", "4"]), default="5", help=N_("MQTT 5, or 4 for MQTT 3.1.1."))
def command(
    session: Session,
    *,
    db: Path,
    trust: Path,
    broker: str | None,
    source: Path | None,
    name: str,
    ca_file: Path | None,
    cert_file: Path | None,
    key_file: Path | None,
    username: str | None,
    password_file: Path | None,
    protocol: str,
) -> Answer:
    """Collect until told to stop, or to the end of the file."""
    from agent.collector.run import CollectOptions  # noqa: PLC0415 - start-up time
    from agent.delivery.mqtt_options import Credentials  # noqa: PLC0415

    if broker is None and source is None:
        raise click.UsageError(_("There is nothing to collect from: give --broker URL or --input FILE"))
    credentials = Credentials(
        ca_file=ca_file, cert_file=cert_file, key_file=key_file, username=username, password_file=password_file
    )
    options = CollectOptions(
        db=db, trust=trust, broker=broker, input=source, name=name, credentials=credentials, protocol=int(protocol)
    )
    return _collect(options, session.out)


def _collect(options: CollectOptions, out: Output) -> Answer:
    from agent.collector.run import run_collect  # noqa: PLC0415 - start-up time

    collected = run_collect(
        options,
        on_key=lambda line: _tell_key(line, out),
        on_link=_Link(options.broker, out),
        on_batch=_Strangers(options.trust, out),
        on_fault=lambda sentence: _tell_fault(sentence, options.db, out),
    )
    if options.input is not None:
        _tell_file(options.input, collected, out)
    return Answer(code=ExitCode.DONE if collected.whole else ExitCode.NO, result=_result(collected))


def _tell_key(line: str, out: Output) -> None:
    """Give the receipt key alone on a line, to be copied; as a JSON line of its own where programs read."""
    if out.json:
        out.line({"schema": "tidegate.collect/1", "event": "receipt-key", "receipt_key": line})
        return
    out.say(_("Receipt key of this platform, for receipt_key in [uplink] of each site.toml:"))
    out.say(line)


def _tell_fault(sentence: str, db: Path, out: Output) -> None:
    if sentence:
        out.finding(Finding(code="collector-stores-nothing", params={"detail": sentence}))
    else:
        out.note(_("{db} takes blocks in again").format(db=db))


class _Strangers:
    """Tells once of each gateway whose blocks come and whose key is not in the trust file: one was forgotten."""

    def __init__(self, trust: Path, out: Output) -> None:
        self._trust = trust
        self._out = out
        self._told: set[bytes] = set()

    def __call__(self, batch: Batch) -> None:
        """Take in what a batch brought."""
        for gateway in batch.strangers:
            if gateway in self._told or len(self._told) >= _MOST_STRANGERS:
                continue
            self._told.add(gateway)
            params = {"gateway": gateway.hex()}
            self._out.finding(Finding(code="unknown-gateway", params=params, where=str(self._trust), warning=True))


class _Link:
    """Tells of the connection when it changes for a person: it came, or it is gone for another reason than before."""

    def __init__(self, broker: str | None, out: Output) -> None:
        self._broker = broker
        self._out = out
        self._told: object = None

    def __call__(self, state: LinkState) -> None:
        """Take in a change of the connection."""
        from agent.delivery.mqtt_state import Phase  # noqa: PLC0415 - start-up time

        news = state.phase if state.phase is Phase.CONNECTED else state.trouble
        if news is None or news is self._told:
            return
        self._told = news
        if state.phase is Phase.CONNECTED:
            self._out.note(_("connected to {url}").format(url=self._broker))
        elif state.trouble is not None:
            self._out.finding(Finding(code=state.trouble.value, params=dict(state.facts), warning=True))


def _tell_file(path: Path, collected: Collected, out: Output) -> None:
    what = _("{file}: {messages} messages, {blocks} blocks chained, {readings} readings stored")
    out.say(what.format(file=path, messages=collected.messages, blocks=collected.blocks, readings=collected.readings))
    for name, count in (*collected.verdicts, *collected.reasons):
        out.say(f"  {name}: {count}")
    if collected.bad_stretches:
        out.say("  " + _("stretches that are no block: {count}").format(count=collected.bad_stretches))


def _result(collected: Collected) -> Json:
    return {
        "messages": collected.messages,
        "bad_stretches": collected.bad_stretches,
        "blocks": collected.blocks,
        "readings": collected.readings,
        "verdicts": dict(collected.verdicts),
        "reasons": dict(collected.reasons),
        "gateways": collected.gateways,
        "seconds": collected.seconds,
    }
