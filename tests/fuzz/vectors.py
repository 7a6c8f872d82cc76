"""The published frames as seeds."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Final

_FOLDER: Final = Path(__file__).parents[1] / "vectors"


def vectors(file: str) -> list[dict[str, Any]]:
    """Give the entries of a vector file."""
    loaded: list[dict[str, Any]] = json.loads((_FOLDER / file).read_text(encoding="utf-8"))
    return loaded


def document(file: str) -> dict[str, Any]:
    """Give a vector file that is one object."""
    loaded: dict[str, Any] = json.loads((_FOLDER / file).read_text(encoding="utf-8"))
    return loaded


def wires(*files: str, protocol: str = "") -> list[bytes]:
    """Give requests and replies of vector files, each once, of protocols whose name begins so."""
    found: dict[bytes, None] = {}
    for file in files:
        for vector in vectors(file):
            if vector["protocol"].startswith(protocol):
                for key in ("response", "request"):
                    if vector.get(key):
                        found[bytes.fromhex(vector[key])] = None
    return list(found)
