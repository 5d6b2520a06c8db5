"""Real nodes around a distwall that runs in this process, so that a test can call its `Firewall`."""

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

from distwall.control import Firewall
from distwall.launch import erlang_folder
from tests.support.in_process_wall import InProcessWall, wall_in_process
from tests.support.node import Node
from tests.support.process import Child
from tests.support.scene import GUARD, release
from tests.support.wall import CLUSTER_COOKIE, Peer

FOO = "foo@127.0.0.1"


class InProcessScene:
    """A distwall in this process, a guarded node, and peers."""

    def __init__(self, wall: InProcessWall, folder: Path, stack: ExitStack) -> None:
        self.wall = wall
        self._folder = folder
        self._stack = stack
        epmd = ["epmd", "-address", "127.0.0.1", "-port", str(wall.peers_epmd[1])]
        stack.enter_context(Child(epmd, folder / "epmd.log", env={"PATH": "/usr/bin:/bin"}, cwd=folder))
        flags = ["-kernel", "inet_dist_use_interface", "{127,0,0,1}"]
        if (own := wall.firewall.policy.control.node) is not None:
            flags += ["-pa", str(erlang_folder()), "-distwall_control", own]
        self.bar = stack.enter_context(
            Node(
                GUARD,
                cookie=CLUSTER_COOKIE,
                folder=folder,
                epmd_port=wall.register_epmd[1],
                flags=flags,
                otp=release("DISTWALL_GUARD_OTP"),
            )
        )

    @property
    def firewall(self) -> Firewall:
        """The firewall of this distwall; another one after a restart."""
        return self.wall.firewall

    def peer(self, name: str = FOO) -> Node:
        """Starts a peer."""
        epmd_port = self.wall.peers_epmd[1]
        otp = release("DISTWALL_PEER_OTP")
        return self._stack.enter_context(
            Node(name, cookie="peer-cookie", folder=self._folder, epmd_port=epmd_port, otp=otp)
        )


@contextmanager
def in_process_scene(
    folder: Path, peers: Sequence[Peer], *, tables: str = "", control: str = ""
) -> Iterator[InProcessScene]:
    """One `InProcessScene`. ``tables``: further TOML before the peers; ``control``: further lines of ``[control]``."""
    with wall_in_process(folder, peers, tables=tables, control=control) as wall, ExitStack() as stack:
        yield InProcessScene(wall, folder, stack)
