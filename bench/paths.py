"""The ways from ``foo`` to ``bar`` that are compared, each with two nodes of its own."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.support.node import Node
from tests.support.ports import lease
from tests.support.process import Child
from tests.support.scene import GUARD, Scene
from tests.support.tls import Pki, TlsScene
from tests.support.wall import Peer

FILTERS = 1000
_HAPROXY = """global
    nbthread 1
defaults
    mode tcp
    timeout connect 5s
    timeout client 1h
    timeout server 1h
listen dist
    bind 127.0.0.2:{port}
    server bar 127.0.0.1:{port}
"""


@dataclass(frozen=True)
class Way:
    """Two connected nodes and, if there is one, the process between them."""

    name: str
    foo: Node
    bar: Node
    proxy: Child | None

    def cpu_seconds(self) -> float:
        """CPU time that the process between has used so far."""
        if self.proxy is None:
            return 0.0
        # The command name, in brackets, may hold anything.
        fields = Path(f"/proc/{self.proxy.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


@contextmanager
def raw() -> Iterator[Way]:
    """One TCP connection from node to node."""
    with Scene(None) as scene:
        bar, foo = scene.guard(), scene.peer()
        yield _connected("raw", foo, bar, None)


@contextmanager
def haproxy() -> Iterator[Way]:
    """HAProxy in TCP mode: the node listens on 127.0.0.1, HAProxy on 127.0.0.2, at the same port number."""
    with Scene(None) as scene, lease() as port:
        fixed = ["-kernel", "inet_dist_listen_min", str(port), "-kernel", "inet_dist_listen_max", str(port)]
        bar = scene.guard(flags=[*fixed, "-kernel", "inet_dist_use_interface", "{127,0,0,1}"])
        config = scene.folder / "haproxy.cfg"
        config.write_text(_HAPROXY.format(port=port))
        # Debian has it where only root's PATH leads.
        env = {"PATH": f"{os.environ['PATH']}:/usr/sbin"}
        with Child(["haproxy", "-db", "-f", config], scene.folder / "haproxy.log", env=env, cwd=scene.folder) as proxy:
            foo = scene.peer()
            yield _connected("haproxy", foo, bar, proxy)


@contextmanager
def distwall() -> Iterator[Way]:
    """distwall with 1,000 filters for the peer, and nothing open but the two names that are measured."""
    opened = ["accept reg_send sink", "accept reg_send echo", "deny *"]
    others = [f"accept reg_send name_{number}" for number in range(FILTERS // 2)]
    others += [f"accept spawn_request module_{number}:function/1" for number in range(FILTERS // 2 - len(opened))]
    with Scene([Peer([*others, *opened])]) as scene:
        bar, foo = scene.guard(), scene.peer()
        yield _connected("distwall", foo, bar, scene.wall.process)


@contextmanager
def otp_tls() -> Iterator[Way]:
    """OTP's own TLS from node to node."""
    with Scene(None) as scene:
        pki = Pki(scene.folder)
        bar, foo = (
            make(flags=pki.flags(pki.host(host, host)))
            for make, host in ((scene.guard, GUARD.partition("@")[2]), (scene.peer, "127.0.0.1"))
        )
        yield _connected("otp", foo, bar, None)


@contextmanager
def distwall_tls() -> Iterator[Way]:
    """TLS from the peer to distwall, which judges as in `distwall`; plain TCP on loopback behind it."""
    with TlsScene([Peer(["accept reg_send sink", "accept reg_send echo", "deny *"])]) as scene:
        bar = scene.guard()
        foo = scene.peer(flags=scene.pki.flags(scene.pki.host("foo", "127.0.0.1")))
        yield _connected("distwall", foo, bar, scene.wall.process)


def _connected(name: str, foo: Node, bar: Node, proxy: Child | None) -> Way:
    foo.wait_until(f"net_kernel:connect_node('{GUARD}')")
    bar.eval("register(echo, spawn(fun probe:echo/0))")
    return Way(name, foo, bar, proxy)
