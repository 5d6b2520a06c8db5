"""Real nodes around a distwall that runs in this process, so that a test can call its `Firewall`."""

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

from distwall.control import Firewall
from distwall.launch import erlang_folder
from tests.gateway.gate import Gate, running
from tests.nodes.harness import GUARD, Node, Peer
from tests.nodes.harness.process import Child
from tests.nodes.harness.scene import release
from tests.nodes.harness.wall import CLUSTER_COOKIE

FOO = "foo@127.0.0.1"


class Inside:
    """A gate, a guarded node, and peers."""

    def __init__(self, gate: Gate, folder: Path, stack: ExitStack) -> None:
        self.gate = gate
        self._folder = folder
        self._stack = stack
        epmd = ["epmd", "-address", "127.0.0.1", "-port", str(gate.peers_epmd[1])]
        stack.enter_context(Child(epmd, folder / "epmd.log", env={"PATH": "/usr/bin:/bin"}, cwd=folder))
        flags = ["-kernel", "inet_dist_use_interface", "{127,0,0,1}"]
        if (own := gate.firewall.policy.control.node) is not None:
            flags += ["-pa", str(erlang_folder()), "-distwall_control", own]
        self.bar = stack.enter_context(
            Node(
                GUARD,
                cookie=CLUSTER_COOKIE,
                folder=folder,
                epmd_port=gate.register_epmd[1],
                flags=flags,
                otp=release("DISTWALL_GUARD_OTP"),
            )
        )

    @property
    def firewall(self) -> Firewall:
        """That of the gate; another one after the gate has been restarted."""
        return self.gate.firewall

    def peer(self, name: str = FOO) -> Node:
        """Starts a peer."""
        epmd_port = self.gate.peers_epmd[1]
        otp = release("DISTWALL_PEER_OTP")
        return self._stack.enter_context(
            Node(name, cookie="peer-cookie", folder=self._folder, epmd_port=epmd_port, otp=otp)
        )


@contextmanager
def inside(folder: Path, peers: Sequence[Peer], *, tables: str = "", control: str = "") -> Iterator[Inside]:
    """One `Inside`. ``tables``: further TOML before the peers; ``control``: further lines of ``[control]``."""
    with running(folder, peers, tables=tables, control=control) as gate, ExitStack() as stack:
        yield Inside(gate, folder, stack)
