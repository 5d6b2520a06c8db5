"""Whoever answers where a guarded node dials, and knows no cookie: what it is told is of no use against distwall."""

import socket
import struct
import threading
import time
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any

import pytest

from distwall.gateway.pending_connections import MAX_TOTAL
from tests.attacks.lure import answered, dial_out, luring, way_out
from tests.support import raw_peer
from tests.support.attack_scene import COOKIE, HIDDEN, OPEN, AttackScene
from tests.support.etf import Atom
from tests.support.in_process_wall import FLAGS, GUARD, PEER, PEER_COOKIE, WAIT, FakeGuard
from tests.support.raw_peer import Handshake, digest
from tests.support.wall import Peer

MATE = "mate@127.0.0.1"


@pytest.mark.parametrize("name", [PEER, MATE])
def test_a_challenge_of_distwalls_own_is_not_answered_by_it(tmp_path: Path, name: str) -> None:
    """Reflection: it dials in under a name with the same cookie, and has distwall itself prove that cookie."""
    entries = [Peer(["accept *"]), Peer(["accept *"], node=MATE)]
    with luring(tmp_path, entries) as here, FakeGuard(here.wall).registered() as guard:
        dialling = here.wall.dial()
        dialling.send_name(name, FLAGS, 5)
        node = guard.accept()
        node.receive_name()
        node.send_status("ok")
        node.send_challenge(GUARD, FLAGS, 7, 4711)
        assert dialling.receive_status() == b"ok"
        challenge = dialling.receive_challenge()[1]
        with pytest.raises(ConnectionError):
            answered(*here.lured(), challenge)
        here.wall.wait_event("handshake_refused", reason="reflected", peer=PEER, opened_by="guard")


def test_two_dials_do_not_prove_it_to_each_other(tmp_path: Path) -> None:
    """The challenge that distwall puts to it on one connection, it puts to distwall on the other."""
    with luring(tmp_path, [Peer(["accept *"])]) as here:
        one, two = here.lured(), here.lured()
        theirs, proof = answered(*one, 1)
        assert proof == digest(PEER_COOKIE, 1)
        with pytest.raises(ConnectionError):
            answered(*two, theirs)


def test_a_guarded_name_that_was_taken_proves_nothing_to_another(tmp_path: Path) -> None:
    """Who has registered as a guarded node and knows a peer's cookie, but not the cluster's, dials out as one."""
    with luring(tmp_path, [Peer(["accept *"])]) as here, FakeGuard(here.wall).registered() as squatter:
        inner, outer = here.lured()
        outer.send_status("ok")
        outer.send_challenge(PEER, FLAGS, 7, 1)
        assert inner.receive_status() == b"ok"
        challenge = inner.receive_challenge()[1]
        peer = here.wall.dial()
        peer.send_name(PEER, FLAGS, 5)
        taken = squatter.accept()
        taken.receive_name()
        taken.send_status("ok")
        taken.send_challenge(GUARD, FLAGS, 7, challenge)
        assert peer.receive_status() == b"ok"
        peer.prove(PEER_COOKIE, peer.receive_challenge()[1])
        with pytest.raises(ConnectionError):
            taken.receive_reply()
        here.wall.wait_event("handshake_refused", reason="reflected")


def test_strangers_do_not_crowd_out_what_a_guarded_node_opens(tmp_path: Path) -> None:
    """More of them than distwall lets wait, each from an address of its own, while it waits for a peer far away."""
    with luring(tmp_path, [Peer(["accept *"])]) as here, FakeGuard(here.wall).registered():
        inner, outer = here.lured()
        port = here.wall.port()
        with ExitStack() as stack:
            for number in range(MAX_TOTAL + 20):
                source = f"127.1.{number // 250}.{number % 250 + 1}"
                stack.enter_context(socket.create_connection(("127.0.0.2", port), WAIT, (source, 0)))
            here.wall.wait_event("handshake_refused", reason="flood")
            answered(inner, outer, 1)
            # They are accepted in order, and by now all of them.
            last = here.wall.dial()
            last.send(b"?")
            assert last.is_closed()


def test_names_whose_servers_do_not_answer_hold_up_no_others(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever may choose a host, as where a glob stands for every one, chooses hosts of his own name servers."""
    over = threading.Event()
    system = socket.getaddrinfo

    def slow(host: str, *args: Any, **kwargs: Any) -> Any:
        if host.endswith("evil.example"):
            over.wait(WAIT)
            raise socket.gaierror(socket.EAI_AGAIN, "no answer")
        return system(host, *args, **kwargs)

    monkeypatch.setattr(socket, "getaddrinfo", slow)
    with luring(tmp_path, [Peer(["accept *"], node="*@*")]) as here:
        for number in range(20):
            dial_out(here.wall, f"x@host{number}.evil.example")
        begun = time.monotonic()
        here.lured("foo@localhost")
        assert time.monotonic() - begun < 2
        here.wall.end()
        assert time.monotonic() - begun < WAIT
    over.set()


def test_who_hangs_up_while_distwall_dials_leaves_nothing_behind(tmp_path: Path) -> None:
    """Over and over, at the moment when the connection to the other side is being made."""
    with luring(tmp_path, [Peer(["accept *"])]) as here, FakeGuard(here.wall).registered() as guard:
        ports = {GUARD: way_out(here.wall), PEER: here.wall.port()}
        for number in range(100):
            name = (GUARD, PEER)[number % 2]
            host = "127.0.0.1" if name == GUARD else "127.0.0.2"
            with socket.create_connection((host, ports[name] or 0), WAIT) as sock:
                Handshake(sock).send_name(name, FLAGS, 5)
                time.sleep(number % 10 * 0.0002)
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        guard.server.settimeout(0.5)
        with suppress(TimeoutError):
            while True:
                guard.accept().close()
        pending = here.wall.gateway._pending
        end = time.monotonic() + 2 * WAIT
        while any(
            (pending._open, pending._by_ticket, pending.connections, pending.outgoing, pending.pumps, pending.proofs)
        ):
            assert time.monotonic() < end
            time.sleep(0.02)


def test_who_opens_the_connection_does_not_renew_a_budget() -> None:
    """New atoms count for the peer's entry, over all of its channels, whichever way they were opened."""
    with AttackScene({OPEN: ["accept *"]}, extra="limits = { new_atoms = 10 }", way="guard") as scene:
        scene.bar.eval("probe:collector(victim)")
        for round_ in range(4):
            direct = raw_peer.RawPeer(OPEN, COOKIE.encode(), HIDDEN)
            with scene.connect() if round_ % 2 else direct.connect(scene.address) as peer:
                for number in range(10):
                    peer.reg_send("victim", Atom(f"attack_{round_}_{number}"))
                peer.receive()
        assert 5 <= scene.bar.number("length(probe:got(victim))") <= 10
        assert scene.told("limit:new_atoms")
