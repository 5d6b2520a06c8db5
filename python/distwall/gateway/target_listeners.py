"""The listeners for outgoing connections: a socket on loopback for each peer that guarded nodes ask for.

A dist connection doesn't name its target, so the port does. A guarded node's ``distwall_epmd`` asks distwall's EPMD for
a peer by its full name. It gets the port of that peer's listener, and dials it at once.
"""

import asyncio
import socket
from collections import OrderedDict

from distwall.gateway.dial_target import DialTarget
from distwall.gateway.dialer import Dialer
from distwall.gateway.outbound_connection import GuardInitiator
from distwall.gateway.pending_connections import PendingConnections
from distwall.gateway.tcp_acceptor import TcpAcceptor
from distwall.net.sockets import listen

IDLE = 60.0
"""Seconds that a listener stays open after the last question for it: a node dials within milliseconds."""

MAX_LISTENERS = 1024
"""Most open listeners; the longest unused closes first."""


class TargetListeners:
    """The listeners for all targets of all guarded nodes."""

    def __init__(self, pending: PendingConnections, dialer: Dialer) -> None:
        self._pending = pending
        self._dialer = dialer
        self._loop = asyncio.get_running_loop()
        self._ways: OrderedDict[tuple[str, str], _Way] = OrderedDict()
        self._timer: asyncio.TimerHandle | None = None

    def port_for(self, node: str, host: str) -> int | None:
        """The port at ``host``, a loopback address, that leads to the peer ``node``; None: not allowed."""
        # Whether this guarded node may, and how, is asked once it has said its name.
        if self._pending.firewall.policy.entry_for(node) is None:
            self._refused(node, "unknown_node", "no [[peers]] entry names it")
            return None
        way = self._ways.get((node, host))
        if way is None:
            try:
                sockets = listen([host], 0)
            except OSError as error:
                self._refused(node, "no_port", error.strerror or str(error))
                return None
            way = self._ways[node, host] = _Way(self._pending, self._dialer, DialTarget(node), sockets)
            if len(self._ways) > MAX_LISTENERS:
                self._ways.popitem(last=False)[1].close()
        way.asked_at = self._loop.time()
        self._ways.move_to_end((node, host))
        if self._timer is None:
            self._timer = self._loop.call_later(IDLE, self._sweep)
        return way.port

    def close(self) -> None:
        """Stops listening."""
        if self._timer is not None:
            self._timer.cancel()
        for way in self._ways.values():
            way.close()
        self._ways.clear()

    def _sweep(self) -> None:
        """Closes listeners that were not used for a while."""
        self._timer = None
        end = self._loop.time() - IDLE
        while self._ways:
            key, way = next(iter(self._ways.items()))
            if way.asked_at > end:
                self._timer = self._loop.call_later(way.asked_at - end, self._sweep)
                return
            way.close()
            del self._ways[key]

    def _refused(self, node: str, reason: str, detail: str) -> None:
        self._pending.firewall.refused(
            source=DialTarget(node).host, peer=node, guard=None, reason=reason, detail=detail, opened_by="guard"
        )


class _Way:
    """The listener for one target."""

    def __init__(
        self, pending: PendingConnections, dialer: Dialer, target: DialTarget, sockets: list[socket.socket]
    ) -> None:
        self.asked_at = 0.0
        self.port: int = sockets[0].getsockname()[1]
        self._acceptor = TcpAcceptor(
            pending,
            sockets,
            lambda: GuardInitiator(pending, dialer, target),
            context=dialer.certificates.for_guards,
            guard=None,
        )

    def close(self) -> None:
        self._acceptor.close()
