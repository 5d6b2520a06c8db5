"""The listener of transparent mode: accepts connections of guarded nodes that the packet filter redirects.

The kernel remembers the original address of a connection. A connection to EPMD is answered with made-up ports
(`redirect_epmd_server`, `distwall.redirect.ports`). A connection to such a port continues like all outgoing
connections. Guarded nodes of this host are each other's mates: distwall only joins their connections.

The listener is on loopback only. A connection to its own address was not redirected, and is refused: only the packet
filter can say where a connection was meant to go.
"""

import asyncio
import contextlib
import errno
import os
import socket
import struct
from collections.abc import Coroutine
from typing import Any

from distwall.epmd import Registry
from distwall.gateway.certificates import Certificates
from distwall.gateway.dial_target import DialTarget
from distwall.gateway.dialer import Dialer
from distwall.gateway.outbound_connection import GuardInitiator
from distwall.gateway.pending_connections import PendingConnections
from distwall.gateway.redirect_epmd_server import RedirectEpmdServer
from distwall.gateway.tcp_acceptor import Opening, accept
from distwall.handshake import HalfOpen
from distwall.net.addresses import plain, printed
from distwall.net.sockets import listen
from distwall.node_name import NodeName
from distwall.policy.model import Redirect
from distwall.redirect.ports import MadeUpPorts, Stand
from distwall.redirect.ruleset import UnknownUserError, user_id
from distwall.redirect.splice import splice

MAX_QUESTIONS = 256
"""Questions to EPMD under way; if there are more, the oldest are given up."""

_SO_ORIGINAL_DST = 80
"""``SO_ORIGINAL_DST`` and ``IP6T_SO_ORIGINAL_DST``: linux/netfilter_ipv4.h, linux/netfilter_ipv6/ip6_tables.h."""

_SOCKADDR_IN = struct.Struct("=2xH4s8x")
_SOCKADDR_IN6 = struct.Struct("=2xH4x16sI")


class RedirectListener:
    """Accepts connections from the packet filter."""

    def __init__(
        self,
        pending: PendingConnections,
        dialer: Dialer,
        certificates: Certificates,
        registry: Registry,
        redirect: Redirect,
    ) -> None:
        """``redirect`` is the policy's [guard.redirect]."""
        self._pending = pending
        self._dialer = dialer
        self._certificates = certificates
        self._registry = registry
        self._redirect = redirect
        self._epmd_port = pending.firewall.policy.guard.register.port
        self._loop = asyncio.get_running_loop()
        self._ports = MadeUpPorts(redirect.ports)
        self._epmd = RedirectEpmdServer(pending.firewall, dialer, registry, self._ports)
        self._questions: HalfOpen[asyncio.Task[None]] = HalfOpen(per_source=MAX_QUESTIONS, total=MAX_QUESTIONS)
        self._sockets: list[socket.socket] = []
        self._tasks: set[asyncio.Task[None]] = set()

    def start(self) -> None:
        """Listens on loopback. Raises OSError, with the remedy."""
        self._check_user()
        self._sockets = listen(["127.0.0.1"], self._redirect.port)
        try:
            self._sockets += listen(["::1"], self._redirect.port)
        except OSError as error:
            # Without IPv6 on this host, nothing can come that way.
            if error.errno not in {errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT}:
                self.close()
                raise
        for each in self._sockets:
            self._start(accept(each, self._accepted))

    def close(self) -> None:
        """Stops listening, ends questions, and parts mates. Connections to peers stay."""
        for task in list(self._tasks):
            task.cancel()
        for each in self._sockets:
            each.close()
        self._epmd.close()

    def _check_user(self) -> None:
        """Refuses to run as the user whose connections are redirected."""
        try:
            redirected = user_id(self._redirect.user)
        except UnknownUserError as error:
            raise OSError(errno.EINVAL, str(error)) from None
        if redirected == os.geteuid():
            raise OSError(
                errno.EINVAL,
                f"[guard.redirect] user: distwall runs as {self._redirect.user} too, so its own connections would come"
                " back to it; run it as another user",
            )

    def _start(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = self._loop.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    def _accepted(self, connection: socket.socket, source: str) -> None:
        original = original_destination(connection)
        if original is None:
            self._refuse(
                connection,
                source,
                "not_redirected",
                "it connected to the listener itself, not through the packet filter",
            )
            return
        address, port = original
        if port == self._epmd_port:
            task = self._start(self._epmd.serve(connection, address))
            task.add_done_callback(lambda _: self._questions.remove(task, source))
            for evicted in self._questions.add(task, source):
                evicted.cancel()
            return
        stand = self._ports.stand(address, port, self._loop.time())
        if stand is None:
            self._refuse(
                connection, address, "unknown_port", f"distwall has made up no port at {printed(address, port)}"
            )
        elif stand.mate:
            self._start(self._join(connection, stand))
        else:
            target = DialTarget(stand.node, address, stand.port)
            Opening(
                self._pending,
                connection,
                source,
                lambda: GuardInitiator(self._pending, self._dialer, target),
                context=self._certificates.for_guards,
                guard=None,
            )

    async def _join(self, connection: socket.socket, stand: Stand) -> None:
        """Joins guarded nodes of this host."""
        mate = self._registry.guarded(NodeName.of(stand.node).alive)
        if mate is None:
            connection.close()
            return
        with contextlib.suppress(OSError):
            await splice(connection, mate.host, mate.node.port)

    def _refuse(self, connection: socket.socket, source: str, reason: str, detail: str) -> None:
        connection.close()
        self._pending.firewall.refused(
            source=source, peer=None, guard=None, reason=reason, detail=detail, opened_by="guard"
        )


def original_destination(connection: socket.socket) -> tuple[str, int] | None:
    """The IP address and port of a connection before it was redirected; None if it was not."""
    ipv6 = connection.family == socket.AF_INET6
    level, layout = (socket.IPPROTO_IPV6, _SOCKADDR_IN6) if ipv6 else (socket.IPPROTO_IP, _SOCKADDR_IN)
    try:
        port, raw, *scope = layout.unpack(connection.getsockopt(level, _SO_ORIGINAL_DST, layout.size))
        here = connection.getsockname()
    except (OSError, struct.error):
        # The kernel follows no connections while it translates no addresses; or the connection is gone.
        return None
    address = socket.inet_ntop(connection.family, raw)
    if (address, socket.ntohs(port)) == (plain(here[0]), here[1]):
        return None
    return (f"{address}%{scope[0]}" if scope and scope[0] else address), socket.ntohs(port)
