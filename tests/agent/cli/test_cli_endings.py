"""How calls end: exit codes, pipes that close, interrupts, faults of our own."""

from __future__ import annotations

import importlib
import signal
import subprocess
from pathlib import Path

import pytest

import agent.__main__
import agent.cli.main
import agent.cli.version
import agent.runtime
from agent.cli.exit_codes import OF_CODE, ExitCode, of_code
from agent.errors import StorageError
from agent.messages import knows
from tests.agent.cli.commands import ROOT, Command, Process


def test_the_numbers_are_those_of_the_contract() -> None:
    assert [int(code) for code in ExitCode] == [0, 1, 2, 3, 65, 69, 70, 74, 75, 77, 78, 130]


def test_every_code_with_an_exit_code_has_its_sentence() -> None:
    assert not [code for code in OF_CODE if not knows(code)]
    assert of_code("never-heard-of") is ExitCode.NO


def test_the_readme_lists_every_exit_code() -> None:
    page = (ROOT / "agent" / "cli" / "README.md").read_text(encoding="utf-8")
    for code in ExitCode:
        assert f"| {int(code)} |" in page


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (("version",), 0),
        (("explain", "TG-1"), 2),
        (("nonsense",), 2),
        (("verify", "x.cbseq", "--trust", "missing.txt"), 78),
        (("decode", "modbus-rtu", "0104"), 65),
        (("decode", "modbus-rtu", "01040"), 2),
        (("run", "--site", "missing.toml"), 78),
        (("status", "--site", "missing.toml"), 78),
        (("run", "--site", "."), 74),
        (("status", "--site", "."), 74),
        (("profile", "check", "no/such"), 65),
    ],
)
def test_a_process_ends_with(process: Process, words: tuple[str, ...], code: int) -> None:
    said = process(*words)
    assert said.code == code, said.err
    assert "Traceback" not in said.err


@pytest.mark.parametrize("line", ["tidegate --help | head -1", "tidegate profile check | head -1"])
def test_a_reader_that_goes_away_sees_no_traceback(process: Process, line: str) -> None:
    done = process.shell(line)
    assert b"Traceback" not in done.stderr
    assert b"BrokenPipe" not in done.stderr
    assert len(done.stdout.splitlines()) == 1


def test_a_closed_pipe_is_an_io_error_and_never_a_yes(process: Process) -> None:
    line = '{"id": 1, "protocol": "modbus-rtu"}\n' * 20_000
    done = process.shell(f"yes '{line.splitlines()[0]}' | head -20000 | tidegate decode --jsonl | head -1")
    assert done.returncode in (ExitCode.IO, 141)  # 141: yes or head itself was ended by the pipe
    assert b"Traceback" not in done.stderr
    assert len(done.stdout.splitlines()) == 1


def test_an_output_that_is_full_is_named_as_such(process: Process) -> None:
    done = process.shell("tidegate profile list > /dev/full")
    assert done.returncode == 74
    said = done.stderr.decode()
    assert "most likely the output: No space left on device.   TG-1004" in said
    assert "Traceback" not in said


def test_ctrl_c_ends_with_130(process: Process) -> None:
    child = subprocess.Popen(
        process.argv("decode", "--jsonl"),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        cwd=process.folder,
        env=process.environ,
    )
    assert child.stdin is not None
    assert child.stdout is not None
    child.stdin.write(b"x\n")
    child.stdin.flush()
    assert b"bad-line" in child.stdout.readline()  # it is up, and answers line by line
    child.send_signal(signal.SIGINT)
    _, err = child.communicate(timeout=30)
    assert child.returncode == 130
    assert err.decode().strip() == "Stopped."


def test_ctrl_c_before_the_command_line_is_loaded_ends_with_130_too(monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted() -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(agent.cli.main.cli, "main", interrupted)
    with pytest.raises(SystemExit) as ended:
        agent.__main__.main()
    assert ended.value.code == 130


def crash(*_words: object) -> None:
    raise ZeroDivisionError("seven")


def crashing(monkeypatch: pytest.MonkeyPatch, *words: str) -> int:
    monkeypatch.setattr(agent.cli.version.command, "callback", crash)
    monkeypatch.setattr("sys.argv", ["tidegate", *words])
    with pytest.raises(SystemExit) as ended:
        agent.__main__.main()
    assert isinstance(ended.value.code, int)
    return ended.value.code


def test_a_fault_of_our_own_ends_with_70_and_one_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("TIDEGATE_DEBUG", raising=False)
    assert crashing(monkeypatch, "version", "--lang", "en") == 70
    err = capsys.readouterr().err
    assert "ZeroDivisionError: seven" in err
    assert "TG-9001" in err
    assert "TIDEGATE_DEBUG=1" in err
    assert Path(__file__).name in err  # where it happened
    assert "Traceback" not in err


def test_a_fault_of_our_own_keeps_the_json_contract(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert crashing(monkeypatch, "version", "--json", "--lang", "en") == 70
    assert '"code": 70' in capsys.readouterr().out


def test_the_traceback_is_there_for_who_asks(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("TIDEGATE_DEBUG", "1")
    assert crashing(monkeypatch, "version", "--lang", "en") == 70
    assert "Traceback" in capsys.readouterr().err


@pytest.mark.parametrize("verb", ["run", "collect"])
def test_a_service_leaves_the_traceback_in_its_log(
    verb: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def crash_in_a_task(*_words: object, **_options: object) -> None:
        try:
            crash()
        except ZeroDivisionError as error:
            raise ExceptionGroup("unhandled errors in a TaskGroup", [ExceptionGroup("inner", [error])]) from None

    monkeypatch.delenv("TIDEGATE_DEBUG", raising=False)
    command = importlib.import_module(f"agent.cli.{verb}").command
    monkeypatch.setattr(command, "callback", crash_in_a_task)
    needed = ("--broker", "mqtt://x", "--db", "x", "--trust", "x") if verb == "collect" else ()
    monkeypatch.setattr("sys.argv", ["tidegate", "--lang", "en", "--site", "elsewhere.toml", verb, *needed])
    with pytest.raises(SystemExit) as ended:
        agent.__main__.main()
    err = capsys.readouterr().err
    assert ended.value.code == 70
    assert "Traceback" in err
    sentence = next(line for line in err.splitlines() if "A fault of this program" in line)
    assert "ZeroDivisionError: seven" in sentence, "the error of the task, not of the group"
    assert Path(__file__).name in sentence


def test_what_else_went_wrong_is_in_the_log_beside_why_the_agent_ended(
    tidegate: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    site = tmp_path / "site.toml"
    assert tidegate("--site", site, "init", "--name", "x", "--state-dir", tmp_path / "state", "--yes").code == 0

    def end(*_words: object) -> None:
        raise ExceptionGroup("tasks", [ZeroDivisionError("seven"), StorageError("the disk is full")])

    monkeypatch.setattr(agent.runtime, "serve", end)
    said = tidegate("--site", site, "run")
    assert "the disk is full" in said.err
    assert "ZeroDivisionError: seven" in caplog.text


def test_colours_are_for_terminals_only(tidegate: Command) -> None:
    assert "\x1b[" not in tidegate("explain", "nothing").err


@pytest.mark.parametrize("typed", ["nan", "inf", "-inf"])
@pytest.mark.parametrize(
    "words",
    [
        ("raw", "/dev/null", "01", "--yes", "--wait"),
        ("monitor", "/dev/null", "--seconds"),
        ("read", "--watch", "--every"),
        ("scan", "/dev/null", "--listen"),
    ],
)
def test_what_no_clock_can_wait_for_is_not_understood(tidegate: Command, words: tuple[str, ...], typed: str) -> None:
    said = tidegate(*words, typed)
    assert said.code == 2
    assert typed in said.err


@pytest.mark.parametrize("baud", ["0", "7", "99999999999"])
@pytest.mark.parametrize(
    "words", [("monitor", "/dev/null"), ("scan", "/dev/null"), ("add", "/dev/null", "--unit", "1")]
)
def test_a_speed_that_no_site_may_have_is_not_understood(
    tidegate: Command, words: tuple[str, ...], baud: str
) -> None:
    said = tidegate(*words, "--baud", baud)
    assert said.code == 2
    assert f"{baud} is not in the range" in said.err
