"""A device that holds plain registers word by word, for maps that no ``Held`` describes, like chains of models."""

from __future__ import annotations

from collections.abc import Sequence

from hil.sim.motion import still
from hil.sim.registers import HOLDING, Held, Image


def words_image(model: str, parts: Sequence[tuple[int, Sequence[int]]], source: str, table: int = HOLDING) -> Image:
    """Give a device whose registers are ``parts``: first address and words of each stretch; all else is refused."""
    return Image(
        model=model,
        source=source,
        spans=tuple((table, first, first + len(words) - 1) for first, words in parts),
        held=tuple(
            Held(name=f"register.{first + i}", table=table, address=first + i, type="u16", motion=still(word))
            for first, words in parts
            for i, word in enumerate(words)
        ),
    )
