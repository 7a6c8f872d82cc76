"""TLS of the MQTT client: the context, and the true reason when a handshake or the first read fails.

With TLS 1.3 the server's verdict on a client certificate is an alert that arrives after the handshake, at the first
read, and some brokers only close. So the certificate's own dates are looked at too.
"""

from __future__ import annotations

import errno
import socket
import ssl
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from agent.delivery.mqtt_options import Credentials, Endpoint, MqttOptions
from agent.delivery.mqtt_state import Facts, Trouble
from agent.secret_file import SecretFileError, read_secret

X509_NOT_YET_VALID: Final = 9
X509_EXPIRED: Final = 10

_ALERTS: Final = (
    ("ALERT_CERTIFICATE_EXPIRED", Trouble.CERTIFICATE_EXPIRED),
    ("CERTIFICATE_REQUIRED", Trouble.CERTIFICATE_MISSING),
    ("ALERT_UNKNOWN_CA", Trouble.CERTIFICATE_REFUSED),
    ("ALERT_BAD_CERTIFICATE", Trouble.CERTIFICATE_REFUSED),
    ("ALERT_CERTIFICATE_", Trouble.CERTIFICATE_REFUSED),
    ("ALERT_UNSUPPORTED_CERTIFICATE", Trouble.CERTIFICATE_REFUSED),
    ("ALERT_HANDSHAKE_FAILURE", Trouble.CERTIFICATE_REFUSED),
    ("ALERT_ACCESS_DENIED", Trouble.CERTIFICATE_REFUSED),
    ("WRONG_VERSION_NUMBER", Trouble.NOT_TLS),
    ("RECORD_LAYER_FAILURE", Trouble.NOT_TLS),
)
_CERTIFICATE: Final = frozenset(
    {Trouble.CERTIFICATE_EXPIRED, Trouble.CERTIFICATE_REFUSED, Trouble.CERTIFICATE_MISSING}
)
_UNREACHABLE: Final = frozenset({errno.ENETUNREACH, errno.EHOSTUNREACH, errno.ENETDOWN, errno.EADDRNOTAVAIL})


class _TidySocket(ssl.SSLSocket):
    """Closes itself when the handshake fails; paho would leave that to the garbage collector."""

    def do_handshake(self, block: bool = False) -> None:
        """See ``ssl.SSLSocket``."""
        try:
            super().do_handshake(block)
        except OSError:
            self.close()
            raise


class CredentialsError(OSError):
    """A file of the credentials cannot be read or does not fit; ``filename`` names it, ``strerror`` says why."""


def make_context(credentials: Credentials) -> ssl.SSLContext:
    """Build the TLS context from the files as they are now.

    Raises:
        CredentialsError: a file is missing, unreadable, not PEM, or key and certificate do not belong together.
    """
    ca_file = credentials.ca_file
    try:
        context = ssl.create_default_context(cafile=None if ca_file is None else str(ca_file))
    except OSError as error:
        raise CredentialsError(error.errno, error.strerror or str(error), str(ca_file)) from error
    context.sslsocket_class = _TidySocket
    if credentials.cert_file is not None:
        try:
            context.load_cert_chain(credentials.cert_file, credentials.key_file)
        except OSError as error:
            raise CredentialsError(error.errno, error.strerror or str(error), str(credentials.cert_file)) from error
    return context


def read_password(credentials: Credentials) -> str | None:
    """Read the line of the password file, UTF-8.

    Raises:
        CredentialsError: the file is not taken (``agent.secret_file``).
    """
    if credentials.password_file is None:
        return None
    try:
        return read_secret(credentials.password_file, encoding="utf-8")
    except SecretFileError as error:
        raise CredentialsError(errno.EINVAL, error.reason, str(error.path)) from error


def ask_again(endpoint: Endpoint, credentials: Credentials, timeout_s: float) -> BaseException | None:
    """Shake hands once more and only listen, to hear why the broker closed; blocks.

    A server refuses a client certificate after the handshake. By then the client has sent its CONNECT, and the reset
    that answers it may wipe out the alert that says why.

    Returns:
        What the connection ended with, None if it just closed or nothing came in time.
    """
    try:
        context = make_context(credentials)
        with socket.create_connection((endpoint.host, endpoint.port), timeout_s) as plain:
            secure = context.wrap_socket(plain, server_hostname=endpoint.host, do_handshake_on_connect=False)
            with secure:
                secure.settimeout(timeout_s)
                secure.do_handshake()
                secure.recv(1)
    except TimeoutError:
        return None
    except (OSError, ValueError) as error:
        return error
    return None


def is_vague(error: BaseException | None) -> bool:
    """Tell whether an error says only that the connection is over."""
    return error is None or (
        _from_alert(error) is None
        and isinstance(error, (ConnectionError, EOFError, ssl.SSLEOFError, ssl.SSLZeroReturnError))
    )


def explain(error: BaseException | None, options: MqttOptions, utc_ns: int) -> tuple[Trouble, Facts]:
    """Say why a connection did not come up, or broke before the broker's first answer.

    Args:
        error: what the socket or TLS raised, None if the peer just closed.
        options: the client that failed.
        utc_ns: the system's UTC, to hold against the certificate's dates.
    """
    place: Facts = (("host", options.endpoint.host), ("port", str(options.endpoint.port)))
    if isinstance(error, CredentialsError):
        return Trouble.CREDENTIALS_UNREADABLE, (("path", str(error.filename)), ("reason", str(error.strerror)))
    if isinstance(error, ssl.SSLCertVerificationError):
        return _server_certificate(error, place, utc_ns)
    trouble = _from_alert(error) or _from_socket(error)
    if _may_be_certificate(error, options.endpoint) and options.credentials.cert_file is not None:
        dated = _own_certificate(trouble, options.credentials.cert_file, _text(error), utc_ns)
        if dated is not None:
            return dated
    if trouble in _CERTIFICATE:
        return trouble, (("path", str(options.credentials.cert_file or "-")), *place, ("reason", _text(error)))
    return trouble, (*place, ("reason", _text(error)))


def _may_be_certificate(error: BaseException | None, endpoint: Endpoint) -> bool:
    closed = error is None or isinstance(error, (ssl.SSLError, ConnectionResetError, BrokenPipeError, EOFError))
    return endpoint.tls and closed


def _own_certificate(trouble: Trouble, path: Path, reason: str, utc_ns: int) -> tuple[Trouble, Facts] | None:
    """Judge our certificate by its dates; the broker's word that it has expired stands against our clock."""
    from agent.delivery.certificates import read_dates  # noqa: PLC0415  8 MiB that only a broken TLS uplink needs

    dates = read_dates(path)
    if dates is None:
        return None
    now = datetime.fromtimestamp(utc_ns // 10**9, tz=UTC)
    facts: Facts = (("path", str(path)), ("subject", dates.subject), ("now", _day(now)), ("reason", reason))
    if dates.not_after < now or trouble is Trouble.CERTIFICATE_EXPIRED:
        return Trouble.CERTIFICATE_EXPIRED, (*facts, ("date", _day(dates.not_after)))
    if dates.not_before > now:
        return Trouble.CERTIFICATE_EARLY, (*facts, ("date", _day(dates.not_before)))
    return None


def _server_certificate(error: ssl.SSLCertVerificationError, place: Facts, utc_ns: int) -> tuple[Trouble, Facts]:
    now = datetime.fromtimestamp(utc_ns // 10**9, tz=UTC)
    facts: Facts = (*place, ("reason", error.verify_message or str(error)), ("now", _day(now)))
    dated = error.verify_code in (X509_NOT_YET_VALID, X509_EXPIRED)
    return (Trouble.SERVER_EXPIRED if dated else Trouble.SERVER_UNTRUSTED), facts


def _from_alert(error: BaseException | None) -> Trouble | None:
    if not isinstance(error, ssl.SSLError):
        return None
    reason = (error.reason or str(error)).upper()
    return next((trouble for word, trouble in _ALERTS if word in reason), None)


def _from_socket(error: BaseException | None) -> Trouble:
    if isinstance(error, socket.gaierror):
        return Trouble.HOST_UNKNOWN
    if isinstance(error, ConnectionRefusedError):
        return Trouble.REFUSED
    if isinstance(error, TimeoutError):
        return Trouble.NO_ANSWER
    if isinstance(error, OSError) and error.errno in _UNREACHABLE:
        return Trouble.UNREACHABLE
    return Trouble.CONNECTION_LOST


def _text(error: BaseException | None) -> str:
    if error is None:
        return "closed by the broker"
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return str(error) or type(error).__name__


def _day(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")
