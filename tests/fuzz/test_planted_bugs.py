"""Whether the targets catch what they are there for: each runs on a copy of the product with one fault put in."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.fuzz import engine

pytestmark = pytest.mark.fuzz

ROOT = Path(__file__).parents[2]
CODEC = "drivers/codec"
PLANTED = [  # target, file, a piece of its text, what stands there instead
    ("modbus-rtu", "modbus_rtu", "if not crc16_modbus(bytes(self._buffer[at : at + size]))", "if size"),
    ("modbus-rtu", "modbus_rtu", "elif crc16_modbus(raw := bytes(self._buffer[at : at + size])):",
     "elif not (raw := bytes(self._buffer[at : at + size])):"),
    ("modbus-rtu", "modbus_rtu", "request[:6] if pdu[:1]", "request[:2] if pdu[:1]"),
    ("modbus-ascii", "modbus_ascii", "if sum(body) & 0xFF:", "if not body:"),
    ("modbus-ascii", "modbus_ascii", "if len(digits) % 2 == 0 else", "if digits else"),
    ("modbus-tcp", "modbus_tcp", "if not _SHORTEST_BODY <= body <= _LONGEST_BODY:", "if not body:"),
    ("dlt645-2007", "summed", "check_sum(body[:-2]) != body[-2]", "not body"),
    ("dlt645-1997", "summed", "body[-1] != END or", ""),
    ("dlt645-2007", "dlt645", "return echoed.startswith(identifier)", "return True"),
    ("cjt188", "summed", "check_sum(body[:-2]) != body[-2]", "not body"),
    ("mbus", "mbus", "if sum(body) & 0xFF != sums or", "if"),
    ("mbus", "mbus", "(len(head) > 2 and head[2] != head[1]) or", ""),
    ("iec62056-21", "iec62056_21", "or bcc(text[1 : end + 1]) != text[end + 1]", ""),
    ("iec62056-21", "iec62056_21", "crc16_arc(text[:checked]) != check", "not text"),
    ("hj212", "hj212", "if int(told, 16) != crc(segment):", "if not segment:"),
    ("hj212", "hj212", "if size > chosen.longest:", "if size > 99999:"),
    ("sdi12", "sdi12", "or tail != crc_characters(data[:-_CRC_CHARS])", ""),
    ("sdi12", "sdi12", "if len(self._buffer) > 2 * LONGEST:", "if not self:"),
    ("sml-x25", "sml", "if check.of(raw[:-2]) == told:", "if told:"),
    ("sml-kermit", "sml", "if check.of(raw[:-2]) == told:",
     "if check is Check.KERMIT or check.of(raw[:-2]) == told:"),
    ("sml-x25", "sml_value", "or end > len(data):", "or not data:"),
    ("hdlc", "hdlc", "if body[-2:] != _check(body[:-2]):", "if not body:"),
    ("hdlc", "framing", "del buffer[:end]\n        yield", "del buffer[: end + 1]\n        yield"),
    ("hdlc", "hdlc_message", "if self._held and not self._continues(event):", "if False:"),
    ("hj212", "searched", "            at += 1\n        kept", "            at += 0\n        kept"),
    ("dlms-apdu", "axdr", "if at + size > len(data):", "if not data:"),
    ("cbor", "agent/block/cbor", "if argument < (_INLINE if width == 1 else 1 << 4 * width):", "if argument < 0:"),
    ("cbor", "agent/block/cbor", "if key <= before:", "if not key:"),
    ("block", "agent/block/verify", "form.signed.check(signer.key, Aad.BLOCK)", "form.signed.head(Aad.BLOCK)"),
    ("block", "agent/block/cose", "or message[payload_end:signature_at] != _SIGNATURE_HEAD", ""),
]  # fmt: skip


def planted(folder: Path, file: str, text: str, other: str) -> Path:
    """Make a tree of links to the product, all but the one file that is changed."""
    changed = ROOT / (f"{file}.py" if "/" in file else f"{CODEC}/{file}.py")
    source = changed.read_text(encoding="utf-8")
    assert source.count(text) == 1, f"found {source.count(text)} times, mend the planted bug: {text}"
    here = ROOT
    for part in changed.relative_to(ROOT).parts[:-1]:
        here /= part
        copy = folder / here.relative_to(ROOT)
        copy.mkdir()
        for entry in here.iterdir():
            if entry not in changed.parents and entry != changed and entry.name != "__pycache__":
                (copy / entry.name).symlink_to(entry)
    (folder / changed.relative_to(ROOT)).write_text(source.replace(text, other), encoding="utf-8")
    return folder


def fuzz(tree: Path, folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """Run the fuzzer on the product in ``tree``."""
    environment = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join((str(tree), str(ROOT))),
        "PYTHONDONTWRITEBYTECODE": "1",
    }
    command = [sys.executable, "-P", "-m", "tests.fuzz", *words, "--folder", str(folder)]
    return subprocess.run(command, env=environment, cwd=folder, capture_output=True, text=True, check=False)


@pytest.mark.parametrize(("name", "file", "text", "other"), PLANTED)
def test_chance_alone_finds(name: str, file: str, text: str, other: str, tmp_path: Path) -> None:
    tree = planted(tmp_path, file, text, other)
    words = ("--alone", "--blind", "--runs", "6000", "--seed", "1", "--cpu-s", "0.5")
    done = fuzz(tree, tmp_path, name, *words)
    assert done.returncode == 1, done.stderr
    assert "Test unit written to" in done.stderr
    assert any(tmp_path.glob(f"{name}-crash-*"))


@pytest.mark.skipif(not engine.has_coverage(), reason="there is no atheris for this Python")
def test_coverage_finds_keeps_and_repeats(tmp_path: Path) -> None:
    tree = planted(tmp_path, "hdlc", "if body[-2:] != _check(body[:-2]):", "if not body:")
    done = fuzz(tree, tmp_path, "hdlc", "--runs", "20000", "--seed", "1")
    assert done.returncode == 1, done.stderr
    assert "FOUND by hdlc" in done.stdout
    assert "BrokenLawError: no frame by the standard" in done.stdout
    digits = next(line for line in done.stdout.splitlines() if line.startswith("input: ")).split()[1]
    assert "BrokenLawError" in fuzz(tree, tmp_path, "hdlc", "--replay", digits).stderr
    assert fuzz(ROOT, tmp_path, "hdlc", "--replay", digits).returncode == 0


@pytest.mark.skipif(not engine.has_coverage(), reason="there is no atheris for this Python")
def test_the_corpus_is_kept_and_used_again(tmp_path: Path) -> None:
    sizes = []
    for runs in ("3000", "1"):
        done = fuzz(ROOT, tmp_path, "cbor", "--runs", runs, "--seed", "7")
        assert done.returncode == 0, done.stdout
        sizes.append(int(done.stdout.splitlines()[-1].split()[3]))
    kept = len(list((tmp_path / "corpus" / "cbor").iterdir()))
    assert sizes[0] > 30
    assert sizes[1] >= kept > 10


def test_by_chance_one_seed_finds_the_same_input(tmp_path: Path) -> None:
    tree = planted(tmp_path, "mbus", "if sum(body) & 0xFF != sums or", "if")
    found = set()
    for name in ("one", "two"):
        folder = tmp_path / name
        folder.mkdir()
        fuzz(tree, folder, "mbus", "--alone", "--blind", "--runs", "6000", "--seed", "3")
        found |= {path.name for path in folder.glob("mbus-crash-*")}
    assert len(found) == 1


def test_an_unknown_target_is_named(tmp_path: Path) -> None:
    done = fuzz(ROOT, tmp_path, "modbus-rut")
    assert done.returncode == 64
    assert "no target called 'modbus-rut'" in done.stderr
