"""Options of ``pytest hil``."""

from __future__ import annotations

import shlex
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

import pytest

from hil.pair.probe import Capability

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What was asked for.

    Attributes:
        left, right: paths of the ports.
        report: file of the page.
        rounds: repetitions of what is left to chance.
        lacks: what a person says that the pair cannot show.
        keys: of ``[[bus]]``, as TOML.
        program: what runs as the agent, empty for the product.
    """

    left: Path
    right: Path
    report: Path
    rounds: int
    lacks: frozenset[Capability]
    keys: dict[str, str] = field(default_factory=dict)
    program: tuple[str, ...] = ()


def add_options(parser: pytest.Parser) -> None:
    """Add them to ``parser``."""
    group = parser.getgroup("tidegate pair", "two cross-wired serial adapters")
    group.addoption("--pair", metavar="LEFT,RIGHT", help="ports; we speak at LEFT, the simulator at RIGHT")
    group.addoption(
        "--pair-report", metavar="FILE", default="tidegate-pair.html", help="the page (default: tidegate-pair.html)"
    )
    group.addoption(
        "--pair-rounds", metavar="N", type=int, default=1, help="repeat what is left to chance (default 1)"
    )
    group.addoption(
        "--pair-lacks",
        metavar="NAME",
        action="append",
        default=[],
        help=f"the pair cannot show this, whatever is found: {', '.join(one.name.lower() for one in Capability)}",
    )
    group.addoption(
        "--pair-key",
        metavar="KEY=VALUE",
        action="append",
        default=[],
        help="a key of [[bus]] for the left adapter, as TOML: 'rs485=\"rts\"', latency_ms=1",
    )
    group.addoption(
        "--pair-agent", metavar="WORDS", default="", help="what runs as the agent: a broken one, as a test"
    )


def wanted(config: pytest.Config) -> bool:
    """Whether a pair is named."""
    return bool(config.getoption("--pair", default=None))


def read_options(config: pytest.Config) -> Options:
    """Read them; pytest.UsageError for what makes no sense."""
    left, comma, right = str(config.getoption("--pair")).partition(",")
    if not comma or not left or not right or left == right:
        raise pytest.UsageError("--pair wants two ports: LEFT,RIGHT")
    if config.getoption("numprocesses", default=None):
        raise pytest.UsageError("--pair is one pair of ports: without -n")
    return Options(
        left=Path(left).absolute(),
        right=Path(right).absolute(),
        report=Path(config.getoption("--pair-report")).absolute(),
        rounds=max(1, int(config.getoption("--pair-rounds"))),
        lacks=frozenset(_each(config, "--pair-lacks", _capability)),
        keys=dict(_each(config, "--pair-key", _key)),
        program=tuple(shlex.split(config.getoption("--pair-agent"))),
    )


def _each(config: pytest.Config, name: str, read: Callable[[str], T]) -> list[T]:
    return [read(text) for text in config.getoption(name)]


def _capability(text: str) -> Capability:
    try:
        return Capability[text.upper().replace("-", "_")]
    except KeyError:
        known = ", ".join(one.name.lower() for one in Capability)
        raise pytest.UsageError(f"--pair-lacks {text}: not one of {known}") from None


def _key(text: str) -> tuple[str, str]:
    key, sign, value = text.partition("=")
    if not sign:
        raise pytest.UsageError(f"--pair-key {text}: wants KEY=VALUE")
    return key.strip(), value.strip()
