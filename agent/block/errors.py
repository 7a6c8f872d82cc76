"""What may go wrong with a block, sorted by what the caller does next."""

from __future__ import annotations

from typing import ClassVar


class BlockError(Exception):
    """Anything wrong with a block, a key or a nested message.

    Attributes:
        reason: stable kebab-case code, the one a verdict carries.
        detail: what was seen, for people; may be empty.
    """

    code: ClassVar[str] = "block-error"

    def __init__(self, reason: str, detail: str = "") -> None:
        super().__init__(f"{reason}: {detail}" if detail else reason)
        self.reason = reason
        self.detail = detail


class FormError(BlockError):
    """The bytes are not a message of this format (rules for the verifier, 1 and 2): refuse, keep nothing."""

    code = "bad-form"


class ContentError(BlockError):
    """A rightly placed block holds something the format forbids (rule 5): keep it, deliver none of its readings."""

    code = "unreadable"


class SignatureError(BlockError):
    """The key that has to have signed this did not: refuse."""

    code = "bad-signature"


class SealError(BlockError):
    """The caller asks the writer for a block that no verifier would read; nothing was signed."""

    code = "cannot-seal"


class ChainDamagedError(BlockError):
    """The stored blocks do not fit together: never sign over them."""

    code = "chain-damaged"
