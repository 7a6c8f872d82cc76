"""A fingerprint recognises its own model and tells it from every other, but for those that it names."""

from __future__ import annotations

import pytest

from drivers.profile import Fingerprint, WordOrder
from hil.sim.images import IMAGES, freeze
from hil.sim.registers import Image, RefusedRequestError
from tests.profiles.virtual_lines import IDS, load

UNIT = 37
FINGERPRINTED = [one for one in IDS if (mark := load(one).fingerprint) is not None and mark.location is not None]


def device(model: str) -> Image:
    """Make a simulated device that was given the address 37."""
    image = IMAGES[model]("a")
    return freeze(image, {held.name: UNIT for held in image.held if held.name == "unit.address"})


def matches(mark: Fingerprint, image: Image) -> bool:
    at = mark.location
    assert at is not None
    assert at.words is WordOrder.BIG
    try:
        words = image.read(at.table.value, at.address, at.count, 0)
    except RefusedRequestError:
        return False
    raw = int.from_bytes(b"".join(word.to_bytes(2, "big") for word in words), "big")
    raw &= mark.mask if mark.mask is not None else raw
    return raw == UNIT if mark.own_unit else raw in mark.values


def test_some_models_can_be_recognised() -> None:
    assert len(FINGERPRINTED) >= 15


@pytest.mark.parametrize("profile_id", FINGERPRINTED)
def test_it_fits_its_own_model_and_no_other_but_those_it_names(profile_id: str) -> None:
    mark = load(profile_id).fingerprint
    assert mark is not None
    assert matches(mark, device(profile_id))
    others = {model for model in IMAGES if model != profile_id and matches(mark, device(model))}
    assert others <= set(mark.alike)


@pytest.mark.parametrize("profile_id", [one for one in IDS if load(one).family != "bench"])
def test_a_model_says_how_it_is_recognised_or_what_it_is_mistaken_for(profile_id: str) -> None:
    mark = load(profile_id).fingerprint
    assert mark is not None
    assert set(mark.alike) <= set(IDS) - {profile_id}
