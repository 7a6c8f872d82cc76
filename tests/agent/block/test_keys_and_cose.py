from __future__ import annotations

import hashlib

import cbor2
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa, x25519
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_der_public_key

from agent.block.cose import ED25519, ES256, Aad, PublicKey, key_id, parse_sign1, sig_structure, sign1
from agent.block.errors import FormError, SignatureError
from tests.agent.block.chains import SoftKey

P = 2**255 - 19
PREFIX = bytes.fromhex("302a300506032b6570032100")
ALGORITHMS = pytest.mark.parametrize("alg", [ED25519, ES256])


def spki_of(y: int, sign: int = 0) -> bytes:
    return PREFIX + (y | sign << 255).to_bytes(32, "little")


def add(a: tuple[int, int], b: tuple[int, int]) -> tuple[int, int]:
    """Addition on the curve of Ed25519 (RFC 8032 5.1.4), affine."""
    d = -121665 * pow(121666, -1, P)
    (x1, y1), (x2, y2) = a, b
    product = d * x1 * x2 * y1 * y2
    return (
        (x1 * y2 + x2 * y1) * pow(1 + product, -1, P) % P,
        (y1 * y2 + x1 * x2) * pow(1 - product, -1, P) % P,
    )


def small_order_points() -> set[tuple[int, int]]:
    """All eight, found from the curve and not from a list: L times any point has an order that divides 8."""
    order = 2**252 + 27742317777372353535851937790883648493
    d = -121665 * pow(121666, -1, P) % P
    found: set[tuple[int, int]] = set()
    y = 2
    while len(found) < 8:
        y += 1
        square = (y * y - 1) * pow(d * y * y + 1, -1, P) % P
        x = pow(square, (P + 3) // 8, P)
        if x * x % P != square:
            x = x * pow(2, (P - 1) // 4, P) % P
        if x * x % P != square:
            continue
        total, double = (0, 1), (x, y)
        for bit in bin(order)[:1:-1]:
            if bit == "1":
                total = add(total, double)
            double = add(double, double)
        point = (0, 1)
        for _ in range(8):
            found.add(point)
            point = add(point, total)
    return found


def test_every_small_order_point_is_refused_as_a_key() -> None:
    points = small_order_points()
    assert len(points) == 8
    for x, y in points:
        with pytest.raises(FormError, match="key-small-order"):
            PublicKey.from_spki(spki_of(y, x & 1))
        with pytest.raises(FormError, match="key-small-order"):
            PublicKey.from_spki(spki_of(y, 1 - (x & 1)))


def test_why_small_order_keys_are_refused() -> None:
    fixed = bytes.fromhex("01" + "00" * 63)
    key = load_der_public_key(spki_of(1))
    assert isinstance(key, ed25519.Ed25519PublicKey)
    key.verify(fixed, b"one message")
    key.verify(fixed, b"and any other")


def test_other_encodings_of_points_are_refused() -> None:
    for y in range(P, 2**255):
        with pytest.raises(FormError, match="key-form"):
            PublicKey.from_spki(spki_of(y))
    assert any(refuses(spki_of(y)) == "key-form" for y in range(2, 40)), "some y is not on the curve"


def refuses(spki: bytes) -> str:
    try:
        PublicKey.from_spki(spki)
    except FormError as error:
        return error.reason
    return ""


def test_only_ed25519_and_p256_in_one_encoding_each() -> None:
    curve_key = ec.derive_private_key(7, ec.SECP256R1()).public_key()
    compressed = curve_key.public_bytes(Encoding.X962, PublicFormat.CompressedPoint)
    good = curve_key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    others = [
        b"",
        SoftKey("a").spki[:-1],
        SoftKey("a").spki + b"\0",
        good[:26] + compressed,
        good[:-1] + bytes((good[-1] ^ 1,)),
        good[:26] + b"\x06" + good[27:],
        ec.derive_private_key(7, ec.SECP384R1())
        .public_key()
        .public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo),
        ec.derive_private_key(7, ec.SECP256K1())
        .public_key()
        .public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo),
        x25519.X25519PrivateKey.from_private_bytes(bytes(32))
        .public_key()
        .public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo),
        rsa.generate_private_key(65537, 1024)
        .public_key()
        .public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo),
    ]
    assert refuses(good) == ""
    assert refuses(SoftKey("a").spki) == ""
    for spki in others:
        assert refuses(spki) == "key-form", spki.hex()


@ALGORITHMS
def test_a_signature_holds_for_its_bytes_key_and_kind_alone(alg: int) -> None:
    key, other = SoftKey("one", alg), SoftKey("two", alg)
    signed = parse_sign1(sign1(b"p" * 40, key, Aad.RECEIPT))
    signed.check(PublicKey.from_spki(key.spki), Aad.RECEIPT)
    with pytest.raises(SignatureError, match="wrong-signer"):
        signed.check(PublicKey.from_spki(other.spki), Aad.RECEIPT)
    for aad in Aad:
        if aad is not Aad.RECEIPT:
            with pytest.raises(SignatureError, match="bad-signature"):
                signed.check(PublicKey.from_spki(key.spki), aad)


@ALGORITHMS
def test_the_header_has_to_name_the_algorithm_of_the_key(alg: int) -> None:
    key = SoftKey("one", alg)

    class Liar(SoftKey):
        pass

    liar = Liar("one", alg)
    liar.alg = ES256 if alg == ED25519 else ED25519
    signed = parse_sign1(sign1(b"p" * 40, liar, Aad.BLOCK))
    with pytest.raises(SignatureError, match="wrong-algorithm"):
        signed.check(PublicKey.from_spki(key.spki), Aad.BLOCK)


def test_a_degenerate_p256_signature_is_refused() -> None:
    key = PublicKey.from_spki(SoftKey("one", ES256).spki)
    for signature in (
        bytes(64),
        b"\xff" * 64,
        bytes(32) + b"\1" * 32,
        b"\1" * 32 + bytes(32),
        b"",
        bytes(63),
        bytes(65),
    ):
        assert not key.verify(signature, b"data")


def test_the_sig_structure_is_that_of_the_standard() -> None:
    for size in (24, 255, 256, 65535, 65536):
        protected = bytes.fromhex("a201270448") + b"k" * 8
        ours = sig_structure(protected, Aad.BLOCK, b"p" * size)
        assert ours == cbor2.dumps(["Signature1", protected, b"tidegate/1/block", b"p" * size])


@pytest.mark.parametrize("size", [24, 255, 256, 65535, 65536, 200_000])
def test_a_message_is_the_standard_encoding(size: int) -> None:
    key = SoftKey("one")
    message = sign1(b"p" * size, key, Aad.BLOCK)
    protected = cbor2.dumps({1: -8, 4: key.kid})
    signature = key.sign(sig_structure(protected, Aad.BLOCK, b"p" * size))
    assert message == cbor2.dumps(cbor2.CBORTag(18, [protected, {}, b"p" * size, signature]))
    parsed = parse_sign1(message)
    assert (parsed.alg, parsed.kid, parsed.payload, parsed.signature) == (-8, key.kid, b"p" * size, signature)
    assert parsed.head(Aad.BLOCK) == hashlib.sha256(sig_structure(protected, Aad.BLOCK, b"p" * size)).digest()


def twins() -> list[tuple[str, bytes]]:
    """Messages that say the same to a lenient reader."""
    key = SoftKey("one")
    payload = b"p" * 40
    protected = cbor2.dumps({1: -8, 4: key.kid})
    signature = key.sign(sig_structure(protected, Aad.BLOCK, payload))
    body = sign1(payload, key, Aad.BLOCK)[1:]

    def bstr(data: bytes) -> bytes:
        return cbor2.dumps(data)

    def message(*parts: bytes) -> bytes:
        return b"\xd2\x84" + b"".join(parts)

    def resigned(header: bytes) -> bytes:
        again = key.sign(cbor2.dumps(["Signature1", header, b"tidegate/1/block", payload]))
        return message(bstr(header), b"\xa0", bstr(payload), bstr(again))

    tail = b"\xa0" + bstr(payload) + bstr(signature)
    return [
        ("untagged", body),
        ("tag in two bytes", b"\xd8\x12" + body),
        ("tag 17", b"\xd1" + body),
        ("tag 18 twice", b"\xd2\xd2" + body),
        ("self-described", b"\xd9\xd9\xf7\xd2" + body),
        ("array in two bytes", b"\xd2\x98\x04" + body[1:]),
        ("array without length", b"\xd2\x9f" + body[1:] + b"\xff"),
        ("three parts", b"\xd2\x83" + body[1:-66]),
        ("five parts", b"\xd2\x85" + body[1:] + b"\x00"),
        ("payload in three bytes", message(bstr(protected), b"\xa0", b"\x59\x00\x28" + payload, bstr(signature))),
        (
            "payload in chunks",
            message(bstr(protected), b"\xa0", b"\x5f\x58\x28" + payload + b"\xff", bstr(signature)),
        ),
        ("payload detached", message(bstr(protected), b"\xa0", b"\xf6", bstr(signature))),
        ("payload as text", message(bstr(protected), b"\xa0", b"\x78\x28" + payload, bstr(signature))),
        ("unprotected kid", message(bstr(protected), b"\xa1\x04\x48" + key.kid, bstr(payload), bstr(signature))),
        ("unprotected array", message(bstr(protected), b"\x80", bstr(payload), bstr(signature))),
        ("unprotected without length", message(bstr(protected), b"\xbf\xff", bstr(payload), bstr(signature))),
        ("protected in three bytes", message(b"\x59\x00\x0d" + protected, tail)),
        ("protected as map", message(protected, tail)),
        ("long algorithm", resigned(bytes.fromhex("a20138070448") + key.kid)),
        ("keys unsorted", resigned(bytes.fromhex("a20448") + key.kid + bytes.fromhex("0127"))),
        ("key in two bytes", resigned(bytes.fromhex("a21801270448") + key.kid)),
        ("map without length", resigned(bytes.fromhex("bf01270448") + key.kid + b"\xff")),
        ("trailing in header", resigned(protected + b"\x00")),
        ("no kid", resigned(bytes.fromhex("a10127"))),
        ("no algorithm", resigned(bytes.fromhex("a10448") + key.kid)),
        ("more in header", resigned(bytes.fromhex("a3012703000448") + key.kid)),
        ("empty header", resigned(b"")),
        ("crit", resigned(bytes.fromhex("a301270281010448") + key.kid)),
        ("kid of 9 bytes", resigned(bytes.fromhex("a201270449") + key.kid + b"\0")),
        ("kid as text", resigned(bytes.fromhex("a201270468") + b"abcdefgh")),
        ("unknown algorithm", resigned(bytes.fromhex("a201290448") + key.kid)),
        ("algorithm as float", resigned(bytes.fromhex("a201f9c8000448") + key.kid)),
        ("signature of 63", message(bstr(protected), b"\xa0", bstr(payload), b"\x58\x3f" + signature[:63])),
        ("signature of 65", message(bstr(protected), b"\xa0", bstr(payload), b"\x58\x41" + signature + b"\0")),
        ("signature in three bytes", message(bstr(protected), b"\xa0", bstr(payload), b"\x59\x00\x40" + signature)),
        ("trailing zero", b"\xd2" + body + b"\x00"),
        ("trailing message", b"\xd2" + body + b"\xd2" + body),
        ("leading zero", b"\x00\xd2" + body),
        ("empty", b""),
    ]


@pytest.mark.parametrize(("twin", "message"), twins())
def test_a_twin_of_a_message_is_refused(twin: str, message: bytes) -> None:
    with pytest.raises(FormError) as refused:
        parse_sign1(message)
    assert refused.value.reason, twin


def test_a_message_over_256_kib_is_refused_unread() -> None:
    key = SoftKey("one")
    most = 256 * 1024 - 17 - 5 - 66
    assert len(sign1(b"p" * most, key, Aad.BLOCK)) == 256 * 1024
    parse_sign1(sign1(b"p" * most, key, Aad.BLOCK))
    with pytest.raises(FormError, match="too-big"):
        parse_sign1(sign1(b"p" * (most + 1), key, Aad.BLOCK))


def test_a_key_id_is_the_start_of_the_hash_of_the_spki() -> None:
    spki = SoftKey("one").spki
    assert key_id(spki) == hashlib.sha256(spki).digest()[:8]
    assert PublicKey.from_spki(spki).kid == key_id(spki)
