"""Both ends of a handshake, played by hand against `Inbound`."""

import struct
from dataclasses import dataclass, field

from distwall.handshake import Denied, Established, Event, Inbound, NameReceived, Proved, Refused, messages

PEER = "foo@127.0.0.1"
GUARD = "bar@127.0.0.2"
VISIBLE_29 = 0x6D07DF7FBD
KNOWN = 0x4F07DF7FBD
"""Flags that a core might know: one that OTP 29 has (bit 37) is missing, one that it has not (bit 35..38) aside."""

CHALLENGE_TO_PEER = 12345
CHALLENGE_TO_GUARD = 0x2A07F45F
CHALLENGE_OF_PEER = 7
CHALLENGE_OF_GUARD = 0x07D1A801


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


def send_name(name: str = PEER, flags: int = VISIBLE_29, creation: int = 0x01020304) -> bytes:
    raw = name.encode("latin-1")
    return messages.framed(b"N" + struct.pack(">QIH", flags, creation, len(raw)) + raw)


def challenge(name: str = GUARD, flags: int = VISIBLE_29, creation: int = 0x0A0B0C0D) -> bytes:
    raw = name.encode("latin-1")
    return messages.framed(b"N" + struct.pack(">QIIH", flags, CHALLENGE_OF_GUARD, creation, len(raw)) + raw)


def proof(cookie: bytes = b"peer-secret", of: int = CHALLENGE_TO_PEER) -> bytes:
    return messages.challenge_reply(CHALLENGE_OF_PEER, messages.digest(cookie, of))


def ack(cookie: bytes = b"cluster-secret") -> bytes:
    return messages.challenge_ack(messages.digest(cookie, CHALLENGE_TO_GUARD))


@dataclass
class Play:
    """One handshake. Each step returns what distwall sent and reported."""

    entry: Entry | Denied = field(default_factory=Entry)
    guard: str | None = None
    per_guard: dict[str | None, Entry | Denied] = field(default_factory=dict)
    random: bool = False
    asked: list[tuple[str, str | None]] = field(default_factory=list)
    to_peer: bytes = b""
    to_guard: bytes = b""
    events: list[Event[Entry]] = field(default_factory=list)

    def __post_init__(self) -> None:
        challenges = iter([CHALLENGE_TO_PEER, CHALLENGE_TO_GUARD])
        self.machine: Inbound[Entry] = Inbound(
            lookup=self._lookup,
            is_guard=lambda name: name.startswith("bar@127."),
            guard_cookie=CLUSTER,
            known_flags=KNOWN,
            guard=self.guard,
            **({} if self.random else {"challenge": lambda: next(challenges)}),
        )

    def _lookup(self, peer: str, guard: str | None) -> Entry | Denied:
        self.asked.append((peer, guard))
        return self.per_guard.get(guard, self.entry)

    def peer(self, data: bytes, *, size: int = 0) -> "Play":
        """The peer sends, in pieces of ``size`` bytes (0: whole). Dials at once where a name was let in."""
        for piece in pieces(data, size):
            self._note(self.machine.peer_received(piece))
        return self

    def guarded(self, data: bytes, *, size: int = 0) -> "Play":
        for piece in pieces(data, size):
            self._note(self.machine.guard_received(piece))
        return self

    def _note(self, events: list[Event[Entry]]) -> None:
        self.events += events
        if any(isinstance(event, NameReceived) for event in events):
            self.machine.dialled()
        self.to_peer += self.machine.data_to_peer()
        self.to_guard += self.machine.data_to_guard()

    def sent_to_peer(self) -> bytes:
        """What the peer got since the last call."""
        data, self.to_peer = self.to_peer, b""
        return data

    def sent_to_guard(self) -> bytes:
        data, self.to_guard = self.to_guard, b""
        return data

    @property
    def refused(self) -> Refused:
        last = self.events[-1]
        assert isinstance(last, Refused), self.events
        return last

    @property
    def established(self) -> Established[Entry]:
        last = self.events[-1]
        assert isinstance(last, Established), self.events
        return last

    @property
    def proved(self) -> bool:
        return any(isinstance(event, Proved) for event in self.events)

    def to_challenge(self, status: str = "ok", flags: int = VISIBLE_29) -> "Play":
        """Plays until the peer has its challenge."""
        return self.peer(send_name(flags=flags)).guarded(messages.status(status)).guarded(challenge())

    def to_end(self) -> "Play":
        """Plays all of it."""
        return self.to_challenge().peer(proof()).guarded(ack())


def pieces(data: bytes, size: int) -> list[bytes]:
    return [data[i : i + size] for i in range(0, len(data), size)] if size else [data]
