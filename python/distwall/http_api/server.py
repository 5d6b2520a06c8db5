"""Serves the HTTP API in the running event loop: on a Unix socket, and over TCP where the policy says so."""

import asyncio
import contextlib
import grp
import os
import socket
import stat
from collections.abc import Generator
from pathlib import Path

import uvicorn

from distwall.control.firewall import Firewall
from distwall.control.reload import Reloader
from distwall.http_api.app import create_app
from distwall.http_api.auth import Entrance, SocketEntrance, TokenEntrance, socket_user
from distwall.http_api.bearer_tokens import TokenFile
from distwall.http_api.bounded_protocol import MAX_HEAD, BoundedProtocol, ConnectionRoom, bounded
from distwall.http_api.event_stream import EventStream
from distwall.net.port_holder import listen_or_tell
from distwall.net.sockets import resolve
from distwall.policy import ControlSettings

BACKLOG = 64
"""Connections that the system keeps until they are accepted."""


class _Server(uvicorn.Server):
    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.serving = asyncio.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Starts, and then wakes tasks that wait for the start."""
        await super().startup(sockets)
        self.serving.set()

    @contextlib.contextmanager
    def capture_signals(self) -> Generator[None, None, None]:
        """Leaves signals to the owner of the loop."""
        yield


class _SocketProtocol(BoundedProtocol):
    """HTTP on a Unix socket: the address of the other side is its user."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Takes a new connection, whose address is its user."""
        self._user = socket_user(transport)
        super().connection_made(transport)
        self.client = (self._user, 0)

    @property
    def source(self) -> str:
        """The user."""
        return self._user


class HttpServer:
    """The API of one firewall."""

    def __init__(self, firewall: Firewall, reloader: Reloader, settings: ControlSettings) -> None:
        self._firewall = firewall
        self._reloader = reloader
        self._settings = settings
        self._stream = EventStream(firewall.audit)
        self._serving: list[tuple[_Server, asyncio.Task[None]]] = []
        self.rooms: list[ConnectionRoom] = []
        """The room for connections of each listener, the Unix socket's first."""

    async def start(self) -> None:
        """Binds the sockets and serves. Raises OSError, with a text for users, if a socket is not available."""
        settings = self._settings
        sock = bind(settings.socket, settings.socket_mode, settings.socket_group)
        try:
            over_tcp = [] if settings.http is None else await _bind_tcp(settings.http.host, settings.http.port)
        except OSError:
            sock.close()
            settings.socket.unlink(missing_ok=True)
            raise
        await self._serve([sock], SocketEntrance(), bounded(_SocketProtocol))
        if over_tcp:
            tokens = TokenFile(settings.tokens)
            await self._serve(over_tcp, TokenEntrance(tokens, settings.hosts, self._firewall.record), bounded())

    async def close(self) -> None:
        """Stops serving and removes the socket."""
        if not self._serving:
            return
        self._stream.close()
        for server, _ in self._serving:
            server.should_exit = True
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.gather(*(task for _, task in self._serving))
        self._serving.clear()
        self._settings.socket.unlink(missing_ok=True)

    async def _serve(self, sockets: list[socket.socket], entrance: Entrance, protocol: type[BoundedProtocol]) -> None:
        config = uvicorn.Config(
            create_app(self._firewall, self._reloader, entrance, self._stream),
            http=protocol,
            ws="none",
            lifespan="off",
            log_config=None,
            access_log=False,
            server_header=False,
            proxy_headers=False,
            timeout_graceful_shutdown=1,
            backlog=BACKLOG,
            h11_max_incomplete_event_size=MAX_HEAD,
        )
        self.rooms.append(protocol.room)
        server = _Server(config)
        task = asyncio.create_task(server.serve(sockets=sockets), name="distwall control API")
        self._serving.append((server, task))
        await server.serving.wait()


async def _bind_tcp(host: str, port: int) -> list[socket.socket]:
    try:
        return listen_or_tell(await resolve(host), port)
    except OSError as error:
        raise OSError(error.errno, f"[control] http: {error.strerror}; set it to another address") from None


def bind(path: Path, mode: int = 0o600, group: str | None = None) -> socket.socket:
    """A listening Unix socket at ``path`` with that mode, and that group if one is given.

    Replaces a socket of a process that has died. Raises OSError if another process listens on it, or if the path is
    another kind of file.
    """
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        # Linux makes the file with the mode of the socket: there is no moment when others could open it.
        os.fchmod(sock.fileno(), stat.S_IRUSR | stat.S_IWUSR)
        if path.exists() or path.is_symlink():
            _remove_stale(path)
        try:
            sock.bind(str(path))
            if group is not None:
                os.chown(path, -1, grp.getgrnam(group).gr_gid)
            path.chmod(mode)
        except OSError as error:
            what = f"{path}: can't make the control socket: {error.strerror}"
            raise OSError(error.errno, f"{what}; set [control] socket to another path") from None
        except KeyError:
            raise OSError(f"{path}: there is no group {group}; correct [control] socket_group") from None
        sock.listen(BACKLOG)
    except BaseException:
        sock.close()
        raise
    return sock


def _remove_stale(path: Path) -> None:
    if not stat.S_ISSOCK(path.lstat().st_mode):
        raise FileExistsError(f"{path} exists and is not a socket; set [control] socket to another path")
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.settimeout(1)
        try:
            probe.connect(str(path))
        except (ConnectionRefusedError, FileNotFoundError):
            path.unlink(missing_ok=True)
            return
        except OSError as error:
            raise OSError(
                f"{path} can't be taken over: {error.strerror or error}; remove it if no distwall runs"
            ) from None
    raise OSError(f"{path} is in use by another distwall; stop that one, or set [control] socket to another path")
