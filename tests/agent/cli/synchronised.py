"""The command on a machine whose clock is kept right, to within ``BOUND_US``: ``synchronised.py ARGUMENTS...``.

A machine for tests has no time server as a rule, and what the kernel says of its clock cannot be set without rights.
"""

from __future__ import annotations

import agent.clock
from agent.__main__ import main

BOUND_US = 20_000


def _kept_right() -> int | None:
    return BOUND_US


if __name__ == "__main__":
    agent.clock._kernel_bound_us = _kept_right
    main()
