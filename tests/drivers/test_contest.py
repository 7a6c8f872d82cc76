"""Two protocols claim the same bytes: who gets them."""

from __future__ import annotations

import random
from datetime import UTC

from drivers.codec import dlt645, modbus_rtu
from drivers.codec.checksum import crc16_modbus_bytes
from drivers.codec.dlt645 import Edition
from drivers.listening import Kind, Said
from drivers.overhear import Overhearing
from drivers.profile_load import builtin_roots, find_profile, load_profile
from drivers.protocols.modbus_listen import ModbusOverheard
from drivers.registry import listeners

MS = 1_000_000
ADDRESS = "000000000161"
ASK = modbus_rtu.encode(1, bytes.fromhex("0400000002"))
ANSWER = modbus_rtu.encode(1, bytes.fromhex("040443664000"))


def hear(*parts: bytes) -> list[Said]:
    line = Overhearing(listeners())
    said = [one for number, part in enumerate(parts) for one in line.heard(part, number * MS)]
    return [*said, *line.idle(500 * MS, silence=True)]


def told(said: list[Said]) -> list[tuple[Kind, str]]:
    return [(one.kind, one.protocol) for one in said]


def meter_frame_with(window: bytes) -> bytes:
    """A DL/T 645 reply whose data holds a whole Modbus frame."""
    plain = bytes((byte - 0x33) & 0xFF for byte in window)
    return dlt645.encode(ADDRESS, 0x91, bytes.fromhex("00010102") + plain)


def test_a_meter_frame_that_holds_a_fitting_modbus_reply_is_no_modbus_value() -> None:
    frame = meter_frame_with(ANSWER)
    assert ANSWER in frame
    said = hear(ASK, frame)
    assert told(said)[:2] == [(Kind.REQUEST, "modbus-rtu"), (Kind.REPLY, "dlt645-2007")]
    profile = load_profile(find_profile("eastron/sdm120", builtin_roots()))
    overheard = ModbusOverheard(profile, "1", UTC)
    assert [overheard.take(one) for one in said] == [None] * len(said)
    (genuine,) = [taken for one in hear(ASK, ANSWER) if (taken := overheard.take(one)) is not None]
    assert genuine.values == (23025,)


def test_a_meter_frame_inside_the_registers_of_a_reply_is_the_replys() -> None:
    inner = dlt645.read_request(Edition.V2007, ADDRESS, "02010100")
    payload = inner + bytes(len(inner) % 2)
    ask = modbus_rtu.encode(9, bytes((3, 0, 0, 0, len(payload) // 2)))
    reply = modbus_rtu.encode(9, bytes((3, len(payload))) + payload)
    assert told(hear(ask, reply)) == [(Kind.REQUEST, "modbus-rtu"), (Kind.REPLY, "modbus-rtu")]
    assert told(hear(ask + reply)) == [(Kind.REQUEST, "modbus-rtu"), (Kind.REPLY, "modbus-rtu")]


def test_no_random_meter_frame_is_ever_taken_for_a_modbus_frame(seed: int) -> None:
    rand = random.Random(seed)
    for _ in range(60):
        body = rand.randbytes(rand.randrange(8, 60))
        frame = meter_frame_with(body + crc16_modbus_bytes(body))
        assert told(hear(frame)) == [(Kind.REPLY, "dlt645-2007")]


def test_an_acknowledgement_without_checksum_counts_only_behind_what_it_answers() -> None:
    reset = bytes.fromhex("1040054516")
    assert told(hear(reset, b"\xe5")) == [(Kind.REQUEST, "mbus"), (Kind.REPLY, "mbus")]
    assert told(hear(b"\xe5")) == [(Kind.NOISE, "")]
    torn = hear(reset, b"\x47\x11\xe5")
    assert told(torn)[:2] == [(Kind.REQUEST, "mbus"), (Kind.NOISE, "")]
    assert torn[1].raw == b"\x47\x11\xe5"


def test_an_answer_without_checksum_inside_garbage_is_noise() -> None:
    assert told(hear(b"0M!", b"00013\r\n")) == [(Kind.REQUEST, "sdi12"), (Kind.REPLY, "sdi12")]
    garbage = b"\x9c\x93\x81\x47" + b"0+1.2+3.4\r\n" + b"\x9c\x93"
    assert {one.kind for one in hear(garbage)} == {Kind.NOISE}
