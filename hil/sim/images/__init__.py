"""What real devices hold: addresses, types and scales from collected facts and captured frames, values that move.

The names are those a technician sees; everything else comes from the sources named in each image, never from a
profile: the profile is what is under test.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from typing import Final

from hil.sim.images.boards import block, block_98, relay_8ch
from hil.sim.images.facts import fact_images
from hil.sim.images.meters import dtsu666, pzem_004t, sdm120, sdm630
from hil.sim.images.sensors import senseair_s8, soil_4in1, xy_md02
from hil.sim.motion import still
from hil.sim.registers import Image, strict

__all__ = ("IMAGES", "freeze", "image_of", "sdm120", "strict", "xy_md02")

IMAGES: Final[Mapping[str, Callable[[str], Image]]] = {
    **fact_images(),
    "eastron/sdm120": sdm120,
    "eastron/sdm630": sdm630,
    "peacefair/pzem-004t": pzem_004t,
    "generic/xy-md02": xy_md02,
    "renke/soil-4in1": soil_4in1,
    "senseair/s8": senseair_s8,
    "chint/dtsu666": dtsu666,
    "waveshare/relay-8ch": relay_8ch,
    "generic/block-10": partial(block, 10),
    "generic/block-25": partial(block, 25),
    "generic/block-98": block_98,
}
"""Every simulated model by its name; the argument seeds its motion."""


def image_of(model: str, seed: str) -> Image:
    """Give the image of a model; ``generic/block-N`` are N holding registers made for benches."""
    if model in IMAGES:
        return IMAGES[model](seed)
    return block(int(model.removeprefix("generic/block-")), seed)


def freeze(image: Image, values: Mapping[str, float]) -> Image:
    """Give the image with the named quantities standing still."""
    held = tuple(replace(one, motion=still(values[one.name])) if one.name in values else one for one in image.held)
    return replace(image, held=held, written={})
