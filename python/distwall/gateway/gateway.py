"""The gateway: all listeners of one distwall, and their beginning and end."""

import asyncio
import contextlib
import secrets
import socket
from collections import OrderedDict
from collections.abc import Callable

from distwall.audit.schema import ListenFailed
from distwall.control import Firewall
from distwall.epmd import Registration, Registry, Rights
from distwall.gateway.api_node_server import ApiNodeServer
from distwall.gateway.certificates import Certificates
from distwall.gateway.dialer import Dialer
from distwall.gateway.epmd_server import EpmdConnection, EpmdServer
from distwall.gateway.peer_listener import PeerListener
from distwall.gateway.pending_connections import PendingConnections
from distwall.gateway.redirect_listener import RedirectListener
from distwall.gateway.target_listeners import TargetListeners
from distwall.net.port_holder import listen_or_tell
from distwall.net.sockets import listen_at_first, raise_descriptor_limit, resolve
from distwall.node_name import NodeName
from distwall.policy import Address
from distwall.policy.language.names import glob_matches, is_glob

MAX_PORTS_REMEMBERED = 1024
"""Names that get their previous listening port when they register again."""

CLOSE_TIMEOUT = 1.0
"""Seconds that channels have to write pending bytes when distwall stops."""


class Gateway:
    """Listens for guarded nodes that register, listens for peers, and joins them."""

    def __init__(self, firewall: Firewall) -> None:
        """A gateway for the running event loop."""
        self._firewall = firewall
        self._policy = firewall.policy
        self._registry = Registry(self._policy.guards_alive, secrets.randbits(32))
        self._servers: list[asyncio.Server] = []
        self._listeners: dict[str, PeerListener] = {}
        self._ports: OrderedDict[str, int] = OrderedDict()
        self._addresses: list[str] = []
        self._pending = PendingConnections(firewall)
        self._certificates = Certificates(self._policy, firewall.record)
        self._dialer = Dialer(self._policy, self._certificates)
        self._target_listeners = TargetListeners(self._pending, self._dialer)
        node = self._policy.control.node
        self._control = ApiNodeServer(self._pending, self._certificates, node) if node else None
        self._epmd = EpmdServer(
            firewall,
            self._registry,
            open_listener=self._open_listener,
            gone=self._unregistered,
            outgoing=self._port_for,
            is_known=self._pending.is_known,
        )
        redirect = self._policy.guard.redirect
        self._redirect = (
            RedirectListener(self._pending, self._dialer, self._certificates, self._registry, redirect)
            if redirect
            else None
        )

    async def start(self) -> None:
        """Listens on the EPMD addresses. Running guarded nodes register by themselves within 2 seconds.

        Raises OSError, with the address that is not available, and the remedy.
        """
        raise_descriptor_limit()
        guard = self._policy.guard
        self._addresses = self._dialer.own = await resolve(guard.listen)
        bound: list[tuple[socket.socket, Callable[[bool], Rights]]] = []
        try:
            if guard.one_epmd:
                bound += await self._bind(guard.epmd, lambda local: Rights.at_both(local=local), "EPMD")
            else:
                bound += await self._bind(guard.epmd, lambda _: Rights.at_peers(), "EPMD for peers")
                bound += await self._bind(
                    guard.register, lambda local: Rights.at_register(local=local), "EPMD for guarded nodes"
                )
            if self._redirect:
                self._redirect.start()
            if self._control:
                self._control.start(await self._loopback(guard.register.host))
                self._registry.own = self._control.alive
        except OSError:
            for each, _ in bound:
                each.close()
            raise
        for each, rights in bound:
            await self._serve(each, rights)
        self._certificates.watch()

    async def run(self, stop: asyncio.Event) -> None:
        """Serves until ``stop`` is set, then closes."""
        await stop.wait()
        await self.close()

    async def close(self) -> None:
        """Ends everything: listeners, registrations, handshakes, channels."""
        for server in self._servers:
            server.close()
        self._epmd.close()
        for listener in self._listeners.values():
            listener.close()
        self._listeners.clear()
        self._target_listeners.close()
        if self._redirect:
            self._redirect.close()
        if self._control:
            self._control.close()
        self._certificates.close()
        self._pending.close()
        for pump in list(self._pending.pumps):
            pump.end("distwall stops")
        if self._pending.pumps:
            self._pending.idle.clear()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._pending.idle.wait(), CLOSE_TIMEOUT)
        for pump in list(self._pending.pumps):
            pump.abort()
        # What was cut is gone a turn of the loop later.
        await asyncio.sleep(0)
        await asyncio.sleep(0)

    async def _bind(
        self, address: Address, rights: Callable[[bool], Rights], what: str
    ) -> list[tuple[socket.socket, Callable[[bool], Rights]]]:
        try:
            return [(each, rights) for each in listen_or_tell(await resolve(address.host), address.port)]
        except OSError as error:
            raise OSError(error.errno, f"{what}: {error.strerror}") from error

    async def _serve(self, listener: socket.socket, rights: Callable[[bool], Rights]) -> None:
        port: int = listener.getsockname()[1]
        loop = asyncio.get_running_loop()
        server = await loop.create_server(lambda: EpmdConnection(self._epmd, rights, port), sock=listener)
        self._servers.append(server)

    async def _loopback(self, register: str) -> list[str]:
        """The loopback addresses of the families in which nodes can register at the address ``register``."""
        addresses = await resolve(register)
        v6 = any(":" in each for each in addresses)
        v4 = any(":" not in each for each in addresses) or "::" in addresses
        return [*(["127.0.0.1"] if v4 else []), *(["::1"] if v6 else [])]

    def _port_for(self, node: str, host: str) -> int | None:
        """The port at the loopback address ``host`` that leads a guarded node to ``node``."""
        if self._control and node == self._control.own.name:
            return self._control.port_at(host)
        return self._target_listeners.port_for(node, host)

    def _open_listener(self, name: str) -> int:
        """Opens the listener for a node that registers as ``name``, if possible at its previous port."""
        ports = self._policy.guard.ports
        candidates = [*range(ports[0], ports[1] + 1)] if ports else [0]
        if name in self._ports:
            candidates.insert(0, self._ports[name])
        try:
            sockets = listen_at_first(self._addresses, candidates)
        except OSError as error:
            self._firewall.record(ListenFailed(guard=name, detail=f"{error.strerror}; widen ports in [guard]"))
            raise
        listener = PeerListener(
            self._pending, self._registry, self._dialer, name, guard=self._full_name(name), sockets=sockets
        )
        self._listeners[name] = listener
        self._ports[name] = listener.port
        self._ports.move_to_end(name)
        if len(self._ports) > MAX_PORTS_REMEMBERED:
            self._ports.popitem(last=False)
        return listener.port

    def _unregistered(self, registration: Registration) -> None:
        self._pending.guard_gone(registration.node.name)
        listener = self._listeners.pop(registration.node.name, None)
        if listener is not None:
            listener.close()

    def _full_name(self, name: str) -> str | None:
        """The full name of the node that registers as ``name``, if the policy leaves no other."""
        fitting = [node for node in self._policy.guard.nodes if glob_matches(NodeName.of(node).alive, name)]
        return fitting[0] if len(fitting) == 1 and not is_glob(fitting[0]) else None
