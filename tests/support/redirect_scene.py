"""Stock nodes, EPMD and distwall on two hosts.

On host ``a``, ``bar`` is the guarded node. It runs as another user than distwall, with stock flags only: its EPMD is
distwall's register port, and nothing on it knows of distwall. On host ``b`` are a stock epmd and the peers.
"""

import json
import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Self, TypeVar

from tests.support.hosts import A4, Host, HostPair
from tests.support.node import Node
from tests.support.process import Child
from tests.support.wall import CLUSTER_COOKIE, COMMAND, Peer, Wall

C = TypeVar("C", bound=Child)

USER = "nobody"
UID, GID = 65534, 65534
EPMD, REGISTER, LISTENER = 4369, 4370, 4371

# The node gives up its rights before it is a node: nothing in it has ever run as root.
AS_USER = ["setpriv", "--reuid", str(UID), "--regid", str(GID), "--clear-groups", "--pdeathsig", "KILL"]


class RedirectScene:
    """The two hosts with distwall on ``a``; leaving the ``with`` block ends everything."""

    def __init__(
        self,
        pair: HostPair,
        entries: Sequence[Peer],
        *,
        guards: Sequence[str],
        register: str = f"127.0.0.1:{REGISTER}",
        peer_epmd: int = EPMD,
        start_epmd: bool = True,
        redirect: str = "",
        tables: str = "",
    ) -> None:
        """``entries`` are the policy's peers, ``guards`` the names of guarded nodes.

        ``register`` is where those register, ``peer_epmd`` the port of EPMD on ``b``, if that is started.
        ``redirect`` is further TOML of [guard.redirect], ``tables`` of the policy.
        """
        self.pair = pair
        self._peer_epmd = peer_epmd
        self._guard_epmd = int(register.rpartition(":")[2])
        self._stack = ExitStack()
        self.folder = Path(tempfile.mkdtemp(prefix="distwall-redirect-"))
        self._stack.callback(shutil.rmtree, self.folder, ignore_errors=True)
        self.folder.chmod(0o755)
        self.home = self.folder / "home"
        self.home.mkdir()
        os.chown(self.home, UID, GID)
        self.wall = Wall(self.folder, _policy(entries, guards, register, peer_epmd, redirect + tables))
        try:
            if start_epmd:
                self._run(pair.b, self._epmd)
            self._stack.callback(pair.a.run, self.wall.kill)
            pair.a.run(self.wall.start)
        except BaseException:
            self._stack.close()
            raise

    def guard(self, name: str, *, flags: Sequence[str] = ()) -> Node:
        """Starts a guarded node on ``a``, as its own user."""
        # Only root can enter a chroot, so this comes first, and the node finds itself in it.
        root = os.environ.get("DISTWALL_GUARD_OTP")
        launcher = ["chroot", root, *AS_USER] if root else AS_USER
        env = {"HOME": "/tmp" if root else str(self.home)}

        def start() -> Node:
            return Node(
                name,
                cookie=CLUSTER_COOKIE,
                folder=self.folder,
                epmd_port=self._guard_epmd,
                env=env,
                flags=flags,
                launcher=launcher,
            )

        return self._run(self.pair.a, start)

    def peer(self, name: str, cookie: str, *, flags: Sequence[str] = ()) -> Node:
        """Starts a peer on ``b``."""
        root = os.environ.get("DISTWALL_PEER_OTP")
        otp = Path(root) if root else None

        def start() -> Node:
            return Node(name, cookie=cookie, folder=self.folder, epmd_port=self._peer_epmd, flags=flags, otp=otp)

        return self._run(self.pair.b, start)

    def _epmd(self) -> Child:
        command = ["epmd", "-port", str(self._peer_epmd)]
        return Child(command, self.folder / "epmd.log", env={"PATH": os.environ["PATH"]}, cwd=self.folder)

    def redirect(self, what: str = "install") -> None:
        """``distwall redirect install``, or ``remove``."""
        done = self.distwall("redirect", what)
        assert done.returncode == 0, done.stderr

    def distwall(self, *arguments: str) -> "subprocess.CompletedProcess[str]":
        """Runs a ``distwall`` command on ``a``; returns the completed process."""

        def run() -> "subprocess.CompletedProcess[str]":
            return subprocess.run(
                [COMMAND, *arguments], cwd=self.folder, capture_output=True, text=True, check=False, timeout=30
            )

        return self.pair.a.run(run)

    def close(self) -> None:
        """Ends all nodes and distwall."""
        self._stack.close()

    def _run(self, host: Host, start: Callable[[], C]) -> C:
        child = host.run(start)
        self._stack.callback(host.run, child.kill)
        return child

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def _policy(entries: Sequence[Peer], guards: Sequence[str], register: str, peer_epmd: int, tables: str) -> str:
    peers = "\n".join(entry.toml() for entry in entries)
    return f"""[guard]
nodes = {json.dumps(list(guards))}
listen = "{A4}"
epmd = "{A4}:{EPMD}"
register = "{register}"
cookie_file = "cluster.cookie"
peer_epmd_port = {peer_epmd}

[guard.redirect]
user = "{USER}"
port = {LISTENER}
{tables}
[audit]
file = "audit.jsonl"

[control]
socket = "distwall.sock"

{peers}"""
