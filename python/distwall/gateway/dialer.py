"""Dials guarded nodes and peers; a peer over TLS has to be the node that the policy names."""

import asyncio
import ssl
from ipaddress import ip_address

from cryptography import x509

from distwall.epmd_client import ask_port
from distwall.gateway.certificates import CLOSE_TIMEOUT, Certificates
from distwall.gateway.dial_target import DialTarget
from distwall.net.addresses import printed
from distwall.net.sockets import keep_alive, peer_certificate, resolve
from distwall.policy import Entry, Policy
from distwall.tls.bounded_reads import BoundedReads, ReaderFactory
from distwall.tls.certificate_names import describe, matches
from distwall.tls.contexts import explain

ADDRESS_TIMEOUT = 3.0
"""Seconds for one of a peer's addresses: EPMD, connecting and TLS. The waiting node gives up after 7."""


class DialError(Exception):
    """A connection is not possible."""

    def __init__(self, reason: str, detail: str) -> None:
        """``reason`` in one word, for the event; ``detail`` for people."""
        super().__init__(detail)
        self.reason = reason
        self.detail = detail


class Dialer:
    """Reaches guarded nodes and peers as the policy says."""

    def __init__(self, policy: Policy, certificates: Certificates) -> None:
        self.certificates = certificates
        self._policy = policy
        self._loop = asyncio.get_running_loop()
        self.own: list[str] = []
        """Addresses where peers reach distwall: it dials from these, so that the `from` of a peer's policy can name it.
        """

    @property
    def guard_framing(self) -> int:
        """Bytes of the length field in handshake messages of guarded nodes."""
        return 4 if self._policy.guard.inside else 2

    @property
    def has_verifier(self) -> bool:
        """True if the policy names a function of its own that checks certificates."""
        return self.certificates.verifier is not None

    async def verify(self, certificate: x509.Certificate | None, node: str) -> str | None:
        """The reason why the policy's own function refuses a certificate; None: it accepts."""
        if self.certificates.verifier is None:
            return None
        if certificate is None:
            return "no certificate, and the policy has a verify_peer"
        return await self.certificates.verifier.fault(certificate, node)

    async def dial_guard(self, address: tuple[str, int], factory: ReaderFactory) -> asyncio.Transport:
        """Connects to a guarded node. Raises DialError."""
        context = self.certificates.guard_client()
        try:
            async with asyncio.timeout(ADDRESS_TIMEOUT):
                return await self._connect(*address, factory, context, "")
        except (TimeoutError, OSError) as error:
            detail = f"cannot reach the guarded node at {printed(*address)}: {_text(error, tls=context is not None)}"
            raise DialError("guard_closed", detail) from None

    async def dial_peer(self, target: DialTarget, entry: Entry, factory: ReaderFactory) -> asyncio.Transport:
        """Connects to a peer, at the first of its addresses that answers. Raises DialError."""
        if target.address is None:
            try:
                async with asyncio.timeout(ADDRESS_TIMEOUT):
                    addresses = await resolve(target.host)
            except (TimeoutError, OSError) as error:
                raise DialError("unreachable", f"no address of {target.host}: {_text(error)}") from None
        else:
            addresses = [target.address]
        admitted = [address for address in addresses if entry.admits(address)]
        if not admitted:
            raise DialError("source", f"its entry does not accept the address {', '.join(addresses)}")
        failure = DialError("unreachable", f"{target.host} has no address")
        for address in admitted:
            try:
                async with asyncio.timeout(ADDRESS_TIMEOUT):
                    return await self._dial_peer_at(address, target, entry, factory)
            except ssl.SSLError as error:
                failure = DialError("tls", f"{address}: {explain(error)}")
            except (OSError, ValueError) as error:
                failure = DialError("unreachable", f"{address}: {_text(error, tls=entry.tls)}")
        raise failure

    async def _dial_peer_at(
        self, address: str, target: DialTarget, entry: Entry, factory: ReaderFactory
    ) -> asyncio.Transport:
        port = target.port
        if port is None:
            port = await self.ask_epmd(address, target.alive)
        if port is None:
            raise OSError(0, f"its EPMD does not know {target.alive}")
        context = self.certificates.peer_client(check_hostname=not entry.certificate) if entry.tls else None
        own = source_for(address, self.own)
        transport = await self._connect(address, port, factory, context, target.host, own=own)
        try:
            if context is not None and (fault := await self._certificate_fault(transport, target, entry)):
                raise DialError("certificate", fault)
        except BaseException:
            # Also if it is given up meanwhile.
            transport.abort()
            raise
        return transport

    async def _certificate_fault(self, transport: asyncio.Transport, target: DialTarget, entry: Entry) -> str | None:
        certificate = peer_certificate(transport)
        if certificate is None:
            return "no certificate"
        if entry.certificate and not matches(entry.certificate, certificate, target.node):
            return f"its entry does not accept the certificate of {describe(certificate)}"
        return await self.verify(certificate, target.node)

    async def _connect(
        self,
        address: str,
        port: int,
        factory: ReaderFactory,
        context: ssl.SSLContext | None,
        host: str,
        *,
        own: tuple[str, int] | None = None,
    ) -> asyncio.Transport:
        if context is None:
            transport: asyncio.Transport
            transport, _ = await self._loop.create_connection(factory, address, port, local_addr=own)
            keep_alive(transport.get_extra_info("socket"))
            return transport
        below, reads = await self._loop.create_connection(BoundedReads, address, port, local_addr=own)
        keep_alive(below.get_extra_info("socket"))
        return await reads.secure(factory, context, server_side=False, host=host, close_timeout=CLOSE_TIMEOUT)

    async def ask_epmd(self, address: str, alive: str) -> int | None:
        """The port of a peer by its name, the part before ``@``; None if its EPMD doesn't know it.

        Raises OSError if there is no EPMD, ValueError if the program there doesn't speak its protocol.
        """
        port = self._policy.guard.peer_epmd_port
        try:
            return await ask_port(address, port, alive, own=source_for(address, self.own))
        except OSError as error:
            raise OSError(error.errno, f"no EPMD at {printed(address, port)}: {_text(error)}") from None


def source_for(address: str, own: list[str]) -> tuple[str, int] | None:
    """The address among ``own`` to dial ``address`` from; None: the system chooses."""
    there = ip_address(address)
    for each in map(ip_address, own):
        # From loopback, only loopback can be reached.
        if each.version == there.version and not each.is_unspecified and (there.is_loopback or not each.is_loopback):
            return str(each), 0
    return None


def _text(error: Exception, *, tls: bool = False) -> str:
    """An error in words. ``tls``: the connection may have used TLS."""
    if isinstance(error, TimeoutError):
        return "no answer in time; a node without TLS gives none" if tls else "no answer in time"
    if isinstance(error, ssl.SSLError):
        return explain(error)
    # What asyncio makes of the end of a stream in the TLS handshake has no text.
    return (error.strerror if isinstance(error, OSError) else None) or str(error) or "it hung up"
