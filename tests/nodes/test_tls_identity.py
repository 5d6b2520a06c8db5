"""Who has the right cookie and the wrong certificate, whoever dials: nothing passes, and the log says why."""

import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta

import pytest

from tests.support import raw_peer
from tests.support.certificates import make_ca
from tests.support.epmd import epmd_port, epmd_registered
from tests.support.node import Node
from tests.support.scene import GUARD
from tests.support.tls import HOST, Identity, TlsScene, bare_context, tls_to
from tests.support.wall import Peer

FOO = "foo@127.0.0.1"
SHOP = "shop1@127.0.0.1"
COOKIE = "peer-cookie"
CHECKS = """
import threading

def peer(certificate, node):
    name = node.partition("@")[0]
    if name == "raises":
        raise KeyError("no such node")
    if name == "hangs":
        threading.Event().wait(60)
    return name not in ("revoked", "raises")
"""
CHECKED = ("revoked", "raises", "hangs")


@pytest.fixture(scope="module")
def scene() -> Iterator[TlsScene]:
    host = 'certificate = "{host}"'
    entries = [
        Peer(["accept *"], extra=host),
        Peer(
            ["accept *"],
            "shop*@127.0.0.1",
            extra='certificate = ["URI:spiffe://example.org/{name}", "DNS:{name}.test"]',
        ),
        Peer(["accept *"], "old@127.0.0.1", extra='certificate = "CN:old node"'),
        Peer(["accept *"], "any@127.0.0.1"),
        Peer(["accept *"], "plain@127.0.0.1", extra='tls = "off"'),
        *(Peer(["accept *"], f"{name}@127.0.0.1", extra=host) for name in CHECKED),
    ]
    with TlsScene(entries, extra='verify_peer = "checks:peer"', files=CHECKS) as scene:
        yield scene


@pytest.fixture(scope="module", autouse=True)
def bar(scene: TlsScene) -> Node:
    return scene.guard(launched=True)


@pytest.fixture(scope="module")
def identities(scene: TlsScene) -> dict[str, Identity]:
    pki = scene.pki
    past = datetime.now(UTC) - timedelta(hours=1)
    folder = scene.folder / "other"
    folder.mkdir()
    return {
        "good": pki.host("good", "127.0.0.1"),
        "other CA": pki.host("foreign", "127.0.0.1", ca=make_ca(folder)),
        "expired": pki.host("expired", "127.0.0.1", not_after=past),
        "another host": pki.host("other", "127.0.0.9"),
        "shop1 by URI": pki.identity("shop1", uri=["spiffe://example.org/shop1"]),
        "shop2 by URI": pki.identity("shop2", uri=["spiffe://example.org/shop2"]),
        "shop1 by DNS": pki.identity("shop1-dns", dns=["shop1.test"]),
        "all shops": pki.identity("shops", dns=["*.test"], uri=["spiffe://example.org/*"]),
        "CN": pki.identity("old", cn="old node"),
        "CN beside a SAN": pki.identity("old-san", cn="old node", dns=["elsewhere.test"]),
    }


def _is_let_in(scene: TlsScene, name: str, context: ssl.SSLContext) -> bool:
    port = epmd_port("bar", (HOST, scene.epmd_port))
    assert port is not None
    try:
        with tls_to((HOST, port), context) as peer:
            peer.send_name(name, raw_peer.RawPeer(name, b"").flags, 7)
            return peer.receive_status() in (b"ok", b"ok_simultaneous")
    except (OSError, raw_peer.HandshakeFailed):
        return False


REFUSED = "certificate: its entry does not accept the certificate of"

VERSIONS = {"TLS 1.2": ssl.TLSVersion.TLSv1_2, "TLS 1.3": ssl.TLSVersion.TLSv1_3}
# The peer's name, what it shows, and why it is refused (None: it isn't).
Case = tuple[str, str, str | None]
SHOWN: list[Case] = [
    (FOO, "good", None),
    (FOO, "other CA", "tls: its certificate is signed by an unknown CA"),
    (FOO, "expired", "tls: its certificate has expired"),
    (FOO, "another host", f"{REFUSED} DNS:127.0.0.9"),
    (SHOP, "shop1 by URI", None),
    (SHOP, "shop1 by DNS", None),
    (SHOP, "shop2 by URI", f"{REFUSED} URI:spiffe://example.org/shop2"),
    (SHOP, "all shops", f"{REFUSED} DNS:*.test"),
    (SHOP, "good", f"{REFUSED} DNS:127.0.0.1"),
    ("old@127.0.0.1", "CN", None),
    ("old@127.0.0.1", "CN beside a SAN", f"{REFUSED} DNS:elsewhere.test"),
    ("any@127.0.0.1", "another host", None),
    ("revoked@127.0.0.1", "good", "certificate: verify_peer"),
    ("raises@127.0.0.1", "good", "certificate: verify_peer"),
    ("hangs@127.0.0.1", "good", "certificate: verify_peer"),
]

# The version makes a difference to who notices when, that is to the faults that TLS itself finds.
SHOWINGS = pytest.mark.parametrize(
    ("case", "version"),
    [
        pytest.param(case, version, id=f"{case[0]} shows {case[1]}, {version}")
        for version in VERSIONS
        for case in (SHOWN if version == "TLS 1.3" else SHOWN[:4])
    ],
)


@SHOWINGS
def test_a_peer_that_dials_is_let_in_by_its_certificate_only(
    scene: TlsScene, identities: dict[str, Identity], case: Case, version: str
) -> None:
    name, shown, fault = case
    before = len(scene.wall.events("handshake_refused"))
    assert _is_let_in(scene, name, identities[shown].context(VERSIONS[version])) is (fault is None)
    event = scene.wall.wait_event("handshake_refused", behind=before)
    assert event["opened_by"] == "peer"
    if fault is not None:
        assert f"{event['reason']}: {event['detail']}".startswith(fault)


@pytest.mark.parametrize("version", VERSIONS)
def test_a_peer_that_dials_without_a_certificate_is_refused(scene: TlsScene, version: str) -> None:
    before = len(scene.wall.events("handshake_refused"))
    assert not _is_let_in(scene, FOO, bare_context(VERSIONS[version]))
    event = scene.wall.wait_event("handshake_refused", behind=before)
    assert (event["reason"], event["detail"]) == ("tls", "it has no certificate")


def test_a_peer_that_dials_in_plain_tcp_needs_an_entry_without_tls(scene: TlsScene) -> None:
    for name, reason in ((FOO, "plain_tcp"), ("plain@127.0.0.1", None)):
        address = (HOST, epmd_port("bar", (HOST, scene.epmd_port)) or 0)
        if reason is None:
            raw_peer.RawPeer(name, COOKIE.encode()).connect(address).sock.close()
        else:
            with pytest.raises(raw_peer.HandshakeFailed, match="not_allowed"):
                raw_peer.RawPeer(name, COOKIE.encode()).connect(address)
            event = scene.wall.wait_event("handshake_refused", peer=name, reason=reason)
            assert event["detail"] == "its entry requires TLS"


def test_a_peer_whose_entry_is_without_tls_does_not_get_in_by_a_certificate_alone(
    scene: TlsScene, identities: dict[str, Identity]
) -> None:
    assert _is_let_in(scene, "plain@127.0.0.1", identities["good"].context())


@contextmanager
def _lure(scene: TlsScene, name: str, context: ssl.SSLContext | None) -> Iterator[list[bytes]]:
    """Whoever answers where ``name`` should be; yields what it was told, behind TLS."""
    told: list[bytes] = []

    def serve(server: socket.socket) -> None:
        raw, _ = server.accept()
        with raw, raw.dup() as below:
            raw.settimeout(10)
            below.settimeout(10)
            try:
                sock = context.wrap_socket(raw, server_side=True) if context else raw
                with sock:
                    told.append(sock.recv(1000))
            except OSError:
                # If bytes were left unread, the system would drop the alert on its way.
                with suppress(OSError):
                    while below.recv(1000):
                        pass

    with (
        socket.create_server(("127.0.0.1", 0)) as server,
        epmd_registered(name.partition("@")[0], server.getsockname()[1], ("127.0.0.1", scene.epmd_port)),
    ):
        thread = threading.Thread(target=serve, args=[server])
        thread.start()
        yield told
        thread.join(10)
        assert not thread.is_alive()


@SHOWINGS
def test_a_peer_that_is_dialled_is_known_by_its_certificate_only(
    scene: TlsScene, bar: Node, identities: dict[str, Identity], case: Case, version: str
) -> None:
    name, shown, fault = case
    if (name, shown) == ("any@127.0.0.1", "another host"):
        # Without `certificate` in its entry it has to have one for its host.
        fault = "tls: 127.0.0.1: its certificate is for another address"
    elif fault is not None and fault.startswith("tls: "):
        fault = fault.replace("tls: ", "tls: 127.0.0.1: ")
    before = len(scene.wall.events("handshake_refused"))
    context = identities[shown].context(VERSIONS[version], server=True)
    with _lure(scene, name, context) as told:
        milliseconds, value = bar.timed(f"net_kernel:connect_node('{name}')")
    assert value == "false"
    assert milliseconds < 5000
    event = scene.wall.wait_event("handshake_refused", behind=before, peer=name)
    assert event["opened_by"] == "guard"
    if fault is None:
        assert told[0][4:5] == b"N"
        assert GUARD.encode() in told[0]
    else:
        assert b"".join(told) == b"", "not a byte of the handshake"
        assert f"{event['reason']}: {event['detail']}".startswith(fault)


def test_a_peer_that_is_dialled_and_speaks_plain_tcp_learns_nothing(scene: TlsScene, bar: Node) -> None:
    before = len(scene.wall.events("handshake_refused"))
    with _lure(scene, FOO, None) as told:
        assert bar.eval(f"net_kernel:connect_node('{FOO}')") == "false"
    assert told[0][:1] == b"\x16"
    assert GUARD.encode() not in told[0]
    event = scene.wall.wait_event("handshake_refused", behind=before, peer=FOO)
    assert (event["reason"], event["detail"]) == ("unreachable", "127.0.0.1: it hung up")


@pytest.mark.parametrize("version", VERSIONS)
def test_when_a_peer_does_not_accept_distwalls_certificate_the_log_says_so(
    scene: TlsScene, bar: Node, identities: dict[str, Identity], version: str
) -> None:
    """The log says that it is the certificate, also where TLS 1.3 has the peer look at it when all seems well."""
    before = len(scene.wall.events("handshake_refused"))
    context = identities["good"].context(VERSIONS[version], server=True)
    context.verify_mode = ssl.CERT_REQUIRED
    context.load_verify_locations(scene.folder / "other" / "ca.pem")
    with _lure(scene, FOO, context) as told:
        assert bar.eval(f"net_kernel:connect_node('{FOO}')") == "false"
    assert told == []
    event = scene.wall.wait_event("handshake_refused", behind=before, peer=FOO)
    assert event["detail"].endswith("it does not know the CA of distwall's certificate")


def test_the_guarded_node_is_well_after_all_that(scene: TlsScene, bar: Node, identities: dict[str, Identity]) -> None:
    foo = scene.peer(FOO, flags=scene.pki.flags(identities["good"]))
    assert foo.eval(f"net_adm:ping('{GUARD}')") == "pong"
    assert bar.eval("nodes(hidden)") == f"['{FOO}']"


@pytest.fixture(scope="module")
def optional() -> Iterator[TlsScene]:
    entries = [Peer(["accept *"], extra='certificate = "{host}"'), Peer(["accept *"], "any@127.0.0.1")]
    with TlsScene(entries, extra='client_certificates = "optional"') as scene:
        scene.guard()
        yield scene


def test_without_required_certificates_the_entry_decides(optional: TlsScene) -> None:
    assert _is_let_in(optional, "any@127.0.0.1", bare_context())
    assert not _is_let_in(optional, FOO, bare_context())
    event = optional.wall.wait_event("handshake_refused", peer=FOO)
    assert (event["reason"], event["detail"]) == ("no_certificate", "its entry requires a certificate")


def test_one_that_is_shown_is_looked_at(optional: TlsScene) -> None:
    folder = optional.folder / "other"
    folder.mkdir()
    foreign = optional.pki.host("foreign", "127.0.0.1", ca=make_ca(folder))
    assert not _is_let_in(optional, "any@127.0.0.1", foreign.context())
    event = optional.wall.wait_event("handshake_refused", reason="tls")
    assert event["detail"] == "its certificate is signed by an unknown CA"


def test_where_certificates_are_optional_a_node_needs_none(optional: TlsScene) -> None:
    node = optional.peer("any@127.0.0.1", flags=optional.pki.flags(None))
    assert node.eval(f"net_adm:ping('{GUARD}')") == "pong"
    assert optional.wall.wait_event("connect", peer="any@127.0.0.1")["certificate"] is None
