"""The names in a certificate, and their match with the node that a peer claims to be.

Names are compared as text: a `*` in a certificate's name is not a glob here, and neither is one in the node's name.
Only the policy has globs. An odd name does not count: with a NUL or another invalid character, as one of several common
names, or in a SAN that can't be read. A name that does not count opens nothing.
"""

import re
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, ip_address

from cryptography import x509
from cryptography.utils import CryptographyDeprecationWarning
from cryptography.x509.oid import NameOID

from distwall.node_name import NodeName
from distwall.policy.file.tls_keys import CERTIFICATE_TYPES

MAX_NAMES = 1000
"""Most names of a certificate; with more names, none of them counts."""

MAX_NAME = 2048
"""Most characters of a name; a longer name does not count."""

_SHOWN = 5
_DNS = re.compile(r"[A-Za-z0-9_.*-]+")
_URI = re.compile(r"[!-~]+")
_PLACEHOLDER = re.compile(r"\{(node|name|host)\}")
# What real nodes are called (net_kernel:create_name/3). Nothing in it can mean more than itself in a URI or a host
# name: a/b would be two steps of a path, and a.b two labels.
_ALIVE = re.compile(r"[0-9A-Za-z_-]+")
_HOST = re.compile(r"[0-9A-Za-z_.:-]+")


_UNREADABLE = (ValueError, x509.DuplicateExtension, x509.UnsupportedGeneralNameType)
"""Exceptions of `cryptography` for extensions that OpenSSL has let pass."""


@dataclass(frozen=True, slots=True)
class CertificateNames:
    """The names of a certificate that count, by type. ``cn`` is there only if the certificate has no SAN."""

    dns: tuple[str, ...] = ()
    uri: tuple[str, ...] = ()
    ip: tuple[str, ...] = ()
    cn: tuple[str, ...] = ()

    def __iter__(self) -> Iterator[tuple[str, str]]:
        """Type and text of each, as globs of the policy may name them."""
        for kind, names in zip(CERTIFICATE_TYPES, (self.dns, self.uri, self.ip, self.cn), strict=True):
            for name in names:
                yield kind, name


def names_of(certificate: x509.Certificate) -> CertificateNames:
    """The names of a certificate that count."""
    try:
        with warnings.catch_warnings():
            # Of certificates that were made a little wrong; OpenSSL has taken them.
            warnings.simplefilter("ignore", CryptographyDeprecationWarning)
            return _names_of(certificate)
    except _UNREADABLE:
        return CertificateNames()


def matches(globs: Sequence[str], certificate: x509.Certificate, node: str) -> bool:
    """True if one of the policy's ``globs`` fits a name of the certificate.

    ``node`` is the full node name that the peer claims; it fills the placeholders.
    """
    names = tuple(names_of(certificate))
    for glob in globs:
        kind, colon, text = glob.partition(":")
        if not colon or kind not in CERTIFICATE_TYPES:
            kind, text = "", glob
        if any(_fits(text, each, name, node) for each, name in names if kind in ("", each)):
            return True
    return False


def describe(certificate: x509.Certificate) -> str:
    """A certificate in one line for people: its names, or that it has none, and its serial number."""
    names = [f"{kind}:{name}" for kind, name in names_of(certificate)]
    shown = ", ".join(names[:_SHOWN]) or "no valid name"
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return f"{_printable(shown)}{more} (serial {certificate.serial_number:x})"


def _names_of(certificate: x509.Certificate) -> CertificateNames:
    try:
        san = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        found = certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
        text = found[0].value if len(found) == 1 else ""
        return CertificateNames(
            cn=(text,) if isinstance(text, str) and text.isprintable() and 0 < len(text) <= MAX_NAME else ()
        )
    if len(list(san)) > MAX_NAMES:
        return CertificateNames()
    return CertificateNames(
        dns=_counting(_DNS, san.get_values_for_type(x509.DNSName)),
        uri=_counting(_URI, san.get_values_for_type(x509.UniformResourceIdentifier)),
        # Networks are names of CAs only.
        ip=tuple(
            str(ip) for ip in san.get_values_for_type(x509.IPAddress) if isinstance(ip, IPv4Address | IPv6Address)
        ),
    )


def _counting(form: re.Pattern[str], names: list[str]) -> tuple[str, ...]:
    return tuple(name for name in names if len(name) <= MAX_NAME and form.fullmatch(name))


def _fits(glob: str, kind: str, name: str, node: str) -> bool:
    parts = [_filled(part, kind, node) for part in glob.split("*")]
    filled = [part for part in parts if part is not None]
    if len(filled) < len(parts):
        return False
    if kind == "DNS":
        return _in_order([part.lower() for part in filled], name.lower())
    if kind == "IP" and len(filled) == 1:
        return _canonical_ip(filled[0]) == name
    return _in_order(filled, name)


def _filled(part: str, kind: str, node: str) -> str | None:
    """A part of a glob with its placeholders filled; None if the claimed name contains invalid characters."""
    alive, host = NodeName.of(node)
    if "{" not in part:
        return part
    if not _ALIVE.fullmatch(alive) or not _HOST.fullmatch(host):
        return None
    host = (_canonical_ip(host) or host) if kind == "IP" else host
    values = {"node": str(NodeName(alive, host)), "name": alive, "host": host}
    return _PLACEHOLDER.sub(lambda match: values[match[1]], part)


def _in_order(parts: list[str], name: str) -> bool:
    """True if ``name`` consists of these parts in this order, with any text between them."""
    first, *rest = parts
    if not rest:
        return name == first
    if not name.startswith(first):
        return False
    at = len(first)
    for part in rest[:-1]:
        found = name.find(part, at)
        if found < 0:
            return False
        at = found + len(part)
    return len(name) - at >= len(rest[-1]) and name.endswith(rest[-1])


def _canonical_ip(text: str) -> str | None:
    try:
        return str(ip_address(text))
    except ValueError:
        return None


def _printable(text: str) -> str:
    return "".join(c if c.isprintable() else f"\\x{{{ord(c):x}}}" for c in text)
