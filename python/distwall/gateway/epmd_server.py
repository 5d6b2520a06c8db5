"""EPMD on sockets: `distwall.epmd` with limits on time and on connections."""

import asyncio
from collections.abc import Callable
from typing import cast

from distwall.audit.schema import EpmdRefused, Exposed, Register, Unregister
from distwall.control import Firewall
from distwall.epmd import EpmdSession, FindWay, OpenListener, Registration, Registry, Rights
from distwall.gateway.bypass import bypass_addresses
from distwall.gateway.epmd_visibility import visible_to
from distwall.gateway.local_nodes import LocalNodes
from distwall.handshake.halfopen import HalfOpen, source_of
from distwall.net.sockets import is_local, source_address
from distwall.rate import Allowance, Rates

REQUEST_TIMEOUT = 5.0
"""Seconds in which a client has to send its whole request."""

MAX_PER_SOURCE = 64
MAX_TOTAL = 512
"""Connections without a request yet; registrations do not count."""


REQUESTS = Allowance(per_second=50.0, burst=500.0)
"""Requests of one source that are served, unless a peer has proved its name from there. A node asks once for each
connection that it opens."""


class EpmdServer:
    """The state that all EPMD listeners share."""

    def __init__(
        self,
        firewall: Firewall,
        registry: Registry,
        *,
        open_listener: Callable[[str], int],
        gone: Callable[[Registration], None],
        outgoing: Callable[[str, str], int | None],
        is_known: Callable[[str], bool],
    ) -> None:
        """Serves the names of ``registry``.

        ``open_listener`` opens the listener for a name and returns its port, or raises OSError. ``gone`` is called when
        a registration has ended. ``outgoing`` returns the port at a loopback address that leads to a node, if the node
        may be reached. ``is_known`` is true for a source from which a peer has proved its name.
        """
        self.firewall = firewall
        self._open_listener = open_listener
        self._outgoing = outgoing
        self._is_mate = LocalNodes(firewall.policy)
        self.registry = registry
        self.gone = gone
        self.is_known = is_known
        self.waiting: HalfOpen[EpmdConnection] = HalfOpen(per_source=MAX_PER_SOURCE, total=MAX_TOTAL)
        self.open: set[EpmdConnection] = set()
        self.rate = Rates(REQUESTS)
        self._loop = asyncio.get_running_loop()
        self._looks: set[asyncio.Task[None]] = set()

    def port_for_peers(self, name: str) -> int | None:
        """Return the port where peers reach the node that registers as ``name``; None if no port is free."""
        try:
            return self._open_listener(name)
        except OSError:
            return None

    def way_to(self, asked: FindWay) -> int | None:
        """Return the port for the node that a guarded node asks for; None if it may not be reached."""
        if asked.mate_port is not None and self._is_mate(asked.node):
            return asked.mate_port
        return self._outgoing(asked.node, asked.host)

    def look_at(self, guard: str, port: int) -> None:
        """Reports the guarded node at ``port`` if others can reach it past distwall."""
        task = self._loop.create_task(self._look_at(guard, port))
        self._looks.add(task)
        task.add_done_callback(self._looks.discard)

    async def _look_at(self, guard: str, port: int) -> None:
        if addresses := await asyncio.to_thread(bypass_addresses, port):
            detail = f"peers reach it at {', '.join(addresses)}, past distwall; start it with distwall exec"
            self.firewall.record(Exposed(guard=guard, detail=detail))

    def close(self) -> None:
        """Cuts all connections; registrations end with them."""
        for task in self._looks:
            task.cancel()
        for connection in list(self.open):
            connection.abort()


class EpmdConnection(asyncio.Protocol):
    """One client of EPMD."""

    _transport: asyncio.Transport
    _session: EpmdSession
    _timer: asyncio.TimerHandle

    def __init__(self, service: EpmdServer, rights: Callable[[bool], Rights], port: int) -> None:
        """``rights`` gives the rights of a client, by whether it is local; ``port`` is the listener's."""
        self._service = service
        self._rights = rights
        self._port = port
        self._source = "unknown"

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Starts to wait for a request."""
        self._transport = cast("asyncio.Transport", transport)
        self._source = source_address(transport)
        rights = self._rights(is_local(transport))
        # A node registers over loopback, of the family that it listens on.
        host = "::1" if ":" in self._source else "127.0.0.1"
        self._session = EpmdSession(
            self._service.registry,
            rights,
            port=self._port,
            host=host,
            is_visible=visible_to(self._service.firewall.policy, self._source),
        )
        self._loop = asyncio.get_running_loop()
        self._timer = self._loop.call_later(REQUEST_TIMEOUT, self._expired)
        self._service.open.add(self)
        source = source_of(self._source)
        # Who may register runs on this host, and may take as much of distwall's time in other ways. A stranger may have
        # the address of a peer, or one in its IPv6 network: he must not use up what the peer needs to find its node.
        is_rated = not rights.register and not self._service.is_known(source)
        if is_rated and not self._service.rate.admits(source, self._loop.time()):
            self.refuse("flood", "too many requests")
            return
        for evicted in self._service.waiting.add(self, source):
            evicted.refuse("flood", "too many connections without a request")

    def data_received(self, data: bytes) -> None:
        """Takes bytes of a request."""
        answer = self._session.receive(data)
        if answer is None:
            return
        if isinstance(answer, OpenListener):
            answer = self._session.opened(answer, self._service.port_for_peers(answer.node.name))
        elif isinstance(answer, FindWay):
            answer = self._session.way_found(answer, self._service.way_to(answer))
        self._settled()
        if answer.data:
            self._transport.write(answer.data)
        if answer.refused is not None:
            self._report(answer.refused, answer.detail)
        if answer.registration is None:
            self._transport.close()
            return
        node = answer.registration.node
        self._service.firewall.record(
            Register(guard=node.name, port=node.port, listening=answer.registration.public_port)
        )
        if answer.registration.public_port is not None:
            self._service.look_at(node.name, node.port)

    def connection_lost(self, _: Exception | None) -> None:
        """Forgets the client, and ends its registration."""
        self._settled()
        self._service.open.discard(self)
        registration = self._session.closed()
        if registration is not None:
            self._service.firewall.record(Unregister(guard=registration.node.name, port=registration.node.port))
            self._service.gone(registration)

    def abort(self) -> None:
        """Cuts the connection."""
        self._transport.abort()

    def _expired(self) -> None:
        self.refuse("timeout", "no request in time")

    def refuse(self, reason: str, detail: str) -> None:
        """Cuts the connection, and records the reason."""
        self._settled()
        self._report(reason, detail)
        self._transport.abort()

    def _report(self, reason: str, detail: str) -> None:
        self._service.firewall.record(EpmdRefused(source=self._source, reason=reason, detail=detail, folded=0))

    def _settled(self) -> None:
        self._timer.cancel()
        self._service.waiting.remove(self, source_of(self._source))
