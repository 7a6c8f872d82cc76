"""Epochs: one session key each, kept over restarts, destroyed at the end; states in which nothing may be signed."""

from __future__ import annotations

import shutil
import sqlite3
from pathlib import Path

import pytest

from agent.block.form import read_form
from agent.block.record import EventKind
from agent.config import BlockRules
from agent.errors import ChainDamagedError, KeyUnavailableError, StorageError
from agent.keys import FileKeyStore
from agent.storing.desk import Desk
from agent.storing.stored import StoredBlock
from tests.agent.storage_site import Bench, batch, kinds_of, stop

DAY_MS = 86_400_000


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


def take(bench: Bench, desk: Desk) -> tuple[StoredBlock, ...]:
    desk.intake.take(batch(bench.clock.mono_ms))
    return desk.turn(flush=True)


def place(block: StoredBlock) -> tuple[int, int]:
    return block.epoch, block.number


def test_the_session_key_is_kept_over_a_restart(bench: Bench) -> None:
    desk = bench.desk()
    assert [place(block) for block in take(bench, desk)] == [(0, 0)]
    stop(desk)
    bench.clock.mono_ms += DAY_MS // 2
    desk = bench.desk()
    assert [place(block) for block in take(bench, desk)] == [(0, 1)]
    assert bench.keys.sessions() == (0,)
    stop(desk)
    assert bench.verdict().proven


def test_an_epoch_that_is_over_is_closed_and_its_key_destroyed(bench: Bench) -> None:
    desk = bench.desk()
    take(bench, desk)
    bench.clock.mono_ms += DAY_MS
    last, first = take(bench, desk)
    assert (place(last), kinds_of(last.message)[-1], last.readings) == ((0, 1), EventKind.EPOCH_CLOSE, 3)
    assert (place(first), kinds_of(first.message)) == ((1, 0), [EventKind.EPOCH_OPEN])
    assert bench.keys.sessions() == (1,)
    assert [place(block) for block in take(bench, desk)] == [(1, 1)]
    stop(desk)
    verdict = bench.verdict()
    assert verdict.proven
    assert verdict.chains[0].epochs == ((0, 2), (1, 2))


def test_an_epoch_that_ran_out_while_the_agent_was_down_is_closed_at_start(bench: Bench) -> None:
    desk = bench.desk()
    take(bench, desk)
    stop(desk)
    bench.clock.mono_ms += 2 * DAY_MS
    desk = bench.desk()
    last, first = take(bench, desk)
    assert (place(last), kinds_of(last.message)[0], kinds_of(last.message)[-1]) == ((0, 1), 1, EventKind.EPOCH_CLOSE)
    assert (place(first), kinds_of(first.message)) == ((1, 0), [EventKind.EPOCH_OPEN])
    stop(desk)
    assert bench.verdict().proven


def test_time_without_power_counts_for_the_epoch_when_utc_is_known(bench: Bench) -> None:
    desk = bench.desk()
    take(bench, desk)
    stop(desk)
    bench.clock.boot, bench.clock.mono_ms = b"boot-two", 5_000
    bench.clock.utc_offset_ms += 3 * DAY_MS
    desk = bench.desk()
    assert [block.epoch for block in take(bench, desk)] == [0, 1]
    stop(desk)
    assert bench.verdict().proven


def test_a_lost_session_key_opens_a_new_epoch(bench: Bench) -> None:
    desk = bench.desk()
    take(bench, desk)
    stop(desk)
    bench.keys.destroy_session(0)
    desk = bench.desk()
    (block,) = take(bench, desk)
    assert (place(block), kinds_of(block.message)[:2]) == ((1, 0), [1, 5])
    stop(desk)
    assert bench.verdict().proven


def test_a_session_key_that_others_can_read_stops_the_start_and_is_not_replaced(bench: Bench) -> None:
    desk = bench.desk()
    take(bench, desk)
    stop(desk)
    (bench.folder / "keys" / "session-0.pem").chmod(0o644)
    with pytest.raises(KeyUnavailableError, match="chmod 600"):
        bench.desk()
    (bench.folder / "keys" / "session-0.pem").chmod(0o600)
    desk = bench.desk()
    assert [place(block) for block in take(bench, desk)] == [(0, 1)]
    stop(desk)


def test_a_key_store_that_refuses_lets_the_old_epoch_go_on_and_says_so(bench: Bench) -> None:
    desk = bench.desk()
    take(bench, desk)
    bench.clock.mono_ms += DAY_MS
    blocked = bench.folder / "keys" / ".session-1.pem.new"
    blocked.mkdir()
    (blocked / "in the way").touch()
    assert [place(block) for block in take(bench, desk)] == [(0, 1)]
    assert desk.status().fault_code == "key-unavailable"
    shutil.rmtree(blocked)
    assert [place(block) for block in take(bench, desk)] == [(0, 2), (1, 0)]
    assert desk.status().fault_code == ""
    stop(desk)
    assert bench.verdict().proven


def test_a_first_start_without_a_session_key_keeps_the_readings(bench: Bench) -> None:
    blocked = bench.folder / "keys" / ".session-0.pem.new"
    blocked.mkdir()
    (blocked / "in the way").touch()
    desk = bench.desk()
    assert take(bench, desk) == ()
    assert desk.due_ms() == bench.clock.mono_ms + 10_000
    shutil.rmtree(blocked)
    bench.clock.mono_ms += 10_000
    assert [block.readings for block in desk.turn()] == [3]
    stop(desk)
    assert bench.verdict().proven


def test_a_crash_between_the_new_key_and_its_first_block_harms_nothing(bench: Bench) -> None:
    desk = bench.desk()
    take(bench, desk)
    stop(desk)
    bench.keys.new_session(1)
    bench.clock.mono_ms += 2 * DAY_MS
    desk = bench.desk()
    assert [place(block) for block in take(bench, desk)] == [(0, 1), (1, 0)]
    stop(desk)
    assert bench.verdict().proven


def chain_of(bench: Bench, blocks: int) -> None:
    desk = bench.desk()
    for _ in range(blocks):
        bench.clock.mono_ms += 10_000
        assert take(bench, desk)
    stop(desk)


def files(bench: Bench) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in bench.folder.iterdir() if path.name.startswith("outbox.db")}


def refuses_to_start(bench: Bench, match: str) -> None:
    before = files(bench)
    with pytest.raises(ChainDamagedError, match=match):
        bench.desk()
    assert files(bench) == before


def test_an_older_copy_of_the_outbox_is_a_restored_backup(bench: Bench) -> None:
    chain_of(bench, 3)
    backup = (bench.folder / "outbox.db").read_bytes()
    bench.rules = BlockRules(epoch_max_days=1e-5)
    bench.clock.mono_ms += DAY_MS
    chain_of(bench, 3)
    assert bench.verdict().chains[0].last > (1, 0)  # type: ignore[operator]
    (bench.folder / "outbox.db").write_bytes(backup)
    refuses_to_start(bench, "restored backup")


@pytest.mark.parametrize("epoch", [0, 4])
def test_a_chain_without_the_blocks_that_its_keys_speak_of_is_not_begun_anew(bench: Bench, epoch: int) -> None:
    bench.keys.new_session(epoch)
    for _ in range(2):
        with pytest.raises(ChainDamagedError, match="restored backup"):
            bench.desk()
    assert not (bench.folder / "outbox.db").exists()


def test_a_start_that_died_before_its_first_block_is_begun_anew(bench: Bench) -> None:
    bench.desk().close()
    bench.keys.new_session(0)
    chain_of(bench, 2)
    assert bench.verdict().proven


def change(bench: Bench, statement: str, *parameters: object) -> None:
    db = sqlite3.connect(bench.folder / "outbox.db")
    with db:
        assert db.execute(statement, parameters).rowcount == 1
    db.close()


@pytest.mark.parametrize("number", [0, 2, 4])
def test_a_block_with_one_bit_changed_is_damage(bench: Bench, number: int) -> None:
    chain_of(bench, 5)
    message = bytearray(bench.messages()[number])
    message[len(message) // 2] ^= 1
    change(bench, "UPDATE block SET message = ? WHERE seq = ?", bytes(message), number)
    refuses_to_start(bench, "outbox")


def test_a_last_block_that_the_session_key_did_not_sign_is_damage(bench: Bench) -> None:
    chain_of(bench, 5)
    message = bytearray(bench.messages()[-1])
    message[-1] ^= 1
    change(bench, "UPDATE block SET message = ? WHERE seq = 4", bytes(message))
    refuses_to_start(bench, "bad-signature")


def test_a_block_that_does_not_link_is_damage(bench: Bench, tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    other = Bench(tmp_path / "other")
    shutil.copytree(bench.folder / "keys", other.folder / "keys", dirs_exist_ok=True)
    chain_of(other, 5)
    shutil.copytree(other.folder / "keys", bench.folder / "keys", dirs_exist_ok=True)
    shutil.copy(other.folder / "outbox.db", bench.folder / "outbox.db")
    desk = bench.desk()
    bench.clock.mono_ms = 999_000
    desk.intake.take(batch(bench.clock.mono_ms, values=(1, 2, 3)))
    (foreign,) = desk.turn(flush=True)
    stop(desk)
    other.clock.mono_ms += 10_000
    chain_of(other, 2)
    shutil.copy(other.folder / "outbox.db", bench.folder / "outbox.db")
    change(
        bench,
        "UPDATE block SET message = ?, head = ? WHERE seq = ?",
        foreign.message,
        read_form(foreign.message).head,
        foreign.seq,
    )
    refuses_to_start(bench, "does not follow")


def test_a_receipt_beyond_the_last_block_is_a_restored_backup(bench: Bench) -> None:
    bench.destinations = (b"platform",)
    chain_of(bench, 3)
    change(bench, "UPDATE destination SET receipted_seq = 7")
    refuses_to_start(bench, "restored backup")


def test_the_outbox_of_another_gateway_is_refused(bench: Bench, tmp_path: Path) -> None:
    chain_of(bench, 2)
    shutil.rmtree(bench.folder / "keys")
    FileKeyStore(tmp_path / "keys").create_identity()
    refuses_to_start(bench, "belongs to gateway")


def test_without_an_identity_nothing_starts(bench: Bench) -> None:
    shutil.rmtree(bench.folder / "keys")
    with pytest.raises(KeyUnavailableError, match=r"identity\.pem is missing"):
        bench.desk()
    assert not (bench.folder / "outbox.db").exists()


def test_a_second_agent_on_the_same_folder_is_refused(bench: Bench) -> None:
    desk = bench.desk()
    with pytest.raises(StorageError, match="another agent"):
        bench.desk()
    stop(desk)
