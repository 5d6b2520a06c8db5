"""Checks the files of a certificate before they are used: OpenSSL's own messages about them are unclear."""

import os
import ssl
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Literal

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes
from cryptography.x509.oid import ExtendedKeyUsageOID

from distwall.clock import utc
from distwall.files.permissions import readers
from distwall.files.regular_file import opened
from distwall.policy.model import InsideTls, Tls

MAX_FILE = 4 << 20
"""Most bytes of a file of certificates: a system's whole store of CAs has less than one million."""

_Usage = x509.ObjectIdentifier
_USAGES: tuple[tuple[_Usage, str], ...] = (
    (ExtendedKeyUsageOID.SERVER_AUTH, "peers that dial"),
    (ExtendedKeyUsageOID.CLIENT_AUTH, "peers that are dialled"),
)


@dataclass(frozen=True, slots=True)
class Fault:
    """An error in one of the files. ``fatal``: they can't be used."""

    file: Literal["cert", "key", "ca"]
    what: str
    remedy: str
    fatal: bool = True


def faults(settings: Tls | InsideTls, now: datetime | None = None) -> list[Fault]:
    """Errors in the three files of ``settings``, as they are ``now``."""
    now = now or utc()
    found: list[Fault] = []
    certificates = _certificates("cert", settings.cert, found)
    key = _key(settings.key, found)
    authorities = _certificates("ca", settings.ca, found)
    if certificates and key and not _fits(key, certificates[0]):
        what = f"the key in {settings.key} does not belong to the certificate in {settings.cert}"
        found.append(Fault("key", what, _key_remedy(key, certificates)))
    if not any(fault.fatal for fault in found):
        found.extend(_refused_by_openssl(settings))
    if certificates:
        found.extend(_out_of_time("cert", settings.cert, certificates[:1], now))
        found.extend(_unfit(settings.cert, certificates[0]))
    found.extend(_out_of_time("ca", settings.ca, authorities, now))
    return found


def context(settings: Tls | InsideTls, protocol: int) -> ssl.SSLContext:
    """A context of TLS 1.2 and 1.3 with the files of ``settings``. Raises OSError and ValueError."""
    made = ssl.SSLContext(protocol)
    made.minimum_version = ssl.TLSVersion.TLSv1_2
    # Without a callback OpenSSL would ask for a passphrase on the terminal.
    made.load_cert_chain(settings.cert, settings.key, password=_no_passphrase)
    made.load_verify_locations(settings.ca)
    return made


def _no_passphrase() -> str:
    raise ValueError("the key has a passphrase")


def _refused_by_openssl(settings: Tls | InsideTls) -> Iterator[Fault]:
    try:
        context(settings, ssl.PROTOCOL_TLS_SERVER)
    except (OSError, ValueError) as error:
        reason = getattr(error, "reason", None) or str(error)
        what = f"OpenSSL does not take the certificate in {settings.cert}: {reason.replace('_', ' ').lower()}"
        yield Fault("cert", what, "make a new one, as in docs/tls.md")


def _read(path: Path) -> tuple[bytes, os.stat_result]:
    """The bytes of a file, and its owner. Raises ValueError, with the reason."""
    try:
        with opened(path) as (file, status):
            data = file.read(MAX_FILE + 1)
    except OSError as error:
        raise ValueError(error.strerror) from None
    if len(data) > MAX_FILE:
        raise ValueError(f"it has more than {MAX_FILE} bytes")
    return data, status


def _certificates(name: Literal["cert", "ca"], path: Path, found: list[Fault]) -> list[x509.Certificate]:
    what = "certificate" if name == "cert" else "CA certificates"
    try:
        data, _ = _read(path)
    except ValueError as error:
        found.append(Fault(name, f"can't read the {what} in {path}: {error}", "correct the path or its permissions"))
        return []
    try:
        return x509.load_pem_x509_certificates(data)
    except ValueError:
        found.append(Fault(name, f"{path} is not a PEM file of certificates", "write -----BEGIN CERTIFICATE----- ..."))
        return []


def _key(path: Path, found: list[Fault]) -> PrivateKeyTypes | None:
    try:
        data, status = _read(path)
    except ValueError as error:
        found.append(Fault("key", f"can't read the key in {path}: {error}", "correct the path or its permissions"))
        return None
    try:
        key = serialization.load_pem_private_key(data, None)
    except TypeError:
        found.append(Fault("key", f"the key in {path} has a passphrase", "remove it with openssl pkey"))
        return None
    except (ValueError, UnsupportedAlgorithm):
        found.append(
            Fault("key", f"{path} is not a PEM file of a private key", "write -----BEGIN PRIVATE KEY----- ...")
        )
        return None
    if who := readers(status):
        found.append(Fault("key", f"{who} can read the key {path}", f"run chmod 600 {path}", fatal=False))
    return key


def _fits(key: PrivateKeyTypes, certificate: x509.Certificate) -> bool:
    return _public(key.public_key()) == _public(certificate.public_key())


def _public(key: object) -> bytes:
    form = serialization.PublicFormat.SubjectPublicKeyInfo
    return key.public_bytes(serialization.Encoding.DER, form)  # type: ignore[attr-defined, no-any-return]


def _key_remedy(key: PrivateKeyTypes, certificates: list[x509.Certificate]) -> str:
    if any(_fits(key, each) for each in certificates[1:]):
        return "put distwall's own certificate first, then the certificates of CAs"
    return "name the key of this certificate"


def _out_of_time(
    name: Literal["cert", "ca"], path: Path, certificates: list[x509.Certificate], now: datetime
) -> Iterator[Fault]:
    """Warnings about dates. They are not errors: the clock may be wrong."""
    for certificate in certificates:
        subject = certificate.subject.rfc4514_string() or "without a subject"
        start, end = certificate.not_valid_before_utc, certificate.not_valid_after_utc
        if end < now:
            what = f"the certificate {subject} in {path} expired on {end:%Y-%m-%d}"
            yield Fault(name, what, "renew it", fatal=False)
        elif start > now:
            what = f"the certificate {subject} in {path} is not valid before {start:%Y-%m-%d %H:%M} UTC"
            yield Fault(name, what, "wait, or correct the clock", fatal=False)


def _unfit(path: Path, certificate: x509.Certificate) -> Iterator[Fault]:
    """Warnings about uses that the certificate rules out."""
    try:
        usage = certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    except (x509.ExtensionNotFound, x509.DuplicateExtension, x509.UnsupportedGeneralNameType, ValueError):
        return
    if ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE in usage:
        return
    for oid, whom in _USAGES:
        if oid not in usage:
            what = f"the certificate in {path} is not for use with {whom}: its extendedKeyUsage does not allow it"
            yield Fault("cert", what, "make one with serverAuth and clientAuth", fatal=False)
