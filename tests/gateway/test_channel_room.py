"""Room for channels: the memory of all entries together, unread bytes, and how often a peer connects."""

import socket
import time
from contextlib import suppress
from pathlib import Path

import pytest

from distwall.control import RefusedChannelError
from distwall.control.channel import key_of
from distwall.control.channel_room import PEER_CONNECTS
from distwall.handshake import admission
from distwall.policy import loads
from tests.support.dist import EMPTY, Op, message, plain
from tests.support.etf import Atom, Pid, Ref
from tests.support.firewall_scene import FirewallScene
from tests.support.in_process_wall import (
    FLAGS,
    GUARD,
    FakeGuard,
    InProcessWall,
    RawSocket,
    join,
    wall_in_process,
    write_until_stuck,
)
from tests.support.policies import peer, policy, with_rules
from tests.support.raw_peer import HandshakeFailed, RawPeer
from tests.support.tls import TlsWall, tls_wall
from tests.support.waiting import wait_until
from tests.support.wall import Peer

MIB = 1 << 20
ONE, OTHER = "one@127.0.0.1", "other@127.0.0.1"
PEERS = [Peer(["accept *"], node=ONE), Peer(["accept *"], node=OTHER), Peer(["accept *"], node="crowd*@127.0.0.1")]


def unfinished(raw: RawSocket, size: int) -> None:
    """The beginning of a message with a binary of 100 MiB."""
    sent = message(Op.REG_SEND, Pid(Atom(ONE), 100, 0, 1), EMPTY, Atom("x"), payload=b"")
    start = plain(sent.control, sent.payload)[4:-4] + (100 * MIB).to_bytes(4, "big")
    raw.sock.settimeout(10)
    raw.sock.sendall((len(start) + 100 * MIB).to_bytes(4, "big") + start + bytes(size))


def test_of_all_entries_the_fullest_loses_its_fullest_channel(tmp_path: Path) -> None:
    with (
        wall_in_process(tmp_path, PEERS, extra='held_bytes = "60MB"') as wall,
        FakeGuard(wall).registered() as guard,
    ):
        small, _ = join(wall, guard, "crowd1@127.0.0.1")
        unfinished(small, 4 * MIB)
        large, _ = join(wall, guard, ONE)
        unfinished(large, 30 * MIB)
        last, inner = join(wall, guard, OTHER)
        unfinished(last, 28 * MIB)
        assert wall.wait_event("disconnect")["peer"] == ONE
        assert wall.seen[-1]["reason"] == "limit:held_bytes of [guard]"
        last.sock.sendall(bytes(100))
        small.sock.sendall(bytes(100))
        time.sleep(0.3)
        assert [event["peer"] for event in wall.seen if event["event"] == "disconnect"] == [ONE]
        last.sock.close()
        inner.sock.close()
        wall.wait_event("disconnect", peer=OTHER)
        time.sleep(0.1)
        assert wall.firewall._room._all.used() < 10 * MIB, "the bytes of ended channels are free"


def test_bytes_that_a_guarded_node_does_not_read_count(tmp_path: Path) -> None:
    peers = [Peer(["accept *"], node=ONE)]
    with wall_in_process(tmp_path, peers) as wall, FakeGuard(wall).registered() as guard:
        raw, _ = join(wall, guard, ONE)
        assert wall.firewall._room._all.used() == 0
        write_until_stuck(raw, bytes(4 * MIB))
        assert wall.firewall._room._all.used() > MIB


def test_bytes_that_a_guarded_node_has_read_do_not_count_any_more(tmp_path: Path) -> None:
    peers = [Peer(["accept *"], node=ONE)]
    with wall_in_process(tmp_path, peers) as wall, FakeGuard(wall).registered() as guard:
        raw, inner = join(wall, guard, ONE)
        left = write_until_stuck(raw, bytes(4 * MIB))
        assert wall.firewall._room._all.used() > MIB
        while left >= 4:
            left -= len(inner.sock.recv(MIB))
        # The last frame may be incomplete.
        wait_until(lambda: wall.firewall._room._all.used() < 100)


def test_the_channel_whose_guarded_node_asks_most_is_closed_where_its_entry_has_no_room(tmp_path: Path) -> None:
    """Nothing that the guarded node has asked through other channels is forgotten for it."""
    peers = [Peer(["accept *"], node="crowd*@127.0.0.1", extra="limits = { entry_lasting_bytes = 1000000 }")]
    asker = Pid(Atom(GUARD), 100, 0, 2)

    def monitors(peer: str, count: int) -> bytes:
        asked = [
            message(Op.MONITOR_P, asker, Pid(Atom(peer), n, 0, 1), Ref(asker.node, 2, (n, 0, 0))) for n in range(count)
        ]
        return b"".join(plain(one.control) for one in asked)

    with wall_in_process(tmp_path, peers) as wall, FakeGuard(wall).registered() as guard:
        few, many = (f"crowd{number}@127.0.0.1" for number in (1, 2))
        _, inner = join(wall, guard, few)
        inner.sock.sendall(monitors(few, 1000))
        _, other = join(wall, guard, many)
        other.sock.sendall(monitors(many, 20_000))
        ended = wall.wait_event("disconnect")
        assert (ended["peer"], ended["reason"]) == (many, "limit:entry_lasting_bytes")
        inner.sock.sendall(monitors(few, 2000))
        assert [event["peer"] for event in wall.seen if event["event"] == "disconnect"] == [many]


def ended_unread(wall: InProcessWall, guard: FakeGuard) -> RawSocket:
    """The peer's socket of a channel that has ended, while much is left that the peer does not read."""
    raw, inner = join(wall, guard, ONE)
    write_until_stuck(inner, bytes(4 * MIB))
    raw.sock.sendall(b"\0\0\0\1\xff")
    wall.wait_event("disconnect")
    return raw


def test_a_channel_that_has_ended_keeps_its_place_until_its_peer_has_read_the_rest(tmp_path: Path) -> None:
    """Else a peer that reads a little now and then had any number of connections, with a megabyte each."""
    peers = [Peer(["accept *"], node=ONE, extra="limits = { entry_channels = 1 }")]
    with wall_in_process(tmp_path, peers) as wall, FakeGuard(wall).registered() as guard:
        raw = ended_unread(wall, guard)
        wait_until(lambda: wall.firewall._room._all.used() > MIB)
        with pytest.raises(HandshakeFailed, match="not_allowed"):
            RawPeer(ONE, b"peer-cookie").connect(("127.0.0.2", wall.port()))
        assert wall.wait_event("handshake_refused")["detail"] == "limit:entry_channels"
        raw.sock.close()
        wait_until(lambda: not wall.firewall._room._leaving)
        assert wall.firewall._room._all.used() == 0
        join(wall, guard, ONE)


def test_a_channel_that_has_ended_is_cut_where_its_entry_has_no_room(tmp_path: Path) -> None:
    peers = [Peer(["accept *"], node=ONE), Peer(["accept *"], node=OTHER)]
    with (
        wall_in_process(tmp_path, peers, extra='held_bytes = "2MB"') as wall,
        FakeGuard(wall).registered() as guard,
    ):
        raw = ended_unread(wall, guard)
        wait_until(lambda: wall.firewall._room._all.used() > MIB)
        last, _ = join(wall, guard, OTHER)
        unfinished(last, MIB)
        wait_until(lambda: not wall.firewall._room._leaving)
        assert raw.is_closed()
        assert wall.firewall._room._all.used() < 2 * MIB


def test_a_peer_that_connects_without_end_is_refused_before_the_guarded_node_hears_of_it(tmp_path: Path) -> None:
    with wall_in_process(tmp_path, PEERS) as wall, FakeGuard(wall).registered() as guard:
        for _ in range(int(PEER_CONNECTS.burst) + 20):
            wall.firewall._room._peers.spend(((ONE, 0), ONE), time.monotonic())
        with pytest.raises(HandshakeFailed, match="not_allowed"):
            RawPeer(ONE, b"peer-cookie").connect(("127.0.0.2", wall.port()))
        assert wall.wait_event("handshake_refused")["detail"] == "limit:connects"
        assert guard.is_left_alone()
        join(wall, guard, OTHER)


def test_only_opened_channels_are_counted_and_the_rate_comes_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scene = FirewallScene(tmp_path, with_rules(["deny *"]))
    now = time.monotonic()
    monkeypatch.setattr(time, "monotonic", lambda: now)
    for _ in range(int(PEER_CONNECTS.burst)):
        scene.open().closed("peer closed")
    with pytest.raises(RefusedChannelError, match="limit:connects"):
        scene.open()
    scene.open("foo@other").closed("peer closed")
    monkeypatch.setattr(time, "monotonic", lambda: now + 1)
    scene.open()


CROWD = "crowd*@127.0.0.1"


def reload(wall: InProcessWall, folder: Path, old: str, new: str) -> None:
    """Puts a policy in force in which the entry of the crowd is written in another way."""
    text = wall.text.replace(f'node = "{old}"', new)
    assert text != wall.text
    wall.firewall.apply(loads(text, folder / "distwall.toml", {}))


@pytest.mark.parametrize(
    "new",
    ['node = "crowd*@127.0.0.1"\nguards = ["bar@*"]', 'node = "crowd*@*"', 'node = "crowd1@127.0.0.1"'],
    ids=["other guarded nodes", "another glob", "a name"],
)
def test_what_an_open_channel_holds_stays_in_its_entrys_sum_when_the_entry_changes(tmp_path: Path, new: str) -> None:
    crowd = Peer(["accept *"], node=CROWD, extra="limits = { entry_held_bytes = 30000000 }")
    with wall_in_process(tmp_path, [crowd]) as wall, FakeGuard(wall).registered() as guard:
        first, _ = join(wall, guard, "crowd1@127.0.0.1")
        unfinished(first, 16 * MIB)
        wait_until(lambda: wall.firewall._room._all.used() >= 16 * MIB)
        reload(wall, tmp_path, CROWD, new)
        (held,) = wall.firewall._room._held.values()
        assert held.used() >= 16 * MIB
        second, _ = join(wall, guard, "crowd1@127.0.0.1")
        unfinished(second, 16 * MIB)
        assert wall.wait_event("disconnect")["reason"] == "limit:entry_held_bytes"
        assert held.used() <= 30_000_000


def test_atoms_that_an_entry_has_added_count_when_its_guarded_nodes_change(tmp_path: Path) -> None:
    limits = "limits = { new_atoms = 3 }"
    before = policy(peer("foo*@h", '["accept *"]', limits))
    scene = FirewallScene(tmp_path, before)
    for number in range(3):
        scene.open(f"foo{number}@h")
    scene.policy = policy(peer("foo*@h", '["accept *"]', limits + '\nguards = ["bar@*"]'))
    scene.firewall.apply(scene.policy)
    with pytest.raises(RefusedChannelError, match="limit:new_atoms"):
        scene.open("foo3@h")


def test_entries_for_the_same_names_at_other_guarded_nodes_have_sums_of_their_own() -> None:
    twins = policy(peer(more='guards = ["bar@*"]') + peer(more='guards = ["baz@*"]') + peer("other@h"))
    assert len({key_of(entry) for entry in twins.entries}) == 3


def knock(tls: TlsWall, detail: str) -> bool:
    """Has a peer say its name over TLS, in vain. Returns false if there is no TLS any more."""
    try:
        tls.dial().send_name(ONE, FLAGS, 5)
    except OSError:
        return False
    tls.wall.wait_event("handshake_refused", detail=detail)
    time.sleep(0.05)
    return True


def test_tls_handshakes_of_a_peer_without_room_are_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each takes two milliseconds, before the peer has said its name."""
    monkeypatch.setattr(admission, "FAILURES_PER_SOURCE", 5)
    with tls_wall(tmp_path, PEERS) as tls, FakeGuard(tls.wall).registered() as guard:
        for _ in range(int(PEER_CONNECTS.burst) + 20):
            tls.wall.firewall._room._peers.spend(((ONE, 0), ONE), time.monotonic() + 60)
        assert [knock(tls, "limit:connects") for _ in range(5)] == [True] * 5
        assert not all(knock(tls, "limit:connects") for _ in range(5))
        assert guard.is_left_alone()


def test_tls_handshakes_under_a_name_that_is_shut_out_are_bounded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(admission, "FAILURES_PER_SOURCE", 5)
    with tls_wall(tmp_path, PEERS) as tls, FakeGuard(tls.wall).registered() as guard:
        shut_out = tls.wall.gateway._pending.admission._by_name
        monkeypatch.setattr(shut_out, "are_too_many", lambda *_: True)
        assert [knock(tls, "too many failures before it") for _ in range(5)] == [True] * 5
        assert not all(knock(tls, "too many failures before it") for _ in range(5))
        assert guard.is_left_alone()


def test_connections_of_a_peer_without_room_are_closed_at_once_in_the_end(tmp_path: Path) -> None:
    """On plain TCP, too: each that is looked at takes a fifth of a millisecond."""
    with wall_in_process(tmp_path, PEERS) as wall, FakeGuard(wall).registered() as guard:
        for _ in range(int(PEER_CONNECTS.burst) + 20):
            wall.firewall._room._peers.spend(((ONE, 0), ONE), time.monotonic() + 60)
        wall.dial().send_name(ONE, FLAGS, 5)
        wall.wait_event("handshake_refused", detail="limit:connects")
        port = wall.port()

        def knock() -> None:
            with socket.create_connection(("127.0.0.2", port), 10) as sock, suppress(OSError):
                RawSocket(sock).send_name(ONE, FLAGS, 5)
                sock.recv(10)

        end = time.monotonic() + 20
        while not any(event.get("reason") == "shut_out" for event in wall.seen):
            assert time.monotonic() < end
            knock()
        assert guard.is_left_alone()
