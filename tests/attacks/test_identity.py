"""Names and addresses that are not what they seem."""

import socket
import struct
from contextlib import suppress
from pathlib import Path

import pytest

from tests.attacks.lure import answered, dial_out, luring, way_out
from tests.support.in_process_wall import FLAGS, GUARD, PEER, PEER_COOKIE, WAIT, FakeGuard, join, wall_in_process
from tests.support.raw_peer import digest
from tests.support.tls import Pki, TlsWall
from tests.support.wall import CLUSTER_COOKIE, Peer

MATE = "baz@127.0.0.2"
ANY = Peer(["accept *"], node="*@*")


def test_a_glob_lets_nobody_be_a_guarded_node(tmp_path: Path) -> None:
    """Its mates would take a peer that bears a guarded node's name for that one, and send it what is meant for it."""
    with (
        wall_in_process(tmp_path, [ANY], guards=[GUARD, MATE]) as wall,
        FakeGuard(wall).registered() as guard,
        FakeGuard(wall, MATE).registered(),
    ):
        peer = wall.dial()
        peer.send_name(MATE, FLAGS, 5)
        assert peer.receive_status() == b"not_allowed"
        wall.wait_event("handshake_refused", reason="own_name", peer=MATE)
        assert guard.is_left_alone()
        join(wall, guard, "baz@127.0.0.3")


def test_a_glob_leads_no_guarded_node_to_another(tmp_path: Path) -> None:
    """A mate that is not there now, and whoever answers in its place."""
    with luring(tmp_path, [ANY]) as here:
        inner = dial_out(here.wall, "bar@127.0.0.2", guard="bar@127.0.0.2")
        assert inner.is_closed()
    with luring(tmp_path, [ANY], guards=[GUARD, "mate@127.0.0.1"]) as here:
        assert dial_out(here.wall, "mate@127.0.0.1").is_closed()
        here.wall.wait_event("handshake_refused", reason="own_name", opened_by="guard")
        assert here.was_left_alone()
        answered(*here.lured("other@127.0.0.1"), 1, name="other@127.0.0.1")


def test_the_entry_for_the_guarded_node_that_dials_decides(tmp_path: Path) -> None:
    """The first entry has the cluster's cookie, which is not shown to anybody; it is about another guarded node."""
    mate = "mate@127.0.0.2"
    entries = [
        Peer(["accept *"], cookie=CLUSTER_COOKIE, extra=f'guards = ["{mate}"]'),
        Peer(["accept *"], extra=f'guards = ["{GUARD}"]'),
    ]
    with luring(tmp_path, entries, guards=[GUARD, mate]) as here:
        assert answered(*here.lured(), 1)[1] == digest(PEER_COOKIE, 1)
        assert dial_out(here.wall, guard=mate).is_closed()
        here.wall.wait_event("handshake_refused", reason="cluster_cookie", guard=mate)
        assert here.was_left_alone()


def test_an_entry_that_names_a_guarded_node_lets_it_in(tmp_path: Path) -> None:
    """Where the policy leads mates through distwall, it says so."""
    entry = Peer(["accept *"], node=MATE)
    with (
        wall_in_process(tmp_path, [entry, ANY], guards=[GUARD, MATE]) as wall,
        FakeGuard(wall).registered() as guard,
    ):
        join(wall, guard, MATE)


@pytest.mark.parametrize(
    ("host", "reason"),
    [
        ("a..b", "unreachable"),
        ("x" * 64, "unreachable"),
        ("é" * 64, "unreachable"),
        ("..", "unreachable"),
        # Other spellings of 127.0.0.1, whose EPMD knows every node here: what counts is where they lead.
        ("127.1", "source"),
        ("2130706433", "source"),
        ("0177.0.0.1", "source"),
        ("0x7f.0.0.1", "source"),
        ("::ffff:127.0.0.1", "source"),
        ("::ffff:7f00:1", "source"),
    ],
)
def test_hosts_that_are_none_or_somewhere_else_are_not_dialled(tmp_path: Path, host: str, reason: str) -> None:
    """A guarded node dials them where a glob stands for every host, but only some addresses are admitted."""
    entry = Peer(["accept *"], node="*@*", extra='from = ["10.0.0.0/8", "0.0.0.0/32", "::/96"]')
    with luring(tmp_path, [entry]) as here:
        assert dial_out(here.wall, f"foo@{host}").is_closed()
        here.wall.wait_event("handshake_refused", reason=reason, opened_by="guard")
        assert here.was_left_alone()


def test_a_connection_that_is_reset_at_once_does_no_harm(tmp_path: Path) -> None:
    """A connection that is reset at once has no address any more; what it has sent is there all the same."""
    entry = Peer(["accept *"], extra='from = ["127.0.0.1"]')
    name = struct.pack(">HcQIH", 15 + len(PEER), b"N", FLAGS, 5, len(PEER)) + PEER.encode()
    with wall_in_process(tmp_path, [entry]) as wall, FakeGuard(wall).registered() as guard:
        for request in (b"", b"\0\1n", b"\0\4zbar", name):
            for address in (wall.peers_epmd, wall.register_epmd, ("127.0.0.2", wall.port())):
                for _ in range(20):
                    with socket.create_connection(address) as sock:
                        sock.sendall(request)
                        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        assert wall.port()
        assert way_out(wall) is not None
        guard.server.settimeout(0.5)
        with suppress(TimeoutError):
            while True:
                guard.accept().close()
        guard.server.settimeout(WAIT)
        join(wall, guard)
        assert wall.errors == []


def test_verify_peer_is_asked_whichever_entry_applies_in_the_end(tmp_path: Path) -> None:
    """Until the guarded node has said its full name, the peer's entry may be another one, which asks for less."""
    (tmp_path / "nobody.py").write_text("def peer(certificate, node):\n    return False\n")
    identity = (pki := Pki(tmp_path)).host("wall", "127.0.0.2")
    settings = f'cert = "{identity.cert}", key = "{identity.key}", ca = "{identity.ca}", verify_peer = "nobody:peer"'
    entries = [
        Peer(["accept *"], extra='tls = "off"\nguards = ["bar@127.0.0.9"]'),
        Peer(["accept *"], extra='guards = ["bar@127.0.0.2"]'),
    ]
    with (
        wall_in_process(tmp_path, entries, guards=["bar@127.*"], extra=f"tls = {{ {settings} }}") as wall,
        FakeGuard(wall).registered() as guard,
    ):
        here = TlsWall(wall, pki, identity)
        with pytest.raises(ConnectionError):
            here.join(guard)
        wall.wait_event("handshake_refused", reason="guard_unknown")
        again = here.dial()
        again.send_name(PEER, FLAGS, 5)
        assert again.receive_status() == b"not_allowed"
        wall.wait_event("handshake_refused", reason="certificate", detail="verify_peer nobody:peer says no")
