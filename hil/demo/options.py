"""What a person may ask of the demo."""

from __future__ import annotations

import argparse
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """Choices of one demo run.

    Attributes:
        seconds: end by itself after this long; None runs until Ctrl-C.
        json: print one summary object instead of screens.
        storm: pull an adapter, kill the broker and the agent in the middle.
        seed: repeats the same site and the same faults.
        embedded: do without an MQTT broker.
    """

    seconds: float | None
    json: bool
    storm: bool
    seed: int
    embedded: bool
    chinese: bool


def parse(argv: list[str], fresh_seed: int) -> Options:
    """Read the command line; argparse ends the process with status 2 on words it does not know."""
    parser = argparse.ArgumentParser(
        prog="deploy/demo",
        description="Show a simulated site end to end: devices and meters on five virtual lines, the agent, an MQTT "
        "broker and the collector, which verifies every reading. Nothing stays behind but the virtual environment.",
        epilog="Exit status: 0 when every living device has verified and receipted readings as it told them, 1 when "
        "not, 69 when something is missing, 130 after Ctrl-C before the first verified reading.",
    )
    parser.add_argument("--seconds", type=float, metavar="N", help="end after N seconds (default: run until Ctrl-C)")
    parser.add_argument("--json", action="store_true", help="print one summary object on standard output")
    parser.add_argument(
        "--storm", action="store_true", help="pull an adapter, kill broker and agent, prove nothing committed is lost"
    )
    parser.add_argument("--seed", type=int, default=fresh_seed, help="repeat a run (default: a new one, printed)")
    parser.add_argument("--embedded", action="store_true", help="no broker: blocks stay in the local archive")
    parser.add_argument("--lang", choices=("en", "zh"), default="en", help="language of the screen")
    chosen = parser.parse_args(argv)
    if chosen.seconds is not None and not 1 <= chosen.seconds <= 86400:
        parser.error("--seconds takes a number from 1 to 86400")
    if chosen.storm and (chosen.embedded or (chosen.seconds or 60) < 20):
        parser.error("--storm needs a broker and at least --seconds 20")
    return Options(
        seconds=chosen.seconds or (60.0 if chosen.storm else None),
        json=chosen.json,
        storm=chosen.storm,
        seed=chosen.seed,
        embedded=chosen.embedded,
        chinese=chosen.lang == "zh",
    )
