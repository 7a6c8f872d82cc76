"""Copies of codec modules with changes in their source, for the tests that ask whether the suite catches them."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

Change = tuple[str, str, str]
"""Module, a piece of its text that stands there once, and what stands there instead."""


def broken_copy(modules: Sequence[str], changes: Sequence[Change], monkeypatch: pytest.MonkeyPatch) -> Any:
    """Give the last of ``modules`` as a fresh copy that imports fresh, changed copies of those before it."""
    copy = ModuleType(modules[-1])
    for name in modules:
        source = Path(str(importlib.import_module(name).__file__)).read_text(encoding="utf-8")
        for module, text, other in changes:
            if module == name:
                assert source.count(text) == 1, f"found {source.count(text)} times, mend the mutant: {text}"
                source = source.replace(text, other)
        copy = ModuleType(name)
        monkeypatch.setitem(sys.modules, name, copy)
        exec(compile(source, f"broken copy of {name}", "exec"), vars(copy))
    return copy
