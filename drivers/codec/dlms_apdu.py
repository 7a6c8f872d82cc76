"""DLMS application PDUs (IEC 62056-5-3, 7): association, get and notification, where they are not encrypted."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Final

from drivers.codec.axdr import AxdrError, Data, length, parse

_INITIATE_VERSION_6: Final = b"\x5f\x1f"
_CONFORMANCE_BYTES: Final = 3
_ENCRYPTED: Final = (*range(0x21, 0x2F), *range(0xC8, 0xD8), 0xDB, 0xDC, 0xDD, 0xDF)
_CLOCK_BYTES: Final = 12


class UnreadError(AxdrError):
    """An APDU that is known and not read.

    Attributes:
        encrypted: only a key could open it.
    """

    def __init__(self, message: str, *, encrypted: bool = False) -> None:
        super().__init__(message)
        self.encrypted = encrypted


class Get(Enum):
    """Forms of a get response."""

    NORMAL = 1
    BLOCK = 2
    LIST = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Association:
    """An AARQ or AARE.

    Attributes:
        response: whether it is an AARE.
        result: of a response, 0 is accepted.
        diagnostic: of a response, why it is not accepted; 0 if nothing is to be said.
        conformance: block of three bytes, empty if there is none.
        max_pdu: bytes that the sender can receive, None if it does not say.
    """

    response: bool
    result: int | None
    diagnostic: int
    conformance: bytes
    max_pdu: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Attribute:
    """What a get request asks for."""

    invoke: int
    class_id: int
    obis: bytes
    attribute: int


@dataclass(frozen=True, slots=True, kw_only=True)
class GetResponse:
    """What a get request got.

    Attributes:
        form: normal, one block, or a list.
        invoke: invoke id and priority, as asked.
        results: values, or numbers of data access errors.
        block: number of the block, whether it is the last, and its bytes.
    """

    form: Get
    invoke: int
    results: tuple[Data | int, ...] = ()
    block: tuple[int, bool, bytes] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Notification:
    """A data notification; ``time`` is a COSEM date-time, empty without one."""

    invoke: int
    time: bytes
    data: Data


@dataclass(frozen=True, slots=True, kw_only=True)
class ExceptionResponse:
    """What a meter says when it takes no request: numbers of the state error and of the service error."""

    state: int
    service: int


Apdu = Association | Attribute | GetResponse | Notification | ExceptionResponse


def read_apdu(data: bytes) -> Apdu:
    """Read one APDU to its end.

    Raises:
        UnreadError: it is encrypted, or of a kind that is not read.
        AxdrError: it is damaged.
    """
    kind = data[0] if data else None
    if kind in (0x60, 0x61):
        return _association(data, response=kind == 0x61)
    if kind == 0xC0:
        return _request(data)
    if kind == 0xC4:
        return _response(data)
    if kind == 0x0F:
        return _notification(data)
    if kind == 0xD8 and len(data) >= 3:
        return ExceptionResponse(state=data[1], service=data[2])
    if kind in _ENCRYPTED:
        raise UnreadError(f"APDU {kind:02X} is encrypted", encrypted=True)
    raise UnreadError("there is no APDU" if kind is None else f"APDU {kind:02X} is not read")


def _association(data: bytes, *, response: bool) -> Association:
    size, at = length(data, 1)
    _ended(data, at + size)
    result: int | None = None
    diagnostic = 0
    initiate = b""
    while at < len(data):
        tag = data[at]
        size, start = length(data, at + 1)
        at = start + size
        part = data[start:at]
        if at > len(data):
            raise AxdrError("a part of the association is cut short")
        if tag == 0xA2 and response:
            result = part[-1] if part[:2] == b"\x02\x01" and len(part) == 3 else None
        elif tag == 0xA3 and response:
            diagnostic = part[-1] if part[2:4] == b"\x02\x01" and len(part) == 5 else 0
        elif tag == 0xBE:
            initiate = part
    if response and result is None:
        raise AxdrError("the association response has no result")
    conformance, max_pdu = _initiate(initiate)
    return Association(
        response=response, result=result, diagnostic=diagnostic, conformance=conformance, max_pdu=max_pdu
    )


def _initiate(data: bytes) -> tuple[bytes, int | None]:
    """Read conformance and PDU size of InitiateRequest and InitiateResponse."""
    at = data.find(_INITIATE_VERSION_6)
    block = data[at + 4 : at + 4 + _CONFORMANCE_BYTES] if at >= 0 and data[at + 2 : at + 4] == b"\x04\x00" else b""
    size = data[at + 7 : at + 9]
    if len(block) < _CONFORMANCE_BYTES or len(size) < 2:
        return b"", None
    return block, int.from_bytes(size, "big")


def _request(data: bytes) -> Attribute:
    if len(data) < 12 or data[1] != Get.NORMAL.value:
        raise UnreadError("only a request for one attribute is read")
    return Attribute(invoke=data[2], class_id=data[3] << 8 | data[4], obis=data[5:11], attribute=data[11])


def _response(data: bytes) -> GetResponse:
    if len(data) < 4 or data[1] not in (1, 2, 3):
        raise AxdrError("the get response is of no known form")
    form, invoke = Get(data[1]), data[2]
    if form is Get.BLOCK:
        return _block(data)
    count, at = (1, 3) if form is Get.NORMAL else length(data, 3)
    results: list[Data | int] = []
    for _ in range(count):
        result, at = _result(data, at)
        results.append(result)
    _ended(data, at)
    return GetResponse(form=form, invoke=invoke, results=tuple(results))


def _result(data: bytes, at: int) -> tuple[Data | int, int]:
    if len(data) < at + 2 or data[at] > 1:
        raise AxdrError("a result is neither data nor an error")
    return parse(data, at + 1) if data[at] == 0 else (data[at + 1], at + 2)


def _block(data: bytes) -> GetResponse:
    if len(data) < 10 or data[8] > 1:
        raise AxdrError("the block is cut short")
    number, last = int.from_bytes(data[4:8], "big"), data[3] != 0
    if data[8] == 1:
        _ended(data, 10)
        return GetResponse(form=Get.BLOCK, invoke=data[2], results=(data[9],), block=(number, last, b""))
    size, at = length(data, 9)
    _ended(data, at + size)
    return GetResponse(form=Get.BLOCK, invoke=data[2], block=(number, last, data[at:]))


def _notification(data: bytes) -> Notification:
    at = 5
    if data[at : at + 2] == b"\x09\x0c":  # some meters put the tag of an octet string where none belongs
        at += 1
    size, at = length(data, at)
    time = data[at : at + size]
    if size not in (0, _CLOCK_BYTES):
        raise AxdrError(f"the time of the notification has {size} bytes")
    value, end = parse(data, at + size)
    _ended(data, end)
    return Notification(invoke=int.from_bytes(data[1:5], "big"), time=time, data=value)


def _ended(data: bytes, end: int) -> None:
    if end != len(data):
        raise AxdrError(f"the APDU has {len(data)} bytes, its content {end}")
