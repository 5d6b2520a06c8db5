"""Several hosts on one machine: each an address of 127.0.0.0/8, with a distwall of its own or with a stock EPMD.

All of them use one EPMD port towards each other, as hosts do. Guarded nodes of all hosts register at 127.0.0.1, so the
port for that differs for each host.
"""

import shutil
import tempfile
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Self

from tests.support import ports
from tests.support.node import Node
from tests.support.process import Child
from tests.support.wall import CLUSTER_COOKIE, Peer, Wall, launcher, policy_text


class LoopbackHost:
    """One address behind a distwall."""

    def __init__(
        self, hosts: "LoopbackHosts", address: str, nodes: Sequence[str], peers: Sequence[Peer], extra: str
    ) -> None:
        self.address = address
        self.register_port = hosts.stack.enter_context(ports.lease())
        self._hosts = hosts
        folder = hosts.folder / address
        folder.mkdir()
        text = policy_text(hosts.epmd_port, self.register_port, peers, guards=nodes, listen=address, extra=extra)
        self.wall = Wall(folder, text)
        hosts.stack.callback(self.wall.kill)
        self.wall.start()

    def guard(self, name: str, *, cookie: str = CLUSTER_COOKIE, flags: Sequence[str] = ()) -> Node:
        """Starts a guarded node, as ``distwall exec`` does."""
        node = Node(
            name,
            cookie=cookie,
            folder=self.wall.folder,
            epmd_port=self.register_port,
            flags=flags,
            launcher=launcher(self.wall.config),
        )
        return self._hosts.stack.enter_context(node)


class LoopbackHosts:
    """All hosts of one test; leaving the ``with`` block ends everything on them."""

    def __init__(self) -> None:
        self.stack = ExitStack()
        self.folder = Path(tempfile.mkdtemp(prefix="distwall-"))
        self.stack.callback(shutil.rmtree, self.folder, ignore_errors=True)
        self.epmd_port = self.stack.enter_context(ports.lease())

    def guarded(self, address: str, nodes: Sequence[str], peers: Sequence[Peer], *, extra: str = "") -> LoopbackHost:
        """A host with a distwall."""
        return LoopbackHost(self, address, nodes, peers, extra)

    def plain(self, address: str) -> None:
        """A host with a stock EPMD: without distwall."""
        # A stock epmd listens on 127.0.0.1, too, so that one has to be this one's.
        epmd = Child(
            ["epmd", "-address", address, "-port", str(self.epmd_port)],
            self.folder / f"epmd-{address}.log",
            env={"PATH": "/usr/bin:/bin"},
            cwd=self.folder,
        )
        self.stack.enter_context(epmd)

    def node(self, name: str, *, cookie: str, flags: Sequence[str] = ()) -> Node:
        """Starts a node on a plain host."""
        return self.stack.enter_context(
            Node(name, cookie=cookie, folder=self.folder, epmd_port=self.epmd_port, flags=flags)
        )

    def close(self) -> None:
        """Ends everything."""
        self.stack.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
