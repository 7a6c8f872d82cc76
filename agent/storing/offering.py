"""What a destination needs that begins in the middle of a gateway's life: the dictionary until then. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from agent.block.dictionary import write_cbdict

PART_BYTES: Final = 256 * 1024
_ARRAY_HEAD_BYTES: Final = 9


def dictionary_parts(additions: Sequence[bytes]) -> list[bytes]:
    """Cut the dictionary-adds of a life into arrays of at most 256 KiB, in order; at least one, if only an empty one.

    Args:
        additions: encoded dictionary-adds 1 to n.
    """
    parts: list[list[bytes]] = [[]]
    size = _ARRAY_HEAD_BYTES
    for addition in additions:
        if parts[-1] and size + len(addition) > PART_BYTES:
            parts.append([])
            size = _ARRAY_HEAD_BYTES
        parts[-1].append(addition)
        size += len(addition)
    return [write_cbdict(part) for part in parts]
