"""Scenes in which distribution runs over TLS: certificates, nodes with them, and sockets that speak it."""

import contextlib
import os
import shutil
import socket
import ssl
import struct
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from tests.support.certificates import CA, make_ca
from tests.support.epmd import read_exactly
from tests.support.in_process_wall import FLAGS, PEER, FakeGuard, InProcessWall, RawSocket, finish, wall_in_process
from tests.support.node import Node
from tests.support.raw_peer import Handshake
from tests.support.scene import GUARD, Scene
from tests.support.wall import Peer

HOST = GUARD.partition("@")[2]
VERIFY = ("{verify, verify_peer}",)
DEMAND = (*VERIFY, "{fail_if_no_peer_cert, true}")
# OTP 25 knows no way to leave out just the host in the certificate.
ANY_HOST = ("{verify, verify_none}",)


@dataclass(frozen=True)
class Identity:
    """Files of a certificate, its key, and the CAs that its holder trusts."""

    cert: Path
    key: Path
    ca: Path

    def toml(self, table: str = "guard.tls", extra: str = "") -> str:
        """The table of the policy that names them."""
        return f'[{table}]\ncert = "{self.cert}"\nkey = "{self.key}"\nca = "{self.ca}"\n{extra}\n'

    def context(self, version: ssl.TLSVersion | None = None, *, server: bool = False) -> ssl.SSLContext:
        """A context that shows this certificate, and does not check the other side's."""
        context = bare_context(version, server=server)
        context.load_cert_chain(self.cert, self.key)
        return context


def bare_context(version: ssl.TLSVersion | None = None, *, server: bool = False) -> ssl.SSLContext:
    """For a socket of a test that shows no certificate."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER if server else ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    if version is not None:
        context.minimum_version = context.maximum_version = version
    return context


class Pki:
    """A CA and what it issues, in files."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.ca = make_ca(folder)
        self._stack = ExitStack()

    def identity(self, name: str, *, ca: CA | None = None, **names: Any) -> Identity:
        """A certificate with these ``names`` (see `CA.issue`) by ``ca``, whose holder trusts this one's."""
        cert, key = (ca or self.ca).issue(self.folder, name, **names)
        return Identity(cert, key, self.ca.cert)

    def host(self, name: str, *hosts: str, **more: Any) -> Identity:
        """A certificate for IP addresses, as nodes of all releases look for them."""
        return self.identity(name, dns=hosts, ip=hosts, **more)

    def flags(
        self,
        identity: Identity | None,
        *,
        version: str = "tlsv1.3",
        server: Sequence[str] = DEMAND,
        client: Sequence[str] = VERIFY,
        otp: str = "DISTWALL_PEER_OTP",
    ) -> list[str]:
        """Flags for a node that shows ``identity``; None: it dials without a certificate.

        ``server`` and ``client`` are further options. ``otp`` is the variable that says where its release is.
        """
        root = os.environ.get(otp, "")
        folder = self.folder
        if root:
            folder = Path(tempfile.mkdtemp(prefix="distwall-", dir=f"{root}/tmp"))
            self._stack.callback(shutil.rmtree, folder, ignore_errors=True)
        trusted = [f'{{cacertfile, "{_seen(self.ca.cert, folder, root)}"}}', f"{{versions, ['{version}']}}"]
        shown = []
        if identity is not None:
            cert, key = (_seen(path, folder, root) for path in (identity.cert, identity.key))
            shown = [f'{{certfile, "{cert}"}}', f'{{keyfile, "{key}"}}']
        options = ", ".join(
            f"{{{role}, [{', '.join([*shown, *trusted, *more])}]}}"
            for role, more in (("server", server), ("client", client))
        )
        file = Path(tempfile.mkstemp(suffix=".conf", dir=folder)[1])
        file.write_text(f"[{options}].\n")
        return ["-proto_dist", "inet_tls", "-ssl_dist_optfile", f"/{file.relative_to(root or '/')}"]

    def close(self) -> None:
        """Removes what other releases have been given."""
        self._stack.close()


def _seen(file: Path, folder: Path, root: str) -> str:
    """The name of ``file`` for a node whose root is another one: it is copied there."""
    if not root:
        return str(file)
    return f"/{Path(shutil.copy(file, folder)).relative_to(root)}"


class TlsScene(Scene):
    """A scene whose distwall has a certificate; nodes show theirs by the flags that `Pki.flags` makes."""

    def __init__(
        self, peers: Sequence[Peer], *, extra: str = "", inside: Sequence[str] | None = None, files: str = ""
    ) -> None:
        """``extra`` are further lines of ``[guard.tls]``; ``inside``: hosts of distwall's certificate inside.

        ``files`` is the text of ``checks.py`` beside the policy.
        """
        super().__init__(peers, start=False)
        try:
            self.pki = Pki(self.folder)
            self._stack.callback(self.pki.close)
            self.identity = self.pki.host("wall", HOST)
            tables = self.identity.toml(extra=extra)
            if inside is not None:
                tables += self.pki.host("inside", *inside).toml("guard.tls.inside")
            (self.folder / "checks.py").write_text(files)
            config = self.wall.config
            config.write_text(config.read_text().replace("[audit]", f"{tables}\n[audit]", 1))
            self.wall.start()
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> Self:
        return self


@dataclass
class TlsHandshake(Handshake):
    """The steps of a handshake over TLS, where the length of a message has four bytes."""

    def send(self, body: bytes) -> None:
        """One message."""
        self.sock.sendall(struct.pack(">I", len(body)) + body)

    def receive(self) -> bytes:
        """The next message."""
        return read_exactly(self.sock, int.from_bytes(read_exactly(self.sock, 4)))


def wrap(sock: socket.socket, context: ssl.SSLContext, host: str = HOST) -> ssl.SSLSocket:
    """TLS on a connection that the test has opened."""
    return context.wrap_socket(sock, server_hostname=host)


@contextmanager
def tls_to(address: tuple[str, int], context: ssl.SSLContext) -> Iterator[TlsHandshake]:
    """A connection over TLS, before anything was said."""
    with socket.create_connection(address, 10) as raw, wrap(raw, context) as sock:
        sock.settimeout(10)
        yield TlsHandshake(sock)


def talk(one: Node, other: Node) -> None:
    """Carries bytes of a connection in both directions, as much as it has to carry; ``one`` dials if need be."""
    assert one.eval(f"net_adm:ping('{other.name}')") == "pong"
    for here, there in ((one, other), (other, one)):
        assert here.eval(f"erpc:call('{there.name}', erlang, node, [])") == f"'{there.name}'"
        large = f"B = rand:bytes(5000000), erpc:call('{there.name}', erlang, list_to_tuple, [[B, B]]) =:= {{B, B}}"
        assert here.eval(large, 30) == "true"
        small = f"""
            P = erpc:call('{there.name}', probe, collector, []),
            [P ! N || N <- lists:seq(1, 20000)],
            erpc:call('{there.name}', probe, await, [P, 20000, 20000]) =:= lists:seq(1, 20000)
        """
        assert here.eval(small, 30) == "true"


@dataclass
class RawTlsSocket(TlsHandshake, RawSocket):
    """A `RawSocket` over TLS."""

    def hang_up(self) -> None:
        """Ends the stream as nodes do, and doesn't wait for the answer."""
        assert isinstance(self.sock, ssl.SSLSocket)
        self.sock.settimeout(0.01)
        with contextlib.suppress(OSError):
            self.sock.unwrap()
        self.sock.close()


class TlsWall:
    """A distwall in this process that has a certificate, and sockets for both its sides."""

    def __init__(self, wall: InProcessWall, pki: Pki, identity: Identity) -> None:
        self.wall = wall
        self.pki = pki
        self.identity = identity
        self.peer = pki.host("peer", "127.0.0.1")
        self.port = 0
        """Distwall's port for ``bar``; 0: it was not asked for yet. EPMD doesn't like to be asked all the time."""

    def connect(self, *, source: str = "127.0.0.1", receive_buffer: int = 0) -> socket.socket:
        """A connection to distwall's port for ``bar``, before TLS."""
        self.port = self.port or self.wall.port()
        sock = socket.socket()
        if receive_buffer:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        sock.settimeout(10)
        sock.bind((source, 0))
        sock.connect((HOST, self.port))
        return sock

    def dial(self, context: ssl.SSLContext | None = None, **how: Any) -> RawTlsSocket:
        """A connection over TLS, before anything was said."""
        sock = wrap(self.connect(**how), context or self.peer.context())
        self.wall.own(sock)
        return RawTlsSocket(sock)

    def join(
        self, guard: FakeGuard, context: ssl.SSLContext | None = None, name: str = PEER, **how: Any
    ) -> tuple[RawTlsSocket, RawSocket]:
        """A whole handshake. Returns the peer's and the guarded node's socket, to be used for frames."""
        peer = self.dial(context, **how)
        peer.send_name(name, FLAGS, 5)
        inner = guard.accept()
        inner.receive_name()
        inner.send_status("ok")
        assert peer.receive_status() == b"ok"
        finish(self.wall, guard, peer, inner)
        return peer, inner

    def is_empty(self, seconds: float = 3) -> bool:
        """True if all handshakes and channels are gone within some time."""
        pending = self.wall.gateway._pending
        end = time.monotonic() + seconds
        while any((pending._open, pending._by_ticket, pending.connections, pending.outgoing, pending.pumps)):
            if time.monotonic() > end:
                return False
            time.sleep(0.02)
        return True


@contextmanager
def tls_wall(folder: Path, peers: Sequence[Peer], extra: str = "") -> Iterator[TlsWall]:
    """A distwall in this process that has a certificate. ``extra`` are further settings of it, each behind a comma."""
    pki = Pki(folder)
    identity = pki.host("wall", HOST)
    table = f'tls = {{ cert = "{identity.cert}", key = "{identity.key}", ca = "{identity.ca}"{extra} }}'
    with wall_in_process(folder, peers, extra=table) as wall:
        yield TlsWall(wall, pki, identity)
