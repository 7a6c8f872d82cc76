"""Meters that are wrong though their checksum is right: no list and no reply makes a reader stumble."""

from __future__ import annotations

import asyncio
import json
from datetime import UTC
from pathlib import Path
from random import Random

import pytest

from drivers.codec.axdr import Data
from drivers.codec.hdlc import HdlcFrame, encode, stream_decoder
from drivers.codec.hdlc_message import HdlcMessage
from drivers.codec.hdlc_reply import HdlcReplyDecoder
from drivers.codec.sml import Check, SmlFrame
from drivers.decoded import Quantity
from drivers.errors import DriverError
from drivers.profile import Profile
from drivers.profile_load import builtin_roots, find_profile, load_profile
from drivers.protocols import dlms_push_place, dlms_push_told, sml_told
from drivers.protocols.dlms_place import meter_of, place_of
from drivers.protocols.dlms_session import Session
from drivers.protocols.dlms_values import quantity, scaling_of
from drivers.protocols.sml import plan
from drivers.protocols.telegram import groups
from tests.drivers.codec.search_mutants import ROUNDS, mangled
from tests.drivers.codec.test_sml import VECTORS as SML

_FILE = Path(__file__).parent.parent.parent / "vectors" / "dlms" / "frames.json"
_WIRES = [bytes.fromhex(one["response"]) for one in json.loads(_FILE.read_text()) if "push" in one["id"]]
PUSHES = [event for wire in _WIRES for event in stream_decoder().feed(wire) if isinstance(event, HdlcFrame)]
REPLIES = [
    bytes.fromhex(reply)
    for reply in (
        "C401C100060000162E", "C401C10002020F00161E", "C401C100090C07E0010906152638FF800000", "C401C10104",
        "C402C100000000010003020F00", "D80101", "C401C10009083336373635363637",
        "6129A109060760857405080101A203020100A305A103020100BE10040E0800065F1F0400001E1D04C80007",
    )
]  # fmt: skip


def _profile(name: str) -> Profile:
    return load_profile(find_profile(name, builtin_roots()))


@pytest.mark.fuzz
def test_no_mutated_sml_list_makes_the_reader_stumble(seed: int) -> None:
    dice = Random(seed)
    planned = plan(_profile("generic/sml"))
    refused = 0
    for _ in range(ROUNDS):
        payload = mangled(dice.choice(SML).frame.payload, dice)
        try:
            telegram = sml_told.understand(SmlFrame(payload=payload, check=Check.X25, raw=payload), 0, "port")
        except DriverError:
            refused += 1
            continue
        if telegram is None:
            continue
        for group in planned:
            assert len(group.batch(0, 0, telegram).values) == len(group.points)
    assert refused > ROUNDS // 10


@pytest.mark.fuzz
def test_no_mutated_push_makes_the_reader_stumble(seed: int) -> None:
    dice = Random(seed)
    profiles = [_profile(name) for name in ("aidon/han", "kamstrup/han", "kaifa/ma304")]
    planned = [
        group
        for one in profiles
        for group in groups(
            one.points, [dlms_push_place.place_of(point, one.id) for point in one.points], request_bytes=0,
            reply_bytes=1,
        )
    ]  # fmt: skip
    told = 0
    for _ in range(ROUNDS):
        frame = dice.choice(PUSHES)
        content = mangled(frame.information, dice)
        try:
            telegram = dlms_push_told.understand(
                HdlcMessage(first=frame, information=content, raw=content), 0, "port", UTC
            )
        except DriverError:
            continue
        if telegram is None:
            continue
        for group in planned:
            told += group.count(telegram)
            assert len(group.batch(0, 0, telegram).values) == len(group.points)
    assert told


@pytest.mark.fuzz
def test_no_mutated_reply_makes_the_session_stumble(seed: int) -> None:
    """Whatever a meter answers with right numbers and checksums: a value, a refusal or an error of the driver."""
    dice = Random(seed)
    meter = meter_of("1.17@16")
    profile = _profile("generic/dlms")
    places = [place_of(point, profile.id) for point in profile.points]
    values, errors = 0, 0

    async def answer(request: bytes, decoder: HdlcReplyDecoder) -> HdlcFrame:
        (asked,) = stream_decoder().feed(request)
        assert isinstance(asked, HdlcFrame)
        control = decoder.likeness[0]
        if control & 1:
            content = b""
        else:
            said = asked.information[3:]
            apdu = REPLIES[-1] if said[:1] == b"\x60" else dice.choice(REPLIES)
            if apdu[0] == 0xC4:
                apdu = apdu[:2] + said[2:3] + apdu[3:]  # the number of this request
            content = b"\xe6\xe7\x00" + (mangled(apdu, dice) if dice.random() < 0.5 else apdu)
        wire = encode(meter.ends.client, meter.ends.server, control, content, segmented=dice.random() < 0.1)
        (frame,) = decoder.feed(wire)
        assert isinstance(frame, HdlcFrame)
        return frame

    async def talk() -> None:
        nonlocal values, errors
        session = Session(meter, answer, lambda: "port: meter 1.17")
        for _ in range(ROUNDS // 3):
            try:
                if not session.is_open:
                    await session.open()
                place = dice.choice(places)
                data = await session.get(place.object)
            except DriverError:
                errors += 1
                assert not session.is_open
                continue
            values += 1
            if isinstance(data, Data):
                assert isinstance(quantity(place, data, scaling_of(data)), Quantity)

    asyncio.run(talk())
    assert values
    assert errors
