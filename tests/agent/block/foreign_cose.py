"""The foreign judge: pycose in an environment of its own, which knows nothing of this repository.

Reads one JSON request a line and answers with one JSON line; ``test_foreign_cose`` starts it.
"""

from __future__ import annotations

import json
import sys
from typing import Any

from pycose.algorithms import EdDSA, Es256  # type: ignore[import-not-found]
from pycose.headers import KID, Algorithm  # type: ignore[import-not-found]
from pycose.keys import EC2Key, OKPKey  # type: ignore[import-not-found]
from pycose.messages import CoseMessage, Sign1Message  # type: ignore[import-not-found]


def public_key(spki: bytes) -> Any:
    if len(spki) == 44:
        return OKPKey(crv="ED25519", x=spki[12:])
    return EC2Key(crv="P_256", x=spki[27:59], y=spki[59:])


def verify(request: dict[str, str]) -> dict[str, Any]:
    """Whether the message is signed by this key with this external_aad, and what is in it."""
    message = CoseMessage.decode(bytes.fromhex(request["message"]))
    message.external_aad = bytes.fromhex(request["aad"])
    message.key = public_key(bytes.fromhex(request["spki"]))
    return {
        "valid": bool(message.verify_signature()),
        "alg": message.phdr[Algorithm].identifier,
        "kid": message.phdr[KID].hex(),
        "unprotected": len(message.uhdr),
        "payload": message.payload.hex(),
    }


def sign(request: dict[str, str]) -> dict[str, Any]:
    """A message made by the foreign implementation."""
    private = bytes.fromhex(request["private"])
    if request["curve"] == "ED25519":
        alg, key = EdDSA, OKPKey(crv="ED25519", d=private)
    else:
        alg, key = Es256, EC2Key(crv="P_256", d=private)
    message = Sign1Message(
        phdr={Algorithm: alg, KID: bytes.fromhex(request["kid"])},
        payload=bytes.fromhex(request["payload"]),
        external_aad=bytes.fromhex(request["aad"]),
    )
    message.key = key
    return {"message": message.encode().hex()}


def main() -> None:
    """Answer requests until the end of the input."""
    for line in sys.stdin:
        request = json.loads(line)
        answer = {"verify": verify, "sign": sign}[request.pop("do")](request)
        sys.stdout.write(json.dumps(answer) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
