"""Handshakes on sockets: what each side sees, in what time, and what strangers can't do."""

import socket
import struct
import time
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any

import pytest

from distwall import _core
from distwall.control import ChannelHandle, RefusedChannelError
from distwall.gateway import handshake_connection, inbound_connection, pending_connections
from distwall.handshake import admission
from tests.support import ports
from tests.support.epmd import epmd_registered
from tests.support.in_process_wall import (
    FLAGS,
    GUARD,
    PEER,
    PEER_COOKIE,
    FakeGuard,
    InProcessWall,
    RawSocket,
    finish,
    hidden,
    join,
    wall_in_process,
)
from tests.support.raw_peer import HandshakeFailed, RawPeer, digest
from tests.support.tls import bare_context
from tests.support.wall import CLUSTER_COOKIE, Peer

STRANGER = "127.0.0.66"


def relayed(
    wall: InProcessWall, guard: FakeGuard, source: str = "127.0.0.1", name: str = PEER
) -> tuple[RawSocket, RawSocket]:
    """A handshake that has come to the guarded node's status."""
    peer = wall.dial(source=source)
    peer.send_name(name, FLAGS, 5)
    inner = guard.accept()
    assert inner.receive_name()[2] == name
    return peer, inner


def challenged(
    wall: InProcessWall, guard: FakeGuard, source: str = "127.0.0.1", name: str = PEER
) -> tuple[RawSocket, RawSocket]:
    """A handshake in which the peer has its challenge."""
    peer, inner = relayed(wall, guard, source, name)
    inner.send_status("ok")
    inner.send_challenge(guard.name, guard.flags, guard.creation, 4711)
    peer.receive_status()
    peer.receive_challenge()
    return peer, inner


def test_a_whole_handshake_opens_a_channel(wall: InProcessWall, guard: FakeGuard) -> None:
    peer = wall.dial()
    peer.send_name(PEER, FLAGS, 5)
    inner = guard.accept()
    assert inner.receive_name() == (hidden(FLAGS) & _core.KNOWN_FLAGS, 5, PEER)
    inner.send_status("ok_simultaneous")
    assert peer.receive_status() == b"ok_simultaneous"
    finish(wall, guard, peer, inner)
    event = wall.wait_event("connect")
    assert (event["peer"], event["guard"], event["visible"]) == (PEER, GUARD, False)
    peer.sock.sendall(bytes(4))
    assert inner.sock.recv(10) == bytes(4), "a tick goes through"


def test_names_of_nobody_are_refused_before_anything_is_dialled(wall: InProcessWall, guard: FakeGuard) -> None:
    with pytest.raises(HandshakeFailed, match="not_allowed"):
        RawPeer("evil@127.0.0.1", b"x").connect(("127.0.0.2", wall.port()))
    event = wall.wait_event("handshake_refused")
    assert (event["peer"], event["guard"], event["reason"]) == ("evil@127.0.0.1", GUARD, "unknown_node")
    assert event["source"] == "127.0.0.1"
    assert guard.is_left_alone()


def test_sources_outside_the_entrys_networks_are_refused(tmp_path: Path) -> None:
    # The other entry is why EPMD tells 127.0.0.1 where the guarded node is.
    peers = [Peer(["accept *"], extra='from = ["127.0.0.64/26"]'), Peer(["accept *"], node="other@127.0.0.1")]
    with wall_in_process(tmp_path, peers) as wall, FakeGuard(wall).registered() as guard:
        outside = wall.dial(source="127.0.0.1")
        outside.send_name(PEER, FLAGS, 5)
        assert outside.receive_status() == b"not_allowed"
        assert guard.is_left_alone()
        relayed(wall, guard, source=STRANGER)
        assert wall.wait_event("handshake_refused")["reason"] == "source"


def test_a_wrong_cookie_is_the_end_of_it(wall: InProcessWall, guard: FakeGuard) -> None:
    peer, inner = relayed(wall, guard)
    inner.send_status("alive")
    assert peer.receive_status() == b"alive"
    peer.send_status("true")
    assert inner.receive_status() == b"true"
    inner.send_challenge(guard.name, guard.flags, guard.creation, 4711)
    _, challenge, _, _ = peer.receive_challenge()
    peer.prove(b"wrong", challenge)
    assert peer.is_closed()
    assert inner.sock.recv(10) == b"", "nothing but the end of the stream"
    event = wall.wait_event("handshake_refused")
    assert (event["reason"], event["peer"]) == ("bad_cookie", PEER)
    assert not any(secret in str(wall.seen) for secret in ("peer-cookie", "cluster-cookie", str(challenge), "4711"))


def test_a_wrong_cluster_cookie_is_explained(wall: InProcessWall, guard: FakeGuard) -> None:
    peer, inner = relayed(wall, guard)
    inner.send_status("ok")
    inner.send_challenge(guard.name, guard.flags, guard.creation, 4711)
    peer.receive_status()
    _, challenge, _, _ = peer.receive_challenge()
    peer.prove(b"peer-cookie", challenge)
    inner.receive_reply()
    inner.close()
    assert peer.is_closed()
    assert "is the cookie in [guard] the cluster's cookie?" in wall.wait_event("handshake_refused")["detail"]


@pytest.mark.parametrize("status", ["nok", "not_allowed"])
def test_refusals_of_the_guarded_node_reach_the_peer(wall: InProcessWall, guard: FakeGuard, status: str) -> None:
    peer, inner = relayed(wall, guard)
    inner.send_status(status)
    assert peer.receive_status() == status.encode()
    assert peer.is_closed()
    assert inner.is_closed()
    assert wall.wait_event("handshake_refused")["reason"] == "guard_refused"


def test_when_nobody_listens_at_the_guarded_nodes_port_the_peer_is_hung_up_on(
    wall: InProcessWall, guard: FakeGuard
) -> None:
    guard.server.close()
    peer = wall.dial()
    peer.send_name(PEER, FLAGS, 5)
    assert peer.is_closed()
    event = wall.wait_event("handshake_refused")
    assert event["reason"] == "guard_closed"
    assert "cannot reach the guarded node at 127.0.0.1:" in event["detail"]


@pytest.mark.parametrize(
    "data",
    [
        b"GET / HTTP/1.1\r\n\r\n",
        b"\0\0",
        struct.pack(">H", 5) + b"Nabcd",
        struct.pack(">H", 16) + b"N" + struct.pack(">QIH", FLAGS, 5, 1) + b"x",
        struct.pack(">H", 22) + b"N" + struct.pack(">QIH", FLAGS, 5, 7) + b"foo@h\r\n",
        b"\xff" * 100_000,
        struct.pack(">H", 17) + b"r" + bytes(16),
    ],
)
def test_garbage_is_refused_and_harms_nobody(wall: InProcessWall, guard: FakeGuard, data: bytes) -> None:
    stranger = wall.dial()
    with suppress(ConnectionError):
        stranger.sock.sendall(data)
    assert stranger.is_closed()
    assert wall.wait_event("handshake_refused")["reason"] in ("malformed", "bad_name", "out_of_order")
    assert guard.is_left_alone()
    join(wall, guard)


def test_a_node_that_speaks_tls_to_a_plain_port_is_told_so(wall: InProcessWall, guard: FakeGuard) -> None:
    with suppress(OSError):
        bare_context().wrap_socket(wall.dial().sock)
    event = wall.wait_event("handshake_refused", reason="malformed")
    assert event["detail"] == "TLS, where plain TCP is expected, in state name"
    assert guard.is_left_alone()


def test_a_peer_that_speaks_out_of_turn_is_hung_up_on(wall: InProcessWall, guard: FakeGuard) -> None:
    peer, inner = relayed(wall, guard)
    peer.sock.sendall(b"\0")
    assert peer.is_closed()
    assert inner.is_closed()
    assert wall.wait_event("handshake_refused")["reason"] == "out_of_order"


def test_frames_behind_the_proof_are_not_lost(wall: InProcessWall, guard: FakeGuard) -> None:
    peer, inner = relayed(wall, guard)
    inner.send_status("ok")
    inner.send_challenge(guard.name, guard.flags, guard.creation, 4711)
    peer.receive_status()
    _, challenge, _, _ = peer.receive_challenge()
    peer.prove(b"peer-cookie", challenge)
    peer.sock.sendall(bytes(4))
    theirs, _ = inner.receive_reply()
    time.sleep(0.05)
    inner.sock.sendall(struct.pack(">H", 17) + b"a" + digest(b"cluster-cookie", theirs) + bytes(4))
    peer.receive_ack()
    assert peer.sock.recv(10) == bytes(4)
    assert inner.sock.recv(10) == bytes(4)


# === time ===


def test_silent_and_slow_strangers_are_cut(
    wall: InProcessWall, guard: FakeGuard, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(handshake_connection, "NAME_TIMEOUT", 0.2)
    silent, slow = wall.dial(), wall.dial()
    for byte in struct.pack(">H", 100):
        slow.sock.sendall(bytes([byte]))
        time.sleep(0.05)
    assert silent.is_closed()
    assert slow.is_closed()
    assert wall.wait_event("handshake_refused")["reason"] == "timeout"
    join(wall, guard)


@pytest.mark.parametrize("status", ["ok", "alive"])
def test_a_peer_that_never_answers_is_cut(
    wall: InProcessWall, guard: FakeGuard, monkeypatch: pytest.MonkeyPatch, status: str
) -> None:
    monkeypatch.setattr(inbound_connection, "PEER_TIMEOUT", 0.2)
    peer, inner = relayed(wall, guard)
    inner.send_status(status)
    if status == "ok":
        inner.send_challenge(guard.name, guard.flags, guard.creation, 4711)
    start = time.monotonic()
    assert peer.is_closed()
    assert inner.is_closed()
    assert time.monotonic() - start < 2
    assert wall.wait_event("handshake_refused")["reason"] == "timeout"


def test_a_guarded_node_that_never_answers_is_cut(
    wall: InProcessWall, guard: FakeGuard, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(handshake_connection, "UNPROVED_TIMEOUT", 0.3)
    peer, inner = relayed(wall, guard)
    assert peer.is_closed()
    assert inner.is_closed()
    assert wall.wait_event("handshake_refused")["reason"] == "timeout"
    monkeypatch.undo()
    join(wall, guard)


# === strangers under the peer's name ===


def test_the_newest_takes_the_place_of_one_that_holds_on(wall: InProcessWall, guard: FakeGuard) -> None:
    stranger, first = relayed(wall, guard, STRANGER)
    start = time.monotonic()
    join_through(wall, guard, first)
    assert time.monotonic() - start < admission.GRACE + 0.5
    assert stranger.is_closed()
    assert wall.wait_event("handshake_refused")["reason"] == "superseded"


def join_through(wall: InProcessWall, guard: FakeGuard, first: RawSocket | None = None) -> None:
    """The real peer connects, though a stranger's handshake is under way; ``first`` is its end at the guarded node."""
    peer = wall.dial()
    peer.send_name(PEER, FLAGS, 5)
    if first is not None:
        assert first.is_closed()
        first.close()
    inner = guard.accept()
    inner.receive_name()
    inner.send_status("ok")
    assert peer.receive_status() == b"ok"
    finish(wall, guard, peer, inner)


def test_a_newer_connection_waits_until_the_guarded_node_has_let_go_of_the_old_one(
    wall: InProcessWall, guard: FakeGuard
) -> None:
    """Otherwise its net_kernel would meet a second pending connection under the same name."""
    _, first = relayed(wall, guard, STRANGER)
    peer = wall.dial()
    peer.send_name(PEER, FLAGS, 5)
    assert first.sock.recv(10) == b"", "told to let go"
    assert guard.is_left_alone(0.2)
    first.close()
    inner = guard.accept()
    inner.receive_name()


def test_a_guarded_node_that_does_not_let_go_is_cut(
    wall: InProcessWall, guard: FakeGuard, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(handshake_connection, "RELEASE_TIMEOUT", 0.1)
    relayed(wall, guard, STRANGER)
    join_through(wall, guard)


def contest(wall: InProcessWall, guard: FakeGuard) -> None:
    """A stranger holds the peer's name until the guarded node has said who it is, and leaves."""
    stranger, inner = challenged(wall, guard, STRANGER)
    stranger.close()
    assert inner.is_closed()
    inner.close()
    wall.wait_event("handshake_refused", source=STRANGER)


def named_first(wall: InProcessWall, guard: FakeGuard) -> tuple[RawSocket, int]:
    """A peer that has its challenge before the guarded node has heard of it; and that challenge."""
    peer = wall.dial()
    peer.send_name(PEER, FLAGS, 5)
    assert peer.receive_status() == b"ok"
    flags, challenge, creation, name = peer.receive_challenge()
    assert (flags, creation, name) == (hidden(guard.flags), guard.creation, guard.name)
    assert guard.is_left_alone()
    return peer, challenge


def test_under_a_contested_name_the_guarded_node_hears_of_the_peer_after_its_proof(
    wall: InProcessWall, guard: FakeGuard
) -> None:
    contest(wall, guard)
    wrong, challenge = named_first(wall, guard)
    wrong.prove(b"wrong", challenge)
    assert wrong.is_closed()
    assert guard.is_left_alone()
    peer, challenge = named_first(wall, guard)
    peer.prove(PEER_COOKIE, challenge)
    inner = guard.accept()
    assert inner.receive_name()[2] == PEER
    inner.send_status("ok")
    inner.send_challenge(guard.name, guard.flags, guard.creation, 4711)
    theirs, _ = inner.receive_reply()
    inner.send_ack(digest(CLUSTER_COOKIE.encode(), theirs))
    assert peer.receive_ack() == digest(PEER_COOKIE, 99)
    wall.wait_event("connect")


def test_peers_that_prove_first_wait_for_each_other(wall: InProcessWall, guard: FakeGuard) -> None:
    """Side by side, wrong cookies would overdraw the budget of their address, and shut out the real peer behind it."""
    contest(wall, guard)
    first, _ = named_first(wall, guard)
    start = time.monotonic()
    second = wall.dial()
    second.send_name(PEER, FLAGS, 5)
    assert second.is_silent(admission.GRACE / 3)
    assert second.receive_status() == b"ok"
    assert time.monotonic() - start > admission.GRACE / 2
    assert first.is_closed()
    assert wall.wait_event("handshake_refused", source="127.0.0.1")["reason"] == "superseded"
    assert guard.is_left_alone()


def test_wrong_cookies_at_a_time_cost_no_more_than_the_budget(wall: InProcessWall, guard: FakeGuard) -> None:
    contest(wall, guard)
    crowd = [wall.dial() for _ in range(8)]
    for each in crowd:
        each.send_name(PEER, FLAGS, 5)
    for each in reversed(crowd):
        with suppress(OSError, HandshakeFailed):
            each.receive_status()
            each.prove(b"wrong", each.receive_challenge()[1])
    assert all(each.is_closed() for each in crowd)
    peer = wall.dial()
    peer.send_name(PEER, FLAGS, 5)
    assert peer.receive_status() == b"ok", "after a second at most"
    assert guard.is_left_alone()


def test_an_attempt_that_has_to_give_way_is_held_until_the_peer_hangs_up(wall: InProcessWall, guard: FakeGuard) -> None:
    contest(wall, guard)
    peer, challenge = named_first(wall, guard)
    peer.prove(PEER_COOKIE, challenge)
    inner = guard.accept()
    inner.receive_name()
    inner.send_status("nok")
    inner.close()
    assert peer.is_silent(0.5)
    peer.close()
    refused = wall.wait_event("handshake_refused", source="127.0.0.1")
    assert (refused["reason"], refused["detail"]) == ("peer_closed", "in state proved")


def test_a_guarded_node_that_registers_again_is_asked_again(wall: InProcessWall, guard: FakeGuard) -> None:
    contest(wall, guard)
    wall.gateway._pending.guard_gone("bar")
    peer = wall.dial()
    peer.send_name(PEER, FLAGS, 5)
    assert guard.accept().receive_name()[2] == PEER


def test_nodes_that_ask_for_a_name_contest_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each has a key of its own: they would push the names out that strangers have held."""
    monkeypatch.setattr(pending_connections, "MAX_REMEMBERED", 1)
    peers = [Peer(["accept *"]), Peer(["accept *"], node="undefined@127.0.0.1")]
    with wall_in_process(tmp_path, peers) as wall, FakeGuard(wall).registered() as guard:
        contest(wall, guard)
        nameless = wall.dial(source=STRANGER)
        nameless.send_name("127.0.0.1", FLAGS | _core.DistFlag.NAME_ME, 0)
        inner = guard.accept()
        inner.receive_name()
        nameless.close()
        assert inner.is_closed()
        wall.wait_event("handshake_refused", peer="undefined@127.0.0.1", reason="peer_closed")
        named_first(wall, guard)


def test_what_the_guarded_node_said_to_that_name_comes_first(wall: InProcessWall, guard: FakeGuard) -> None:
    """It may say something else to each name: a node of a global group is visible to some nodes only."""
    contest(wall, guard)
    here, guard.flags = guard.flags, guard.flags & ~_core.DistFlag.SPAWN
    join(wall, guard, "cli1@127.0.0.1", cookie=b"cli-cookie")
    guard.flags = here
    named_first(wall, guard)


def test_other_names_do_not_wait(wall: InProcessWall, guard: FakeGuard) -> None:
    relayed(wall, guard, STRANGER)
    start = time.monotonic()
    join(wall, guard, "cli1@127.0.0.1", cookie=b"cli-cookie")
    assert time.monotonic() - start < admission.GRACE


def test_a_stranger_that_holds_many_open_does_not_keep_the_real_peer_out(wall: InProcessWall, guard: FakeGuard) -> None:
    with ExitStack() as stack:
        for _ in range(pending_connections.MAX_PER_SOURCE + 20):
            stranger = wall.dial()
            stack.callback(stranger.close)
            stranger.send_name(PEER, FLAGS, 5)
        guard.server.settimeout(0.2)
        served = 0
        peer = wall.dial()
        peer.send_name(PEER, FLAGS, 9)
        end = time.monotonic() + 5
        while time.monotonic() < end:
            try:
                inner = guard.accept()
            except TimeoutError:
                continue
            served += 1
            _, creation, _ = inner.receive_name()
            inner.send_status("ok")
            if creation == 9:
                assert peer.receive_status() == b"ok"
                finish(wall, guard, peer, inner)
                return
            inner.is_closed()
            inner.close()
        raise AssertionError(f"kept out; {served} strangers were served")


def test_many_silent_strangers_do_not_keep_the_real_peer_out(wall: InProcessWall, guard: FakeGuard) -> None:
    port = wall.port()
    with ExitStack() as stack:
        for number in range(pending_connections.MAX_TOTAL + 100):
            source = f"127.0.1.{number % 200 + 1}"
            stack.enter_context(socket.create_connection(("127.0.0.2", port), 5, (source, 0)))
        join(wall, guard)
        assert wall.wait_event("handshake_refused")["reason"] == "flood"


def test_a_flood_of_failures_from_its_own_address_does_not_keep_a_known_peer_out(
    wall: InProcessWall, guard: FakeGuard
) -> None:
    """Neighbours behind one address, or in one IPv6 network, that fail without ever reaching the guarded node."""
    join(wall, guard)
    for _ in range(2 * admission.FAILURES_PER_SOURCE):
        with suppress(ConnectionError):
            garbage = wall.dial()
            garbage.send(b"\xff")
            garbage.close()
    other = wall.dial()
    other.send_name("cli1@127.0.0.1", FLAGS, 5)
    assert other.is_closed()
    wall.wait_event("handshake_refused", reason="shut_out")
    join(wall, guard)


def test_names_under_a_glob_are_budgeted(
    wall: InProcessWall, guard: FakeGuard, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(admission, "MAX_DELAY", 0.0)
    for number in range(admission.NAMES_PER_SOURCE):
        stranger, inner = relayed(wall, guard, STRANGER, f"cli{number}@127.0.0.1")
        stranger.close()
        assert inner.is_closed()
        inner.close()
    stranger = wall.dial(source=STRANGER)
    stranger.send_name("cli-more@127.0.0.1", FLAGS, 5)
    assert stranger.receive_status() == b"not_allowed"
    assert wall.wait_event("handshake_refused", reason="name_budget")
    assert guard.is_left_alone()
    join(wall, guard, "cli-mine@127.0.0.1", cookie=b"cli-cookie")


def test_a_channel_may_be_closed_while_it_is_opened(
    wall: InProcessWall, guard: FakeGuard, monkeypatch: pytest.MonkeyPatch
) -> None:
    open_channel = wall.firewall.open_channel

    def close_at_once(**arguments: Any) -> ChannelHandle:
        handle = open_channel(**arguments)
        handle.close("changed its mind")
        return handle

    monkeypatch.setattr(wall.firewall, "open_channel", close_at_once)
    peer, inner = join(wall, guard)
    assert peer.is_closed()
    assert inner.is_closed()
    assert wall.wait_event("disconnect")["reason"] == "changed its mind"
    assert wall.firewall.peers() == []


def test_the_guarded_node_is_dialled_over_the_family_that_it_registered_over(tmp_path: Path) -> None:
    """The guarded node is dialled over the family that it registered over."""
    with ports.lease() as port:
        try:
            server = socket.create_server(("::1", 0), family=socket.AF_INET6)
        except OSError:
            pytest.skip("no IPv6 here")
        with server, wall_in_process(tmp_path, [Peer(["accept *"])], register=f"[::1]:{port}") as wall:
            server.settimeout(5)
            with epmd_registered("bar", server.getsockname()[1], ("::1", port)):
                peer = wall.dial()
                peer.send_name(PEER, FLAGS, 5)
                inner = wall.own(server.accept()[0])
                assert inner.receive_name()[2] == PEER


def test_without_a_channel_there_is_no_acknowledgement(
    wall: InProcessWall, guard: FakeGuard, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(**_: object) -> None:
        raise RefusedChannelError("the audit log can't be written")

    monkeypatch.setattr(wall.firewall, "open_channel", refuse)
    peer = wall.dial()
    peer.send_name(PEER, FLAGS, 5)
    inner = guard.accept()
    inner.receive_name()
    inner.send_status("ok")
    peer.receive_status()
    with pytest.raises(ConnectionError):
        finish(wall, guard, peer, inner)
    assert wall.wait_event("handshake_refused")["reason"] == "no_channel"
