"""Which language speaks, and what terminals make of it."""

from __future__ import annotations

import re

import pytest

from agent.language import Language, choose, drawable, parse
from tests.agent.cli.commands import Command, Process


@pytest.mark.parametrize(
    ("name", "language"),
    [
        ("zh", Language.ZH), ("zh-CN", Language.ZH), ("zh_CN.UTF-8", Language.ZH), ("ZH-Hans", Language.ZH),
        ("en", Language.EN), ("en_GB.UTF-8", Language.EN), ("C", None), ("C.UTF-8", None), ("de_DE", None),
        ("", None),
    ],
)  # fmt: skip
def test_names_of_languages(name: str, language: Language | None) -> None:
    assert parse(name) is language


def test_the_first_of_flag_variable_site_and_locale_decides() -> None:
    zh = {"TIDEGATE_LANG": "zh", "LANG": "zh_CN.UTF-8"}
    assert choose("en", zh, "zh-CN") is Language.EN
    assert choose(None, zh, "en") is Language.ZH
    assert choose(None, {"LANG": "en_GB"}, "zh-CN") is Language.ZH
    assert choose(None, {"LC_ALL": "C", "LC_MESSAGES": "zh_CN", "LANG": "zh_CN"}, None) is Language.EN
    assert choose(None, {"LC_MESSAGES": "zh_CN.UTF-8", "LANG": "en_US"}, None) is Language.ZH
    assert choose(None, {"LANG": "zh_CN.UTF-8"}, None) is Language.ZH
    assert choose(None, {}, None) is Language.EN


def test_a_language_that_is_not_here_is_passed_over() -> None:
    assert choose("de", {"TIDEGATE_LANG": "fr", "LANG": "zh_CN"}, None) is Language.ZH


def test_the_console_without_chinese_glyphs_gets_english() -> None:
    assert drawable(Language.ZH, {"TERM": "linux"}) is Language.EN
    assert drawable(Language.ZH, {"TERM": "xterm"}) is Language.ZH
    assert drawable(Language.EN, {"TERM": "linux"}) is Language.EN


def test_the_console_is_told_so_in_one_line(tidegate: Command) -> None:
    said = tidegate("version", "--lang", "zh", TERM="linux")
    assert said.code == 0
    assert said.err == "This terminal (TERM=linux) has no Chinese characters: in English instead.\n"
    assert tidegate("version", "--lang", "en", TERM="linux").err == ""
    assert "Start:" in tidegate("--help", lang="zh", TERM="linux").out


def test_the_flag_counts_before_and_behind_the_verb(tidegate: Command) -> None:
    for words in (("--lang", "zh", "explain", "TG-7804"), ("explain", "TG-7804", "--lang=zh")):
        assert tidegate(*words).out.index("缺少键") < tidegate(*words).out.index("is missing")


def test_the_language_of_the_site_file_counts(tidegate: Command) -> None:
    (tidegate.folder / "site.toml").write_text('[site]\nname = "a"\nlanguage = "zh-CN"\n', encoding="utf-8")
    assert "现场网关" in tidegate("--help", lang="").out
    assert "Field gateway" in tidegate("--help", lang="en").out
    assert "Field gateway" in tidegate("--help", "--lang", "en", lang="").out


@pytest.mark.parametrize("text", ["[site\n", 'site = "zh"\n', "[site]\nlanguage = 1\n", '[site]\nlanguage = "de"\n'])
def test_a_broken_site_file_does_not_choose_a_language(tidegate: Command, text: str) -> None:
    (tidegate.folder / "site.toml").write_text(text, encoding="utf-8")
    assert "Field gateway" in tidegate("--help", lang="", LANG="C", LC_ALL="").out


@pytest.mark.parametrize("encoding", ["ascii", "iso-8859-1"])
def test_a_stream_that_has_no_chinese_gets_english_and_one_line_that_says_so(process: Process, encoding: str) -> None:
    said = process("--help", TIDEGATE_LANG="zh", PYTHONIOENCODING=encoding)
    assert said.code == 0
    assert re.fullmatch(r"The output \((iso|latin).*\) has no Chinese characters: in English instead\.\n", said.err)
    assert "Field gateway" in said.out
    gbk = process("version", TIDEGATE_LANG="zh", PYTHONIOENCODING="gbk")
    assert (gbk.code, gbk.err) == (0, "")


def test_what_a_stream_cannot_show_is_escaped_and_no_traceback(process: Process) -> None:
    said = process("explain", "TG-7804", PYTHONIOENCODING="ascii")
    assert said.code == 0
    assert "\\u7f3a\\u5c11\\u952e" in said.out  # 缺少键


def test_json_is_ascii_where_the_stream_is(process: Process) -> None:
    said = process("explain", "TG-7804", "--json", PYTHONIOENCODING="ascii")
    assert "缺少键" in said.envelope["result"]["text"]["zh"]
    assert said.out.isascii()
