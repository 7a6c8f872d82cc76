"""Modules that a library imports and never calls."""

from __future__ import annotations

import importlib
import sys

import pytest

from agent.leaving_out import leaving_out


def test_it_is_empty_meanwhile_and_whole_afterwards(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "colorsys", raising=False)
    with leaving_out("colorsys", unless="a_package_that_nobody_has"):
        assert not hasattr(importlib.import_module("colorsys"), "rgb_to_hsv")
    assert hasattr(importlib.import_module("colorsys"), "rgb_to_hsv")


def test_it_is_whole_where_the_library_would_call_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "colorsys", raising=False)
    with leaving_out("colorsys", unless="click"):
        assert hasattr(importlib.import_module("colorsys"), "rgb_to_hsv")


def test_what_is_loaded_already_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "colorsys", raising=False)
    loaded = importlib.import_module("colorsys")
    with leaving_out("colorsys", unless="a_package_that_nobody_has"):
        assert importlib.import_module("colorsys") is loaded
    assert sys.modules["colorsys"] is loaded


def test_an_import_that_fails_leaves_nothing_empty_behind(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "colorsys", raising=False)
    with (
        pytest.raises(ModuleNotFoundError),
        leaving_out("colorsys", unless="a_package_that_nobody_has"),
    ):
        importlib.import_module("a_package_that_nobody_has")
    assert hasattr(importlib.import_module("colorsys"), "rgb_to_hsv")
