"""Both ends of a handshake, played by hand against `Inbound` and `Outbound`.

What the ends say is framed with 2 bytes here, as outside TLS.
"""

import abc
import struct
from dataclasses import dataclass, field

from distwall._core import DistFlag
from distwall.handshake import (
    Denied,
    Established,
    HandshakeEvent,
    Inbound,
    NameReceived,
    Outbound,
    Proved,
    Rejected,
    Relay,
    State,
    messages,
)
from distwall.handshake.parties import PEER as THE_PEER
from tests.support.dist import OTP_29

PEER = "foo@127.0.0.1"
GUARD = "bar@127.0.0.2"
VISIBLE_29 = OTP_29
KNOWN = OTP_29 & ~DistFlag.ALTACT_SIG | DistFlag.NAME_ME
"""The flags of a core that lacks one of OTP 29's."""
HIDDEN = KNOWN & ~DistFlag.PUBLISHED

TO_INITIATOR = 12345
TO_ACCEPTOR = 0x2A07F45F
OF_INITIATOR = 7
OF_ACCEPTOR = 0x07D1A801
"""Challenges: those that distwall makes, and those of the two ends."""

PEER_CREATION = 0x01020304
GUARD_CREATION = 0x0A0B0C0D


@dataclass(frozen=True)
class Cookie:
    secret: bytes

    def reveal(self) -> bytes:
        return self.secret


@dataclass(frozen=True)
class Entry:
    cookie: Cookie = Cookie(b"peer-secret")
    visible: bool = False


CLUSTER = Cookie(b"cluster-secret")


def framed(body: bytes, framing: int = 2) -> bytes:
    return len(body).to_bytes(framing) + body


def unframed(data: bytes, framing: int = 2) -> list[bytes]:
    """The messages in ``data``, which has nothing else in it."""
    bodies = []
    while data:
        length = int.from_bytes(data[:framing])
        bodies.append(data[framing : framing + length])
        assert len(bodies[-1]) == length
        data = data[framing + length :]
    return bodies


def reframed(data: bytes, framing: int) -> bytes:
    """Messages as a leg with another framing has them."""
    return b"".join(framed(body, framing) for body in unframed(data))


def status(text: str) -> bytes:
    return framed(messages.status(text))


def send_name(name: str = PEER, flags: int = VISIBLE_29, creation: int = PEER_CREATION) -> bytes:
    raw = name.encode("latin-1")
    return framed(b"N" + struct.pack(">QIH", flags, creation, len(raw)) + raw)


def challenge(name: str = GUARD, flags: int = VISIBLE_29, creation: int = GUARD_CREATION) -> bytes:
    raw = name.encode("latin-1")
    return framed(b"N" + struct.pack(">QIIH", flags, OF_ACCEPTOR, creation, len(raw)) + raw)


def proof(cookie: bytes = b"peer-secret", of: int = TO_INITIATOR) -> bytes:
    return framed(messages.challenge_reply(OF_INITIATOR, messages.proof_of(cookie, of)))


def ack(cookie: bytes = b"cluster-secret", of: int = TO_ACCEPTOR) -> bytes:
    return framed(messages.challenge_ack(messages.proof_of(cookie, of)))


def parsed_name(data: bytes) -> messages.SendName:
    (body,) = unframed(data)
    return messages.parse_send_name(body)


def parsed_challenge(data: bytes) -> messages.Challenge:
    (body,) = unframed(data)
    return messages.parse_challenge(body)


@dataclass
class Play(abc.ABC):
    """One handshake: what distwall sent to either side, and what it reported. See `InPlay` and `OutPlay`."""

    entry: Entry | Denied = field(default_factory=Entry)
    framings: tuple[int, int] = (2, 2)
    random: bool = False
    asked: list[tuple[str, str | None]] = field(default_factory=list)
    to_initiator: bytes = b""
    to_acceptor: bytes = b""
    events: list[HandshakeEvent[Entry]] = field(default_factory=list)

    def __post_init__(self) -> None:
        challenges = iter([TO_INITIATOR, TO_ACCEPTOR])
        self.machine = self.make()
        if not self.random:
            self.machine._new_challenge = lambda: next(challenges)

    @abc.abstractmethod
    def make(self) -> Relay[Entry]:
        """The machine that is played with."""

    @abc.abstractmethod
    def script(self) -> list[tuple[State, bytes]]:
        """A handshake with all possible messages: in which state comes what."""

    def initiator(self, data: bytes, *, size: int = 0) -> "Play":
        """The initiator sends, in pieces of ``size`` bytes (0: whole). Dials at once where a name was let in."""
        for piece in pieces(data, size):
            self._note(self.machine.initiator_received(piece))
        return self

    def acceptor(self, data: bytes, *, size: int = 0) -> "Play":
        for piece in pieces(data, size):
            self._note(self.machine.acceptor_received(piece))
        return self

    def peer(self, data: bytes) -> "Play":
        return (self.initiator if self.peer_began else self.acceptor)(data)

    def guarded(self, data: bytes) -> "Play":
        return (self.acceptor if self.peer_began else self.initiator)(data)

    @property
    def peer_began(self) -> bool:
        return self.machine.initiator is THE_PEER

    def _note(self, events: list[HandshakeEvent[Entry]]) -> None:
        self.events += events
        if any(isinstance(event, NameReceived) for event in events):
            self.machine.dialled()
        self.collect()

    def collect(self) -> None:
        self.to_initiator += self.machine.data_to_initiator()
        self.to_acceptor += self.machine.data_to_acceptor()

    def sent_to_initiator(self) -> bytes:
        """What the initiator got since the last call."""
        data, self.to_initiator = self.to_initiator, b""
        return data

    def sent_to_acceptor(self) -> bytes:
        data, self.to_acceptor = self.to_acceptor, b""
        return data

    def sent_to_peer(self) -> bytes:
        return self.sent_to_initiator() if self.peer_began else self.sent_to_acceptor()

    def sent_to_guard(self) -> bytes:
        return self.sent_to_acceptor() if self.peer_began else self.sent_to_initiator()

    @property
    def refused(self) -> Rejected:
        last = self.events[-1]
        assert isinstance(last, Rejected), self.events
        return last

    @property
    def established(self) -> Established[Entry]:
        last = self.events[-1]
        assert isinstance(last, Established), self.events
        return last

    @property
    def proved(self) -> bool:
        return any(isinstance(event, Proved) for event in self.events)

    def reach(self, state: State) -> "Play":
        """Plays the script up to ``state``."""
        for at, data in self.script():
            if self.machine.state is state:
                break
            self.say(at, data)
        assert self.machine.state is state
        return self

    def say(self, state: State, data: bytes) -> None:
        """Whoever has the turn in ``state`` sends."""
        (self.initiator if state in INITIATORS_STATES else self.acceptor)(data)


INITIATORS_STATES = {State.NAME, State.ALIVE, State.PROOF}
ACCEPTORS_STATES = {State.STATUS, State.CHALLENGE, State.ACK}


@dataclass
class InPlay(Play):
    """A peer opens a connection to the guarded node."""

    guard: str | None = None
    per_guard: dict[str | None, Entry | Denied] = field(default_factory=dict)

    def make(self) -> Relay[Entry]:
        return Inbound(
            lookup=self._lookup,
            is_guard=lambda name: name.startswith("bar@127."),
            guard_cookie=CLUSTER,
            known_flags=KNOWN,
            initiator_framing=self.framings[0],
            acceptor_framing=self.framings[1],
            guard=self.guard,
        )

    def _lookup(self, peer: str, guard: str | None) -> Entry | Denied:
        self.asked.append((peer, guard))
        return self.per_guard.get(guard, self.entry)

    def script(self) -> list[tuple[State, bytes]]:
        return [
            (State.NAME, send_name()),
            (State.STATUS, status("alive")),
            (State.ALIVE, status("true")),
            (State.CHALLENGE, challenge()),
            (State.PROOF, proof()),
            (State.ACK, ack()),
        ]

    def to_challenge(self, answer: str = "ok", flags: int = VISIBLE_29) -> Play:
        """Plays until the peer has its challenge."""
        return self.peer(send_name(flags=flags)).guarded(status(answer)).guarded(challenge())

    def to_end(self) -> Play:
        """Plays all of it."""
        return self.to_challenge().peer(proof()).guarded(ack())


@dataclass
class OutPlay(Play):
    """A guarded node opens a connection to a peer."""

    target: str = PEER

    def make(self) -> Relay[Entry]:
        return Outbound(
            target=self.target,
            lookup=self._lookup,
            is_guard=lambda name: name.startswith("bar@127."),
            guard_cookie=CLUSTER,
            known_flags=KNOWN,
            initiator_framing=self.framings[0],
            acceptor_framing=self.framings[1],
        )

    def _lookup(self, guard: str) -> Entry | Denied:
        self.asked.append((self.target, guard))
        return self.entry

    def script(self) -> list[tuple[State, bytes]]:
        return [
            (State.NAME, send_name(GUARD, creation=GUARD_CREATION)),
            (State.STATUS, status("alive")),
            (State.ALIVE, status("true")),
            (State.CHALLENGE, challenge(PEER, creation=PEER_CREATION)),
            (State.PROOF, proof(CLUSTER.secret)),
            (State.ACK, ack(b"peer-secret")),
        ]

    def named(self) -> Play:
        """The guarded node has sent its name."""
        return self.reach(State.STATUS)

    def to_challenge(self, answer: str = "ok") -> Play:
        """Plays until the guarded node has its challenge."""
        return self.named().peer(status(answer)).peer(challenge(PEER, creation=PEER_CREATION))


def pieces(data: bytes, size: int) -> list[bytes]:
    return [data[i : i + size] for i in range(0, len(data), size)] if size else [data]
