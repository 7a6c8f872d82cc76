"""Enciphered data areas of the edition of 2025 (6.4 and annex A.2, as quoted in public; uncertain). The SM4 user.

SM4, ECB, no padding: whole groups of 16 bytes of the data area are enciphered, what is left of it stays as it is. The
CRC is that of the plain segment, and so is the length, which the cipher does not change. Enciphered are the data
commands 2000 to 2999 towards the bureau. How a session key is renewed (1014) is not known well enough: the key is a
file. Whether the bytes go out as they are, as the length says, or as text, as annex A.2 prints them, is not certain.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

from cryptography.hazmat.primitives.ciphers import Cipher, modes
from cryptography.hazmat.primitives.ciphers.algorithms import SM4

from agent.errors import KeyUnavailableError
from agent.secret_file import read_secret

_GROUP: Final = 16
_OPEN: Final = b"CP=&&"
_CLOSE: Final = b"&&"


class AreaCipher:
    """Enciphers data areas with one key of 16 bytes."""

    def __init__(self, key: bytes) -> None:
        self._cipher = Cipher(SM4(key), modes.ECB())  # noqa: S305 - the standard's mode

    def segment(self, plain: bytes) -> bytes:
        """Encipher the data area of a segment; its length stays."""
        head, opened, rest = plain.partition(_OPEN)
        area = rest.removesuffix(_CLOSE)
        whole = len(area) // _GROUP * _GROUP
        return head + opened + self._cipher.encryptor().update(area[:whole]) + area[whole:] + _CLOSE


def load_cipher(path: Path) -> AreaCipher:
    """Read a key of 32 hex digits.

    Raises:
        KeyUnavailableError: the file or what is in it cannot be used.
    """
    try:
        key = bytes.fromhex(read_secret(path))
    except ValueError:
        key = b""
    if len(key) != _GROUP:
        raise KeyUnavailableError(f"{path}: an SM4 key is 32 hex digits")
    return AreaCipher(key)


def is_enciphered(command: str) -> bool:
    """Tell whether the data area of ``command`` is enciphered."""
    return len(command) == 4 and command.isdecimal() and command.startswith("2")
