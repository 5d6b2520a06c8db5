"""A guarded node behind distwall and raw peers with valid cookies, for attacks; and the same node without distwall."""

import socket
import ssl
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Self

from distwall._core import DistFlag
from tests.support import raw_peer
from tests.support.dist import OTP_25
from tests.support.epmd import epmd_port, epmd_registered
from tests.support.hosts import A4, B4, HostPair, need_hosts
from tests.support.node import Node
from tests.support.raw_peer import Connection
from tests.support.redirect_scene import RedirectScene as Hosts
from tests.support.scene import Scene
from tests.support.tls import TlsHandshake, TlsScene
from tests.support.wall import CLUSTER_COOKIE, Peer, Wall

HIDDEN = OTP_25 & ~DistFlag.PUBLISHED
COOKIE = "peer-cookie"

OPEN, WITNESS = "open@127.0.0.1", "witness@127.0.0.1"
"""May do anything; the second one to see that the first one's end is nobody else's."""

SERVER = ["deny *", "accept reg_send target", "accept monitor target"]
"""One gen_server is open to calls: the narrowest useful policy."""


WAYS = ["peer", "guard", "guard over TLS", "guard through the redirect"]
"""The ways in which the peers' connections are opened."""


class AttackScene:
    """A scene with one guarded node."""

    def __init__(
        self,
        entries: Mapping[str, Sequence[str]] | None,
        *,
        extra: str = "",
        audit: str = "",
        otp: Path | None = None,
        way: str = "peer",
        visible: bool = False,
    ) -> None:
        self._lures = way != "peer"
        self._context: ssl.SSLContext | None = None
        peers = None
        if entries is not None:
            peers = [Peer(rules, node=name, extra=extra, visible=visible) for name, rules in entries.items()]
        if way == "guard over TLS" and peers:
            scene = TlsScene(peers)
            self._context = scene.pki.host("peers", "127.0.0.1").context(server=True)
            self.scene: Scene = scene
        else:
            self.scene = Scene(peers, start=not audit)
        if audit:
            config = self.scene.wall.config
            config.write_text(config.read_text().replace('file = "audit.jsonl"', audit))
            self.scene.wall.start()
        try:
            self.bar: Node = self.scene.guard(otp=otp, launched=self._lures)
        except BaseException:
            self.scene.close()
            raise

    @property
    def wall(self) -> Wall:
        """The distwall of the scene."""
        return self.scene.wall

    @property
    def address(self) -> tuple[str, int]:
        """The address where peers reach the guarded node."""
        port = epmd_port("bar", ("127.0.0.2", self.scene.epmd_port))
        assert port is not None
        return "127.0.0.2", port

    def connect(self, name: str = OPEN, *, flags: int = HIDDEN, release: int = 25) -> Connection:
        """A raw peer that has proved its cookie."""
        cookie = CLUSTER_COOKIE if self.scene.direct else COOKIE
        node = raw_peer.RawPeer(name, cookie.encode(), flags, release=release)
        return self._dialled(node) if self._lures else node.connect(self.address)

    def _dialled(self, node: raw_peer.RawPeer) -> Connection:
        """Has the guarded node dial ``node``."""
        alive = node.name.partition("@")[0]
        with node.listen() as listener, epmd_registered(alive, listener.port, ("127.0.0.1", self.scene.epmd_port)):
            return self._answering(node, listener.server)

    def _answering(self, node: raw_peer.RawPeer, server: socket.socket) -> Connection:
        self.bar.wait_until(f"not lists:member('{node.name}', nodes(connected))")
        pending = self.bar.begin(f"net_kernel:connect_node('{node.name}')")
        sock, _ = server.accept()
        if self._context is None:
            connection = node.accept(sock)
        else:
            connection = node.accept(self._context.wrap_socket(sock, server_side=True), steps=TlsHandshake)
        assert pending.result() == "true"
        return connection

    def alive(self) -> bool:
        """True if the guarded node still runs and answers."""
        with suppress(OSError, RuntimeError, TimeoutError):
            return self.bar.eval(f"node() =:= '{self.bar.name}'") == "true"
        return False

    def reasons(self) -> list[str]:
        """The reasons why distwall closed channels, and refused commands and handshakes, so far."""
        kinds = ("disconnect", "refused", "handshake_refused")
        events = [event for kind in kinds for event in self.wall.events(kind)]
        return [f"{event['reason']} {event.get('detail', '')}" for event in events]

    def told(self, reason: str, timeout: float = 20) -> bool:
        """True if the log gets an entry with that reason, for a refusal or a closed channel."""
        end = time.monotonic() + timeout
        while not any(reason in told for told in self.reasons()):
            if time.monotonic() > end:
                return False
            time.sleep(0.02)
        return True

    def close(self) -> None:
        """Ends everything."""
        self.scene.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class RedirectedAttackScene(AttackScene):
    """The same on two hosts: the guarded node knows nothing of distwall, on a host with a redirect."""

    def __init__(self, entries: Mapping[str, Sequence[str]], *, extra: str = "") -> None:
        need_hosts()
        self._context = None
        self._stack = ExitStack()
        try:
            self._pair = self._stack.enter_context(HostPair())
            peers = [Peer(rules, node=_there(name), extra=extra) for name, rules in entries.items()]
            self._hosts = self._stack.enter_context(Hosts(self._pair, peers, guards=[f"bar@{A4}"]))
            self._hosts.redirect()
            self.bar = self._hosts.guard(f"bar@{A4}", flags=["-kernel", "inet_dist_use_interface", "{127,0,0,1}"])
        except BaseException:
            self.close()
            raise

    @property
    def wall(self) -> Wall:
        """The distwall of the scene."""
        return self._hosts.wall

    def connect(self, name: str = OPEN, *, flags: int = HIDDEN, release: int = 25) -> Connection:
        """A raw peer that the guarded node has dialled."""
        node = raw_peer.RawPeer(_there(name), COOKIE.encode(), flags, release=release)
        with self._pair.b.listen(B4, 0) as server, ExitStack() as stack:
            registered = epmd_registered(name.partition("@")[0], server.getsockname()[1])
            # A socket is on the host where it was made.
            self._pair.b.run(registered.__enter__)
            stack.push(registered.__exit__)
            return self._answering(node, server)

    def close(self) -> None:
        """Ends everything."""
        self._stack.close()


def _there(name: str) -> str:
    return f"{name.partition('@')[0]}@{B4}"


@contextmanager
def attack_scene(entries: Mapping[str, Sequence[str]], *, extra: str = "", way: str) -> Iterator[AttackScene]:
    """An `AttackScene` whose connections are opened in one of the `WAYS`."""
    made = (
        RedirectedAttackScene(entries, extra=extra) if way == WAYS[-1] else AttackScene(entries, extra=extra, way=way)
    )
    with made:
        yield made
