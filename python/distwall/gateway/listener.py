"""Where peers reach one guarded node."""

import asyncio
import socket
from typing import TYPE_CHECKING

from distwall.gateway.handshake import PeerConnection

if TYPE_CHECKING:
    from distwall.epmd import Registry
    from distwall.gateway.door import Door


class Listener:
    """The listening sockets for one guarded node, open as long as it is registered."""

    def __init__(
        self, door: "Door", registry: "Registry", name: str, guard: str | None, sockets: list[socket.socket]
    ) -> None:
        """Accepts at ``sockets``, which listen already.

        ``name`` is what the guarded node registers as; ``guard`` its full name, if that is known.
        """
        self.name = name
        self.guard = guard
        """The guarded node's full name, once it is known: EPMD is told only the part before ``@``."""
        self.port: int = sockets[0].getsockname()[1]
        self._registry = registry
        self._sockets = sockets
        self._servers: list[asyncio.Server] = []
        # A peer that is faster than this waits in the backlog.
        self._opening = asyncio.get_running_loop().create_task(self._open(door))

    def guard_address(self) -> tuple[str, int] | None:
        """Where the guarded node itself listens; None if it is gone."""
        registration = self._registry.guarded(self.name)
        return (registration.host, registration.node.port) if registration is not None else None

    def close(self) -> None:
        """Listens no more. Connections that were accepted stay."""
        self._opening.cancel()
        for server in self._servers:
            server.close()
        for each in self._sockets:
            each.close()

    async def _open(self, door: "Door") -> None:
        loop = asyncio.get_running_loop()
        for each in self._sockets:
            self._servers.append(await loop.create_server(lambda: PeerConnection(door, self), sock=each))
