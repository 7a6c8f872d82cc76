"""Writes tests/vectors/block: ``python -m tests.agent.block.make_vectors``. Verdicts are written here by hand.

Keys follow from labels and every signature is deterministic, so that the same files come out.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import cbor2

from agent.block import events
from agent.block.cose import ED25519, ES256, Aad, parse_sign1, sign1
from agent.block.messages import make_receipt, make_resend
from agent.block.record import Columns, Event, ReceiptMark
from tests.agent.block import vector_rules
from tests.agent.block.chains import (
    BOOT,
    UTC,
    SoftKey,
    clock_at,
    no_utc,
)
from tests.agent.block.test_strict_cbor import MALFORMED, WELL_FORMED

SOURCE = "constructed from the block format, version 1, by tests/agent/block/make_vectors.py"
FOLDER = Path(__file__).parents[2] / "vectors/block"


def intact(alg: int) -> dict[str, Any]:
    """A chain with everything the format knows, and what its readings mean."""
    gateway = vector_rules.opened(alg)
    gateway.seal(
        columns=Columns(
            mono_ms=(1_001_900, 1_001_950, 1_001_950, 1_002_000, 1_002_010, 1_001_990),
            points=(0, 1, 2, 3, 0, 0),
            values=(2301, 2**63 - 1, True, "card 7", None, -5),
            statuses=((1, 0x40000000), (4, 0x80050000)),
            raws=((3, bytes.fromhex("0301")),),
            device_times=((0, UTC, 17, 1), (3, None, None, 2)),
        ),
        events=[Event(kind=12, mono_ms=1_001_000, fields=(bytes(32), "1.2.3"))],
    )
    gateway.seal(
        columns=Columns(mono_ms=(5000, 7000), points=(1, 1), values=(-(2**63), 2**63 - 1)),
        clock=no_utc(8000, boot=b"bootboot"),
        events=[
            events.boot(100, boot_before=BOOT, last_sealed_mono_ms=1_002_000, clean=False),
            events.clock_set(6000, utc_ms=UTC + 1_100_000, quality=3, max_error_ms=40),
        ],
        receipts=[ReceiptMark(destination=b"platform", epoch=0, number=1)],
    )
    gateway.seal(clock=clock_at(9000, utc_ms=UTC + 1_103_001, boot=b"bootboot"))
    gateway.open()
    gateway.seal(2, events=[events.epoch_close(9500)])
    return {
        "about": "an intact chain; reading: number, device, quantity, unit, value, mono ms, status, UTC ms, error ms",
        "trust": [gateway.identity.spki.hex()],
        "messages": [message.hex() for message in gateway.messages],
        "heads": [block.head.hex() for block in gateway.sealed],
        "readings": [
            [0, "meter-1", "quantity_0", "V", "230.1", 1_001_900, 0, UTC + 1_001_900, 21],
            [1, "meter-1", "quantity_1", "V", "922337203685477580.7", 1_001_950, 0x40000000, UTC + 1_001_950, 21],
            [2, "meter-1", "quantity_2", None, True, 1_001_950, 0, UTC + 1_001_950, 21],
            [3, "meter-1", "quantity_3", None, "text:card 7", 1_002_000, 0, UTC + 1_002_000, 20],
            [4, "meter-1", "quantity_0", "V", None, 1_002_010, 0x80050000, UTC + 1_002_010, 21],
            [5, "meter-1", "quantity_0", "V", "-0.5", 1_001_990, 0, UTC + 1_001_990, 21],
            [6, "meter-1", "quantity_1", "V", "-922337203685477580.8", 5000, 0, UTC + 1_099_000, 41],
            [7, "meter-1", "quantity_1", "V", "922337203685477580.7", 7000, 0, UTC + 1_101_000, 41],
            [8, "meter-1", "quantity_0", "V", "230.0", 1_005_000, 0, UTC + 1_005_000, 20],
            [9, "meter-1", "quantity_1", "V", "230.7", 1_005_000, 0, UTC + 1_005_000, 20],
        ],
        "findings": ["unclean-restart", "boot-changed-without-event", "utc-backwards"],
    }


def statements() -> dict[str, Any]:
    """Receipts and resend requests."""
    key = SoftKey("platform")
    receipt = make_receipt(key, b"gateway1", 3, 500, bytes(range(32)), UTC)
    resend = make_resend(key, b"gateway1", 3, 7, None)
    fields = {1: b"gateway1", 2: 3, 3: 500, 4: bytes(range(32)), 5: UTC}
    wrong = [
        ("receipt by another key", make_receipt(SoftKey("x"), b"gateway1", 3, 500, bytes(32), UTC)),
        ("receipt signed as a resend request", sign1(parse_sign1(receipt).payload, key, Aad.RESEND)),
        (
            "receipt with UTC null",
            sign1(cbor2.dumps({**fields, 5: None}), key, Aad.RECEIPT),
        ),
        (
            "receipt with a sixth key",
            sign1(cbor2.dumps({**fields, 6: 0}), key, Aad.RECEIPT),
        ),
        (
            "receipt with the first bit of its signature flipped",
            receipt[:-64] + bytes((receipt[-64] ^ 128,)) + receipt[-63:],
        ),
    ]
    return {
        "about": "receipts and resend requests of one destination",
        "destination": key.spki.hex(),
        "receipt": {
            "message": receipt.hex(),
            "gateway": b"gateway1".hex(),
            "epoch": 3,
            "number": 500,
            "head": bytes(range(32)).hex(),
            "utc_ms": UTC,
        },
        "resend": {"message": resend.hex(), "gateway": b"gateway1".hex(), "epoch": 3, "first": 7, "last": None},
        "no_receipts": [{"name": name, "message": message.hex()} for name, message in wrong],
    }


def encodings() -> dict[str, Any]:
    return {
        "about": "CBOR data items: the one encoding that is allowed, and others with the reason why not",
        "well_formed": [data for data, _ in WELL_FORMED],
        "malformed": [list(pair) for pair in MALFORMED if len(pair[0]) < 2000],
    }


DOCUMENTS: dict[str, Callable[[], dict[str, Any]]] = {
    "chain-ed25519": lambda: intact(ED25519),
    "chain-p256": lambda: intact(ES256),
    "form": vector_rules.form,
    "signer": vector_rules.signer,
    "place": vector_rules.places,
    "loss": vector_rules.losses,
    "content": vector_rules.content,
    "statements": statements,
    "cbor": encodings,
}


def files() -> Iterator[tuple[Path, str]]:
    """Every file of the folder and what has to be in it."""
    for name, make in DOCUMENTS.items():
        content = {"source": SOURCE} | make()
        yield FOLDER / f"{name}.json", json.dumps(content, indent=1, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    for path, text in files():
        path.write_text(text, encoding="utf-8")
