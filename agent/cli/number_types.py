"""Numbers that a person types for an option: ranges without what no clock or port can take."""

from __future__ import annotations

import math
from typing import Any, Final

import click

from agent.configuration.values import BAUDS
from agent.language import _


class FiniteRange(click.FloatRange):
    """A range of numbers without ``nan``, which is in every range otherwise, and ``inf``."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:  # noqa: ANN401
        """Give the number; click's own refusal where it is none."""
        number = float(super().convert(value, param, ctx))
        if not math.isfinite(number):
            self.fail(
                _("{value!r} is not a valid {number_type}.").format(value=value, number_type=self.name), param, ctx
            )
        return number


BAUD: Final = click.IntRange(*BAUDS)
"""Speeds that a site file takes too."""
