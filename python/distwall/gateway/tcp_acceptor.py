"""Accepts connections, plain or over TLS at the same port.

Theory of operation. Both kinds of peers know one port, since EPMD's answer has room for only one. The first byte tells
them apart. A TLS connection begins with a handshake record (22). A plain connection begins with the length of a name
message, whose first byte is 0 to 4. With TLS set up, distwall peeks at the first byte, and then hands the connection to
a transport of the right kind. The policy decides later, by the peer's name, whether TLS was required.

A connection that has not sent its first byte, or not finished its TLS handshake, is unproved. It is counted, timed and
evicted like all unproved connections (`distwall.handshake.HalfOpen`).
"""

import asyncio
import contextlib
import socket
import ssl
from collections.abc import Callable

from distwall.audit.event import OpenedBy
from distwall.gateway.certificates import CLOSE_TIMEOUT
from distwall.gateway.pending_connections import PendingConnections
from distwall.handshake.halfopen import source_of
from distwall.net.addresses import plain
from distwall.tls.bounded_reads import BoundedReads, ReaderFactory
from distwall.tls.contexts import explain

TLS_HANDSHAKE_RECORD = 22

OPENING_TIMEOUT = 5.0
"""Seconds from connecting to the first byte and the end of the TLS handshake: a real node sends at once."""

SHUT_OUT = "too many failures or refusals before it"

RETRY = 0.1
"""Seconds until the next attempt after the system could not accept."""


class TcpAcceptor:
    """Accepts at listening sockets until it is closed."""

    def __init__(
        self,
        pending: PendingConnections,
        sockets: list[socket.socket],
        factory: ReaderFactory,
        *,
        context: Callable[[], ssl.SSLContext] | None,
        guard: str | None,
    ) -> None:
        """Accepts at ``sockets``, which listen already.

        ``factory`` makes the protocol of an open connection, after the TLS handshake if there is one. ``context`` makes
        the context of each TLS connection; None: there is no TLS. ``guard`` is the node that peers want to reach here;
        None: the listener is for guarded nodes.
        """
        self._pending = pending
        self._factory = factory
        self._context = context
        self._guard = guard
        self._sockets = sockets
        loop = asyncio.get_running_loop()
        self._tasks = [loop.create_task(accept(each, self._accepted)) for each in sockets]

    def close(self) -> None:
        """Stops accepting. Accepted connections stay."""
        for task in self._tasks:
            task.cancel()
        for each in self._sockets:
            each.close()

    def _accepted(self, connection: socket.socket, source: str) -> None:
        if self._guard is not None and self._pending.is_shut_out(source_of(source)):
            connection.close()
            self._pending.firewall.refused(
                source=source, peer=None, guard=self._guard, reason="shut_out", detail=SHUT_OUT
            )
            return
        Opening(self._pending, connection, source, self._factory, context=self._context, guard=self._guard)


async def accept(listener: socket.socket, accepted: Callable[[socket.socket, str], None]) -> None:
    """Accepts at ``listener`` until it is cancelled; calls ``accepted`` with each connection and its IP address."""
    loop = asyncio.get_running_loop()
    while True:
        try:
            connection, address = await loop.sock_accept(listener)
        except OSError:
            # Out of descriptors, or the connection is gone again.
            await asyncio.sleep(RETRY)
            continue
        try:
            accepted(connection, plain(address[0]))
        except Exception as error:  # noqa: BLE001  # stays with this connection and fails closed
            connection.close()
            loop.call_exception_handler({"message": "a connection failed and was closed", "exception": error})


class Opening:
    """An accepted connection that is not open yet."""

    def __init__(
        self,
        pending: PendingConnections,
        connection: socket.socket,
        source: str,
        factory: ReaderFactory,
        *,
        context: Callable[[], ssl.SSLContext] | None,
        guard: str | None,
    ) -> None:
        """``source`` is the address of the other side; for all others see `TcpAcceptor`."""
        self._pending = pending
        self._connection = connection
        self._source = source
        self._factory = factory
        self._context = context
        self._guard = guard
        self._key = source_of(source)
        self._loop = asyncio.get_running_loop()
        self._taken = False
        """True once a transport owns the connection, and closes it."""
        self._encrypted = False
        """True once a TLS handshake has begun."""
        self._task = self._loop.create_task(self._open())
        self._pending.unproved(self, self._key)

    @property
    def opened_by(self) -> OpenedBy:
        """The side that dialled."""
        return "guard" if self._guard is None else "peer"

    def refuse(self, reason: str, detail: str, *, peer_fault: bool) -> None:
        """Cuts the connection, and records the reason."""
        self._task.cancel()
        if not self._taken:
            # The task may not even have begun.
            self._connection.close()
        self._pending.settled(self, self._key)
        self._report(reason, detail, peer_fault=peer_fault)

    async def _open(self) -> None:
        try:
            async with asyncio.timeout(OPENING_TIMEOUT):
                context = await self._tls_context()
                if context is not None and self._guard is not None and self._pending.is_shut_out_of_tls(self._key):
                    self._failed("shut_out", SHUT_OUT, peer_fault=False)
                    return
                self._encrypted = context is not None
                self._taken = True
                if context is None:
                    # Its protocol counts it from here on, and at once.
                    self._pending.settled(self, self._key)
                    await self._loop.connect_accepted_socket(self._factory, self._connection)
                    return
                _, reads = await self._loop.connect_accepted_socket(BoundedReads, self._connection)
                await reads.secure(self._factory, context, server_side=True, close_timeout=CLOSE_TIMEOUT)
        except TimeoutError:
            self._failed("timeout", "no first byte of a handshake in time")
        except ssl.SSLError as error:
            self._failed("tls", explain(error))
        except OSError as error:
            # A health check does just this.
            detail = error.strerror or str(error) or "in the middle of the TLS handshake"
            self._failed("peer_closed", detail, peer_fault=False)
        finally:
            self._pending.settled(self, self._key)

    def _failed(self, reason: str, detail: str, *, peer_fault: bool = True) -> None:
        self._connection.close()
        self._report(reason, detail, peer_fault=peer_fault)

    async def _tls_context(self) -> ssl.SSLContext | None:
        """The context for this connection; None: it is a plain connection."""
        if self._context is None or await self._first_byte() != TLS_HANDSHAKE_RECORD:
            return None
        return self._context()

    async def _first_byte(self) -> int:
        """The first byte, without taking it. Raises OSError if the connection ends before it."""
        while True:
            with contextlib.suppress(BlockingIOError):
                data = self._connection.recv(1, socket.MSG_PEEK)
                if not data:
                    raise OSError(0, "it hung up without a byte")
                return data[0]
            readable = self._loop.create_future()
            self._loop.add_reader(self._connection, _set, readable)
            try:
                await readable
            finally:
                self._loop.remove_reader(self._connection)

    def _report(self, reason: str, detail: str, *, peer_fault: bool) -> None:
        if peer_fault and self.opened_by == "peer":
            self._pending.failed(self._key, tls=self._encrypted)
        self._pending.firewall.refused(
            source=self._source, peer=None, guard=self._guard, reason=reason, detail=detail, opened_by=self.opened_by
        )


def _set(future: "asyncio.Future[None]") -> None:
    if not future.done():
        future.set_result(None)
