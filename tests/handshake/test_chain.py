"""Two nodes, each behind a distwall of its own: `Outbound` of the one leads to `Inbound` of the other.

The nodes are written from the protocol's description, and share no code with distwall.
"""

import hashlib
import struct
from collections.abc import Generator
from dataclasses import dataclass, field

import pytest

from distwall.handshake import Established, HandshakeEvent, Inbound, NameReceived, Outbound, Rejected, Relay
from tests.handshake.play import HIDDEN, KNOWN, VISIBLE_29, Cookie, Entry, framed, unframed

A, B = "a@10.0.0.1", "b@10.0.0.2"
COOKIE_OF_A, BETWEEN, COOKIE_OF_B = b"cluster-of-a", b"between", b"cluster-of-b"

Script = Generator[list[bytes], bytes, None]
"""Yields the messages that are due, is sent the next one received, and ends where the node would hang up."""


@dataclass
class ChainEnd:
    """One end of a handshake."""

    name: str
    cookie: bytes
    status: bytes = b"ok"
    insists: bool = True
    seen: tuple[bytes, int, int] | None = None
    """The other's name, flags and creation."""
    up: bool = False

    def digest(self, challenge: int) -> bytes:
        return hashlib.md5(self.cookie + b"%d" % challenge).digest()

    def connect(self) -> Script:
        name = self.name.encode()
        given = yield [b"N" + struct.pack(">QIH", VISIBLE_29, 11, len(name)) + name]
        if given not in (b"sok", b"salive"):
            return
        given = yield [b"strue" if self.insists else b"sfalse"] if given == b"salive" else []
        flags, challenge, creation = struct.unpack_from(">QII", given, 1)
        self.seen = (given[19:], flags, creation)
        ack = yield [b"r" + struct.pack(">I", 99) + self.digest(challenge)]
        self.up = ack == b"a" + self.digest(99)

    def accept(self) -> Script:
        given = yield []
        flags, creation = struct.unpack_from(">QI", given, 1)
        self.seen = (given[15:], flags, creation)
        if self.status == b"alive":
            insists = yield [b"salive"]
            if insists != b"strue":
                return
        elif self.status != b"ok":
            yield [b"s" + self.status]
            return
        name = self.name.encode()
        challenge = b"N" + struct.pack(">QIIH", VISIBLE_29, 77, 22, len(name)) + name
        reply = yield [b"sok", challenge] if self.status == b"ok" else [challenge]
        if reply[5:] == self.digest(77):
            self.up = True
            yield [b"a" + self.digest(*struct.unpack(">I", reply[1:5]))]


@dataclass
class Chain:
    """A connects to B, through both distwalls, over TLS between them."""

    a: ChainEnd = field(default_factory=lambda: ChainEnd(A, COOKIE_OF_A))
    b: ChainEnd = field(default_factory=lambda: ChainEnd(B, COOKIE_OF_B))
    outer: tuple[bytes, bytes] = (BETWEEN, BETWEEN)
    """The cookie in the entry of B at A's distwall, and in that of A at B's."""
    target: str = B
    ends: dict[str, HandshakeEvent[Entry]] = field(default_factory=dict)
    carried: list[bytes] = field(default_factory=list)
    """What went between the two distwalls."""

    def run(self) -> "Chain":
        out: Outbound[Entry] = Outbound(
            target=self.target,
            lookup=lambda _: Entry(Cookie(self.outer[0])),
            is_guard=lambda name: name == A,
            guard_cookie=Cookie(COOKIE_OF_A),
            known_flags=KNOWN,
            acceptor_framing=4,
        )
        into: Inbound[Entry] = Inbound(
            lookup=lambda _, __: Entry(Cookie(self.outer[1])),
            is_guard=lambda name: name == B,
            guard_cookie=Cookie(COOKIE_OF_B),
            known_flags=KNOWN,
            initiator_framing=4,
        )
        scripts = {"a": self.a.connect(), "b": self.b.accept()}
        due = {side: next(script) for side, script in scripts.items()}
        for _ in range(20):
            self._note("a", out, out.initiator_received(b"".join(map(framed, due["a"]))))
            between = out.data_to_acceptor()
            self._note("b", into, into.initiator_received(between))
            self._note("b", into, into.acceptor_received(b"".join(map(framed, due["b"]))))
            back = into.data_to_initiator()
            self._note("a", out, out.acceptor_received(back))
            self.carried += [between, back]
            due = {
                "a": self._tell(scripts["a"], out.data_to_initiator()),
                "b": self._tell(scripts["b"], into.data_to_acceptor()),
            }
            if "a" in self.ends and "b" not in self.ends:
                self._note("b", into, into.initiator_closed())
            if "b" in self.ends and "a" not in self.ends:
                self._note("a", out, out.acceptor_closed())
        return self

    def _note(self, side: str, machine: Relay[Entry], events: list[HandshakeEvent[Entry]]) -> None:
        for event in events:
            if isinstance(event, NameReceived):
                machine.dialled()
            elif isinstance(event, (Established, Rejected)):
                assert side not in self.ends
                self.ends[side] = event

    def _tell(self, script: Script, data: bytes) -> list[bytes]:
        due: list[bytes] = []
        for message in unframed(data):
            try:
                due += script.send(message)
            except StopIteration:
                break
        return due

    def reasons(self) -> tuple[str, str]:
        a, b = self.ends["a"], self.ends["b"]
        assert isinstance(a, Rejected)
        assert isinstance(b, Rejected)
        assert not self.a.up
        return a.reason, b.reason


@pytest.mark.parametrize("status", [b"ok", b"alive"])
def test_two_nodes_meet_through_two_distwalls_with_three_cookies(status: bytes) -> None:
    chain = Chain(b=ChainEnd(B, COOKIE_OF_B, status)).run()
    assert chain.a.up
    assert chain.b.up
    assert chain.a.seen == (B.encode(), VISIBLE_29 & HIDDEN, 22)
    assert chain.b.seen == (A.encode(), VISIBLE_29 & HIDDEN, 11)
    for end in chain.ends.values():
        assert isinstance(end, Established)
        assert end.flags == VISIBLE_29 & HIDDEN
        assert {(end.peer.name, end.peer.creation), (end.guard.name, end.guard.creation)} == {(A, 11), (B, 22)}


def test_no_clusters_cookie_proves_anything_between_them() -> None:
    chain = Chain().run()
    carried = b"".join(chain.carried)
    (reply,) = (body for body in unframed(carried, 4) if body[0] == ord("r"))
    challenges = [struct.unpack_from(">I", body, 9)[0] for body in unframed(carried, 4) if body[:1] == b"N"]
    for cookie in (COOKIE_OF_A, COOKIE_OF_B):
        for challenge in (*challenges, 77, 99, struct.unpack_from(">I", reply, 1)[0]):
            assert hashlib.md5(cookie + b"%d" % challenge).digest() not in carried


def test_a_wrong_cookie_anywhere_ends_it() -> None:
    assert Chain(a=ChainEnd(A, b"wrong")).run().reasons() == ("bad_guard_cookie", "peer_closed")
    assert Chain(outer=(b"wrong", BETWEEN)).run().reasons() == ("peer_closed", "bad_cookie")
    assert Chain(outer=(BETWEEN, b"wrong")).run().reasons() == ("peer_closed", "bad_cookie")
    chain = Chain(b=ChainEnd(B, b"wrong"))
    chain.run()
    assert not chain.a.up
    assert not chain.b.up, "it hangs up on the proof, and its distwall is told"


@pytest.mark.parametrize("status", [b"nok", b"not_allowed"])
def test_refusals_come_through(status: bytes) -> None:
    assert Chain(b=ChainEnd(B, COOKIE_OF_B, status)).run().reasons() == ("peer_refused", "guard_refused")


def test_a_node_that_gives_in_ends_both_handshakes() -> None:
    chain = Chain(a=ChainEnd(A, COOKIE_OF_A, insists=False), b=ChainEnd(B, COOKIE_OF_B, b"alive")).run()
    assert chain.reasons() == ("guard_declined", "peer_declined")
    assert not chain.b.up


def test_another_node_that_answers_is_refused() -> None:
    assert Chain(target="c@10.0.0.2").run().reasons() == ("bad_peer", "peer_closed")
