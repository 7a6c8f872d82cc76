"""Waiting for the real end of sending: ``tcdrain``, in a thread of its own, since it blocks.

How sharp that is depends on the kernel's driver. A UART tells to within a character; a USB adapter is asked in steps
of a timer tick and over USB, so that it tells late, by milliseconds. A pseudo-terminal has no transmitter: it is told
to be empty as soon as the other side has been handed the bytes.
"""

from __future__ import annotations

import asyncio
import termios
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

from drivers.errors import LinkDownError


class Drain:
    """Tells when what was written to one descriptor has left.

    Args:
        fd: the port; closed by its owner after ``close``.
        name: what a person calls the port.
        left: is called in the loop each time that everything has left.
        block: waits in the thread until the descriptor has sent everything.
    """

    def __init__(
        self, fd: int, name: str, left: Callable[[], None], block: Callable[[int], None] = termios.tcdrain
    ) -> None:
        self._fd = fd
        self._block = block
        self._name = name
        self._left = left
        self._loop = asyncio.get_running_loop()
        self._thread = ThreadPoolExecutor(1, thread_name_prefix=f"drain {name}")
        self._leaving: asyncio.Future[None] | None = None

    def begin(self) -> None:
        """Begin to wait for what has just been written."""
        leaving = self._leaving = self._loop.run_in_executor(self._thread, self._block, self._fd)
        leaving.add_done_callback(self._done)

    async def wait(self, seconds: float) -> None:
        """Return when what was written last has left.

        Raises:
            LinkDownError: the port is gone, or does not send within ``seconds``.
        """
        leaving = self._leaving
        if leaving is None:
            return
        try:
            async with asyncio.timeout(seconds):
                await asyncio.shield(leaving)
        except TimeoutError:
            raise LinkDownError(f"{self._name} does not send what it was given") from None
        except (termios.error, OSError) as error:
            raise LinkDownError(f"{self._name} is gone ({error.args[-1]})") from error
        except asyncio.CancelledError:
            if not leaving.cancelled():
                raise
            raise LinkDownError(f"{self._name} is closed") from None

    def close(self) -> None:
        """Give up what has not left, so that nobody waits for it."""
        with suppress(termios.error):
            termios.tcflush(self._fd, termios.TCOFLUSH)
        self._thread.shutdown(wait=False, cancel_futures=True)

    def _done(self, leaving: asyncio.Future[None]) -> None:
        if not leaving.cancelled() and leaving.exception() is None and leaving is self._leaving:
            self._left()
