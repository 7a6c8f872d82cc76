"""The matrix catches broken meter protocols: each mutant is played on one fault and has to be found out."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from drivers.codec import cjt188, dlt645, iec62056_21, mbus, sdi12, summed
from drivers.codec.mbus import MbusReplyDecoder
from drivers.protocols import dlt645_dialogue
from drivers.protocols import mbus as mbus_protocol
from drivers.protocols.iec62056_21 import IecDevice
from tests.hil.fault_matrix.cells import BY_NAME
from tests.hil.fault_matrix.mutants import AnyBytes, AnyNumber, Patch, noticed

pytestmark = pytest.mark.bus


def sum_not_checked(patch: Patch) -> None:
    def any_sum(shape: summed.Shape[Any], wake: bytes, body: bytes) -> Any:
        return shape.read(wake, body) if body[-1] == summed.END else None

    patch.setattr(summed.Shape, "whole", any_sum)


def meter_not_matched(patch: Patch) -> None:
    real = dlt645.reply_decoder

    def for_anybody(request: bytes, edition: Any) -> Any:
        asked = dlt645._read(b"", request)
        decoder = real(request, edition)
        anybody = real(dlt645.encode(dlt645.ANY, asked.control, asked.data), edition)
        decoder._asked = replace(decoder._asked, begins=anybody._asked.begins, answers=anybody._asked.answers)
        return decoder

    patch.setattr(dlt645_dialogue, "reply_decoder", for_anybody)


def identifier_not_matched(patch: Patch) -> None:
    real = dlt645.reply_decoder

    def for_anything(request: bytes, edition: Any) -> Any:
        decoder = real(request, edition)
        begins = decoder._asked.begins
        decoder._asked = replace(decoder._asked, begins=lambda head: begins(head[:10]), answers=lambda _frame: True)
        return decoder

    patch.setattr(dlt645_dialogue, "reply_decoder", for_anything)


def serial_number_not_matched(patch: Patch) -> None:
    real = cjt188.reply_decoder

    def for_any_question(request: bytes, **named: Any) -> Any:
        decoder = real(request, **named)
        decoder._asked = replace(decoder._asked, answers=lambda _frame: True)
        return decoder

    patch.setattr("drivers.protocols.cjt188.reply_decoder", for_any_question)


def mbus_sum_not_checked(patch: Patch) -> None:
    real = mbus._frame

    def any_sum(raw: bytes) -> mbus.MbusFrame | None:
        if raw[0] == 0x10 or raw[-1] != 0x16:
            return real(raw)
        return mbus.MbusFrame(control=raw[4], address=raw[5], ci=raw[6], data=raw[7:-2], raw=raw)

    patch.setattr(mbus, "_frame", any_sum)


def mbus_address_not_matched(patch: Patch) -> None:
    real = MbusReplyDecoder._sorted

    def from_anybody(self: MbusReplyDecoder, event: Any) -> Any:
        self._address = mbus.EVERY
        return real(self, event)

    patch.setattr(MbusReplyDecoder, "_sorted", from_anybody)


def frame_count_bit_not_turned(patch: Patch) -> None:
    patch.setattr(mbus_protocol, "with_count_bit", lambda control, *, on: mbus.with_count_bit(control, on=True))  # noqa: ARG005


def meter_not_reset_after_a_failure(patch: Patch) -> None:
    always = property(lambda _self: True, lambda _self, _: None)
    patch.setattr(mbus_protocol.MbusDevice, "_in_step", always, raising=False)


def block_check_not_checked(patch: Patch) -> None:
    patch.setattr(iec62056_21, "bcc", lambda _text: AnyNumber())


def speed_not_switched(patch: Patch) -> None:
    patch.setattr(IecDevice, "_at", lambda self, _baud: self._start)


def crc_not_checked(patch: Patch) -> None:
    patch.setattr(sdi12, "crc_characters", lambda _data: AnyBytes())


def sensor_not_matched(patch: Patch) -> None:
    patch.setattr(sdi12.Sdi12Decoder, "_sorted", lambda _self, frame: frame)


MUTANTS = [
    (sum_not_checked, "dlt645", "flip"),
    (sum_not_checked, "cjt188", "flip"),
    (meter_not_matched, "dlt645", "another unit's reply"),
    (identifier_not_matched, "dlt645", "late"),
    (serial_number_not_matched, "cjt188", "later than any ceiling"),
    (mbus_sum_not_checked, "mbus", "flip"),
    (mbus_address_not_matched, "mbus", "another unit's reply"),
    (frame_count_bit_not_turned, "mbus", "loss"),
    (meter_not_reset_after_a_failure, "mbus", "loss"),
    (block_check_not_checked, "iec62056-21", "flip"),
    (speed_not_switched, "iec62056-21", "loss"),
    (crc_not_checked, "sdi12", "flip"),
    (sensor_not_matched, "sdi12", "another unit's reply"),
]


@pytest.mark.parametrize(("mutant", "framing", "fault"), MUTANTS, ids=lambda one: getattr(one, "__name__", str(one)))
def test_a_mutant_of_a_meter_is_caught(
    mutant: Callable[[Patch], None], framing: str, fault: str, seed: int, monkeypatch: Patch
) -> None:
    mutant(monkeypatch)
    assert noticed(framing, BY_NAME[fault], seed), f"the matrix does not notice {mutant.__name__}"
