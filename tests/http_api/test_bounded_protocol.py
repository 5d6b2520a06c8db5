"""Clients that hold connections to the API open, and the others beside them."""

import asyncio
import resource
import socket
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from distwall.http_api import bounded_protocol
from distwall.http_api.bounded_protocol import MAX_HEAD, MAX_PER_SOURCE, MAX_TOTAL
from tests.http_api.serving import Served, over_tcp, run, serving
from tests.support.waiting import eventually

MANY = 400
HEAD = b"GET /v1/peers HTTP/1.1\r\nHost: localhost\r\n"
BODY = b"POST /v1/set_filter HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000\r\n\r\n"


def descriptors() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


class Clients:
    """Connections that this test holds open; each takes one descriptor here."""

    def __init__(self, served: Served) -> None:
        self._served = served
        self.open: list[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = []

    async def connect(self, *, unix: bool, source: str = "127.0.0.1") -> None:
        if unix:
            self.open.append(await asyncio.open_unix_connection(str(self._served.settings.socket)))
        else:
            address = self._served.settings.http
            assert address is not None
            self.open.append(await asyncio.open_connection(address.host, address.port, local_addr=(source, 0)))

    async def hold(self, count: int, data: bytes, *, unix: bool, source: str = "127.0.0.1") -> None:
        for _ in range(count):
            await self.connect(unix=unix, source=source)
            self.open[-1][1].write(data)

    async def left(self) -> int:
        """The number of connections that are still open."""
        await asyncio.sleep(0.2)
        ends = [await ended(reader, 0.001) for reader, _ in self.open]
        return ends.count(False)

    def close(self) -> None:
        for _, writer in self.open:
            writer.transport.abort()


async def ended(reader: asyncio.StreamReader, within: float) -> bool:
    try:
        async with asyncio.timeout(within):
            while await reader.read(1 << 16):
                pass
    except TimeoutError:
        return False
    except ConnectionError:
        return True
    return True


@pytest.fixture(autouse=True)
def enough_descriptors() -> Iterator[None]:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, 4096), hard))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@pytest.mark.parametrize("unix", [True, False], ids=["socket", "tcp"])
@pytest.mark.parametrize("data", [b"", HEAD, BODY], ids=["nothing", "half a head", "half a body"])
def test_idle_connections_are_bounded_and_keep_nobody_out(tmp_path: Path, data: bytes, unix: bool) -> None:
    async def scenario() -> None:
        async with serving(tmp_path, http=over_tcp()) as served:
            before = descriptors()
            clients = Clients(served)
            try:
                await clients.hold(MANY, data, unix=unix)
                async with served.unix() if unix else served.http() as client:
                    assert (await client.get("/docs")).status_code == 200
                assert await clients.left() <= MAX_PER_SOURCE
                # Each connection that is left has a descriptor at both ends.
                assert descriptors() - before <= MANY + MAX_PER_SOURCE + 2
            finally:
                clients.close()

    run(scenario())


def test_many_sources_have_a_bound_together_and_the_fullest_loses(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with serving(tmp_path, http=over_tcp()) as served:
            clients, other = Clients(served), Clients(served)
            try:
                await other.hold(1, b"", unix=False, source="127.0.0.9")
                for number in range(2, 7):
                    await clients.hold(50, b"", unix=False, source=f"127.0.0.{number}")
                assert await other.left() == 1
                assert await clients.left() <= MAX_TOTAL
            finally:
                clients.close()
                other.close()

    run(scenario())


def test_who_follows_the_events_stays(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with serving(tmp_path) as served:
            follower, clients = Clients(served), Clients(served)
            try:
                await follower.hold(1, b"GET /v1/events HTTP/1.1\r\nHost: localhost\r\n\r\n", unix=True)
                await asyncio.sleep(0.2)
                await clients.hold(MANY, b"", unix=True)
                assert await follower.left() == 1
            finally:
                follower.close()
                clients.close()

    run(scenario())


@pytest.mark.parametrize("data", [b"", HEAD, BODY], ids=["nothing", "half a head", "half a body"])
def test_a_request_has_so_much_time_however_it_is_sent(
    tmp_path: Path, data: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bounded_protocol, "REQUEST_TIMEOUT", 1.0)

    async def scenario() -> None:
        async with serving(tmp_path) as served:
            clients = Clients(served)
            await clients.hold(1, data, unix=True)
            ((reader, writer),) = clients.open
            begun = asyncio.get_running_loop().time()
            while not await ended(reader, 0.2):
                # A byte at a time does not prolong it.
                with suppress(ConnectionError):
                    writer.write(b"x")
                assert asyncio.get_running_loop().time() - begun < 5
            clients.close()

    run(scenario())


def test_several_requests_of_one_connection_have_their_time_each(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bounded_protocol, "REQUEST_TIMEOUT", 1.0)

    async def scenario() -> None:
        async with serving(tmp_path) as served, served.unix() as client:
            for _ in range(4):
                assert (await client.get("/v1/peers")).status_code == 200
                await asyncio.sleep(0.5)

    run(scenario())


def test_a_response_that_nobody_reads_is_cut(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bounded_protocol, "RESPONSE_TIMEOUT", 0.5)

    async def scenario() -> None:
        async with serving(tmp_path) as served:
            sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            sock.setblocking(False)
            loop = asyncio.get_running_loop()
            await loop.sock_connect(sock, str(served.settings.socket))
            await asyncio.sleep(0.1)
            (room,) = served.server.rooms
            with suppress(ConnectionError):
                for _ in range(100):
                    await loop.sock_sendall(sock, b"GET /v1/openapi.json HTTP/1.1\r\nHost: localhost\r\n\r\n")
            assert len(room) == 1
            await asyncio.wait_for(eventually(lambda: len(room) == 0), 10)
            sock.close()

    run(scenario())


def test_a_head_has_so_many_bytes(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with serving(tmp_path) as served:
            clients = Clients(served)
            await clients.hold(1, HEAD + b"X: " + b"x" * (2 * MAX_HEAD), unix=True)
            ((reader, _),) = clients.open
            assert (await reader.read(1 << 16)).startswith(b"HTTP/1.1 400")
            assert await ended(reader, 2)
            clients.close()

    run(scenario())
