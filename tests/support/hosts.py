"""Hosts of their own: threads of this process in network namespaces.

A namespace without a name needs no tidying up: it is gone with its last thread, process and socket, however the test
ends. A host runs functions in its thread. Processes started there live there as well, and so do sockets, which any
thread may then use. Each host also has its own /etc/hosts, and no name server.
"""

import ctypes
import os
import shutil
import socket
import subprocess
import tempfile
import threading
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import ParamSpec, Self, TypeVar

import pytest

from tests.support.packages import need

P = ParamSpec("P")
T = TypeVar("T")

A4, B4 = "10.231.7.1", "10.231.7.2"
A6, B6 = "fd77::1", "fd77::2"
LINK = "dw0"

_CLONE_NEWNS = 0x00020000
_CLONE_NEWNET = 0x40000000
_libc = ctypes.CDLL(None, use_errno=True)


def need_hosts() -> None:
    """Installs what hosts are made with, and skips the test where the system allows nobody to make them."""
    if os.geteuid() != 0:
        pytest.skip("network namespaces need root")
    need("iproute2", "nftables")
    try:
        Host({}).close()
    except PermissionError as error:
        pytest.skip(str(error))


class Host:
    """One namespace, with loopback."""

    def __init__(self, hosts: Mapping[str, str]) -> None:
        """``hosts`` are the names that this host knows, and their addresses."""
        self._stack = ExitStack()
        folder = Path(tempfile.mkdtemp(prefix="distwall-host-"))
        self._stack.callback(shutil.rmtree, folder, ignore_errors=True)
        self._worker = ThreadPoolExecutor(1)
        self._stack.callback(self._worker.shutdown)
        names = {"localhost": "127.0.0.1", **hosts}
        files = {
            "hosts": "".join(f"{address} {name}\n" for name, address in names.items()),
            "resolv.conf": "",
            "nsswitch.conf": "passwd: files\ngroup: files\nhosts: files\n",
        }
        for name, text in files.items():
            (folder / name).write_text(text)
        try:
            self.run(self._enter, folder, list(files))
        except BaseException:
            self._stack.close()
            raise

    @property
    def thread(self) -> int:
        """The id of the host's thread: what ``ip`` knows its namespace by."""
        return self.run(threading.get_native_id)

    def run(self, work: Callable[P, T], *args: P.args, **keywords: P.kwargs) -> T:
        """Calls ``work`` on this host, and waits for it: ``work`` itself bounds the time that it takes."""
        return self._worker.submit(work, *args, **keywords).result()

    def shell(self, command: str, *, text: str | None = None) -> str:
        """Runs a command on this host; returns what it prints. Raises CalledProcessError."""

        def run() -> str:
            whole = ["sh", "-c", command]
            return subprocess.run(whole, input=text, stdout=subprocess.PIPE, text=True, check=True, timeout=30).stdout

        return self.run(run)

    def connect(self, address: str, port: int, *, user: int = 0) -> socket.socket:
        """Connects from this host, for the user of that number."""

        def connect() -> socket.socket:
            # Of this thread alone. A socket keeps the user that the thread has when it makes it.
            _libc.setfsuid(user)
            try:
                client = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET)
            finally:
                _libc.setfsuid(0)
            client.settimeout(10)
            client.connect((address, port))
            return client

        return self.run(connect)

    def listen(self, address: str, port: int) -> socket.socket:
        """Listens on this host."""
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        listener = self.run(socket.create_server, (address, port), family=family)
        listener.settimeout(10)
        return listener

    def close(self) -> None:
        """Ends the host. Processes that were started there have to be ended before."""
        self._stack.close()

    @staticmethod
    def _enter(folder: Path, files: list[str]) -> None:
        if _libc.unshare(_CLONE_NEWNET | _CLONE_NEWNS):
            raise OSError(ctypes.get_errno(), f"can't make a network namespace: {os.strerror(ctypes.get_errno())}")
        subprocess.run(["mount", "--make-rprivate", "/"], check=True)
        # Nodes of other releases find themselves in a chroot.
        roots = {"/", os.environ.get("DISTWALL_GUARD_OTP"), os.environ.get("DISTWALL_PEER_OTP")}
        for place in (Path(root) / "etc" / name for root in roots if root for name in files):
            place.touch()
            subprocess.run(["mount", "--bind", folder / place.name, place], check=True)
        subprocess.run(["ip", "link", "set", "lo", "up"], check=True)


class HostPair:
    """Hosts ``a`` and ``b``, joined by one link, over IPv4 and IPv6."""

    def __init__(self, hosts: Mapping[str, str] | None = None) -> None:
        self._stack = ExitStack()
        try:
            self.a = Host(hosts or {})
            self._stack.callback(self.a.close)
            self.b = Host(hosts or {})
            self._stack.callback(self.b.close)
            self.b.shell(f"ip link add {LINK} type veth peer name {LINK} netns {self.a.thread}")
            for host, v4, v6 in ((self.a, A4, A6), (self.b, B4, B6)):
                host.shell(
                    f"ip addr add {v4}/24 dev {LINK}; ip -6 addr add {v6}/64 dev {LINK} nodad; ip link set {LINK} up"
                )
        except BaseException:
            self._stack.close()
            raise

    def close(self) -> None:
        """Ends both hosts, and with them the link."""
        self._stack.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
