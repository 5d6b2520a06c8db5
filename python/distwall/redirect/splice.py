"""Joins two connections between guarded nodes of one host, without looking at their bytes."""

import asyncio
import contextlib
import socket

CHUNK = 1 << 16


async def splice(connection: socket.socket, host: str, port: int) -> None:
    """Joins ``connection`` with one to ``host`` and ``port``; closes it when either breaks or both have ended.

    Raises OSError if no program listens there.
    """
    loop = asyncio.get_running_loop()
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with connection, socket.socket(family, socket.SOCK_STREAM) as other:
        other.setblocking(False)
        await loop.sock_connect(other, (host, port))
        for each in (connection, other):
            each.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        with contextlib.suppress(ExceptionGroup):
            async with asyncio.TaskGroup() as both:
                both.create_task(_copy(connection, other))
                both.create_task(_copy(other, connection))


async def _copy(source: socket.socket, sink: socket.socket) -> None:
    loop = asyncio.get_running_loop()
    while data := await loop.sock_recv(source, CHUNK):
        await loop.sock_sendall(sink, data)
    sink.shutdown(socket.SHUT_WR)
