"""House rules that a machine can hold: sizes, importers, exceptions, sources, words."""

from __future__ import annotations

import ast
import json
import tomllib
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

import agent.errors
import agent.messages
import drivers.errors

ROOT = Path(__file__).resolve().parent.parent
PACKAGES = ("agent", "drivers", "hil")

IMPORTERS = {
    "serial": {"drivers/transport/serial.py", "drivers/transport/rfc2217.py"},
    "sunspec2": set(),  # its definition files are read, its code is not
    "bleak": {"drivers/transport/ble.py"},
    "pymodbus": {"drivers/codec/modbus_pdu.py"},
    "paho": {"agent/mqtt.py"},
    "sqlite3": {"agent/outbox.py", "agent/collector/store.py"},
    "cbor2": {"agent/block/cbor.py"},
    "cryptography": {
        "agent/keys.py",
        "agent/block/",
        "agent/delivery/certificates.py",
        "agent/outputs/hj212_cipher.py",
    },
    "click": {"agent/cli/"},
    "rich": {"agent/cli/"},
    "tomlkit": {"agent/configuration/edit.py"},
    "babel": {"deploy/catalogues.py"},
}
"""Third-party packages (and sqlite3) with the one file or folder of the product that may import them."""

BROAD_EXCEPTS = {"agent/poll.py", "agent/__main__.py"}
BANNED_WORDS = ("manager", "helper", "util", "handler", "processor", "master", "slave")
MOST_LINES = 400
MOST_FUNCTION_LINES = 60
MOST_PUBLIC_METHODS = 12


def sources(*packages: str) -> list[Path]:
    return sorted(path for package in packages for path in (ROOT / package).rglob("*.py"))


@cache
def tree_of(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"), str(path))


def name_of(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def imports_of(path: Path) -> Iterator[str]:
    for node in ast.walk(tree_of(path)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
            yield node.module


@pytest.mark.parametrize("path", sources("agent", "drivers"), ids=name_of)
def test_each_third_party_package_has_one_importer(path: Path) -> None:
    for module in imports_of(path):
        allowed = IMPORTERS.get(module.split(".")[0])
        if allowed is not None:
            assert any(name_of(path).startswith(place) for place in allowed), f"{name_of(path)} imports {module}"


@pytest.mark.parametrize("path", sources(*PACKAGES), ids=name_of)
def test_files_functions_and_classes_stay_small(path: Path) -> None:
    assert len(path.read_text(encoding="utf-8").splitlines()) <= MOST_LINES
    for node in ast.walk(tree_of(path)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            length = (node.end_lineno or node.lineno) - node.lineno
            assert length <= MOST_FUNCTION_LINES, f"{name_of(path)}: {node.name} has {length} lines"
        if isinstance(node, ast.ClassDef):
            public = [
                child.name
                for child in node.body
                if isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef) and not child.name.startswith("_")
            ]
            assert len(public) <= MOST_PUBLIC_METHODS, (
                f"{name_of(path)}: {node.name} has {len(public)} public methods"
            )


@pytest.mark.parametrize("path", sources("agent", "drivers"), ids=name_of)
def test_a_broad_except_stands_in_two_places_only(path: Path) -> None:
    for node in ast.walk(tree_of(path)):
        if not isinstance(node, ast.ExceptHandler):
            continue
        caught = "" if node.type is None else ast.unparse(node.type)
        if node.type is None or caught in ("Exception", "BaseException"):
            assert name_of(path) in BROAD_EXCEPTS, f"{name_of(path)}:{node.lineno}"


@pytest.mark.parametrize("path", sources(*PACKAGES), ids=name_of)
def test_names_are_the_words_of_the_field(path: Path) -> None:
    for node in ast.walk(tree_of(path)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            words = node.name.lower()
            assert not any(banned in words for banned in BANNED_WORDS), f"{name_of(path)}: {node.name}"
    assert not any(banned in path.stem for banned in BANNED_WORDS)


@pytest.mark.parametrize("path", sources("drivers"), ids=name_of)
def test_drivers_know_nothing_of_the_agent(path: Path) -> None:
    assert not [module for module in imports_of(path) if module.split(".")[0] in ("agent", "hil", "profiles")]


@pytest.mark.parametrize("path", sources("hil"), ids=name_of)
def test_benches_start_the_agent_as_a_process_and_never_import_it(path: Path) -> None:
    if name_of(path) == "hil/bench/clients/ours.py":  # our own client beside others, in a process of its own
        assert [module for module in imports_of(path) if module.startswith("agent")] == ["agent.clock"]
        return
    assert not [module for module in imports_of(path) if module.split(".")[0] == "agent"]


def test_every_profile_names_its_source_and_the_source_of_each_example() -> None:
    files = sorted((ROOT / "profiles").rglob("*.toml"))
    assert files
    for path in files:
        profile = tomllib.loads(path.read_text(encoding="utf-8"))
        assert profile["source"].strip(), name_of(path)
        assert all(example["source"].strip() for example in profile.get("example", ())), name_of(path)


def test_every_vector_names_its_source() -> None:
    files = sorted((ROOT / "tests" / "vectors").rglob("*.json"))
    assert files
    for path in files:
        content = json.loads(path.read_text(encoding="utf-8"))
        for vector in content if isinstance(content, list) else content.get("vectors", [content]):
            assert str(vector["source"]).strip(), f"{name_of(path)}: {vector.get('id')}"


def test_every_error_has_a_code_of_its_own_with_a_sentence() -> None:
    codes: dict[str, str] = {}
    for module in (agent.errors, drivers.errors):
        for name, kind in vars(module).items():
            if isinstance(kind, type) and issubclass(kind, agent.errors.AgentError | drivers.errors.DriverError):
                assert kind.code not in codes, f"{name} and {codes.get(kind.code)} share {kind.code}"
                codes[kind.code] = name
    missing = sorted(code for code in codes if not agent.messages.knows(code))
    assert not missing


def test_every_package_folder_explains_itself() -> None:
    for folder in (
        "agent",
        "agent/block",
        "agent/cli",
        "agent/collector",
        "agent/commanding",
        "agent/configuration",
        "agent/control",
        "agent/delivery",
        "agent/outputs",
        "agent/polling",
        "agent/storing",
        "drivers",
        "hil",
        "profiles",
        "deploy",
        "tests",
    ):
        assert (ROOT / folder / "README.md").is_file(), folder


def test_the_top_level_is_the_agreed_one() -> None:
    agreed = {
        "agent", "drivers", "profiles", "deploy", "tests", "hil", "pyproject.toml", "README.md",
        "LICENSE", "CHANGELOG.md", "CONTRIBUTING.md",
    }  # fmt: skip
    present = {path.name for path in ROOT.iterdir() if not path.name.startswith(".")}
    assert present - {"build", "dist"} <= agreed
