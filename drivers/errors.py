"""What may go wrong with a device, sorted by what the caller does next.

``code`` is kebab-case and stable: key of the counter, of the log field and of the sentence that a person reads.
"""

from __future__ import annotations

from typing import ClassVar

from drivers.quality import Quality


class DriverError(Exception):
    """Anything that keeps a reading from being taken."""

    code: ClassVar[str] = "driver-error"
    quality: ClassVar[Quality] = Quality.BAD_COMMUNICATION_ERROR


class LinkDownError(DriverError):
    """The port or connection is gone: re-open with back-off, the points are bad meanwhile."""

    code = "link-down"
    quality = Quality.BAD_NO_COMMUNICATION


class PortDeniedError(LinkDownError):
    """The port is there and may not be opened (rights): a person has to act."""

    code = "port-denied"


class PortBusyError(LinkDownError):
    """Another program holds the port."""

    code = "port-busy"


class NoSerialPortError(LinkDownError):
    """What the path leads to is no serial port (a file, a folder, another device): a person has to act."""

    code = "no-serial-port"


class NoReplyError(DriverError):
    """Nothing that answers the request came in time: retry, then bad.

    Attributes:
        raw: every byte that did come before the deadline; empty means silence.
    """

    code = "no-reply"
    quality = Quality.BAD_TIMEOUT

    def __init__(self, message: str, raw: bytes = b"") -> None:
        super().__init__(message)
        self.raw = raw


class FrameError(DriverError):
    """Bytes came and are no valid frame: resynchronise, retry, count."""

    code = "bad-frame"

    def __init__(self, message: str, raw: bytes = b"") -> None:
        super().__init__(message)
        self.raw = raw


class ChecksumError(FrameError):
    """A frame of the right shape with a wrong checksum: never a reading."""

    code = "bad-checksum"


class RefusedError(DriverError):
    """The device answered with a refusal: do not repeat the same request.

    Attributes:
        exception: the protocol's own number (Modbus exception code).
        replanned: the points will be asked for in smaller blocks; nothing is known against them yet.
    """

    code = "refused"
    quality = Quality.BAD_NOT_SUPPORTED

    def __init__(self, message: str, exception: int, raw: bytes = b"", *, replanned: bool = False) -> None:
        super().__init__(message)
        self.exception = exception
        self.raw = raw
        self.replanned = replanned


class DeviceFailedError(RefusedError):
    """The device lives, understood, and cannot do it now (broken or busy): ask again at the usual time."""

    code = "device-failed"
    quality = Quality.BAD_DEVICE_FAILURE


class OtherDeviceError(DriverError):
    """Another model answers at this address than before the port was lost: read nothing from it, ask again later."""

    code = "other-device"
    quality = Quality.BAD_CONFIGURATION_ERROR


class SecretError(DriverError):
    """A password that the device asks for cannot be had: nothing was sent, a person has to mend its file."""

    code = "no-secret"
    quality = Quality.BAD_CONFIGURATION_ERROR


class ProfileError(DriverError):
    """A profile cannot be used as it is: mend the file.

    Attributes:
        where: ``file: key`` of the fault.
    """

    code = "bad-profile"
    quality = Quality.BAD_CONFIGURATION_ERROR

    def __init__(self, where: str, what: str) -> None:
        super().__init__(f"{where}: {what}")
        self.where = where
        self.what = what
