"""The handshake of a connection that a peer opened to a guarded node.

Theory of operation. Two handshakes run interleaved: distwall is the acceptor (B) towards the peer and the initiator
(A) towards the guarded node. It never has to guess what the guarded node would say, because it asks:

====================================  =================================================================
the peer sends its name               looked up; the caller admits it (`NameReceived`), then dials
the guarded node is dialled           gets the peer's name, creation and masked flags
the guarded node sends its status     relayed; after ``alive`` the peer's ``true`` or ``false`` too
the guarded node sends its challenge  the peer gets a fresh challenge with the guarded node's name,
                                      creation and masked flags
the peer proves its cookie            only now is the guarded node's challenge answered (`Proved`)
the guarded node proves its cookie    the peer gets distwall's proof (`Established`)
====================================  =================================================================

Simultaneous connects, ``alive`` and dynamic names are thus decided by the guarded node's own net_kernel. A wrong
cookie never makes it replace a live connection, and neither side learns anything about the other's cookie.

The tables in `distwall.handshake.states` say who has the turn in each state and what it may send; anything else
refuses the handshake. Two kinds of bytes may come early, because what follows the last message of a side belongs to
the channel: the peer's behind its proof, the guarded node's behind its acknowledgement.

Invariant: for any bytes on either leg the machine reports events; it never raises.
"""

import hmac
import secrets
from collections.abc import Callable
from typing import Generic, NoReturn

from distwall.handshake import messages
from distwall.handshake.messages import Challenge, MessageError, Named, SendName
from distwall.handshake.states import (
    EXPECTED,
    NEXT,
    TURNS,
    UNPROVED,
    Denied,
    E,
    Established,
    Event,
    Identity,
    NameReceived,
    Proved,
    Refused,
    Secret,
    State,
    Turn,
)

MAX_EARLY = 1 << 20
"""Most bytes kept of what the peer sends behind its proof, before it was acknowledged. Real nodes send none."""


class _RefusedError(Exception):
    """Ends the handshake from within a message's handler."""

    def __init__(self, reason: str, detail: str, *, peer_fault: bool) -> None:
        super().__init__(reason)
        self.refused = Refused(reason, detail, peer_fault)


class Inbound(Generic[E]):
    """One handshake, as acceptor towards a peer and as initiator towards the guarded node.

    Feed it with ``peer_received``, ``guard_received``, ``dialled`` and the ``..._closed`` calls; each returns the
    events that it caused. Send what ``data_to_peer`` and ``data_to_guard`` return after every call.
    """

    def __init__(
        self,
        *,
        lookup: Callable[[str, str | None], E | Denied],
        is_guard: Callable[[str], bool],
        guard_cookie: Secret,
        known_flags: int,
        guard: str | None = None,
        challenge: Callable[[], int] = lambda: secrets.randbits(32),
    ) -> None:
        """A handshake that waits for the peer's name.

        ``lookup(peer, guard)`` finds the policy's entry; its ``guard`` is None while the guarded node's full name is
        not known. ``is_guard`` says whether the full name in the guarded node's challenge is one that this
        listener stands for. ``known_flags`` are the capabilities that the core understands; all others are masked.
        ``guard`` is the full name of the guarded node, where it is known already. ``challenge`` makes random 32-bit
        numbers.
        """
        self.state = State.NAME
        self.name: str | None = None
        """The peer's name, as the policy matches it. Only claimed, until `Proved`."""
        self.guard = guard
        """The guarded node's full name, once known."""
        self._lookup = lookup
        self._is_guard = is_guard
        self._guard_cookie = guard_cookie
        self._known_flags = known_flags | messages.NAME_ME
        self._new_challenge = challenge
        self._from_peer = bytearray()
        self._from_guard = bytearray()
        self._to_peer = bytearray()
        self._to_guard = bytearray()
        self._matched: str
        self._entry: E
        self._sent_name: SendName  # as the guarded node gets it
        self._identity: Identity
        self._challenge: Challenge  # as the peer gets it
        self._challenge_from_guard = 0
        self._challenge_from_peer = 0
        self._challenge_to_guard = 0

    @property
    def turn(self) -> Turn:
        """Who has to act next."""
        return TURNS[self.state]

    def data_to_peer(self) -> bytes:
        """What is due to the peer now; forgets it."""
        data, self._to_peer = bytes(self._to_peer), bytearray()
        return data

    def data_to_guard(self) -> bytes:
        """What is due to the guarded node now; forgets it."""
        data, self._to_guard = bytes(self._to_guard), bytearray()
        return data

    def peer_received(self, data: bytes) -> list[Event[E]]:
        """Feeds bytes from the peer."""
        return self._receive(Turn.PEER, self._from_peer, data)

    def guard_received(self, data: bytes) -> list[Event[E]]:
        """Feeds bytes from the guarded node."""
        return self._receive(Turn.GUARD, self._from_guard, data)

    def dialled(self) -> None:
        """The guarded node, dialled after `NameReceived`, has accepted the connection."""
        if self.state is State.ADMISSION:
            self._to_guard += self._sent_name.encode()
            self._advance(State.STATUS)

    def peer_closed(self) -> list[Event[E]]:
        """The peer's connection ended."""
        return self._end(Refused("peer_closed", self._where(), peer_fault=self.state in UNPROVED))

    def guard_closed(self, detail: str = "") -> list[Event[E]]:
        """The guarded node's connection ended, or could not be made (``detail`` says why)."""
        if self.state is State.ACK and not detail:
            detail = "the guarded node hung up on distwall's proof: is the cookie of [guard] the cluster's?"
        return self._end(Refused("guard_closed", detail or self._where(), peer_fault=False))

    def refuse(self, reason: str, detail: str = "", *, peer_fault: bool = False, tell: bool = False) -> list[Event[E]]:
        """Ends the handshake from outside. ``tell``: a peer that has got no status yet gets ``not_allowed``."""
        if tell and self.state is State.ADMISSION:
            self._to_peer += messages.status("not_allowed")
        return self._end(Refused(reason, detail or self._where(), peer_fault))

    def _receive(self, sender: Turn, buffer: bytearray, data: bytes) -> list[Event[E]]:
        if self.turn is Turn.NOBODY:
            return []
        buffer += data
        events: list[Event[E]] = []
        at_fault = sender is Turn.PEER
        try:
            while self.turn is sender and (body := self._next_message(sender, buffer)) is not None:
                events += self._handle(sender, body)
            if buffer and self.turn is not sender and not self._may_be_early(sender, len(buffer)):
                raise _RefusedError(
                    "out_of_order", f"bytes of the {sender.name.lower()} {self._where()}", peer_fault=at_fault
                )
        except _RefusedError as refuse:
            events += self._end(refuse.refused)
        except MessageError as error:
            reason = "bad_name" if isinstance(error, messages.BadNameError) else "malformed"
            events += self._end(Refused(reason, f"{error} {self._where()}", at_fault))
        return events

    def _may_be_early(self, sender: Turn, size: int) -> bool:
        if self.turn is Turn.NOBODY:
            return True
        return sender is Turn.PEER and self.state is State.ACK and size <= MAX_EARLY

    def _next_message(self, sender: Turn, buffer: bytearray) -> bytes | None:
        if len(buffer) < 2:
            return None
        length = int.from_bytes(buffer[:2])
        if not 0 < length <= messages.MAX_MESSAGE:
            detail = f"message of {length} bytes {self._where()}"
            raise _RefusedError("malformed", detail, peer_fault=sender is Turn.PEER)
        if len(buffer) < 2 + length:
            return None
        body = bytes(buffer[2 : 2 + length])
        del buffer[: 2 + length]
        return body

    def _handle(self, sender: Turn, body: bytes) -> list[Event[E]]:
        if self.state is State.NAME and body[0] == messages.SEND_NAME_OLD:
            # Only OTP 23 and 24 send it, and only where EPMD said that the other side is older still: ours does not.
            self._deny("old_handshake", "handshake version 5: OTP 25 or later is needed")
        if body[0] != EXPECTED[self.state]:
            raise _RefusedError("out_of_order", f"message {body[0]} {self._where()}", peer_fault=sender is Turn.PEER)
        match self.state:
            case State.NAME:
                return self._on_name(messages.parse_send_name(body))
            case State.STATUS:
                return self._on_status(messages.parse_status(body))
            case State.ALIVE:
                return self._on_alive_reply(body[1:])
            case State.CHALLENGE:
                return self._on_challenge(messages.parse_challenge(body))
            case State.PROOF:
                return self._on_proof(*messages.parse_challenge_reply(body))
            case _:
                return self._on_ack(messages.parse_challenge_ack(body))

    def _on_name(self, sent: SendName) -> list[Event[E]]:
        dynamic = bool(sent.flags & messages.NAME_ME)
        name = f"undefined@{sent.name}" if dynamic else sent.name
        self.name = self._matched = name
        if name == self.guard:
            self._deny("own_name", "the guarded node's own name")
        self._entry = self._find_entry(name)
        self._sent_name = SendName(self._masked(sent.flags), sent.creation, sent.name)
        self._identity = Identity(name, sent.creation)
        self._advance(State.ADMISSION)
        return [NameReceived(name, dynamic, self._entry)]

    def _on_status(self, status: str | Named) -> list[Event[E]]:
        dynamic = bool(self._sent_name.flags & messages.NAME_ME)
        if isinstance(status, Named):
            if not dynamic or status.name.partition("@")[2] != self._sent_name.name:
                raise _RefusedError("bad_guard", "the node gave a name that was not asked for", peer_fault=False)
            self._identity = Identity(status.name, status.creation)
            self._to_peer += status.encode()
            self._advance(State.CHALLENGE)
            return []
        if status in ("nok", "not_allowed"):
            self._to_peer += messages.status(status)
            return self._end(Refused("guard_refused", f"the guarded node answered {status}", peer_fault=False))
        if dynamic or status not in ("ok", "ok_simultaneous", "alive"):
            raise _RefusedError("bad_guard", "unknown status", peer_fault=False)
        self._to_peer += messages.status(status)
        self._advance(State.ALIVE if status == "alive" else State.CHALLENGE)
        return []

    def _on_alive_reply(self, reply: bytes) -> list[Event[E]]:
        if reply not in (b"true", b"false"):
            raise _RefusedError("malformed", "neither true nor false", peer_fault=True)
        self._to_guard += messages.status(reply.decode())
        if reply == b"false":
            return self._end(Refused("peer_declined", "the peer keeps the connection it has", peer_fault=False))
        self._advance(State.CHALLENGE)
        return []

    def _on_challenge(self, given: Challenge) -> list[Event[E]]:
        if not self._is_guard(given.name):
            raise _RefusedError("bad_guard", f"{given.name} is not guarded here", peer_fault=False)
        if given.name in (self._matched, self._identity.name):
            raise _RefusedError("own_name", "the guarded node's own name", peer_fault=True)
        known, self.guard = self.guard, given.name
        if known != given.name:
            self._find_entry_again()
        self._challenge_from_guard = given.challenge
        self._challenge = Challenge(self._masked(given.flags), self._new_challenge(), given.creation, given.name)
        self._to_peer += self._challenge.encode()
        self._advance(State.PROOF)
        return []

    def _on_proof(self, challenge: int, proof: bytes) -> list[Event[E]]:
        expected = messages.digest(self._entry.cookie.reveal(), self._challenge.challenge)
        if not hmac.compare_digest(proof, expected):
            raise _RefusedError("bad_cookie", "the peer's cookie is wrong", peer_fault=True)
        self._challenge_from_peer = challenge
        self._challenge_to_guard = self._new_challenge()
        answer = messages.digest(self._guard_cookie.reveal(), self._challenge_from_guard)
        self._to_guard += messages.challenge_reply(self._challenge_to_guard, answer)
        self._advance(State.ACK)
        return [Proved()]

    def _on_ack(self, proof: bytes) -> list[Event[E]]:
        expected = messages.digest(self._guard_cookie.reveal(), self._challenge_to_guard)
        if not hmac.compare_digest(proof, expected):
            raise _RefusedError("bad_guard_cookie", "the guarded node's cookie is not [guard] cookie", peer_fault=False)
        answer = messages.digest(self._entry.cookie.reveal(), self._challenge_from_peer)
        self._to_peer += messages.challenge_ack(answer)
        self._advance(State.ESTABLISHED)
        flags = self._sent_name.flags & self._challenge.flags & ~messages.NAME_ME
        guard = Identity(self._challenge.name, self._challenge.creation)
        peer_data, guard_data = bytes(self._from_peer), bytes(self._from_guard)
        return [Established(self._identity, guard, flags, self._entry, peer_data, guard_data)]

    def _find_entry(self, name: str) -> E:
        found = self._lookup(name, self.guard)
        if isinstance(found, Denied):
            self._deny(found.reason, found.detail)
        return found

    def _find_entry_again(self) -> None:
        """Now that the guarded node's full name is known, another entry may be the one for the peer and it."""
        found = self._find_entry(self._matched)
        if found.visible != self._entry.visible:
            # The guarded node was shown the other visibility already. The caller knows its name next time.
            raise _RefusedError("guard_unknown", f"{self.guard} was not known yet", peer_fault=False)
        self._entry = found

    def _deny(self, reason: str, detail: str) -> NoReturn:
        """Refuses a peer for its name, and tells it so if it has got no status yet."""
        if self.state is State.NAME:
            self._to_peer += messages.status("not_allowed")
        raise _RefusedError(reason, detail, peer_fault=True)

    def _masked(self, flags: int) -> int:
        """What of a side's ``flags`` the other is shown: masked alike on both legs, so that both negotiate the same."""
        if flags & messages.MANDATORY_25_DIGEST:
            flags |= messages.MANDATORY_25
        flags &= self._known_flags
        return flags if self._entry.visible else flags & ~messages.PUBLISHED

    def _advance(self, state: State) -> None:
        if state not in NEXT[self.state]:
            raise RuntimeError(f"no way from {self.state} to {state}")
        self.state = state

    def _end(self, refused: Refused) -> list[Event[E]]:
        if self.turn is Turn.NOBODY:
            return []
        self.state = State.CLOSED
        return [refused]

    def _where(self) -> str:
        return f"in state {self.state.name.lower()}"
