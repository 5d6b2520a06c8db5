"""Serves the HTTP API on a Unix socket that only its owner can open, in the running event loop."""

import asyncio
import contextlib
import os
import socket
import stat
from collections.abc import Generator
from pathlib import Path

import uvicorn

from distwall.control.api import create_app
from distwall.control.firewall import Firewall


class _Server(uvicorn.Server):
    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.serving = asyncio.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Tells those who wait that requests are answered now."""
        await super().startup(sockets)
        self.serving.set()

    @contextlib.contextmanager
    def capture_signals(self) -> Generator[None, None, None]:
        """Leaves signals to whoever runs the loop."""
        yield


class ControlServer:
    """The API of one firewall."""

    def __init__(self, firewall: Firewall, path: Path) -> None:
        self.path = path
        config = uvicorn.Config(
            create_app(firewall), lifespan="off", log_config=None, access_log=False, timeout_graceful_shutdown=1
        )
        self._server = _Server(config)
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Binds the socket and serves. Raises OSError, its text fit for users, if the path can't be had."""
        sock = bind(self.path)
        self._task = asyncio.create_task(self._server.serve(sockets=[sock]), name="distwall control API")
        await self._server.serving.wait()

    async def close(self) -> None:
        """Stops serving and removes the socket."""
        if self._task is None:
            return
        self._server.should_exit = True
        with contextlib.suppress(asyncio.CancelledError):
            await self._task
        self._task = None
        self.path.unlink(missing_ok=True)


def bind(path: Path) -> socket.socket:
    """A listening Unix socket at ``path``, readable and writable by its owner alone.

    A socket that a process left behind when it died is replaced. Raises OSError if another process listens on it, or if
    something else is there.
    """
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        # Linux makes the file with the mode of the socket: there is no moment when others could open it.
        os.fchmod(sock.fileno(), stat.S_IRUSR | stat.S_IWUSR)
        if path.exists() or path.is_symlink():
            _remove_stale(path)
        try:
            sock.bind(str(path))
        except OSError as error:
            what = f"{path}: can't make the control socket: {error.strerror}"
            raise OSError(error.errno, f"{what}; set [control] socket to another path") from None
        path.chmod(stat.S_IRUSR | stat.S_IWUSR)
        sock.listen(64)
    except BaseException:
        sock.close()
        raise
    return sock


def _remove_stale(path: Path) -> None:
    if not stat.S_ISSOCK(path.lstat().st_mode):
        raise FileExistsError(f"{path} is there and is no socket; set [control] socket to another path")
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
