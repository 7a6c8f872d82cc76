"""One demo run, from an empty folder to the summary; whatever happens, nothing stays behind."""

from __future__ import annotations

import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from types import FrameType

from rich.console import Console
from rich.live import Live

from hil.broker import Broker, BrokerError, mosquitto_path
from hil.demo.options import Options
from hil.demo.plan import Plan, read_plan
from hil.demo.platform_view import PlatformView, Totals
from hil.demo.screen import Moment, draw
from hil.demo.storm import ADAPTER, Storm
from hil.demo.summary import Summary
from hil.demo.words import closing, words
from hil.ledger import committed_blocks, compare
from hil.process import wait_until
from hil.site_file import Sealing
from hil.stage import Stage, StageError, pending_blocks, tidegate
from hil.told import Comparison, compare_told

_FRAME_S = 0.5
_PLAIN_EVERY_S = 2.0
_SETTLE_S = 25.0


class Demo:
    """Everything of one run."""

    def __init__(self, options: Options, folder: Path, say: Callable[[str], None]) -> None:
        self._options = options
        self._say = say
        self._stop = False
        self._embedded = options.embedded or mosquitto_path() is None
        broker = None if self._embedded else Broker(_made(folder / "broker"))
        self._stage = Stage(folder=folder, broker=broker, name="demo")
        self._view = PlatformView(self._stage.collector_db)
        self._plan = Plan(control=folder, journal=folder)
        self._began_s = 0.0
        self._first_s: float | None = None
        self._storm: Storm | None = None
        self._fed_s = 0.0

    def run(self) -> Summary:
        """Start everything, watch, end everything; StageError or BrokerError when a part does not start."""
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, self._told_to_stop)
        try:
            self._start()
            self._watch()
            return self._end()
        finally:
            self._stage.stop()

    def _start(self) -> None:
        stage, folder = self._stage, self._stage.folder
        stage.start_simulator("site", "--dir", str(folder / "line"), "--seed", str(self._options.seed))
        stage.prepare()
        if stage.broker is not None:
            stage.broker.start()
            stage.start_collector()
        described = folder / "line" / "site.json"
        if not wait_until(described.exists, 10):
            raise StageError("the simulated lines do not start")
        self._plan = read_plan(described)
        stage.write_site(
            self._plan.buses,
            [one.entry for one in self._plan.devices],
            sealing=Sealing(max_age="2 s"),
            label="演示站点 demo site",
        )
        self._began_s = time.monotonic()
        stage.start_agent()
        if self._options.storm:
            self._storm = Storm(
                stage=stage,
                control=self._plan.control,
                seconds=self._options.seconds or 60.0,
                seed=self._options.seed,
            )

    def _watch(self) -> None:
        console = Console(stderr=self._options.json)
        if not console.is_terminal or self._options.json:
            self._until_over(lambda: None if self._options.json else self._print_plain(console))
            return
        with Live(console=console, screen=True, auto_refresh=False) as live:
            texts = words(chinese=self._options.chinese)
            self._until_over(
                lambda: live.update(draw(self._moment(), texts, console.width, console.height), refresh=True)
            )

    def _until_over(self, show: Callable[[], None]) -> None:
        due_s = 0.0
        while not self._over():
            if self._storm is not None:
                self._storm.step(self._age_s())
            elif not self._stage.agent.alive:
                raise StageError(f"the agent ended by itself\n{self._stage.agent.last_words()}")
            if self._first_s is None:
                self._view.look()
                self._first_s = self._age_s() if self._view.latest else None
            if self._age_s() >= due_s:
                self._feed_embedded()
                show()
                due_s = self._age_s() + _FRAME_S
            time.sleep(0.02 if self._first_s is None else 0.1)
        if self._storm is not None:
            self._storm.finish(self._age_s())

    def _end(self) -> Summary:
        stage = self._stage
        if not self._embedded:
            wait_until(lambda: pending_blocks(stage.site) == 0, _SETTLE_S, 0.3)
        stage.agent.stop()
        if self._embedded:
            self._fed_s = 0.0
            self._feed_embedded()
        else:
            sealed = committed_blocks(stage.outbox_db)
            wait_until(lambda: self._view.look().receipted >= sealed, 10, 0.2)
        totals = self._view.look()
        told = tidegate("--json", "verify", stage.collector_db, "--trust", stage.trust_file)
        compared = compare_told(self._plan.journal, stage.collector_db)
        living = self._plan.names(living=True)
        silent = [name for name in living if not compared.equal[name]]
        pulled = self._plan.names(living=True, bus=ADAPTER) if self._storm is not None else []
        return Summary(
            seed=self._options.seed,
            living=len(living),
            heard=len(living) - len(silent),
            silent=silent,
            wrong=self._wrong(compared),
            equal=compared.equal.total(),
            totals=totals,
            ledger=compare(stage.outbox_db, stage.collector_db),
            verified=told.returncode == 0,
            embedded=self._embedded,
            first_reading_s=self._first_s,
            kills=self._storm.told if self._storm else (),
            unplugged=pulled,
            unhealed=[name for name in pulled if not self._view.heard_since(name, self._put_back_ms())],
        )

    def _wrong(self, compared: Comparison) -> list[str]:
        """Give what cannot be: a value that its device did not tell, a reading of a dead device."""
        dead = [name for name in self._plan.names(living=False) if name in self._view.living]
        return [*compared.wrong, *(f"{name} is dead and has a reading" for name in dead)]

    def _put_back_ms(self) -> int:
        return self._storm.put_back_ms if self._storm is not None else 0

    def _feed_embedded(self) -> None:
        """Carry the archive to the collector by file, as a technician with a memory stick would."""
        if not self._embedded or self._age_s() < self._fed_s:
            return
        chain = self._stage.folder / "chain.cbseq"
        if tidegate("--site", self._stage.site, "export", "--yes", chain).returncode == 0:
            tidegate("collect", "--db", self._stage.collector_db, "--trust", self._stage.trust_file, "--input", chain)
        self._fed_s = self._age_s() + _PLAIN_EVERY_S

    def _moment(self) -> Moment:
        totals = self._view.look()
        note = self._storm.note if self._storm and self._storm.note else ""
        return Moment(
            devices=[device.entry.name for device in self._plan.devices],
            latest=list(self._view.latest.values()),
            totals=totals,
            sealed=committed_blocks(self._stage.outbox_db),
            now_ms=time.time_ns() // 1_000_000,
            note=note or ("embedded archive, no broker" if self._embedded else "running"),
        )

    def _print_plain(self, console: Console) -> None:
        if self._age_s() < self._plain_due_s:
            return
        self._plain_due_s = self._age_s() + _PLAIN_EVERY_S
        moment = self._moment()
        totals: Totals = moment.totals
        heard = f"{len(self._view.living)}/{len(self._plan.names(living=True))} living devices"
        console.print(
            f"{self._age_s():6.1f} s  {heard}  {totals.readings} readings verified  blocks {moment.sealed} sealed "
            f"{totals.blocks} verified {totals.receipted} receipted  {moment.note}",
            soft_wrap=True,
            highlight=False,
        )

    _plain_due_s = 0.0

    def _age_s(self) -> float:
        return time.monotonic() - self._began_s

    def _over(self) -> bool:
        seconds = self._options.seconds
        return self._stop or (seconds is not None and self._age_s() >= seconds)

    def _told_to_stop(self, _number: int, _frame: FrameType | None) -> None:
        self._stop = True


def run(options: Options) -> int:
    """Run the demo in a folder of its own and give the exit status."""

    def say(sentence: str) -> None:
        print(sentence, file=sys.stderr, flush=True)

    folder = Path(tempfile.mkdtemp(prefix="tidegate-demo-"))
    try:
        demo = Demo(options, folder, say)
        say(f"seed {options.seed}")
        if mosquitto_path() is None and not options.embedded:
            say("no mosquitto: using the embedded archive; to see the broker type: sudo apt-get install mosquitto")
        summary = demo.run()
    except (StageError, BrokerError) as error:
        say(f"tidegate demo: {error}")
        return 69
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    if options.json:
        import json  # noqa: PLC0415 - only here

        print(json.dumps(summary.as_object(), ensure_ascii=False))
    else:
        print("\n".join(summary.as_lines(closing(chinese=options.chinese))))
    return 0 if summary.ok else 1


def _made(folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    return folder
