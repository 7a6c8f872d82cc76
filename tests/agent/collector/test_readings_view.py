"""What a data person sees in the view ``readings``."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import UTC as ZONE
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest

from agent.block import events
from agent.block.record import ClockQuality, ClockSample, Columns, Event, EventKind, PointEntry, Value
from agent.block.seal import Writer
from agent.collector.ingest import Arrival, Ingest
from agent.collector.store import Database
from agent.keys import NamedKey
from drivers.quality import Quality
from tests.agent.block.chains import EVENT, GAUGE, STATE, UTC, SoftKey, clock_at, meter, no_utc

BOOT2 = bytes.fromhex("b007b007b007b008")


class Site:
    """A gateway with the points that a test wants, and a collector that takes each block as it is sealed."""

    def __init__(self, path: Path, points: Sequence[PointEntry]) -> None:
        self.identity = SoftKey("view identity")
        self.writer = Writer.resume(self.identity.kid, ())
        self.writer.open_epoch(self.identity, SoftKey("view session"), clock_at(1000))
        self.change = self.writer.dictionary_add([meter("elm street")], points, 1000)
        self.db = Database.open(path)
        self.ingest = Ingest(self.db, [NamedKey(spki=self.identity.spki, name="school-7")])

    def seal(
        self,
        clock: ClockSample,
        values: Sequence[Value] = (),
        statuses: tuple[tuple[int, int], ...] = (),
        mono_ms: Sequence[int] | None = None,
        extra: tuple[Event, ...] = (),
    ) -> None:
        columns = None
        if values:
            columns = Columns(
                mono_ms=tuple(mono_ms or [clock.mono_ms] * len(values)),
                points=tuple(range(len(values))),
                values=tuple(values),
                statuses=statuses,
            )
        first = () if self.writer.position.clock else self.change.events
        block = self.writer.seal(clock=clock, columns=columns, events=(*extra, *first))
        self.writer.commit(block)
        verdicts = self.ingest.take([Arrival(message=block.message)], UTC).verdicts
        assert [verdict.value for verdict, _ in verdicts] == ["chained"]

    def column(self, name: str) -> list[object]:
        return [value for (value,) in self.db.all(f"SELECT {name} FROM readings ORDER BY reading")]


def point(kind: int = GAUGE, exponent: int = 0, unit: str | None = "V", quantity: str = "voltage") -> PointEntry:
    return PointEntry(device=0, quantity=quantity, unit=unit, exponent=exponent, kind=kind, klass=0)


def site_of(path: Path, *points: PointEntry) -> Site:
    return Site(path / "c.db", points)


@pytest.fixture
def closing() -> Iterator[list[Site]]:
    sites: list[Site] = []
    yield sites
    for site in sites:
        site.db.close()


def test_a_row_says_everything_a_data_person_asks(tmp_path: Path, closing: list[Site]) -> None:
    site = site_of(tmp_path, point(exponent=-1))
    closing.append(site)
    site.seal(clock_at(10_000, error_ms=20), [2315], mono_ms=[9_000])
    assert site.db.all(
        "SELECT site, gateway, device, quantity, value, unit, utc, error_ms, quality, quality_word, block, reading"
        " FROM readings"
    ) == [
        (
            "school-7",
            site.identity.kid.hex(),
            "elm street",
            "voltage",
            "231.5",
            "V",
            utc_text(UTC + 9_000),
            21,
            0,
            "good",
            "0/0",
            0,
        )
    ]


def utc_text(utc_ms: int) -> str:
    moment = datetime(1970, 1, 1, tzinfo=ZONE) + timedelta(milliseconds=utc_ms)
    return moment.strftime("%Y-%m-%dT%H:%M:%S.") + f"{utc_ms % 1000:03d}Z"


@pytest.mark.parametrize("exponent", range(-18, 19))
def test_a_value_is_the_exact_decimal(tmp_path: Path, closing: list[Site], exponent: int) -> None:
    rng = random.Random(exponent)
    values = [0, 1, -1, 9, 10, -10, 99999, 2**63 - 1, -(2**63)]
    values += [rng.randrange(-(2 ** rng.randrange(1, 64)), 2 ** rng.randrange(1, 63)) for _ in range(60)]
    site = site_of(tmp_path, *(point(exponent=exponent, quantity=f"q{n}") for n in range(len(values))))
    closing.append(site)
    site.seal(clock_at(10_000), values)
    texts = [str(text) for text in site.column("value")]
    for text, value in zip(texts, values, strict=True):
        assert Decimal(text) == Decimal(value).scaleb(exponent)
        assert "E" not in text
        assert len(text.partition(".")[2]) == max(0, -exponent)
    for number, value in zip(site.column("number"), values, strict=True):
        assert isinstance(number, float)
        assert number == pytest.approx(float(Decimal(value).scaleb(exponent)), rel=1e-15)


def test_text_states_bytes_and_what_is_unknown(tmp_path: Path, closing: list[Site]) -> None:
    site = site_of(
        tmp_path,
        point(STATE, unit=None, quantity="text"),
        point(STATE, unit=None, quantity="on"),
        point(STATE, unit=None, quantity="off"),
        point(EVENT, unit=None, quantity="card"),
        point(GAUGE, exponent=-1, quantity="lost"),
        point(GAUGE, exponent=-1, quantity="odd"),
    )
    closing.append(site)
    statuses = ((4, int(Quality.BAD_TIMEOUT)), (5, 0x40123456))
    site.seal(clock_at(10_000), ["läuft", True, False, b"\x01\xff", None, 5], statuses)
    assert site.column("value") == ["läuft", "true", "false", "01ff", None, "0.5"]
    assert site.column("number") == [None, None, None, None, None, 0.5]
    assert site.column("quality_word") == ["good", "good", "good", "good", "bad-timeout", "0x40123456"]
    assert site.column("quality")[4] == int(Quality.BAD_TIMEOUT)


def test_utc_is_exact_to_the_millisecond_and_the_bound_grows_with_the_distance(
    tmp_path: Path, closing: list[Site]
) -> None:
    offsets = [0, -1, -9_999, -10_000, -10_001, -59_999, 7, 123_456, -999]
    site = site_of(tmp_path, *(point(quantity=f"q{n}") for n in range(len(offsets))))
    closing.append(site)
    site.seal(clock_at(900_000, error_ms=3), [1] * len(offsets), mono_ms=[900_000 + offset for offset in offsets])
    assert site.column("utc") == [utc_text(UTC + 900_000 + offset) for offset in offsets]
    assert site.column("error_ms") == [3 + -(-abs(offset) // 10_000) for offset in offsets]


def test_without_utc_the_next_block_of_the_boot_tells_it(tmp_path: Path, closing: list[Site]) -> None:
    site = site_of(tmp_path, point())
    closing.append(site)
    site.seal(no_utc(10_000), [1], mono_ms=[9_000])
    site.seal(no_utc(20_000), [2])
    assert site.column("utc") == [None, None]
    assert site.column("error_ms") == [None, None]
    site.seal(clock_at(70_000, error_ms=20), [3])
    assert site.column("utc") == [utc_text(UTC + mono) for mono in (9_000, 20_000, 70_000)]
    assert site.column("error_ms") == [20 + 7, 20 + 5, 20]
    assert site.column("clock") == ["none, set later", "none, set later", "ntp"]


def test_the_clock_set_event_of_a_block_tells_its_own_and_earlier_readings(
    tmp_path: Path, closing: list[Site]
) -> None:
    site = site_of(tmp_path, point())
    closing.append(site)
    site.seal(no_utc(10_000), [1])
    told = events.clock_set(15_000, utc_ms=UTC + 15_000, quality=3, max_error_ms=50)
    site.seal(no_utc(20_000), [2], extra=(told,))
    assert site.column("utc") == [utc_text(UTC + 10_000), utc_text(UTC + 20_000)]
    assert site.column("error_ms") == [51, 51]


def test_a_boot_that_never_knew_utc_lies_between_its_neighbours(tmp_path: Path, closing: list[Site]) -> None:
    site = site_of(tmp_path, point())
    closing.append(site)
    site.seal(clock_at(10_000, error_ms=20), [1])
    boot = events.boot(5, boot_before=None, last_sealed_mono_ms=None, clean=False)
    site.seal(no_utc(500, boot=BOOT2), [2], extra=(boot,))
    third = bytes.fromhex("b007b007b007b009")
    later = ClockSample(boot=third, mono_ms=700, utc_ms=UTC + 90_000, quality=ClockQuality.NTP, max_error_ms=30)
    site.seal(later, [3], extra=(boot,))
    assert site.column("utc") == [utc_text(UTC + 10_000), None, utc_text(UTC + 90_000)]
    assert site.column("not_before") == [None, utc_text(UTC + 10_000 - 20), None]
    assert site.column("not_after") == [None, utc_text(UTC + 90_000 + 30), None]


def test_a_query_over_a_span_reads_only_its_blocks(tmp_path: Path, closing: list[Site]) -> None:
    site = site_of(tmp_path, point())
    closing.append(site)
    site.seal(clock_at(10_000), [1])
    plan = site.db.all(
        "EXPLAIN QUERY PLAN SELECT value FROM readings WHERE sealed_ms BETWEEN ? AND ?", (UTC, UTC + 20_000)
    )
    steps = [step for *_, step in plan]
    assert steps[0] == "SEARCH b USING INDEX block_utc (utc_ms>? AND utc_ms<?)"
    assert "SEARCH r USING INTEGER PRIMARY KEY (rowid>? AND rowid<?)" in steps


def test_the_device_s_own_time_and_bytes_stand_beside_their_readings(tmp_path: Path, closing: list[Site]) -> None:
    site = site_of(tmp_path, point(), point(quantity="demand"), point(quantity="frozen"))
    closing.append(site)
    columns = Columns(
        mono_ms=(9_000,) * 3,
        points=(0, 1, 2),
        values=(1, 2, 3),
        raws=((1, b"\x01\xff"),),
        device_times=((1, 1_790_000_000_123, None, 1), (2, None, 7, 3)),
    )
    block = site.writer.seal(clock=clock_at(10_000), columns=columns, events=site.change.events)
    site.ingest.take([Arrival(message=block.message)], UTC)
    assert site.column("device_utc") == [None, "2026-09-21T14:13:20.123Z", None]
    assert site.column("device_ms") == [None, 1_790_000_000_123, None]
    assert site.column("device_sequence") == [None, None, 7]
    assert site.column("device_flags") == [None, 1, 3]
    assert site.column("raw") == [None, "01ff", None]


def test_exchanges_and_counters_that_did_not_go_on_are_told_by_name(tmp_path: Path, closing: list[Site]) -> None:
    site = site_of(tmp_path, point(exponent=-2, unit="kW.h", quantity="energy"), point(exponent=2, quantity="volume"))
    closing.append(site)
    site.seal(clock_at(10_000), [1, 2])
    entry = replace(meter("elm street"), identity="serial=1")
    other = replace(meter("elm street"), identity="serial=2")
    changes = [site.writer.dictionary_add([one], [], 10_500) for one in (entry, other)]
    counts = [(0, 123_456, 0, "reset"), (0, -5, -104, "backwards"), (1, 7, 0, "roll-over"), (0, 9, 1)]
    site.seal(
        clock_at(11_000),
        extra=(
            *(event for change in changes for event in change.events),
            Event(kind=EventKind.DEVICE_IDENTITY, mono_ms=10_600, fields=(1, 2)),
            *(Event(kind=EventKind.COUNTER_DISCONTINUITY, mono_ms=10_700, fields=fields) for fields in counts),
        ),
    )
    assert site.db.all("SELECT device, before, now, utc IS NOT NULL, block FROM exchanges") == [
        ("elm street", "serial=1", "serial=2", 1, "0/1")
    ]
    assert site.db.all("SELECT device, quantity, last, first, unit, reason FROM discontinuities") == [
        ("elm street", "energy", "1234.56", "0.00", "kW.h", "reset"),
        ("elm street", "energy", "-0.05", "-1.04", "kW.h", "backwards"),
        ("elm street", "volume", "700", "0", "V", "roll-over"),
        ("elm street", "energy", "0.09", "0.01", "kW.h", None),
    ]
