"""Marks of HJ 212 and our quality; codes of what is monitored."""

from __future__ import annotations

import pytest

from drivers.codec.hj212_factors import FACTORS, Medium, medium_of
from drivers.codec.hj212_marks import mark_of, quality_of
from drivers.quality import Quality, is_bad, is_good
from drivers.units import is_known


@pytest.mark.parametrize(
    ("mark", "severity"),
    [("N", "good"), ("", "good"), ("F", "bad"), ("D", "bad"), ("B", "bad"), ("T", "uncertain"), ("M", "uncertain"),
     ("S", "uncertain"), ("C", "uncertain"), ("P", "uncertain"), ("n", "uncertain")],
)  # fmt: skip
def test_only_what_is_marked_normal_is_good(mark: str, severity: str) -> None:
    quality = quality_of(mark)
    found = "good" if is_good(quality) else "bad" if is_bad(quality) else "uncertain"
    assert found == severity


def test_a_mark_that_we_read_is_the_mark_that_we_tell() -> None:
    for mark in "NFSDTB":
        assert mark_of(quality_of(mark)) == mark


def test_what_is_not_good_is_never_told_as_normal() -> None:
    for quality in Quality:
        assert (mark_of(quality) == "N") is is_good(quality)
    assert mark_of(0x80FF0000) == "B"
    assert mark_of(0x40FF0000) == "M"


def test_the_table_of_codes_is_whole() -> None:
    for code, factor in FACTORS.items():
        assert factor.name
        assert factor.name_zh
        assert not factor.unit or is_known(factor.unit), code
        assert 0 <= factor.decimals <= 4
    assert FACTORS["w01018"].name_zh == "化学需氧量"
    assert [medium_of(code) for code in ("w21003", "a21026", "e70201")] == [Medium.WATER, Medium.GAS, Medium.OTHER]
