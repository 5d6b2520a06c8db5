"""The network: connections without TLS, and certificates that expire."""

import socket
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path

from distwall.clock import utc
from distwall.doctor.finding import Finding, listed, problem, warning
from distwall.doctor.host import Host
from distwall.files import regular_file
from distwall.net.addresses import is_loopback
from distwall.node_name import NodeName
from distwall.policy import Entry, Policy
from distwall.policy.language.names import is_glob

SOON = timedelta(days=30)


def plain(policy: Policy, host: Host) -> Iterator[Finding]:
    """Entries whose peers speak without TLS over a network."""
    open_listener = any(not is_loopback(address) for address in host.served_host(policy.guard.listen))
    entries = [
        entry for entry in policy.entries if not entry.tls and (_comes(entry, open_listener) or _is_remote(entry))
    ]
    if entries:
        nodes = dict.fromkeys(entry.node for entry in entries)
        what = f"without TLS, anybody on the network can read and change everything: {listed(nodes)}"
        yield warning("plain", what, listed(entry.origin for entry in entries), "add [guard.tls], or use a tunnel")


def _comes(entry: Entry, open_listener: bool) -> bool:
    """True if peers of the entry may come over a network."""
    return open_listener and not (entry.sources and all(network.is_loopback for network in entry.sources))


def _is_remote(entry: Entry) -> bool:
    """True if guarded nodes reach the entry's node over a network. Names are not resolved: that may take long."""
    host = NodeName.of(entry.node).host
    if not host or is_glob(host):
        return False
    try:
        return not is_loopback(host)
    except ValueError:
        return host not in ("localhost", socket.gethostname(), socket.gethostname().partition(".")[0])


def certificates(policy: Policy, now: datetime | None = None) -> Iterator[Finding]:
    """Certificates of the policy that have expired, or will within a month."""
    now = now or utc()
    for tls in (policy.guard.tls, policy.guard.inside):
        if tls:
            for path in dict.fromkeys((tls.cert, tls.ca)):
                yield from _expiring(path, now)


def _expiring(path: Path, now: datetime) -> Iterator[Finding]:
    # Only who uses TLS pays for the import.
    from cryptography import x509  # noqa: PLC0415

    try:
        found = x509.load_pem_x509_certificates(regular_file.read(path))
    except (OSError, ValueError):
        # The policy would not have checked, or the file has changed since.
        yield problem("certificate", "no certificate can be read", path, "put a certificate there")
        return
    for certificate in found:
        end = certificate.not_valid_after_utc
        name = certificate.subject.rfc4514_string() or "without a subject"
        if end <= now:
            yield problem("certificate", f"the certificate {name} expired on {end:%Y-%m-%d}", path, "renew it")
        elif end - now < SOON:
            yield warning("certificate", f"the certificate {name} expires on {end:%Y-%m-%d}", path, "renew it")
