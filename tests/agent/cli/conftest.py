"""Fixtures of the command's tests."""

from __future__ import annotations

import os
import runpy
from collections.abc import Iterator
from pathlib import Path

import pytest

import agent.language
from agent.language import Language
from tests.agent.cli.commands import ROOT, Command, Process


@pytest.fixture(scope="session", autouse=True)
def _compiled() -> None:
    """Compile the catalogues of the checkout: installing did it for the sentences of that day."""
    runpy.run_path(str(ROOT / "deploy" / "catalogues.py"))["compile_all"]()
    agent.language.catalogue.cache_clear()


@pytest.fixture(autouse=True)
def _language() -> Iterator[None]:
    before = os.environ.get("LANGUAGE")
    yield
    agent.language.use(Language.EN)
    if before is None:
        os.environ.pop("LANGUAGE", None)
    else:
        os.environ["LANGUAGE"] = before


@pytest.fixture(autouse=True)
def _home(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep what a command remembers out of the home of whoever runs the tests."""
    monkeypatch.setenv("HOME", str(tmp_path_factory.mktemp("home")))
    monkeypatch.delenv("XDG_STATE_HOME", raising=False)


@pytest.fixture
def tidegate(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Command:
    monkeypatch.chdir(tmp_path)
    return Command(tmp_path)


@pytest.fixture
def process(tmp_path: Path) -> Process:
    return Process(tmp_path)
