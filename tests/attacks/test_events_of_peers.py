"""What peers can make distwall write and answer: a rate for each peer and entry, and exact counts of the rest."""

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from typing import Any

import pytest

from distwall.audit.entry_limiter import MIB
from tests.support.attack_scene import WITNESS, AttackScene
from tests.support.dist import EMPTY, Message, Op, message
from tests.support.etf import Atom, Raw, Term, alias
from tests.support.raw_peer import Connection

CROWD = "crowd*@127.0.0.1"
"""An entry with a glob, whose peers know each other."""

ASKING = ["deny *", "accept reg_send distwall", "accept monitor distwall"]
LONG = Atom("\U0001f600" * 255)


def crowd(number: int = 0) -> str:
    return f"crowd{number}@127.0.0.1"


def asked(peer: Connection, request: Term, number: int = 100) -> Message:
    caller = (peer.pid(number), alias(peer.ref()))
    return message(Op.REG_SEND, peer.pid(number), EMPTY, Atom("distwall"), payload=(Atom("$gen_call"), caller, request))


@contextmanager
def read(peer: Connection) -> Iterator[list[bytes]]:
    """Reads what the peer gets, so that it never stops distwall; what it has read is in the list at the end."""
    got: list[bytes] = []

    def main() -> None:
        with suppress(OSError):
            while data := peer.sock.recv(1 << 20):
                got.append(data)

    peer.sock.settimeout(None)
    thread = threading.Thread(target=main, daemon=True)
    thread.start()
    yield got


def settled(measure: Callable[[], Any], pause: float = 0.5, timeout: float = 40) -> Any:
    """The value of ``measure`` once it does not change any more."""
    end, last = time.monotonic() + timeout, measure()
    while time.monotonic() < end:
        time.sleep(pause)
        if (now := measure()) == last:
            return now
        last = now
    raise TimeoutError(f"still changes: {last}")


def counted(scene: AttackScene, kind: str) -> int:
    """How many things of a kind the log tells of, those left out included."""
    return sum(1 + event["folded"] for event in scene.wall.events(kind))


def answered(peer: Connection, got: list[bytes]) -> int:
    """How many answers a peer got."""
    return sum(message.payload is not None for message in peer.receiver.feed(b"".join(got)))


def ping(scene: AttackScene, witness: Connection) -> bool:
    """True if the witness, whose entry is another, is served as always."""
    return witness.call("target", Atom("get"), timeout=5) == 0 and scene.alive()


@pytest.fixture
def scene() -> Iterator[AttackScene]:
    with AttackScene({CROWD: ASKING, WITNESS: ["deny *", "accept reg_send target", "accept monitor target"]}) as made:
        made.bar.eval("probe:start_server(target)")
        yield made


class TestQuestions:
    """``accept reg_send distwall``: memory, time and log of distwall itself."""

    def test_one_question_is_answered(self, scene: AttackScene) -> None:
        with scene.connect(crowd()) as peer:
            peer.send(asked(peer, (Atom("test_filter"), Atom("spawn_request"), (LONG, LONG, 3))))
            (answer,) = peer.receive(1)
            assert isinstance(answer.payload, tuple)
            assert answer.payload[-1] == Atom("deny")

    def test_ever_new_questions_are_answered_at_a_rate_and_none_is_kept(self, scene: AttackScene) -> None:
        with scene.connect(crowd()) as peer, scene.connect(WITNESS) as witness, read(peer) as got:
            wall = scene.wall.process
            before, start, sent = wall.memory, time.monotonic(), 0
            for i in range(60):
                names = [Atom(f"n{i}_{j}") for j in range(20)]
                for name in names:
                    key = [(Atom(f"n{i}"), name, k) for k in range(16)]
                    peer.send(*[asked(peer, (Atom("test_filter"), Atom("spawn_request"), each)) for each in key])
                    sent += 16
            assert ping(scene, witness)
            settled(lambda: counted(scene, "question_refused"), 2.5)
            spent = time.monotonic() - start
            replies = answered(peer, got)
            assert wall.memory - before < 30 * MIB
            assert 100 <= replies <= 101 + 20 * spent
            assert replies + counted(scene, "question_refused") == sent
            assert {event["reason"] for event in scene.wall.events("question_refused")} == {"rate"}

    @pytest.mark.parametrize(
        "payload",
        [
            (LONG, Raw(b"l" + (8000).to_bytes(4, "big") + b"R\x03" * 8000 + b"j")),
            Raw(b"m" + (1 << 20).to_bytes(4, "big") + bytes(1 << 20)),
            Raw(b"h\1" * 9000 + b"j"),
        ],
        ids=["few bytes that stand for many", "a megabyte", "deep"],
    )
    def test_a_long_question_costs_little_and_is_counted(self, scene: AttackScene, payload: Term) -> None:
        with scene.connect(crowd()) as peer, scene.connect(WITNESS) as witness, read(peer):
            wall = scene.wall.process
            before, cpu = wall.memory, wall.cpu
            for _ in range(20):
                peer.send(message(Op.REG_SEND, peer.pid(), EMPTY, Atom("distwall"), payload=payload))
            assert ping(scene, witness)
            settled(lambda: wall.cpu)
            assert wall.cpu - cpu < 1.0
            assert wall.memory - before < 60 * MIB
            assert counted(scene, "question_refused") == 20

    def test_the_peers_of_an_entry_share_its_rate(self, scene: AttackScene) -> None:
        with ExitStack() as stack:
            peers = [stack.enter_context(scene.connect(crowd(n))) for n in range(6)]
            got = [stack.enter_context(read(peer)) for peer in peers]
            start = time.monotonic()
            for peer in peers:
                peer.send(*[asked(peer, (Atom("test_filter"), Atom("link"), Atom("_"))) for _ in range(90)])
            refused = settled(lambda: counted(scene, "question_refused"), 2.5)
            replies = sum(answered(peer, mine) for peer, mine in zip(peers, got, strict=True))
            assert 200 <= replies <= 201 + 100 * (time.monotonic() - start)
            assert refused + replies == 540
            assert refused > 0

    def test_monitors_and_messages_that_ask_nothing_leave_nothing(self, scene: AttackScene) -> None:
        with scene.connect(crowd()) as peer, scene.connect(WITNESS) as witness, read(peer):
            wall = scene.wall.process
            before = wall.memory
            for number in range(50):
                peer.send(
                    *[message(Op.REG_SEND, peer.pid(number), EMPTY, Atom("distwall"), payload=k) for k in range(200)]
                )
            assert ping(scene, witness)
            settled(lambda: counted(scene, "question_refused"), 2.5)
            assert wall.memory - before < 30 * MIB


def tokens(peer: Connection, number: int) -> Message:
    return asked(peer, (Atom("authenticate"), b"a.b"), number)


def spawns(peer: Connection, number: int) -> Message:
    target = (LONG, LONG, 0)
    return message(Op.SPAWN_REQUEST, peer.ref(), peer.pid(number), peer.pid(number), target, [], payload=[])


def sends(peer: Connection, number: int) -> Message:
    return message(Op.REG_SEND, peer.pid(number), EMPTY, LONG, payload=number)


def links(peer: Connection, number: int) -> Message:
    return message(Op.LINK, peer.pid(number), peer.their_pid(50 + number % 200))


def exits(peer: Connection, number: int) -> Message:
    return message(Op.PAYLOAD_EXIT2, peer.pid(number), peer.their_pid(50 + number % 200), payload=LONG)


def monitors(peer: Connection, number: int) -> Message:
    return message(Op.MONITOR_P, peer.pid(number), LONG, peer.ref())


def calls(peer: Connection, number: int) -> Message:
    request: tuple[Term, ...] = (Atom("call"), LONG, LONG, [], peer.pid(number))
    return message(Op.REG_SEND, peer.pid(number), EMPTY, Atom("rex"), payload=(peer.pid(number), request))


FLOODS = [tokens, spawns, sends, links, exits, monitors, calls]


class TestLog:
    """A peer that floods the log: nobody else's channel ends, and the counts are exact."""

    @pytest.mark.parametrize("make", FLOODS)
    def test_channels_of_one_entry_that_flood_the_log_end_nobody_elses(
        self, scene: AttackScene, make: Callable[[Connection, int], Message]
    ) -> None:
        with ExitStack() as stack:
            witness = stack.enter_context(scene.connect(WITNESS))
            peers = [stack.enter_context(scene.connect(crowd(n))) for n in range(20)]
            for peer in peers:
                stack.enter_context(read(peer))
            end = time.monotonic() + 3
            sent = 0
            while time.monotonic() < end:
                for peer in peers:
                    peer.send(*[make(peer, number) for number in range(1000, 1100)])
                    sent += 100
                assert ping(scene, witness)
            log = scene.wall.folder / "audit.jsonl"
            kinds = ["refused", "token_refused", "question_refused"]
            for peer in peers:
                peer.sock.shutdown(socket.SHUT_RDWR)
            settled(lambda: len(scene.wall.events("disconnect")), 2.5)
            ends = scene.wall.events("disconnect")
            assert [event["peer"] for event in ends if event["peer"] == WITNESS] == []
            assert sum(1 + event["others"] for event in ends) == 20
            told = sum(counted(scene, kind) for kind in kinds) + sum(event["folded"] for event in ends)
            assert told == sent
            assert log.stat().st_size < 2.5 * MIB
            assert not scene.wall.events("audit_resumed")
            assert ping(scene, witness)
            scene.wall.check_log()

    def test_reconnects_without_end_are_few_lines_and_exact(self, scene: AttackScene) -> None:
        with scene.connect(WITNESS) as witness:
            done = 0
            end = time.monotonic() + 5
            while time.monotonic() < end and done < 60:
                with scene.connect(crowd()):
                    done += 1
                scene.bar.wait_until(f"not lists:member('{crowd()}', nodes(connected))")
            assert ping(scene, witness)
            settled(lambda: len(scene.wall.events("disconnect")), 2.5)
            mine = [event for event in scene.wall.events("connect") if event["peer"] != WITNESS]
            assert sum(1 + event["folded"] for event in mine) == done
            assert sum(1 + event["others"] for event in scene.wall.events("disconnect")) == done
