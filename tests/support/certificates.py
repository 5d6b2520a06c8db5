"""Certificates for tests: a CA, and what it issues."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

HOUR = timedelta(hours=1)


class CA:
    """A certificate authority. Its certificate is in ``cert``."""

    def __init__(self, folder: Path, name: str = "ca", *, parent: "CA | None" = None) -> None:
        """``parent`` issues its certificate; None: it is a root."""
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.subject = subject(f"Test {name}")
        self.cert = folder / f"{name}.pem"
        issuer = parent or self
        now = datetime.now(UTC)
        self.certificate = (
            x509.CertificateBuilder()
            .subject_name(self.subject)
            .issuer_name(issuer.subject)
            .public_key(self.key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - HOUR)
            .not_valid_after(now + 24 * HOUR)
            .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
            .add_extension(key_usage(ca=True), critical=True)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(self.key.public_key()), critical=False)
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer.key.public_key()), critical=False)
            .sign(issuer.key, hashes.SHA256())
        )
        self.cert.write_bytes(pem(self.certificate))

    def make(
        self,
        public_key: ec.EllipticCurvePublicKey,
        *,
        dns: Sequence[str] = (),
        uri: Sequence[str] = (),
        ip: Sequence[str] = (),
        cn: str | Sequence[str] | None = None,
        not_before: datetime | None = None,
        not_after: datetime | None = None,
        usages: Sequence[x509.ObjectIdentifier] | None = (
            ExtendedKeyUsageOID.SERVER_AUTH,
            ExtendedKeyUsageOID.CLIENT_AUTH,
        ),
        names: Sequence[x509.GeneralName] = (),
    ) -> x509.Certificate:
        """A certificate for ``public_key``.

        ``dns``, ``uri``, ``ip`` and ``names`` are the names of the SAN; without any there is no SAN. ``cn`` is the
        subject's. ``usages``: of the extendedKeyUsage; None: it has no such extension.
        """
        now = datetime.now(UTC)
        san = [
            *(x509.DNSName(each) for each in dns),
            *(x509.UniformResourceIdentifier(each) for each in uri),
            *(x509.IPAddress(ip_address(each)) for each in ip),
            *names,
        ]
        builder = (
            x509.CertificateBuilder()
            .subject_name(subject(*([] if cn is None else [cn] if isinstance(cn, str) else cn)))
            .issuer_name(self.subject)
            .public_key(public_key)
            .serial_number(x509.random_serial_number())
            .not_valid_before(not_before or min(now, not_after or now) - HOUR)
            .not_valid_after(not_after or now + 24 * HOUR)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(key_usage(ca=False), critical=True)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(public_key), critical=False)
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(self.key.public_key()), critical=False)
        )
        if usages is not None:
            builder = builder.add_extension(x509.ExtendedKeyUsage(usages), critical=False)
        if san:
            # A certificate without a subject has to have a critical SAN (RFC 5280).
            builder = builder.add_extension(x509.SubjectAlternativeName(san), critical=cn is None)
        return builder.sign(self.key, hashes.SHA256())

    def issue(self, folder: Path, name: str, **about: Any) -> tuple[Path, Path]:
        """Files of a certificate and its key, ``name.pem`` and ``name.key``; ``about`` is what `make` takes."""
        key = ec.generate_private_key(ec.SECP256R1())
        certificate = self.make(key.public_key(), **about)
        return write(folder, name, certificate, key)


def make_ca(folder: Path, name: str = "ca", *, parent: CA | None = None) -> CA:
    """A CA whose certificate is in ``folder``, as ``name.pem``."""
    return CA(folder, name, parent=parent)


def write(folder: Path, name: str, certificate: x509.Certificate, key: ec.EllipticCurvePrivateKey) -> tuple[Path, Path]:
    """Writes both to files; the key for the owner alone."""
    cert_path, key_path = folder / f"{name}.pem", folder / f"{name}.key"
    cert_path.write_bytes(pem(certificate))
    key_path.touch(0o600)
    key_path.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return cert_path, key_path


def pem(certificate: x509.Certificate) -> bytes:
    """The text of a certificate."""
    return certificate.public_bytes(serialization.Encoding.PEM)


def subject(*common_names: str) -> x509.Name:
    """A subject of these common names only."""
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, each) for each in common_names])


def key_usage(*, ca: bool) -> x509.KeyUsage:
    """The usage of a key, of a CA or of a node."""
    return x509.KeyUsage(
        digital_signature=not ca,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=ca,
        crl_sign=ca,
        encipher_only=False,
        decipher_only=False,
    )
