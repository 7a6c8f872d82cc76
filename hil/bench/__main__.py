"""``python -m hil.bench pipeline | collect | dead | wire | adapter | help``: figures of the real programs."""

from __future__ import annotations

import argparse
import json
import random
import sys
from collections.abc import Sequence
from dataclasses import asdict

from hil.bench import adapter, collect, dead, mixed, pipeline, reference, startup, wire
from hil.bench.measure import bytecode_kept, machine
from hil.bench.table import table
from hil.broker import BrokerError
from hil.site_file import Sealing
from hil.stage import StageError

_GOALS = (
    "goals on 2 cores: <= 4 ms at 50 devices, <= 45 MiB at 200, <= 0.7 s to the first, <= 8.5 bytes at 100 a block"
)

_DEAD_GOALS = (
    "goals: 8.95 of 9 polls/s of the living, gap <= 1.5 s (6 s at a period of 4 s), no request inside t3.5,\n"
    "at most 3 % of the bus on each dead device, 5 % on ten ('at most': with idle time behind a request),\n"
    "seen again within 5 s, 30 s with ten dead"
)


def _say(options: argparse.Namespace, text: str) -> None:
    print(text, file=sys.stderr if options.json else sys.stdout, flush=True)


def _sealing(options: argparse.Namespace) -> Sealing:
    return Sealing(max_age=options.max_age, max_readings=options.max_readings)


def _pipeline(options: argparse.Namespace) -> dict[str, object]:
    found: dict[str, object] = {}
    rows = []
    pipeline.run(pipeline.Plan(devices=1, warmup_s=0, window_s=1.2))  # for the bytecode and the page cache
    for devices in options.devices:
        plan = pipeline.Plan(
            devices=devices, warmup_s=options.warmup, window_s=options.seconds, sealing=_sealing(options),
            still=options.still, seed=options.seed,
        )  # fmt: skip
        runs = []
        for number in range(options.runs):
            runs.append(pipeline.run(plan))
            _say(options, f"{devices} devices, run {number + 1} of {options.runs}: {_short(runs[-1])}")
        middle = pipeline.medians(runs)
        found[str(devices)] = {**asdict(middle), "runs": [asdict(run) for run in runs]}
        rows.append(
            [devices, middle.readings_s, middle.cpu_ms_per_1000, middle.peak_mib, middle.first_s, middle.wire_bytes,
             middle.written_bytes, middle.readings_per_block, int(middle.missing)]
        )  # fmt: skip
    heads = [
        "devices",
        "readings/s",
        "CPU ms/1000",
        "peak MiB",
        "first s",
        "wire B",
        "disk B",
        "per block",
        "missing",
    ]
    _say(options, "\n" + table(heads, rows) + "\n" + _GOALS)
    result: dict[str, object] = {"pipeline": found}
    if options.reference:
        day = reference.run(options.reference, options.seed, _sealing(options))
        result["reference_day"] = asdict(day)
        _say(
            options,
            f"\nreference site, 40 points / 15 s on one 9600 Bd line, {day.measured_s:.0f} s measured, per day: "
            f"{day.readings:,.0f} readings, flash {day.flash_mb:.1f} MB (<= 100), "
            f"uplink {day.uplink_mb:.2f} MB (<= 4; {day.downlink_mb:.2f} down), {day.blocks:,.0f} blocks, "
            f"CPU {day.cpu_s:.1f} s (<= 60), {day.wire_bytes:.1f} block bytes a reading; "
            f"requests inside t3.5: {day.inside_silence}",
        )
    return result


def _short(run: pipeline.Figures) -> str:
    return (
        f"{run.readings_s:,.0f} readings/s, {run.cpu_ms_per_1000:.2f} ms CPU per 1,000, {run.peak_mib:.1f} MiB, "
        f"first after {run.first_s:.2f} s, {run.wire_bytes:.2f} bytes a reading, {run.missing:.0f} missing"
    )


def _collect(options: argparse.Namespace) -> dict[str, object]:
    done = collect.run(
        devices=options.devices[0],
        seconds=options.seconds,
        seed=options.seed,
        runs=options.runs,
        sealing=_sealing(options),
    )
    _say(
        options,
        f"{done.readings:,} readings in {done.blocks:,} blocks: {done.readings_s:,.0f} verified readings/s "
        f"({done.blocks_s:,.0f} blocks/s), {done.cpu_us:.2f} us CPU a reading, {done.peak_mib:.1f} MiB, "
        f"{done.database_bytes:.1f} bytes of database a reading (mark: 160,000 readings/s)",
    )
    return {"collect": asdict(done)}


def _dead(options: argparse.Namespace) -> dict[str, object]:
    times = dead.Times(healthy_s=options.healthy, dead_s=options.dead, after_s=options.after)
    cases = [case for case in dead.CASES if options.only is None or options.only in case.name]
    found = dead.run(cases, times, options.seed, side_by_side=not options.one_by_one)
    heads = [
        "dead",
        "load %",
        "wanted/s",
        "healthy/s",
        "living/s",
        "gap s",
        "share %",
        "at most %",
        "asked",
        "back s",
        "in t3.5",
        "sim late ms",
        "missed",
    ]
    rows = []
    for case in cases:
        one = found[case.name]
        rows.append(
            [case.name, 100 * case.load, one.wanted, one.healthy, one.living, one.gap_s, 100 * one.share,
             100 * one.share_at_most, one.asked,
             one.back_s, one.inside_silence, one.late_ms, ", ".join(one.misses(case)) or "-"]
        )  # fmt: skip
    _say(options, table(heads, rows) + "\n" + _DEAD_GOALS)
    return {
        "dead": {case.name: {**asdict(found[case.name]), "missed": found[case.name].misses(case)} for case in cases}
    }


def _wire(options: argparse.Namespace) -> dict[str, object]:
    clients, notes = wire.clients(options.tmodbus_python)
    found = [
        wire.run(client, baud, registers, seconds=options.seconds, runs=options.runs, seed=options.seed)
        for baud, registers, _ in wire.ROWS
        for client in clients
    ]
    heads = ["Bd", "registers", "client", "share %", "in t3.5", "of", "failed", "CPU ms", "stood p50 ms", "max ms"]
    rows = [
        [one.baud, one.registers, one.client, 100 * one.share, one.inside_silence, one.exchanges, one.failed,
         one.cpu_ms, one.stood_p50_ms, one.stood_max_ms]
        for one in found
    ]  # fmt: skip
    lines = [table(heads, rows), "goals: >= 99 / 99 / 93 % and none inside t3.5; above 100 % the silence is not kept"]
    _say(options, "\n".join([*lines, "missed: " + ("; ".join(wire.missed(found)) or "none"), *notes]))
    return {"wire": [asdict(one) for one in found], "missed": wire.missed(found), "notes": notes}


def _adapter(options: argparse.Namespace) -> dict[str, object]:
    found = adapter.run(options)
    _say(options, adapter.shown(found))
    return {"adapter": [asdict(one) for one in found]}


def _mixed(options: argparse.Namespace) -> dict[str, object]:
    found = mixed.run(options.seconds, options.seed)
    _say(options, mixed.rows(found))
    return {"mixed": asdict(found)}


def _help(options: argparse.Namespace) -> dict[str, object]:
    lines = (["--help"], ["run", "--help"], ["version"])
    found = [startup.run(words, options.runs) for words in lines]
    rows = [[one.words, one.wall_ms, one.cpu_ms] for one in found]
    _say(options, table(["tidegate", "wall ms", "CPU ms"], rows) + "\ngoal: --help under 100 ms")
    return {"help": [asdict(one) for one in found]}


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m hil.bench", description=__doc__)
    verbs = parser.add_subparsers(dest="verb", required=True)
    pipe = verbs.add_parser("pipeline", help="devices, agent, broker, collector under load, and the reference site")
    feed = verbs.add_parser("collect", help="a collector fed with a chain that a real agent sealed")
    start = verbs.add_parser("help", help="start-up of the command line")
    died = verbs.add_parser(
        "dead", help="what dead devices cost their neighbours on a 9600 Bd line, from the wire's log"
    )
    for verb in (pipe, feed):
        verb.add_argument("--max-age", help='seal after, such as "250 ms" (default: the product\'s)')
        verb.add_argument("--max-readings", type=int, help="seal at so many readings (default: the product's)")
    lines = verbs.add_parser("wire", help="share of a serial line that four clients reach, and the silence they keep")
    for verb in (pipe, feed, died, lines):
        verb.add_argument("--seed", type=int, default=random.SystemRandom().randrange(2**31), help="printed")
    pipe.add_argument("--devices", type=_numbers, default=[1, 10, 50, 200], help="such as 1,50")
    pipe.add_argument("--runs", type=int, default=3)
    pipe.add_argument("--seconds", type=float, default=10.0, help="length of the window")
    pipe.add_argument("--warmup", type=float, default=3.0)
    pipe.add_argument("--still", action="store_true", help="registers stand still, as other gateways were measured")
    pipe.add_argument("--reference", type=float, default=120.0, help="seconds of the reference site, 0 leaves it out")
    feed.add_argument("--devices", type=_numbers, default=[200])
    feed.add_argument("--seconds", type=float, default=30.0, help="how long the agent seals")
    feed.add_argument("--runs", type=int, default=3)
    start.add_argument("--runs", type=int, default=15)
    died.add_argument("--healthy", type=float, default=20.0, help="seconds before any device dies")
    died.add_argument("--dead", type=float, default=90.0, help="seconds that the devices are dead")
    died.add_argument("--after", type=float, default=35.0, help="seconds after their return")
    died.add_argument("--only", help='part of the name of the cases wanted, such as "46 %%"')
    died.add_argument("--one-by-one", action="store_true", help="not side by side: 12 minutes instead of 2.5")
    lines.add_argument("--seconds", type=float, default=5.0, help="of one run")
    lines.add_argument("--runs", type=int, default=3)
    lines.add_argument("--tmodbus-python", help="has tmodbus and serialx; else that of deploy/foreign-tmodbus")
    for verb in (pipe, feed, died, lines, start, adapter.add_verb(verbs), mixed.add_verb(verbs)):
        verb.add_argument("--json", action="store_true", help="one object on standard output")
    return parser


def _numbers(text: str) -> list[int]:
    return [int(word) for word in text.split(",")]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one bench; gives the exit status."""
    options = _parser().parse_args(arguments)
    here = machine()
    _say(options, f"machine: {here}" + (f"; seed {options.seed}" if "seed" in options else ""))
    benches = {
        "pipeline": _pipeline,
        "collect": _collect,
        "dead": _dead,
        "wire": _wire,
        "adapter": _adapter,
        "mixed": _mixed,
        "help": _help,
    }
    try:
        with bytecode_kept():
            result = benches[options.verb](options)
    except (StageError, BrokerError, RuntimeError) as error:
        print(f"bench {options.verb}: {error}", file=sys.stderr)
        return 1
    if options.json:
        print(json.dumps({"machine": here, "seed": getattr(options, "seed", None), **result}, indent=1))
    return 0


if __name__ == "__main__":
    sys.exit(main())
