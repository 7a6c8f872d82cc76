"""Exit codes of the command, the numbers of BSD sysexits(3) where it has one. One table, here and in README.md."""

from __future__ import annotations

from enum import IntEnum


class ExitCode(IntEnum):
    """What a script may conclude from how the command ended."""

    DONE = 0  # done, or the answer is yes
    NO = 1  # it worked, and the answer is no
    USAGE = 2  # the command was typed wrongly
    CANNOT_JUDGE = 3  # neither yes nor no: something needed for the answer is missing
    BAD_DATA = 65  # a file or a profile is not what it should be
    NO_ANSWER = 69  # no device, or no agent, answers
    CRASH = 70  # a fault of this program
    IO = 74  # a port, a disk or a pipe failed
    TRY_LATER = 75  # busy now
    NOT_ALLOWED = 77  # rights are missing
    CONFIG = 78  # the site file is wrong
    INTERRUPTED = 130  # Ctrl-C


OF_CODE = {
    "bad-config": ExitCode.CONFIG,
    "bad-profile": ExitCode.BAD_DATA,
    "key-unavailable": ExitCode.NOT_ALLOWED,
    "storage-failed": ExitCode.IO,
    "chain-damaged": ExitCode.BAD_DATA,
    "agent-unreachable": ExitCode.NO_ANSWER,
    "agent-error": ExitCode.NO,
    "disk-full": ExitCode.IO,
    "already-running": ExitCode.TRY_LATER,
    "bus-lent": ExitCode.TRY_LATER,
    "not-allowed": ExitCode.NOT_ALLOWED,
    "request-failed": ExitCode.NO,
    "timer-unavailable": ExitCode.IO,
    "uplink-refused": ExitCode.NO_ANSWER,
    "link-down": ExitCode.IO,
    "port-denied": ExitCode.NOT_ALLOWED,
    "port-busy": ExitCode.TRY_LATER,
    "no-serial-port": ExitCode.IO,
    "no-reply": ExitCode.NO_ANSWER,
    "refused": ExitCode.NO,
    "device-failed": ExitCode.TRY_LATER,
    "bad-frame": ExitCode.BAD_DATA,
    "bad-checksum": ExitCode.BAD_DATA,
    "driver-error": ExitCode.NO_ANSWER,
    "reply-mismatch": ExitCode.BAD_DATA,
    "request-needed": ExitCode.BAD_DATA,
    "reply-needed": ExitCode.BAD_DATA,
    "unsupported-function": ExitCode.BAD_DATA,
    "bad-context": ExitCode.BAD_DATA,
    "file-missing": ExitCode.IO,
    "file-denied": ExitCode.NOT_ALLOWED,
    "file-failed": ExitCode.IO,
    "output-failed": ExitCode.IO,
    "port-missing": ExitCode.IO,
    "no-such-line": ExitCode.USAGE,
    "no-serial-line": ExitCode.USAGE,
    "listen-only": ExitCode.NOT_ALLOWED,
    "not-heard": ExitCode.NO_ANSWER,
    "address-out-of-range": ExitCode.USAGE,
    "no-such-protocol": ExitCode.USAGE,
    "address-unscanned": ExitCode.USAGE,
    "not-a-number": ExitCode.USAGE,
    "address-taken": ExitCode.NO,
    "needs-yes": ExitCode.NO,
    "nothing-proposed": ExitCode.NO_ANSWER,
    "choose-profile": ExitCode.NO,
    "not-tested": ExitCode.NO_ANSWER,
    "no-profile": ExitCode.BAD_DATA,
    "line-not-silent": ExitCode.TRY_LATER,
    "line-in-production": ExitCode.TRY_LATER,
    "no-such-device": ExitCode.USAGE,
    "no-such-state": ExitCode.USAGE,
    "not-settable": ExitCode.NOT_ALLOWED,
    "neighbour-not-settable": ExitCode.NOT_ALLOWED,
    "clock-agrees": ExitCode.DONE,
    "already-so": ExitCode.DONE,
    "clock-unsynchronised": ExitCode.TRY_LATER,
    "near-midnight": ExitCode.TRY_LATER,
    "broadcast-spent": ExitCode.TRY_LATER,
    "too-soon": ExitCode.TRY_LATER,
    "ticket-over": ExitCode.TRY_LATER,
    "changed-meanwhile": ExitCode.TRY_LATER,
    "needs-password": ExitCode.NOT_ALLOWED,
    "bad-password": ExitCode.USAGE,
    "password-file": ExitCode.NOT_ALLOWED,
    "no-secret": ExitCode.NOT_ALLOWED,
    "not-acknowledged": ExitCode.DONE,
    "command-unknown": ExitCode.CANNOT_JUDGE,
}
"""How the command ends when an error with this code stopped it."""


def of_code(code: str) -> ExitCode:
    """Give the exit code of an error's kebab-case code; NO for one that says nothing else."""
    return OF_CODE.get(code, ExitCode.NO)
