"""What the terminal beside a collector shows."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from agent.block.record import Columns
from agent.collector.ingest import Arrival, Ingest, Receipted
from agent.collector.store import Database
from agent.collector.view import CollectorView, Newest
from agent.errors import StorageError
from agent.keys import NamedKey
from drivers.quality import Quality
from tests.agent.block.chains import UTC, Gateway


def test_the_newest_reading_of_each_quantity_is_shown_and_only_news_are_read(tmp_path: Path) -> None:
    gateway = Gateway(name="school")
    with closing(Database.open(tmp_path / "c.db")) as db:
        ingest = Ingest(db, [NamedKey(spki=gateway.identity.spki, name="school")])
        for _ in range(3):
            ingest.take([Arrival(message=gateway.seal(4).message)], UTC)
        with CollectorView(tmp_path / "c.db") as view:
            before = view.newest()
            assert [(row.device, row.quantity, row.reading) for row in before] == [
                ("meter-1", "quantity_0", 10),
                ("meter-1", "quantity_1", 11),
            ]
            at_ms = gateway.mono_ms + 1000
            columns = Columns(
                mono_ms=(at_ms,), points=(1,), values=(None,), statuses=((0, int(Quality.BAD_TIMEOUT)),)
            )
            ingest.take([Arrival(message=gateway.seal(columns=columns).message)], UTC)
            first, second = view.newest()
            assert first == before[0]
            assert second == Newest(
                site="school",
                device="meter-1",
                quantity="quantity_1",
                value=None,
                unit="V",
                utc_ms=UTC + at_ms,
                error_ms=20,
                quality=int(Quality.BAD_TIMEOUT),
                word="bad-timeout",
                block="0/3",
                reading=12,
            )
            assert second.age_s(UTC + at_ms + 1500) == 1.5


def test_totals_count_what_is_stored_receipted_and_missing(tmp_path: Path) -> None:
    gateway = Gateway(name="school")
    messages = [gateway.seal(4).message for _ in range(6)]
    with closing(Database.open(tmp_path / "c.db")) as db:
        ingest = Ingest(db, [NamedKey(spki=gateway.identity.spki, name="school")])
        ingest.take([Arrival(message=message) for message in (*messages[:4], messages[0], messages[5])], UTC)
        ingest.take([], UTC, [Receipted(gateway=gateway.identity.kid, place=(0, 2))])
        ingest.take([], UTC, [Receipted(gateway=gateway.identity.kid, place=(0, 1))])
        with CollectorView(tmp_path / "c.db") as view:
            totals = view.totals()
    assert (totals.gateways, totals.blocks, totals.receipted, totals.readings) == (1, 4, 3, 16)
    assert (totals.duplicates, totals.gaps) == (1, 1)
    assert totals.block_bytes == sum(map(len, messages[:4]))


def test_a_view_without_a_collector_says_so(tmp_path: Path) -> None:
    with pytest.raises(StorageError, match="missing"):
        CollectorView(tmp_path / "c.db")
    with closing(sqlite3.connect(tmp_path / "other.db")) as db:
        db.execute("CREATE TABLE x (y)")
    with pytest.raises(StorageError, match="no collector"):
        CollectorView(tmp_path / "other.db")


@pytest.mark.parametrize("name", ["a#b", "100%41", "why?mode=rwc"])
def test_a_folder_may_have_any_name(tmp_path: Path, name: str) -> None:
    folder = tmp_path / name
    folder.mkdir()
    with closing(Database.open(folder / "c.db")) as db:
        ingest = Ingest(db, [NamedKey(spki=(gateway := Gateway()).identity.spki, name="school")])
        ingest.take([Arrival(message=gateway.seal(4).message)], UTC)
        with CollectorView(folder / "c.db") as view:
            assert view.totals().readings == 4
    assert [path.name for path in tmp_path.iterdir()] == [name]


def test_evidence_on_a_medium_that_nobody_can_write_to_is_read(tmp_path: Path) -> None:
    gateway = Gateway()
    with closing(Database.open(tmp_path / "c.db")) as db:
        ingest = Ingest(db, [NamedKey(spki=gateway.identity.spki, name="school")])
        ingest.take([Arrival(message=gateway.seal(4).message)], UTC)
    code = (
        "import sys; from pathlib import Path; from agent.collector.read_back import read_messages;"
        "sys.stdout.buffer.write(b''.join(read_messages(Path(sys.argv[1]))))"
    )
    bound = ["setpriv", "--bounding-set", "-dac_override"] if os.geteuid() == 0 else []  # modes hold for root too
    tmp_path.chmod(0o555)
    try:
        done = subprocess.run(
            [*bound, sys.executable, "-c", code, str(tmp_path / "c.db")], capture_output=True, check=False
        )
    finally:
        tmp_path.chmod(0o755)
    assert (done.stdout, done.stderr) == (gateway.messages[0], b"")
