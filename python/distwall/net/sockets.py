"""Listening sockets, and facts about connections."""

import asyncio
import contextlib
import errno
import ipaddress
import resource
import socket
from functools import partial

from cryptography import x509

from distwall.net.addresses import plain, printed
from distwall.net.name_lookup import looked_up

BACKLOG = 1024
"""Connections that the kernel keeps until they are accepted."""


KEEP_ALIVE_IDLE = 30
"""Seconds without a byte after which the system asks the other side for a sign of life."""

KEEP_ALIVE_INTERVAL = 10
"""Seconds between two such questions."""

GONE_AFTER = 90
"""Seconds without a sign of life, or without room for a byte, after which a connection ends. Nodes give up after 75."""


async def resolve(host: str) -> list[str]:
    """The IP addresses of ``host``.

    Raises OSError if it has none.
    """
    with contextlib.suppress(ValueError):
        return [str(ipaddress.ip_address(host))]
    try:
        found = await looked_up(
            partial(socket.getaddrinfo, host, None, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        )
    except UnicodeError:
        raise OSError(errno.EINVAL, "it is not a host name") from None
    return list(dict.fromkeys(str(address[0]) for *_, address in found))


def listen(addresses: list[str], port: int) -> list[socket.socket]:
    """Sockets that listen on all ``addresses``, at ``port`` (0: one free port for all of them).

    Raises OSError, naming the address.
    """
    sockets: list[socket.socket] = []
    try:
        for address in addresses:
            sockets.append(_listen(address, port))
            port = sockets[0].getsockname()[1]
    except OSError:
        for each in sockets:
            each.close()
        raise
    return sockets


def listen_at_first(addresses: list[str], ports: list[int]) -> list[socket.socket]:
    """Sockets that listen on all ``addresses``, at the first free one of ``ports``.

    Raises the last port's OSError.
    """
    for port in ports[:-1]:
        with contextlib.suppress(OSError):
            return listen(addresses, port)
    return listen(addresses, ports[-1])


def _listen(address: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    try:
        listener.setblocking(False)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        # Accepted connections have the listener's settings.
        keep_alive(listener)
        if family is socket.AF_INET6 and address != "::":
            listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        listener.bind((address, port))
        listener.listen(BACKLOG)
    except OSError as error:
        listener.close()
        raise OSError(error.errno, f"cannot listen on {printed(address, port)}: {error.strerror}") from error
    return listener


def keep_alive(connection: socket.socket | None) -> None:
    """Has the system end a connection whose other side is gone without a word, or takes no byte for long."""
    if connection is None:
        return
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for option, value in (
        (socket.TCP_KEEPIDLE, KEEP_ALIVE_IDLE),
        (socket.TCP_KEEPINTVL, KEEP_ALIVE_INTERVAL),
        (socket.TCP_KEEPCNT, (GONE_AFTER - KEEP_ALIVE_IDLE) // KEEP_ALIVE_INTERVAL),
        (socket.TCP_USER_TIMEOUT, 1000 * GONE_AFTER),
    ):
        connection.setsockopt(socket.IPPROTO_TCP, option, value)


def source_address(transport: asyncio.BaseTransport) -> str:
    """The IP address of the other side; an IPv4 address as such."""
    peer = transport.get_extra_info("peername")
    return plain(peer[0]) if peer else "unknown"


def is_local(transport: asyncio.BaseTransport) -> bool:
    """True if a client runs on this host: it came from loopback, or from the same address that it reached."""
    source = source_address(transport)
    try:
        if ipaddress.ip_address(source).is_loopback:
            return True
    except ValueError:
        return False
    own = transport.get_extra_info("sockname")
    return bool(own) and source == plain(own[0])


def raise_descriptor_limit() -> None:
    """Lets this process open as many connections as the system allows."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != hard:
        with contextlib.suppress(ValueError, OSError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def is_encrypted(transport: asyncio.BaseTransport) -> bool:
    """True if this is a TLS connection. TLS has no end of stream: both directions end at once."""
    return transport.get_extra_info("ssl_object") is not None


def framing(transport: asyncio.BaseTransport) -> int:
    """Bytes of the length field of handshake messages: 2, but 4 over TLS."""
    return 4 if is_encrypted(transport) else 2


def peer_certificate(transport: asyncio.BaseTransport) -> x509.Certificate | None:
    """The certificate that the other side has shown.

    None if it has none, if the connection is not encrypted, or if the certificate can't be read, though OpenSSL can.
    """
    tls = transport.get_extra_info("ssl_object")
    der = tls.getpeercert(binary_form=True) if tls is not None else None
    try:
        return x509.load_der_x509_certificate(der) if der else None
    except ValueError:
        return None
