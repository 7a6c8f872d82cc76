"""``python -m hil.sim site | tcp | tell``: simulators as processes of their own."""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import shutil
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from hil.characters import Characters
from hil.sim import control
from hil.sim.lifetime import die_with_parent, stop_event
from hil.sim.placed import SITE, PlacedLine, even_line
from hil.sim.site import SimulatedSite, write_description
from hil.sim.tcp import start_fleet


def _say(**fields: object) -> None:
    print(json.dumps(fields), flush=True)


async def _site(folder: Path, seed: int, lines: Sequence[PlacedLine]) -> None:
    told = stop_event()
    site = SimulatedSite(folder, seed, lines)
    site.start()
    try:
        async with control.serving(site.control, site.commands()):
            write_description(site, folder / "site.json")
            _say(
                ready=True, seed=seed, site=str(folder / "site.json"), port=str(site.port), control=str(site.control)
            )
            await told.wait()
    finally:
        site.close()


def _line(options: argparse.Namespace) -> PlacedLine:
    settings = Characters(baud=options.baud, stop_bits=options.stop_bits)
    return even_line(
        options.units, options.registers, settings, turnaround_ms=options.turnaround_ms, step=options.step
    )


async def _tcp(options: argparse.Namespace) -> None:
    told = stop_event()
    fleet = await start_fleet(
        options.devices, options.base_port, options.seed, one_port=options.one_port, still=options.still
    )
    folder = Path(tempfile.mkdtemp(prefix="tidegate-sim-"))
    socket = folder / "control.sock"
    commands: dict[str, control.Command] = {"counters": lambda _request: asdict(fleet.counters)}
    try:
        async with control.serving(socket, commands):
            _say(ready=True, seed=options.seed, ports=list(fleet.ports), control=str(socket))
            await told.wait()
    finally:
        for server in fleet.servers:
            server.close()
        shutil.rmtree(folder, ignore_errors=True)
    _say(ended=True, **asdict(fleet.counters))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m hil.sim", description="Simulated devices for tests and demos.")
    verbs = parser.add_subparsers(dest="verb", required=True)
    site = verbs.add_parser("site", help="five serial lines with Modbus devices and meters on pseudo-terminals")
    line = verbs.add_parser("line", help="one serial line of equal Modbus RTU devices, for benches")
    for verb in (site, line):
        verb.add_argument(
            "--dir", type=Path, required=True, help="folder for the ports, site.json, journal, control socket"
        )
    line.add_argument("--units", type=int, default=10, help="devices, unit 1 and up (default 10)")
    line.add_argument("--registers", type=int, default=10, help="holding registers of each (default 10)")
    line.add_argument("--baud", type=int, default=9600)
    line.add_argument("--stop-bits", type=int, default=1, choices=(1, 2))
    line.add_argument("--turnaround-ms", type=int, default=0)
    line.add_argument("--step", type=int, default=16, help="characters that arrive at once (default 16)")
    tcp = verbs.add_parser("tcp", help="Modbus TCP devices of 100 registers")
    tcp.add_argument("--devices", type=int, default=1, help="how many (default 1)")
    tcp.add_argument("--base-port", type=int, default=0, help="port of the first, 0 for any free ones")
    tcp.add_argument("--one-port", action="store_true", help="all on one port, told apart by unit id 1 to N")
    tcp.add_argument("--still", action="store_true", help="values stand still")
    for verb in (site, line, tcp):
        verb.add_argument("--seed", type=int, default=None, help="printed if not given")
    tell = verbs.add_parser(
        "tell", help="tell a running site: kill, revive, flaky, faults, unplug, replug, counters, values"
    )
    tell.add_argument("socket", type=Path)
    tell.add_argument("do")
    tell.add_argument("--unit", type=int)
    tell.add_argument("--device", help="name of a meter, which has no unit")
    tell.add_argument("--line", help="name of one line, for faults, unplug, replug, counters (default: all)")
    tell.add_argument("--rates", type=json.loads, help='such as {"drop": 0.1}')
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one verb; gives the exit status."""
    options = _parser().parse_args(arguments)
    if options.verb == "tell":
        fields = {
            key: value for key in ("unit", "device", "line", "rates") if (value := getattr(options, key)) is not None
        }
        try:
            print(json.dumps(control.ask(options.socket, options.do, **fields), indent=1))
        except (OSError, control.UnknownCommandError) as error:
            print(f"{options.socket}: {error}", file=sys.stderr)
            return 1
        return 0
    die_with_parent()
    if options.seed is None:
        options.seed = random.SystemRandom().randrange(2**31)
    if options.verb in ("site", "line"):
        options.dir.mkdir(parents=True, exist_ok=True)
        lines = SITE if options.verb == "site" else (_line(options),)
        asyncio.run(_site(options.dir.resolve(), options.seed, lines))
    else:
        asyncio.run(_tcp(options))
    return 0


if __name__ == "__main__":
    sys.exit(main())
