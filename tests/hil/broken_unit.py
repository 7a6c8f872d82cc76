"""A pytest plugin that breaks the simulated devices of a pair: they tell what their neighbour holds."""

from __future__ import annotations

from dataclasses import replace

import pytest

from hil.pair import units
from hil.wire import Reply


def pytest_configure(config: pytest.Config) -> None:  # noqa: ARG001 - as pytest calls it
    real = units.Unit.hear

    def lying(self: units.Unit, frame_: bytes, now_ns: int) -> Reply | None:
        reply = real(self, frame_, now_ns)
        image, self.image = self.image, units.image(self.unit % 3 + 1)
        other = real(self, frame_, now_ns)
        self.image = image
        return reply if reply is None or other is None else replace(other, held=reply.held)

    units.Unit.hear = lying  # type: ignore[method-assign]
