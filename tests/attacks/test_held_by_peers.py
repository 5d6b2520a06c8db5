"""Memory that the peers of one entry can have distwall hold, and the number of their channels."""

import struct
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress

import pytest

from distwall.audit.entry_limiter import MIB
from tests.support import raw_peer
from tests.support.attack_scene import COOKIE, HIDDEN, WITNESS, AttackScene
from tests.support.dist import EMPTY, Message, Op, message
from tests.support.etf import Atom, Pid
from tests.support.raw_peer import Connection, HandshakeFailed
from tests.support.wall import CLUSTER_COOKIE

CROWD = "crowd*@127.0.0.1"
RULES = ["deny *", "accept reg_send target", "accept monitor target"]


def crowd(number: int) -> str:
    return f"crowd{number}@127.0.0.1"


@pytest.fixture
def scene(request: pytest.FixtureRequest) -> Iterator[AttackScene]:
    with AttackScene({CROWD: RULES, WITNESS: RULES}, extra=f"limits = {request.param}") as made:
        made.bar.eval("probe:start_server(target)")
        yield made


def limited(limits: str) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("scene", [limits], indirect=True, ids=["limited"])


def unfinished(peer: Connection, size: int) -> None:
    """Sends the beginning of a frame: a message with a long binary."""
    whole = peer.sender.bytes(message(Op.REG_SEND, peer.pid(), EMPTY, Atom("target"), payload=b"x"))
    beginning = whole[4:-6] + b"m" + (126 * MIB).to_bytes(4, "big")
    with suppress(OSError):
        peer.send_raw((len(beginning) + 126 * MIB).to_bytes(4, "big") + beginning + bytes(size))


def fragments(peer: Connection, size: int) -> None:
    """Sends the beginning of a message in fragments."""
    control = b"\x83E" + struct.pack(">QQ", 1, 60_000)
    whole = peer.sender.bytes(message(Op.REG_SEND, peer.pid(), EMPTY, Atom("target"), payload=b"x"))
    body = whole[6:-6]
    first = control + body + b"m" + (200 * MIB).to_bytes(4, "big")
    with suppress(OSError):
        peer.send_raw(len(first).to_bytes(4, "big") + first)
        for number in range(59_999, 59_999 - size // 60_000, -1):
            part = b"\x83F" + struct.pack(">QQ", 1, number) + bytes(60_000)
            peer.send_raw(len(part).to_bytes(4, "big") + part)


class TestBytes:
    @limited("{ entry_held_bytes = 60000000 }")
    @pytest.mark.parametrize("hold", [unfinished, fragments])
    def test_the_channels_of_an_entry_hold_no_more_than_its_limit(
        self, scene: AttackScene, hold: Callable[[Connection, int], None]
    ) -> None:
        wall = scene.wall.process
        with ExitStack() as stack:
            witness = stack.enter_context(scene.connect(WITNESS))
            before = wall.memory
            for number in range(8):
                peer = stack.enter_context(scene.connect(crowd(number)))
                peer.sock.settimeout(20)
                hold(peer, 20 * MIB)
            time.sleep(1)
            assert wall.memory - before < 200 * MIB
            ends = scene.wall.events("disconnect")
            assert {end["reason"] for end in ends} <= {"limit:entry_held_bytes"}
            assert len(ends) >= 4
            assert WITNESS not in {end["peer"] for end in ends}
            assert witness.call("target", Atom("get")) == 0

    @limited("{ entry_held_bytes = 60000000 }")
    def test_a_peer_finds_room_that_others_of_its_entry_have_filled(self, scene: AttackScene) -> None:
        with ExitStack() as stack:
            for number in range(2):
                unfinished(stack.enter_context(scene.connect(crowd(number))), 28 * MIB)
            honest = stack.enter_context(scene.connect(crowd(9)))
            # At any time it takes less than each of the others.
            large = message(Op.REG_SEND, honest.pid(), EMPTY, Atom("target"), payload=bytes(11 * MIB))
            honest.send(large, fragment=100 * MIB)
            assert honest.call("target", Atom("get")) == 0
            assert scene.wall.wait_event("disconnect")["peer"] != crowd(9)
            assert crowd(9) not in {end["peer"] for end in scene.wall.events("disconnect")}

    @limited("{ frame_size = 134217728 }")
    def test_within_the_limit_nothing_is_closed(self, scene: AttackScene) -> None:
        with ExitStack() as stack:
            peers = [stack.enter_context(scene.connect(crowd(number))) for number in range(4)]
            for peer in peers:
                unfinished(peer, 20 * MIB)
            time.sleep(0.5)
            assert scene.wall.events("disconnect") == []

    @limited("{ entry_channels = 100 }")
    def test_a_stopped_node_does_not_pin_the_refused_bytes_around_the_accepted(self, scene: AttackScene) -> None:
        wall = scene.wall.process

        def mixed(peer: Connection) -> list[Message]:
            refused = message(Op.REG_SEND, peer.pid(), EMPTY, Atom("closed"), payload=bytes(60_000))
            return [refused] * 4 + [message(Op.REG_SEND, peer.pid(), EMPTY, Atom("target"), payload=0)]

        with scene.connect(crowd(0)) as peer:
            before = wall.memory
            scene.bar.pause()
            try:
                peer.sock.settimeout(3)
                with suppress(TimeoutError):
                    for _ in range(2000):
                        peer.send(*mixed(peer))
                grown = wall.memory - before
            finally:
                scene.bar.resume()
            assert grown < 60 * MIB


class TestChannels:
    @limited("{ entry_channels = 3 }")
    def test_an_entry_has_a_limit_of_channels(self, scene: AttackScene) -> None:
        with ExitStack() as stack:
            peers = [stack.enter_context(scene.connect(crowd(number))) for number in range(3)]
            with pytest.raises(HandshakeFailed):
                scene.connect(crowd(4))
            assert scene.told("limit:entry_channels")
            witness = stack.enter_context(scene.connect(WITNESS))
            assert witness.call("target", Atom("get")) == 0
            peers[0].sock.close()
            scene.wall.wait_event("disconnect")
            stack.enter_context(scene.connect(crowd(4)))

    @limited("{ entry_channels = 3 }")
    def test_a_stranger_uses_up_no_peers_room(self, scene: AttackScene) -> None:
        for _ in range(20):
            with suppress(HandshakeFailed):
                raw_peer.RawPeer(crowd(1), b"wrong", HIDDEN).connect(scene.address)
        with scene.connect(crowd(1)) as peer:
            assert peer.call("target", Atom("get")) == 0


class TestCreationZero:
    """A peer that says creation 0: its senders may be of any incarnation, and each of them costs the guarded node."""

    def test_without_distwall_each_of_them_costs_the_guarded_node_memory(self) -> None:
        with AttackScene(None) as direct:
            direct.bar.eval("probe:start_server(target)")
            peer = raw_peer.RawPeer(crowd(0), CLUSTER_COOKIE.encode(), HIDDEN, creation=0).connect(direct.address)
            with peer:
                grown = []
                # The second time the same ones.
                for _ in range(2):
                    before = direct.bar.number("erlang:memory(system)")
                    for turn in range(40):
                        self.sent(peer, 500, start=1000 + 500 * turn)
                    assert peer.call("target", Atom("get")) == 0
                    grown.append(direct.bar.number("erlang:memory(system)") - before)
            assert grown[0] > 500_000
            assert grown[1] < grown[0] / 2

    def connect(self, scene: AttackScene) -> Connection:
        return raw_peer.RawPeer(crowd(0), COOKIE.encode(), HIDDEN, creation=0).connect(scene.address)

    def sent(self, peer: Connection, count: int, start: int = 1000) -> None:
        peer.send(
            *[
                message(Op.REG_SEND, Pid(peer.name, 100, 0, start + n), EMPTY, Atom("target"), payload=n)
                for n in range(count)
            ]
        )

    @limited("{ new_nodes = 100 }")
    def test_its_senders_are_counted_as_nodes(self, scene: AttackScene) -> None:
        with self.connect(scene) as peer:
            self.sent(peer, 300)
            assert scene.told("limit:new_nodes")
            counts = scene.wall.statistics(crowd(0))["inbound"]["reg_send"]
            assert counts == {"accept": 100, "deny": 200, "drop": 0}

    @limited("{ new_nodes = 100 }")
    def test_it_may_use_one_incarnation_as_long_as_it_likes(self, scene: AttackScene) -> None:
        with self.connect(scene) as peer:
            for _ in range(5):
                peer.send(
                    *[
                        message(Op.REG_SEND, Pid(peer.name, 100, 0, 7), EMPTY, Atom("target"), payload=n)
                        for n in range(100)
                    ]
                )
            time.sleep(0.5)
            assert scene.wall.statistics(crowd(0))["inbound"]["reg_send"]["accept"] == 500

    @limited("{ new_nodes = 100 }")
    def test_reconnects_do_not_reset_the_count(self, scene: AttackScene) -> None:
        for turn in range(3):
            with self.connect(scene) as peer:
                self.sent(peer, 60, start=1000 * (turn + 1))
                peer.receive(0.2)
            scene.bar.wait_until(f"not lists:member('{crowd(0)}', nodes(connected))")
        assert scene.wall.statistics(crowd(0))["inbound"]["reg_send"]["accept"] == 100

    @limited("{ new_nodes = 100 }")
    def test_links_and_monitors_count_too(self, scene: AttackScene) -> None:
        with self.connect(scene) as peer:
            for n in range(150):
                reference = peer.ref()
                peer.send(message(Op.MONITOR_P, Pid(peer.name, 100, 0, 2000 + n), Atom("target"), reference))
            assert scene.told("limit:new_nodes")
