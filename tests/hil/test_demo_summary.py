"""The closing lines of the demo, in the language of its screen."""

from __future__ import annotations

import string
from dataclasses import replace

import pytest

from hil.demo.platform_view import Totals
from hil.demo.summary import Summary
from hil.demo.words import closing
from hil.ledger import Ledger

GOOD = Summary(
    seed=7,
    living=3,
    heard=3,
    silent=(),
    equal=40,
    wrong=(),
    totals=Totals(blocks=5, receipted=5, readings=40),
    ledger=Ledger(committed=40, arrived=40, rows=40, missing=0),
    verified=True,
    embedded=False,
    first_reading_s=1.0,
    kills=(),
)


def test_the_lines_are_in_the_language_of_the_screen() -> None:
    assert GOOD.as_lines(closing(chinese=False))[-2:] == [
        "chain     proven from the genesis to the last block",
        "seed      7   ok",
    ]
    chinese = GOOD.as_lines(closing(chinese=True))
    assert chinese[0] == "设备      3 台在线设备中 3 台已验证"
    assert chinese[-1] == "种子      7   通过"


def test_what_went_wrong_is_told_in_either_language() -> None:
    bad = replace(GOOD, heard=2, silent=("a",), verified=False, unplugged=("b", "c"), unhealed=("c",))
    english, chinese = (bad.as_lines(closing(chinese=chosen)) for chosen in (False, True))
    assert english[0] == "devices   2 of 3 living ones verified; silent: a"
    assert english[-3:] == [
        "chain     NOT proven",
        "adapter   1 of 2 devices read again after it was put back; silent: c",
        "seed      7   NOT ok",
    ]
    assert chinese[-3:] == [
        "链        未能证明",
        "适配器    重新插上后 2 台设备中 1 台恢复读数；无数据：c",
        "种子      7   未通过",
    ]


@pytest.mark.parametrize("key", closing(chinese=False))
def test_both_languages_tell_the_same_numbers(key: str) -> None:
    english, chinese = (
        {name for _text, name, _spec, _conversion in string.Formatter().parse(closing(chinese=chosen)[key]) if name}
        for chosen in (False, True)
    )
    assert english == chinese
