"""The table of codes and its two languages: complete, and equal where it counts."""

from __future__ import annotations

import ast
import importlib
import pkgutil
import re
import runpy
import string
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from babel.messages.catalog import Catalog, Message
from babel.messages.pofile import read_po

import agent
import drivers
from agent.delivery.mqtt_state import Trouble
from agent.errors import AgentError
from agent.finding import Finding, of_error
from agent.language import Language, translate
from agent.messages import MESSAGES, find, knows
from drivers.decoded import DecodeFault
from drivers.errors import DriverError, NoReplyError

ROOT = Path(__file__).resolve().parents[2]
CATALOGUES = runpy.run_path(str(ROOT / "deploy" / "catalogues.py"))
PO = ROOT / "agent" / "locale" / "zh" / "LC_MESSAGES" / "tidegate.po"


@pytest.fixture(scope="module")
def chinese() -> Catalog:
    with PO.open("rb") as file:
        return read_po(file, locale="zh")


def translations(catalogue: Catalog) -> Iterator[tuple[Message, list[str], list[str]]]:
    """Each message with its English forms and its Chinese ones."""
    for message in catalogue:
        if message.id:
            english = [message.id] if isinstance(message.id, str) else list(message.id)
            said = message.string or ""
            yield message, english, [said] if isinstance(said, str) else list(said)


def fields(sentence: str) -> set[str]:
    return {f"{name}!{conversion}" for _, name, _, conversion in string.Formatter().parse(sentence) if name}


def test_every_sentence_of_the_sources_is_in_the_catalogue_and_no_other(chinese: Catalog) -> None:
    template = CATALOGUES["extract"](ROOT)
    wanted = {message.id if isinstance(message.id, str) else message.id[0] for message in template if message.id}
    present = {english[0] for _, english, _ in translations(chinese)}
    assert wanted - present == set(), "python deploy/catalogues.py update, then translate"
    assert present - wanted == set()


def test_every_sentence_has_its_chinese(chinese: Catalog) -> None:
    assert [english[0] for _, english, said in translations(chinese) if not all(said)] == []
    assert [message.id for message, _, _ in translations(chinese) if message.fuzzy] == []


def test_placeholders_are_equal_on_both_sides(chinese: Catalog) -> None:
    for _, english, said in translations(chinese):
        expected = set.union(*map(fields, english)) if len(english) == 1 else fields(english[0])
        for sentence in said:
            assert fields(sentence) == expected, english[0]


def test_placeholders_have_names(chinese: Catalog) -> None:
    for _, english, _ in translations(chinese):
        for sentence in english:
            names = {name for name in fields(sentence) if not name.startswith('"')}  # JSON shown in a help text
            assert all(re.fullmatch(r"[a-z_]+!(None|r)", name) for name in names), sentence


def test_examples_and_codes_are_not_translated(chinese: Catalog) -> None:
    """Commands, options, paths and keys stand in the Chinese as they stand in the English."""
    for _, english, said in translations(chinese):
        if len(english) == 1:
            for word in re.findall(r"--[a-z-]+|tidegate [a-z]+ |\[\[?[a-z]+\]\]?|[a-z]+_[a-z_]+", english[0]):
                assert word.strip() in said[0], f"{word} of {english[0]!r}"


def test_no_sentence_hides_in_an_f_string() -> None:
    """Extraction does not look into f-strings, and what they fill in cannot be translated."""
    for path in sorted((ROOT / "agent").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.JoinedStr):
                calls = [call for call in ast.walk(node) if isinstance(call, ast.Call)]
                assert not [c for c in calls if isinstance(c.func, ast.Name) and c.func.id in ("_", "N_")], path
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "N_":
                assert isinstance(node.args[0], ast.Constant), f"{path}:{node.lineno}"


def test_numbers_and_keys_are_never_used_twice() -> None:
    numbers = [message.number for message in MESSAGES.values()]
    assert len(set(numbers)) == len(numbers)
    assert all(1000 <= number <= 9999 for number in numbers)
    assert all(re.fullmatch(r"[a-z][a-z0-9]*(-[a-z0-9]+)*", key) for key in MESSAGES)
    source = "".join(path.read_text(encoding="utf-8") for path in sorted((ROOT / "agent").glob("messages*.py")))
    assert len(re.findall(r"^    \(\d{4}, ", source, re.MULTILINE)) == len(MESSAGES)


@pytest.mark.parametrize("message", MESSAGES.values(), ids=lambda message: message.key)
def test_every_row_reads_whole_in_both_languages(message: Any) -> None:
    for language in Language:
        for sentence in (message.text, message.act):
            said = translate(sentence, language)
            assert not sentence or said
            assert fields(said) == fields(sentence)
    assert fields(message.act) <= fields(message.text) | {"known!None", "low!None", "high!None", "example!None"}


@pytest.mark.parametrize("language", Language)
@pytest.mark.parametrize("mark", ["?", "!"])
def test_a_sentence_that_ends_within_another_brings_no_second_mark(mark: str, language: Language) -> None:
    finding = Finding(code="bad-profile", params={"detail": f"unknown key 'vendr'; did you mean 'vendor'{mark}"})
    assert finding.sentence(language).endswith(f"did you mean 'vendor'{mark}")


def codes(kind: type[Exception]) -> Iterator[str]:
    for child in kind.__subclasses__():
        yield str(vars(child).get("code", kind.__dict__.get("code")))
        yield from codes(child)


def test_every_error_that_can_reach_a_person_has_a_row() -> None:
    for package in (agent, drivers):
        for module in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
            if not module.name.endswith("__main__"):
                importlib.import_module(module.name)
    found = {*codes(AgentError), *codes(DriverError), AgentError.code, DriverError.code} - {"None"}
    assert not sorted(code for code in found if not knows(code))


def test_every_trouble_of_the_uplink_and_every_fault_of_decode_has_a_row() -> None:
    assert not [trouble.value for trouble in Trouble if not knows(trouble.value)]
    assert not [fault.value for fault in DecodeFault if not knows(fault.value)]


@pytest.mark.parametrize("code", ["TG-7802", "tg-7802", "TG7802", "7802", " unknown-value ", "UNKNOWN-VALUE"])
def test_codes_are_found_however_they_are_typed(code: str) -> None:
    message = find(code)
    assert message is not None
    assert message.tag == "TG-7802"


@pytest.mark.parametrize("code", ["", "TG-", "TG-0", "99999", "²", "no-such"])
def test_what_is_no_code_is_not_found(code: str) -> None:
    assert find(code) is None


def test_a_field_that_nobody_knows_is_a_dash_and_never_an_error() -> None:
    finding = Finding(code="uplink-certificate-expired", params={"path": "/x"})
    assert finding.sentence(Language.EN) == "Our certificate /x has expired: -. -"


def test_an_error_becomes_the_finding_of_its_code() -> None:
    finding = of_error(NoReplyError("unit 3 is silent."))
    assert finding.code == "no-reply"
    assert finding.sentence(Language.EN) == "No answer: unit 3 is silent."
    assert finding.sentence(Language.ZH).startswith("没有应答")


def test_braces_in_a_detail_are_not_fields() -> None:
    assert "{boom} {0}" in of_error(AgentError("{boom} {0}")).sentence(Language.EN)
