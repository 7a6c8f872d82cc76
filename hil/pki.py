"""Certificates for tests, made at run time: a private authority, servers and clients with any dates."""

from __future__ import annotations

import datetime as dt
import ipaddress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

_HOUR: Final = dt.timedelta(hours=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Credentials:
    """Files of one certificate and its key, PEM."""

    cert_file: Path
    key_file: Path


class Authority:
    """A certificate authority whose files lie in one folder.

    Attributes:
        ca_file: its own certificate, PEM.
    """

    def __init__(self, folder: Path, now: dt.datetime) -> None:
        """Take an existing folder and the time (with zone) that 'valid' refers to."""
        self._folder = folder
        self._now = now
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "bench authority")])
        public = self._key.public_key()
        self._identifier = x509.SubjectKeyIdentifier.from_public_key(public)
        cert = (
            self._builder(self._name, public, now - _HOUR, now + 24 * _HOUR)
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .add_extension(self._identifier, critical=False)
            .sign(self._key, hashes.SHA256())
        )
        self.ca_file = folder / "ca.pem"
        self.ca_file.write_bytes(cert.public_bytes(serialization.Encoding.PEM))

    def server(self, name: str = "server") -> Credentials:
        """Make a certificate for ``localhost`` and 127.0.0.1."""
        names: list[x509.GeneralName] = [
            x509.DNSName("localhost"),
            x509.IPAddress(ipaddress.IPv4Address("127.0.0.1")),
        ]
        return self._issue(name, ExtendedKeyUsageOID.SERVER_AUTH, -1.0, 24.0, names)

    def client(self, name: str, *, from_h: float = -1.0, until_h: float = 24.0) -> Credentials:
        """Make a client's certificate, valid from and until so many hours from now; until_h below 0 is expired."""
        return self._issue(name, ExtendedKeyUsageOID.CLIENT_AUTH, from_h, until_h, [])

    def _issue(
        self, name: str, usage: x509.ObjectIdentifier, from_h: float, until_h: float, names: list[x509.GeneralName]
    ) -> Credentials:
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        begin = self._now + min(from_h, until_h - 1) * _HOUR
        builder = (
            self._builder(subject, key.public_key(), begin, self._now + until_h * _HOUR)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(x509.ExtendedKeyUsage([usage]), critical=False)
            .add_extension(
                x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(self._identifier), critical=False
            )
        )
        if names:
            builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
        made = Credentials(cert_file=self._folder / f"{name}.pem", key_file=self._folder / f"{name}.key")
        made.cert_file.write_bytes(builder.sign(self._key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM))
        made.key_file.touch(mode=0o600)
        made.key_file.write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            )
        )
        return made

    def _builder(
        self, subject: x509.Name, public: ec.EllipticCurvePublicKey, begin: dt.datetime, end: dt.datetime
    ) -> x509.CertificateBuilder:
        return (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self._name)
            .public_key(public)
            .serial_number(x509.random_serial_number())
            .not_valid_before(begin)
            .not_valid_after(end)
        )
