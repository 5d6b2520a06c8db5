"""Connections that are only joined."""

import asyncio
import contextlib
import socket
from collections.abc import Callable, Coroutine
from typing import Any

import pytest
import uvloop

from distwall.redirect.splice import splice

Loop = Callable[[Coroutine[Any, Any, None]], None]


@pytest.fixture(params=[asyncio.run, uvloop.run], ids=["asyncio", "uvloop"])
def run(request: pytest.FixtureRequest) -> Loop:
    loop: Loop = request.param
    return loop


class Ends:
    """Both ends of a splice: who was joined, and with whom."""

    def __init__(self) -> None:
        self.loop = asyncio.get_running_loop()
        with socket.create_server(("127.0.0.1", 0)) as door:
            self.near = socket.create_connection(door.getsockname())
            self._joined, _ = door.accept()
        self._server = socket.create_server(("127.0.0.1", 0))
        for each in (self.near, self._joined, self._server):
            each.setblocking(False)

    async def open(self) -> "asyncio.Task[None]":
        task = self.loop.create_task(splice(self._joined, *self._server.getsockname()))
        self.far, _ = await self.loop.sock_accept(self._server)
        self._server.close()
        return task


async def received(end: socket.socket) -> bytes:
    data = b""
    while more := await asyncio.get_running_loop().sock_recv(end, 1 << 16):
        data += more
    return data


def test_all_bytes_go_both_ways_and_ends_one_by_one(run: Loop) -> None:
    async def scene() -> None:
        ends = Ends()
        task = await ends.open()
        there, back = bytes(range(256)) * 20000, b"answer" * 100000
        for sender, receiver, data in ((ends.near, ends.far, there), (ends.far, ends.near, back)):
            reading = asyncio.create_task(received(receiver))
            await ends.loop.sock_sendall(sender, data)
            sender.shutdown(socket.SHUT_WR)
            assert await reading == data
        await task
        ends.near.close()
        ends.far.close()

    run(scene())


def test_a_broken_connection_breaks_the_other(run: Loop) -> None:
    async def scene() -> None:
        ends = Ends()
        task = await ends.open()
        ends.far.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        ends.far.close()  # a reset
        with contextlib.suppress(ConnectionResetError):
            assert await received(ends.near) == b""
        await task
        ends.near.close()

    run(scene())


def test_both_ends_are_closed_when_it_is_cancelled(run: Loop) -> None:
    async def scene() -> None:
        ends = Ends()
        task = await ends.open()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        for end in (ends.near, ends.far):
            assert await received(end) == b""
            end.close()

    run(scene())


def test_where_nobody_listens_the_other_end_is_closed(run: Loop) -> None:
    async def scene() -> None:
        near, joined = socket.socketpair()
        joined.setblocking(False)
        with socket.create_server(("127.0.0.1", 0)) as gone:
            address = gone.getsockname()
        with pytest.raises(ConnectionRefusedError):
            await splice(joined, *address)
        assert near.recv(1) == b""
        near.close()

    run(scene())
