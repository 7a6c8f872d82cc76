"""``pytest hil --pair LEFT,RIGHT``: the scenarios of two cross-wired adapters; nothing without."""

from __future__ import annotations

import pytest

from hil.pair.options import add_options, wanted


def pytest_addoption(parser: pytest.Parser) -> None:
    """Learn the options of the pair."""
    add_options(parser)


@pytest.hookimpl(trylast=True)  # after the seed of the run is chosen
def pytest_configure(config: pytest.Config) -> None:
    """Load what tries the ports and writes the page, if a pair is named."""
    if wanted(config):
        from hil.pair.plugin import NAME, PairPlugin  # noqa: PLC0415 - opens ports

        config.pluginmanager.register(PairPlugin(config), NAME)
