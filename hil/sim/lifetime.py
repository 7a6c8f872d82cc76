"""A simulator ends with whoever started it, and on SIGTERM and SIGINT; it never outlives a test."""

from __future__ import annotations

import asyncio
import ctypes
import os
import signal
from typing import Final

_PR_SET_PDEATHSIG: Final = 1


def die_with_parent() -> None:
    """Ask the kernel for SIGTERM when the thread that started this process ends (Linux, prctl(2))."""
    parent = os.getppid()
    if ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "prctl")
    if os.getppid() != parent:
        raise SystemExit(0)  # it was gone before we asked


def stop_event() -> asyncio.Event:
    """Give an event that SIGTERM and SIGINT set; call it in the running loop."""
    told = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, told.set)
    return told
