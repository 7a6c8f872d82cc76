"""Reading the dates of a certificate, so that an expired one is named instead of guessed at."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from cryptography import x509


@dataclass(frozen=True, slots=True, kw_only=True)
class CertificateDates:
    """When a certificate is valid (UTC) and whom it names."""

    subject: str
    not_before: datetime
    not_after: datetime


def read_dates(path: Path) -> CertificateDates | None:
    """Read the first certificate of a PEM file; None if there is none that can be read."""
    try:
        certificate = x509.load_pem_x509_certificate(path.read_bytes())
    except (OSError, ValueError):
        return None
    return CertificateDates(
        subject=certificate.subject.rfc4514_string(),
        not_before=certificate.not_valid_before_utc,
        not_after=certificate.not_valid_after_utc,
    )
