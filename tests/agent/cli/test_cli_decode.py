"""tidegate decode: one frame, and lines of frames, whatever they hold."""

from __future__ import annotations

import json
import random
import subprocess
from typing import Any

import pytest

from tests.agent.cli.commands import Command, Process

REQUEST = "01040000000271CB"
REPLY = "010404436633341B38"  # Eastron, 230.2 V as two registers


def test_one_frame_is_shown_as_a_table(tidegate: Command) -> None:
    said = tidegate("decode", "modbus-rtu", REPLY, "--request", REQUEST)
    assert said.code == 0
    assert said.out == "QUANTITY  VALUE  UNIT\nreg_0     17254\nreg_1     13108\n"
    assert tidegate("decode", "modbus-rtu", REPLY, "--request", REQUEST, lang="zh").out.startswith("物理量   数值")


def test_bytes_are_taken_as_people_write_them(tidegate: Command) -> None:
    spaced = ["01", "04", "04", "43", "66", "33", "34", "1B", "38"]
    for words in (spaced, ["0x01,0x04,0x04,0x43,0x66,0x33,0x34,0x1b,0x38"], ["01:04:04:43:66:33:34:1B:38"]):
        said = tidegate("decode", "modbus-rtu", *words, "--request", "01-04-00-00-00-02-71-CB", "--json")
        assert said.envelope["result"]["readings"][0] == {"quantity": "reg_0", "value": "17254", "unit": None}


@pytest.mark.parametrize(
    ("reply", "code"),
    [
        (REPLY[:-1] + "9", "bad-checksum"),
        (REPLY[:-4], "bad-frame"),
        ("0204044366333457F8", "bad-frame"),
    ],
)
def test_a_damaged_frame_gives_its_fault_and_no_reading(tidegate: Command, reply: str, code: str) -> None:
    envelope = tidegate("decode", "modbus-rtu", reply, "--request", REQUEST, "--json").envelope
    assert envelope["code"] == 65
    assert envelope["result"] is None
    assert envelope["findings"][0]["code"] in (code, "bad-checksum", "reply-mismatch")


def test_a_request_alone_is_no_silent_device(tidegate: Command) -> None:
    said = tidegate("decode", "mbus", "10 40 05 45 16")
    assert said.code == 65
    assert "These bytes hold no reply to read: this is a request" in said.err
    assert "what was asked goes behind --request" in said.err


def test_what_is_typed_wrongly_is_said(tidegate: Command) -> None:
    assert "'g' is no hexadecimal digit" in tidegate("decode", "modbus-rtu", "0g").err
    assert "half a byte" in tidegate("decode", "modbus-rtu", "010").err
    assert "modbus-rtu, modbus-tcp" in tidegate("decode", "dlt", "01").err.split("Known: ")[1]
    assert "modbus-rtu, modbus-tcp" in tidegate("decode").err.split("protocols: ")[1]
    assert 'did you mean "modbus-rtu"?' in tidegate("decode", "modbus-rut", "01").err
    for words in (("modbus-rtu", "0g"), ("modbus-rtu", "010"), ("dlt", "01"), ()):
        assert tidegate("decode", *words).code == 2


def lines(tidegate: Command, *asked: object) -> list[dict[str, Any]]:
    """The answers to ``asked``; bytes and text go in as they are."""
    raw = [line if isinstance(line, bytes) else json.dumps(line).encode() for line in asked]
    said = tidegate("decode", "--jsonl", stdin=b"\n".join(raw) + b"\n")
    assert said.code == 0
    return [json.loads(line) for line in said.out.splitlines()]


def test_lines_are_answered_one_by_one(tidegate: Command) -> None:
    good = {"id": "a", "protocol": "modbus-rtu", "request": REQUEST, "response": REPLY, "context": {}}
    points = {
        "points": [{"quantity": "voltage", "register_offset": 0, "type": "f32", "scale": 1, "word_order": "big"}]
    }
    first, second, third = lines(tidegate, good, {**good, "id": 2, "response": "00"}, {**good, "context": points})
    assert first == {
        "id": "a",
        "readings": [
            {"quantity": "reg_0", "value": 17254, "unit": None},
            {"quantity": "reg_1", "value": 13108, "unit": None},
        ],
        "error": None,
    }
    assert (second["id"], second["readings"]) == (2, [])
    assert second["error"]
    assert third["readings"] == [{"quantity": "voltage", "value": pytest.approx(230.2, abs=1e-4), "unit": "V"}]


BAD = [
    (b"nonsense", "bad-line"), (b"\xff\xfe", "bad-line"), (b"[]", "bad-line"), (b"3", "bad-line"), (b"{", "bad-line"),
    (b'{"id": NaN, "protocol": "modbus-rtu"}', "bad-line"), (b'{"id": 1e999, "protocol": "modbus-rtu"}', "bad-line"),
    (b"[" * 100_000, "bad-line"), (b'{"id": ' + b"9" * 5000 + b"}", "bad-line"), (b"{}", "bad-line"),
    (b'{"id": 1, "protocol": 7}', "bad-line"), (b'{"id": 1, "protocol": "modbus-rtu", "context": 3}', "bad-line"),
    (b'{"id": 1, "protocol": "modbus-rtu", "response": "0g"}', "bad-hex"),
    (b'{"id": 1, "protocol": "modbus-rtu", "response": 17}', "bad-hex"),
    (b'{"id": 1, "protocol": "modbus-rtu"}', "no-reply"), (b'{"id": 1, "protocol": "x", "response": "00"}',
     "unknown-protocol"), (b"x" * (3 << 20), "bad-line"),
]  # fmt: skip


@pytest.mark.parametrize(("line", "error"), BAD, ids=lambda part: str(part)[:20])
def test_a_bad_line_is_answered_and_the_next_one_too(tidegate: Command, line: bytes, error: str) -> None:
    good = {"id": "next", "protocol": "modbus-rtu", "request": REQUEST, "response": REPLY}
    bad, after = lines(tidegate, line, good)
    assert bad["error"] == error
    assert bad["readings"] == []
    assert (after["id"], after["error"]) == ("next", None)


def test_the_id_comes_back_as_it_was(tidegate: Command) -> None:
    for ident in (None, 0, "", "编号", "\ud800", [1, {"a": 2}], True, 1.5):
        (answer,) = lines(tidegate, {"id": ident, "protocol": "modbus-rtu"})
        assert answer["id"] == ident


def test_empty_lines_are_passed_over(tidegate: Command) -> None:
    assert tidegate("decode", "--jsonl", stdin=b"\n  \n\r\n").out == ""
    assert tidegate("decode", "--jsonl").out == ""


def test_no_bytes_and_no_context_make_it_stumble(tidegate: Command) -> None:
    """Whatever two requests and replies and a layout hold: one line in, one line out."""
    seed = 20_261_124
    dice = random.Random(seed)
    pieces: list[Any] = [None, "", -1, 0, 3, 65_536, 1e308, "f32", "u16", "big", "0.1", "voltage", [], {}, True]
    asked = []
    for number in range(400):
        reply = bytearray.fromhex(REPLY)
        for _ in range(dice.randrange(3)):
            reply[dice.randrange(len(reply))] = dice.randrange(256)
        names = ("quantity", "register_offset", "type", "scale", "word_order", "unit", "bit")
        point = {name: dice.choice(pieces) for name in names if dice.random() < 0.8}
        context = dice.choice(
            [{}, {"points": [point]}, {"points": dice.choice(pieces)}, {"points": [dice.choice(pieces)]}]
        )
        asked.append(
            {
                "id": number,
                "protocol": dice.choice(["modbus-rtu", "modbus-tcp"]),
                "request": dice.choice([REQUEST, None, "", bytes(dice.randbytes(8)).hex()]),
                "response": reply.hex(),
                "context": context,
            }
        )
    answers = lines(tidegate, *asked)
    assert [answer["id"] for answer in answers] == list(range(400)), f"seed {seed}"
    assert all((answer["error"] is None) or not answer["readings"] for answer in answers)


def test_an_answer_comes_before_the_next_question_is_asked(process: Process) -> None:
    child = subprocess.Popen(
        process.argv("decode", "--jsonl"),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        cwd=process.folder,
        env=process.environ,
    )
    assert child.stdin is not None
    assert child.stdout is not None
    for number in range(3):
        child.stdin.write(json.dumps({"id": number, "protocol": "modbus-rtu"}).encode() + b"\n")
        child.stdin.flush()
        assert json.loads(child.stdout.readline())["id"] == number
    child.stdin.close()
    assert child.wait(timeout=30) == 0
    child.stdout.close()
