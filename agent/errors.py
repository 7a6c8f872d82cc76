"""What may go wrong in the agent, sorted by what the caller does next."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

if TYPE_CHECKING:
    from agent.finding import Finding


class AgentError(Exception):
    """Anything that stops a job of the agent."""

    code: ClassVar[str] = "agent-error"


class ConfigError(AgentError):
    """The site file is wrong: refuse to start (exit 78) or keep the old configuration on reload.

    Attributes:
        where: ``file:line:column`` or ``file: key``.
        what: one sentence.
        hint: what to do, empty if the sentence says it.
        findings: everything that is wrong with the file, where more than this is known; ``agent.finding.Finding``.
    """

    code = "bad-config"

    def __init__(self, where: str, what: str, hint: str = "", findings: tuple[Finding, ...] = ()) -> None:
        super().__init__(f"{where}: {what}" + (f" ({hint})" if hint else ""))
        self.where = where
        self.what = what
        self.hint = hint
        self.findings = findings


class KeyUnavailableError(AgentError):
    """A key is missing, damaged or readable by others: nothing can be signed until a person acts."""

    code = "key-unavailable"


class StorageError(AgentError):
    """The disk refuses (full, read-only, failed fsync): keep polling, alarm, nothing is deleted."""

    code = "storage-failed"


class AlreadyRunningError(StorageError):
    """Another agent owns the outbox: two of them would sign one number twice."""

    code = "already-running"


class DiskFullError(StorageError):
    """No room on the disk: as StorageError; receipted blocks may go so that sealing can go on."""

    code = "disk-full"


class ChainDamagedError(StorageError):
    """What is stored does not fit together (a restored backup, a damaged file): never sign over it."""

    code = "chain-damaged"


class UplinkRefusedError(AgentError):
    """The broker or platform said no: back off, alarm, keep the blocks."""

    code = "uplink-refused"


class ControlError(AgentError):
    """The running agent cannot be asked over its control socket."""

    code = "agent-unreachable"
