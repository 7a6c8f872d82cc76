"""Help: complete, quick to load, in both languages, and helpful when a word is mistyped."""

from __future__ import annotations

import subprocess
import sys

import pytest

from agent.cli.main import VERBS
from agent.cli.output import width
from tests.agent.cli.commands import ROOT, Command

NAMES = [name for verbs in VERBS.values() for name in verbs]
HEAVY = ("cryptography", "cbor2", "paho", "pymodbus", "serial", "rich", "tomlkit", "asyncio", "sqlite3", "drivers")


def modules_after(*words: str) -> set[str]:
    """The modules that a process has loaded after the command ran with ``words``."""
    script = (
        "import sys, atexit; atexit.register(lambda: print('\\0' + ' '.join(sys.modules)));"
        f"sys.argv[1:] = {list(words)!r}; from agent.__main__ import main; main()"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, cwd=ROOT, check=True)
    return set(done.stdout.rpartition("\0")[2].split())


@pytest.mark.parametrize("words", [("--help",), ("explain", "TG-7802"), *((name, "--help") for name in NAMES)])
def test_help_loads_nothing_heavy(words: tuple[str, ...]) -> None:
    loaded = modules_after(*words)
    assert "click" in loaded
    assert not [name for name in loaded if name.split(".")[0] in HEAVY]


def test_the_help_of_the_command_loads_no_verb() -> None:
    assert not {f"agent.cli.{name}" for name in NAMES} & modules_after("--help")


def test_help_names_every_verb_in_its_section(tidegate: Command) -> None:
    said = tidegate("--help")
    assert said.code == 0
    for section, verbs in VERBS.items():
        assert f"\n{section}:\n" in said.out
        for name, line in verbs.items():
            assert f"  {name} " in said.out
            assert line in said.out


def test_help_in_chinese_holds_no_english_sentence(tidegate: Command) -> None:
    said = tidegate("--help", lang="zh")
    assert "现场网关" in said.out
    assert "开始:" in said.out
    assert "显示本说明并退出。" in said.out
    for verbs in VERBS.values():
        assert not [line for line in verbs.values() if line in said.out]


@pytest.mark.parametrize("name", NAMES)
def test_every_verb_explains_itself_in_both_languages(tidegate: Command, name: str) -> None:
    english, chinese = tidegate(name, "--help"), tidegate(name, "--help", lang="zh")
    assert english.code == chinese.code == 0
    for option in ("--site", "--json", "--lang", "--no-color"):
        assert option in english.out
        assert option in chinese.out
    assert "Usage: tidegate" in english.out
    assert "用法： tidegate" in chinese.out
    assert "Show this message" not in chinese.out


def test_a_mistyped_verb_is_answered_with_the_nearest_one(tidegate: Command) -> None:
    said = tidegate("stats")
    assert said.code == 2
    assert "No such command 'stats'" in said.err
    assert "'status'" in said.err
    assert "TG-7001" in said.err
    assert "没有命令 'stats'" in tidegate("stats", lang="zh").err


def test_a_mistyped_option_is_answered_with_the_nearest_one(tidegate: Command) -> None:
    said = tidegate("verify", "--trusted", "x")
    assert said.code == 2
    assert "--trust" in said.err


def test_without_a_verb_the_help_is_shown_and_it_is_a_usage_error(tidegate: Command) -> None:
    said = tidegate()
    assert said.code == 2
    assert "Prove:" in said.err


def test_usage_errors_are_json_where_json_is_wanted(tidegate: Command) -> None:
    for words in (("--json", "nonsense"), ("verify", "--json", "--nonsense"), ("decode", "--json")):
        envelope = tidegate(*words).envelope
        assert envelope["code"] == 2
        assert envelope["findings"][0]["code"] == "usage"
    assert tidegate("verify", "--json", "--nonsense").envelope["schema"] == "tidegate.verify/1"


def test_a_double_dash_ends_the_search_for_options(tidegate: Command) -> None:
    said = tidegate("verify", "--", "--json")
    assert said.code != 2 or not said.out.startswith("{")


@pytest.mark.parametrize("name", ["", *NAMES])
def test_help_fits_a_terminal_of_80_columns(tidegate: Command, name: str) -> None:
    words = [name, "--help"] if name else ["--help"]
    for lang in ("en", "zh"):
        prose = [line for line in tidegate(*words, lang=lang).out.splitlines() if "tidegate " not in line]
        assert max(map(width, prose)) <= 80
