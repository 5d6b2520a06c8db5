"""EPMD for redirected connections: answers in place of another host's EPMD, as far as entries allow.

It asks only about nodes that an entry names. The answer is never a real port, but a made-up port: a peer's own port
would lead round distwall, and a guarded node's port is on loopback, where its mates don't look for it.
"""

import asyncio
import errno
import socket

from distwall.audit.schema import EpmdRefused
from distwall.control import Firewall
from distwall.epmd import Registry, messages
from distwall.epmd.messages import Names, Port2, Request, RequestError
from distwall.epmd_client import ask_names
from distwall.gateway.dialer import Dialer
from distwall.handshake import Denied
from distwall.net.local_addresses import is_own
from distwall.redirect.asked_node import may_name, name_at
from distwall.redirect.ports import MadeUpPorts, Stand
from distwall.redirect.resolver import Resolver

REQUEST_TIMEOUT = 5.0
"""Seconds in which a node has to send its whole request: it sends at once."""

EPMD_TIMEOUT = 3.0
"""Seconds for the EPMD of a peer. The waiting node gives up after 7."""

MAX_NAMES = 64
"""Most names in one list of names."""


class RedirectEpmdServer:
    """Answers one request on each connection."""

    def __init__(self, firewall: Firewall, dialer: Dialer, registry: Registry, ports: MadeUpPorts) -> None:
        """``ports`` makes up the ports for answers."""
        self._firewall = firewall
        self._dialer = dialer
        self._registry = registry
        self._ports = ports
        self._resolver = Resolver()
        self._loop = asyncio.get_running_loop()

    def close(self) -> None:
        """Ends questions to the name service."""
        self._resolver.close()

    async def serve(self, connection: socket.socket, address: str) -> None:
        """Answers a guarded node in place of the EPMD at ``address``, and closes ``connection``."""
        try:
            async with asyncio.timeout(REQUEST_TIMEOUT):
                request = await self._request(connection)
            match request:
                case Port2(alive):
                    answer = await self._port(alive, address)
                case Names():
                    answer = messages.names_answer(
                        self._firewall.policy.guard.register.port, await self._names(address)
                    )
                case _:
                    raise RequestError("not a question for the EPMD of another host")
            async with asyncio.timeout(REQUEST_TIMEOUT):
                await self._loop.sock_sendall(connection, answer)
        except RequestError as error:
            self._firewall.record(EpmdRefused(source=address, reason="malformed", detail=str(error), folded=0))
        except TimeoutError:
            self._firewall.record(EpmdRefused(source=address, reason="timeout", detail="no request in time", folded=0))
        except OSError:
            # It hung up.
            pass
        finally:
            connection.close()

    async def _request(self, connection: socket.socket) -> Request:
        data = b""
        head = messages.LENGTH
        while len(data) < head or len(data) < head + int.from_bytes(data[:head]):
            if len(data) >= head and int.from_bytes(data[:head]) > messages.MAX_REQUEST:
                raise RequestError("too long")
            more = await self._loop.sock_recv(connection, messages.MAX_REQUEST)
            if not more:
                raise OSError(errno.ECONNRESET, "hung up")
            data += more
        return messages.parse(data[head : head + int.from_bytes(data[:head])])

    async def _port(self, alive: str, address: str) -> bytes:
        """The answer to PORT2_REQ."""
        stand = self._mate(alive, address)
        if stand is None:
            node = await name_at(self._firewall.policy, self._resolver, alive, address)
            if isinstance(node, Denied):
                self._refused(address, f"{alive}@{address}", node.reason, node.detail)
                return messages.port2_refusal()
            try:
                real = await self._real_port(alive, address)
            except (OSError, ValueError) as error:
                self._refused(address, node, "unreachable", _text(error))
                return messages.port2_refusal()
            stand = Stand(node, real)
        port = self._made_up(stand, address)
        return messages.port2_refusal() if port is None else messages.reach_answer(stand.node, port)

    async def _real_port(self, alive: str, address: str) -> int:
        """The port of a peer. Raises OSError and ValueError if its EPMD doesn't say."""
        async with asyncio.timeout(EPMD_TIMEOUT):
            port = await self._dialer.ask_epmd(address, alive)
        if port is None:
            raise OSError(0, f"its EPMD does not know {alive}")
        return port

    async def _names(self, address: str) -> list[tuple[str, int]]:
        """The answer to NAMES_REQ: mates, and nodes that an entry names."""
        stands: dict[str, Stand] = {}
        if await may_name(self._firewall.policy, self._resolver, address):
            for alive, real in (await self._real_names(address))[:MAX_NAMES]:
                node = await name_at(self._firewall.policy, self._resolver, alive, address)
                if not isinstance(node, Denied):
                    stands[alive] = Stand(node, real)
        elif not is_own(address):
            self._refused(address, None, "unknown_node", f"no [[peers]] entry names a node at {address}")
        for registration in self._registry.all_guarded():
            alive = registration.node.name
            mate = self._mate(alive, address)
            if mate is not None:
                stands[alive] = mate
        ports = {alive: self._made_up(stand, address) for alive, stand in stands.items()}
        return [(alive, port) for alive, port in ports.items() if port is not None]

    async def _real_names(self, address: str) -> list[tuple[str, int]]:
        try:
            async with asyncio.timeout(EPMD_TIMEOUT):
                _, names = await ask_names(address, self._firewall.policy.guard.peer_epmd_port)
        except (OSError, ValueError):
            # A node gets the same answer: no names.
            return []
        return list(names.items())

    def _made_up(self, stand: Stand, address: str) -> int | None:
        port = self._ports.port_for(address, stand, self._loop.time())
        if port is None:
            self._refused(address, stand.node, "no_port", "all made-up ports are in use; widen [guard.redirect] ports")
        return port

    def _mate(self, alive: str, address: str) -> Stand | None:
        """The guarded node of this host that registered as ``alive``, if ``address`` belongs to this host."""
        mate = self._registry.guarded(alive)
        return Stand(f"{alive}@{address}", mate.node.port, mate=True) if mate is not None and is_own(address) else None

    def _refused(self, source: str, peer: str | None, reason: str, detail: str) -> None:
        self._firewall.refused(source=source, peer=peer, guard=None, reason=reason, detail=detail, opened_by="guard")


def _text(error: Exception) -> str:
    if isinstance(error, TimeoutError):
        return "its EPMD did not answer in time"
    return (error.strerror if isinstance(error, OSError) else None) or str(error)
