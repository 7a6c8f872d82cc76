"""What a library imports and never calls here stays out of memory for as long as the gateway runs."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from types import ModuleType


@contextmanager
def leaving_out(name: str, *, unless: str) -> Iterator[None]:
    """Let everything that is imported meanwhile, in any thread, have an empty module for ``name``.

    Afterwards ``name`` can be imported as ever. Nothing is left out if it is loaded already or if ``unless``, the
    package with which the library would call it, is installed.
    """
    if name in sys.modules or find_spec(unless) is not None:
        yield
        return
    sys.modules[name] = ModuleType(name)
    try:
        yield
    finally:
        del sys.modules[name]
