"""The listener for peers of one guarded node."""

import socket

from distwall.epmd import Registry
from distwall.gateway.dialer import Dialer
from distwall.gateway.inbound_connection import PeerInitiator
from distwall.gateway.pending_connections import PendingConnections
from distwall.gateway.tcp_acceptor import TcpAcceptor


class PeerListener:
    """The listening sockets for one guarded node, open as long as it is registered."""

    def __init__(
        self,
        pending: PendingConnections,
        registry: Registry,
        dialer: Dialer,
        name: str,
        *,
        guard: str | None,
        sockets: list[socket.socket],
    ) -> None:
        """Accepts at ``sockets``, which listen already.

        ``name`` is the name under which the guarded node registers; ``guard`` is its full name, if that is known.
        """
        self.name = name
        self.guard = guard
        """The guarded node's full name, once it is known: EPMD learns only the part before ``@``."""
        self.port: int = sockets[0].getsockname()[1]
        self._registry = registry
        self._acceptor = TcpAcceptor(
            pending,
            sockets,
            lambda: PeerInitiator(pending, self, dialer),
            context=dialer.certificates.for_peers,
            guard=guard or name,
        )

    def guard_address(self) -> tuple[str, int] | None:
        """The address of the guarded node itself; None if it is gone."""
        registration = self._registry.guarded(self.name)
        return (registration.host, registration.node.port) if registration is not None else None

    def close(self) -> None:
        """Stops listening. Accepted connections stay."""
        self._acceptor.close()
