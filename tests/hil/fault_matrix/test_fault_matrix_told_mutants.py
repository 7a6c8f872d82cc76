"""The matrix catches broken SML, DLMS and HJ 212: each mutant is played on one fault and has to be found out."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from drivers.codec import hdlc, hj212, sml
from drivers.codec.hdlc_reply import HdlcReplyDecoder
from drivers.protocols import listening
from tests.hil.fault_matrix.cells import CELLS, SPOKEN
from tests.hil.fault_matrix.mutants import AnyBytes, AnyNumber, Patch, noticed

pytestmark = pytest.mark.bus

BY_NAME = {cell.name: cell for cell in (*CELLS, *SPOKEN)}


def sml_crc_not_checked(patch: Patch) -> None:
    patch.setattr(sml.Check, "of", lambda _self, _data: AnyBytes())


def hdlc_crc_not_checked(patch: Patch) -> None:
    patch.setattr(hdlc, "_check", lambda _data: AnyBytes(bytes(2)))


def hdlc_frame_check_not_checked(patch: Patch) -> None:
    real = hdlc.encode
    patch.setattr(hdlc, "_check", lambda _data: AnyBytes(bytes(2)))
    patch.setattr("drivers.protocols.dlms_session.encode", _encoding(real))


def _encoding(real: Callable[..., bytes]) -> Callable[..., bytes]:
    from drivers.codec.checksum_ccitt import crc16_x25  # noqa: PLC0415

    def encoded(*parts: Any, **named: Any) -> bytes:
        hdlc._check, mutant = (lambda data: crc16_x25(data).to_bytes(2, "little")), hdlc._check
        try:
            return real(*parts, **named)
        finally:
            hdlc._check = mutant

    return encoded


def meter_not_matched(patch: Patch) -> None:
    patch.setattr(HdlcReplyDecoder, "_sorted", lambda _self, event: event)


def hj212_crc_not_checked(patch: Patch) -> None:
    patch.setattr(hj212, "crc", lambda _segment: AnyNumber())


def a_telegram_is_given_again(patch: Patch) -> None:
    def kept(self: Any) -> Any:
        return self._heard

    patch.setattr(listening._Ear, "take", kept)
    patch.setattr(listening._Ear, "forget", lambda _self, _before_ns: None)


MUTANTS = [
    (sml_crc_not_checked, "sml", "spoken: flip"),
    (hdlc_crc_not_checked, "dlms-push", "spoken: flip"),
    (hdlc_frame_check_not_checked, "dlms", "flip"),
    (meter_not_matched, "dlms", "another unit's reply"),
    (hj212_crc_not_checked, "hj212", "spoken: flip that nobody counts"),
    (a_telegram_is_given_again, "sml", "spoken: silent line"),
]


@pytest.mark.parametrize(("mutant", "framing", "cell"), MUTANTS, ids=lambda one: getattr(one, "__name__", one))
def test_the_matrix_notices(
    mutant: Callable[[Patch], None], framing: str, cell: str, monkeypatch: Patch, seed: int
) -> None:
    mutant(monkeypatch)
    assert noticed(framing, BY_NAME[cell], seed), "nobody noticed"
