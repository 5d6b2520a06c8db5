"""A peer that asks without end and reads no answer: what it costs the guarded node, with distwall and without it."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass

import pytest

from tests.support.attack_scene import OPEN, AttackScene
from tests.support.dist import EMPTY, Message, Op, message
from tests.support.etf import Atom, Term
from tests.support.raw_peer import Connection

A = Atom
BATCH = 1000
MEMORY = "erlang:memory(total)"
MIB = 1 << 20


@dataclass(frozen=True)
class Question:
    """A question that the guarded node answers."""

    rule: str
    name: str
    payload: Callable[[Connection], Term]
    setup: str = "ok"
    piles_up: str = MEMORY
    """What grows in the node while answers wait."""
    much: int = 200 * MIB

    def batch(self, peer: Connection) -> bytes:
        """The question, `BATCH` times. Batches after the first rely on its atoms, and can be sent again and again."""
        return peer.sender.bytes(*[self._one(peer) for _ in range(BATCH)])

    def _one(self, peer: Connection) -> Message:
        return message(Op.REG_SEND, peer.pid(), EMPTY, A(self.name), payload=self.payload(peer))


def call(request: Callable[[Connection], Term]) -> Callable[[Connection], Term]:
    return lambda peer: (A("$gen_call"), (peer.pid(), peer.ref()), request(peer))


def queue(name: str) -> str:
    return f"element(2, process_info(whereis({name}), message_queue_len))"


QUESTIONS = {
    "ping": Question("ping", "net_kernel", call(lambda peer: (A("is_auth"), peer.name))),
    "gen_server": Question(
        "gen_server target",
        "target",
        call(lambda _: (A("echo"), b"x" * 200)),
        setup="probe:start_server(target)",
        piles_up=queue("target"),
        much=100_000,
    ),
    "pg": Question(
        "pg patients",
        "patients",
        lambda peer: (A("discover"), peer.pid()),
        setup="pg:start(patients), pg:join(patients, <<0:2000>>, self())",
        piles_up=queue("patients"),
        much=100_000,
    ),
}


class Flood:
    """A peer that asks and does not read."""

    def __init__(self, peer: Connection, question: Question) -> None:
        peer.send_raw(question.batch(peer))
        self._sock, self._data, self._offset = peer.sock, question.batch(peer), 0
        self.sent = BATCH
        """Questions that were sent whole."""

    def go_on(self, seconds: float) -> bool:
        """Asks for some seconds; false if nothing more is taken for two."""
        end, moved = time.monotonic() + seconds, time.monotonic()
        self._sock.setblocking(False)
        while (now := time.monotonic()) < end:
            try:
                self._offset += self._sock.send(self._data[self._offset :])
                moved = now
            except BlockingIOError:
                if now > moved + 2:
                    return False
                time.sleep(0.01)
            if self._offset == len(self._data):
                self._offset, self.sent = 0, self.sent + BATCH
        return True


def drained(peer: Connection) -> bytes:
    """All bytes until five seconds are quiet. To decode them takes so long that the node would hang up meanwhile."""
    got = bytearray()
    peer.sock.settimeout(5)
    with suppress(TimeoutError):
        while data := peer.sock.recv(1 << 20):
            got += data
    return bytes(got)


@pytest.mark.parametrize("name", QUESTIONS)
def test_what_waits_for_a_peer_that_does_not_read_is_bounded(name: str) -> None:
    question = QUESTIONS[name]
    settings = "limits = { ask_timeout = 240 }"  # The answers of the node wait behind those that nobody reads.
    with AttackScene({OPEN: ["deny *", f"accept {question.rule}"]}, extra=settings) as scene, scene.connect() as peer:
        bar = scene.bar
        bar.eval(question.setup)
        before, processes = bar.number(MEMORY), bar.number("erlang:system_info(process_count)")
        flood = Flood(peer, question)
        assert not flood.go_on(120), "it is not read any more"
        assert flood.sent > BATCH
        assert bar.number(MEMORY) - before < 32 * MIB
        assert bar.number("erlang:system_info(process_count)") < processes + 100
        asked, answers = flood.sent, drained(peer)
        assert flood.go_on(0.5), "once it has read, it may ask again"
        assert len(peer.receiver.feed(answers)) >= asked, "what was asked is answered when the peer reads"


@pytest.mark.parametrize("name", QUESTIONS)
def test_without_distwall_it_is_not(name: str) -> None:
    question = QUESTIONS[name]
    with AttackScene(None) as scene, scene.connect() as peer:
        scene.bar.eval(question.setup)
        flood, end = Flood(peer, question), time.monotonic() + 60
        while scene.bar.number(question.piles_up) < question.much:
            assert flood.go_on(0.2)
            assert time.monotonic() < end
