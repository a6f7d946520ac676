"""The local certificate authority: made at the first start, it signs one certificate per host name (RFC 5280).

Its key stays in a folder that only the control workers read; edge workers get the leaves.
"""

from __future__ import annotations

import os
from datetime import datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from serai.errors import InternalError
from serai.services.edge.names import HOST_NAME, leaf_path

AUTHORITY_DAYS = 3650
LEAF_DAYS = 90
RENEW_DAYS = 30  # a leaf with less than this left is made anew
BACKDATED = timedelta(days=2)  # clients' clocks differ, and ours may have been set a day ahead


class Authority:
    """Sign certificates below ``folder`` (``data/tls``): ``ca.pem``, ``private/ca.key``, ``leaves/NAME.pem``."""

    def __init__(self, folder: Path, title: str) -> None:
        self._folder = folder
        self._title = title
        self._key: ec.EllipticCurvePrivateKey | None = None
        self._certificate: x509.Certificate | None = None

    def open(self, now: datetime) -> None:
        """Load the authority, or make it where there is none."""
        key_path = self._folder / "private" / "ca.key"
        for folder, mode in ((key_path.parent, 0o700), (self._folder / "leaves", 0o750)):
            folder.mkdir(parents=True, exist_ok=True)
            folder.chmod(mode)
        if not (key_path.exists() and (self._folder / "ca.pem").exists()):
            self._make(key_path, now)
        key = serialization.load_pem_private_key(key_path.read_bytes(), None)
        if not isinstance(key, ec.EllipticCurvePrivateKey):
            raise InternalError("The certificate authority's key is not one that Serai made.", path=str(key_path))
        self._key = key
        self._certificate = x509.load_pem_x509_certificate((self._folder / "ca.pem").read_bytes())

    def _make(self, key_path: Path, now: datetime) -> None:
        key = ec.generate_private_key(ec.SECP256R1())
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, self._title)])
        usage = x509.KeyUsage(
            digital_signature=False,
            content_commitment=False,
            key_encipherment=False,
            data_encipherment=False,
            key_agreement=False,
            key_cert_sign=True,
            crl_sign=True,
            encipher_only=False,
            decipher_only=False,
        )
        certificate = (
            _builder(name, name, key.public_key(), now, AUTHORITY_DAYS)
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .add_extension(usage, critical=True)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
            .sign(key, hashes.SHA256())
        )
        _write(key_path, _private(key), 0o600)
        _write(self._folder / "ca.pem", certificate.public_bytes(serialization.Encoding.PEM), 0o644)

    def ensure(self, name: str, now: datetime) -> bool:
        """Make the leaf of host ``name`` unless a fresh one lies there; return whether one was made."""
        if not HOST_NAME.match(name):
            return False
        path = leaf_path(self._folder, name)
        if self._is_fresh(path, now):
            return False
        if self._key is None or self._certificate is None:
            raise InternalError("The certificate authority is not open.")
        key = ec.generate_private_key(ec.SECP256R1())
        # The common name holds 64 characters at most; the alternative name is what counts (RFC 9525 §6.3).
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)] if len(name) <= 64 else [])
        leaf = (
            _builder(subject, self._certificate.subject, key.public_key(), now, LEAF_DAYS)
            .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=len(name) > 64)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key()), critical=False)
            .sign(self._key, hashes.SHA256())
        )
        chain = leaf.public_bytes(serialization.Encoding.PEM) + self._certificate.public_bytes(
            serialization.Encoding.PEM
        )
        _write(path, chain + _private(key), 0o640)
        return True

    def until(self, name: str) -> float:
        """Return when the leaf of host ``name`` runs out, in seconds since the epoch; 0 where there is none."""
        if not HOST_NAME.match(name):
            return 0.0
        leaf = _read(leaf_path(self._folder, name))
        return leaf.not_valid_after_utc.timestamp() if leaf is not None else 0.0

    def _is_fresh(self, path: Path, now: datetime) -> bool:
        leaf = _read(path)
        return (
            leaf is not None
            and self._signed(leaf)
            and leaf.not_valid_after_utc - now > timedelta(days=RENEW_DAYS)
            and leaf.not_valid_before_utc <= now
        )

    def _signed(self, leaf: x509.Certificate) -> bool:
        if self._certificate is None:
            return False
        try:
            leaf.verify_directly_issued_by(self._certificate)
        except (ValueError, TypeError, InvalidSignature):
            return False
        return True


def _read(path: Path) -> x509.Certificate | None:
    try:
        return x509.load_pem_x509_certificate(path.read_bytes())
    except (OSError, ValueError):
        return None


def _builder(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePublicKey, now: datetime, days: int
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - BACKDATED)
        .not_valid_after(now + timedelta(days=days))
    )


def _private(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def _write(path: Path, data: bytes, mode: int) -> None:
    """Write a file that is either whole or not there, and never readable by more than ``mode`` says."""
    draft = path.with_name(f".{path.name}.new")
    draft.unlink(missing_ok=True)
    fd = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        os.write(fd, data)
        os.fchmod(fd, mode)
        os.fsync(fd)
    finally:
        os.close(fd)
    draft.replace(path)
