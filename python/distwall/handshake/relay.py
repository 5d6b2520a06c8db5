"""A handshake that passes through distwall, begun by either side.

Theory of operation. Two handshakes run interleaved. distwall is the acceptor (B) towards the side that dialled it, here
the **initiator**. It is the initiator (A) towards the side that it dials, here the **acceptor**. It never has to guess
the acceptor's answers, because it asks:

====================================  =================================================================
the initiator sends its name          looked up; the caller admits it (`NameReceived`), then dials
the acceptor is dialled               gets the initiator's name, creation and masked flags
the acceptor sends its status         relayed; after ``alive`` the initiator's ``true`` or ``false`` too
the acceptor sends its challenge      the initiator gets a fresh challenge with the acceptor's name,
                                      creation and masked flags
the initiator proves its cookie       only now is the acceptor's challenge answered (`Proved`)
the acceptor proves its cookie        the initiator gets distwall's proof (`Established`)
====================================  =================================================================

Simultaneous connects, ``alive`` and dynamic names are thus decided by the acceptor's own net_kernel. A wrong cookie
never makes it replace a live connection, and neither side learns anything about the other's cookie.

The initiator may also have to prove its cookie first (`Relay.prove_first`), before the acceptor hears of it. It then
gets a challenge with the acceptor's name, creation and flags as another handshake has shown them. The acceptor decides
as before. It can only be obeyed in another way: where it wants to keep a connection of its own, the initiator gets no
answer until it gives up.

`distwall.handshake.states.TABLE` says who has the turn in each state and what it may send; anything else refuses the
handshake. Only the bytes behind a side's last message may come early, since they belong to the channel: the initiator's
behind its proof, the acceptor's behind its acknowledgement.

One of the two is the peer and the other the guarded node. `Inbound` and `Outbound` differ in that: in the names that
each side may have, and in the faults that count against the peer.

Invariant: for any bytes on either leg the machine reports events; it never raises.
"""

import abc
import hmac
import secrets
from collections.abc import Callable
from typing import ClassVar, Generic, NoReturn

from distwall._core import MANDATORY_25, DistFlag
from distwall.handshake import messages
from distwall.handshake.awaited_proofs import AwaitedProofs
from distwall.handshake.events import (
    Denied,
    E,
    Established,
    HandshakeEvent,
    Identity,
    NameReceived,
    Proved,
    Rejected,
    Secret,
)
from distwall.handshake.leg_buffer import LegBuffer
from distwall.handshake.messages import Challenge, MessageError, Named, SendName
from distwall.handshake.parties import PEER, Party
from distwall.handshake.states import TABLE, UNPROVED, State, Turn
from distwall.node_name import NodeName

MAX_EARLY = 1 << 20
"""Most bytes kept from the initiator behind its proof, before its acknowledgement. Real nodes send none."""


def random_challenge() -> int:
    """32 bits that nobody can guess."""
    return secrets.randbits(32)


class _RejectedError(Exception):
    """Ends the handshake from within a message's handler."""

    def __init__(self, refused: Rejected) -> None:
        super().__init__(refused.reason)
        self.refused = refused


class Relay(abc.ABC, Generic[E]):
    """One handshake, as acceptor towards the initiator and as initiator towards the acceptor.

    Feed it with ``initiator_received``, ``acceptor_received``, ``dialled`` and the ``..._closed`` calls; each returns
    the events that it caused. Send what ``data_to_initiator`` and ``data_to_acceptor`` return after every call.
    """

    initiator: ClassVar[Party]
    """The party that has dialled."""
    acceptor: ClassVar[Party]
    """The party that is dialled."""

    _entry: E
    _sent_name: SendName  # as the acceptor gets it
    _initiator_identity: Identity
    _challenge: Challenge  # as the initiator gets it
    _is_pending: Callable[[], bool]

    def __init__(
        self,
        *,
        guard_cookie: Secret,
        known_flags: int,
        initiator_framing: int,
        acceptor_framing: int,
        challenge: Callable[[], int],
        proofs: AwaitedProofs | None,
        peer: str = "",
        guard: str | None = None,
    ) -> None:
        """Waits for the initiator's name.

        ``known_flags`` are the capabilities that the core understands; all others are masked. The framings are bytes of
        the length of a message: 4 on a leg inside TLS, else 2. ``challenge`` makes random 32-bit numbers. ``proofs`` is
        shared by all handshakes of this distwall, so that none can be used against another; None: it is not shared.
        """
        self.state = State.NAME
        self.guard = guard
        """The guarded node's full name, once known. It is only a claim until the node has proved its cookie."""
        self._peer = peer
        self._guard_cookie = guard_cookie
        self._known_flags = known_flags & ~DistFlag.NAME_ME
        self._new_challenge = challenge
        self._proofs = AwaitedProofs() if proofs is None else proofs
        self._awaited: bytes | None = None
        self._initiator_leg = LegBuffer(initiator_framing)
        self._acceptor_leg = LegBuffer(acceptor_framing)
        self.given: Challenge | None = None
        """The acceptor's challenge, as it came."""
        self._proves_first = False
        self._yields = False
        self._challenge_from_acceptor = 0
        self._challenge_from_initiator = 0

    @abc.abstractmethod
    def _admit(self, sent: SendName) -> E:
        """Finds the entry for the initiator's name, and notes the names. Refuses names that may not connect."""

    @abc.abstractmethod
    def _check_acceptor(self, name: str) -> None:
        """Refuses an acceptor with another name than the initiator wants to reach."""

    @property
    def turn(self) -> Turn:
        """The side that has to act next."""
        return TABLE[self.state].turn

    @property
    def peer(self) -> str | None:
        """The peer's name, as the policy matches it, once known. It is only a claim until the cookie is proved."""
        return self._peer or None

    @property
    def acceptor_framing(self) -> int:
        """Bytes of the length of the acceptor's messages. If dialling shows it, set it before `dialled`."""
        return self._acceptor_leg.framing

    @acceptor_framing.setter
    def acceptor_framing(self, framing: int) -> None:
        self._acceptor_leg.framing = framing

    def data_to_initiator(self) -> bytes:
        """Returns the bytes due to the initiator, and forgets them."""
        return self._initiator_leg.due()

    def data_to_acceptor(self) -> bytes:
        """Returns the bytes due to the acceptor, and forgets them."""
        return self._acceptor_leg.due()

    def initiator_received(self, data: bytes) -> list[HandshakeEvent[E]]:
        """Takes bytes from the initiator."""
        return self._receive(Turn.INITIATOR, self._initiator_leg, data)

    def acceptor_received(self, data: bytes) -> list[HandshakeEvent[E]]:
        """Takes bytes from the acceptor."""
        return self._receive(Turn.ACCEPTOR, self._acceptor_leg, data)

    def dialled(self) -> None:
        """Notes that the acceptor, dialled after `NameReceived`, has accepted the connection."""
        if self.state in (State.ADMISSION, State.PROVED):
            self._acceptor_leg.send(self._sent_name.encode())
            self._advance(State.STATUS)

    @property
    def is_dynamic(self) -> bool:
        """True if the initiator asks the acceptor for a name."""
        return bool(self._sent_name.flags & DistFlag.NAME_ME)

    def prove_first(self, known: Challenge, is_pending: Callable[[], bool]) -> None:
        """Has the initiator prove its cookie before the acceptor hears of it. Dial it after `Proved`.

        ``known`` is an earlier challenge of the acceptor; if it would differ now, the handshake fails.
        ``is_pending`` is asked if the acceptor has a connection with the initiator: true if the initiator still wants
        this one in its place. Call this after `NameReceived`, in place of dialling, for an initiator with a name of
        its own.
        """
        if self.state is not State.ADMISSION or self.is_dynamic:
            raise RuntimeError(f"no proof can come first {self._where()}")
        self._proves_first = True
        self._is_pending = is_pending
        self._initiator_leg.send(messages.status("ok"))
        self._challenge_initiator(known)

    def initiator_closed(self) -> list[HandshakeEvent[E]]:
        """Notes that the initiator's connection ended."""
        # The guarded node was told of a peer that then proved nothing.
        is_proved = self._proves_first and self.state is not State.PROOF
        peer_fault = self.initiator is PEER and self.state in UNPROVED and not is_proved
        return self._end(Rejected(self.initiator.closed, self._where(), peer_fault))

    def acceptor_closed(self, detail: str = "") -> list[HandshakeEvent[E]]:
        """Notes that the acceptor's connection ended, or could not be made (``detail`` says why)."""
        if self._yields:
            # It has said so. The initiator stays until it gives up.
            return []
        if self.state is State.ACK and not detail:
            detail = self.acceptor.hung_up_on_proof
        return self._end(Rejected(self.acceptor.closed, detail or self._where(), peer_fault=False))

    def refuse(
        self, reason: str, detail: str = "", *, peer_fault: bool = False, tell: bool = False
    ) -> list[HandshakeEvent[E]]:
        """Ends the handshake from outside. ``tell``: an initiator that waits for a status gets ``not_allowed``."""
        if tell and self.state is State.ADMISSION:
            self._initiator_leg.send(messages.status("not_allowed"))
        return self._end(Rejected(reason, detail or self._where(), peer_fault))

    def _receive(self, sender: Turn, leg: LegBuffer, data: bytes) -> list[HandshakeEvent[E]]:
        if self.turn is Turn.NOBODY:
            return []
        leg.receive(data)
        events: list[HandshakeEvent[E]] = []
        party = self.initiator if sender is Turn.INITIATOR else self.acceptor
        try:
            while self.turn is sender and (message := leg.next_message()) is not None:
                events += self._handle(party, message)
            if leg.unread and self.turn is not sender and not self._may_be_early(leg.unread):
                self._fail(party, "out_of_order", f"bytes of {party.noun} {self._where()}")
        except _RejectedError as refuse:
            events += self._end(refuse.refused)
        except MessageError as error:
            reason = "bad_name" if isinstance(error, messages.BadNodeNameError) else "malformed"
            events += self._end(Rejected(reason, f"{error} {self._where()}", party is PEER))
        return events

    def _may_be_early(self, size: int) -> bool:
        """True if ``size`` bytes of a side without the turn may belong to the channel."""
        is_proved = self.state is State.ACK or (self._proves_first and self.state is not State.PROOF)
        return self.turn is Turn.NOBODY or (is_proved and size <= MAX_EARLY)

    def _handle(self, sender: Party, message: bytes) -> list[HandshakeEvent[E]]:
        if self.state is State.NAME and message[0] == messages.SEND_NAME_OLD:
            # Only OTP 23 and 24 send it, and only where EPMD said that the other side is older still: ours does not.
            self._deny("old_handshake", "handshake version 5: OTP 25 or later is needed")
        if message[0] != TABLE[self.state].message:
            self._fail(sender, "out_of_order", f"message {message[0]} {self._where()}")
        match self.state:
            case State.NAME:
                return self._on_name(messages.parse_send_name(message))
            case State.STATUS:
                return self._on_status(messages.parse_status(message))
            case State.ALIVE:
                return self._on_alive_reply(message[1:])
            case State.CHALLENGE:
                return self._on_challenge(messages.parse_challenge(message))
            case State.PROOF:
                return self._on_proof(*messages.parse_challenge_reply(message))
            case _:
                return self._on_ack(messages.parse_challenge_ack(message))

    def _on_name(self, sent: SendName) -> list[HandshakeEvent[E]]:
        self._entry = self._admit(sent)
        self._sent_name = SendName(self._masked(sent.flags, sent.flags), sent.creation, sent.name)
        self._initiator_identity = Identity(sent.name, sent.creation)
        self._advance(State.ADMISSION)
        return [NameReceived(self._peer, self.is_dynamic, self._entry)]

    def _on_status(self, status: str | Named) -> list[HandshakeEvent[E]]:
        if self._proves_first:
            return self._on_late_status(status)
        if isinstance(status, Named):
            if not self.is_dynamic or NodeName.of(status.name).host != self._sent_name.name:
                self._fail(self.acceptor, self.acceptor.misbehaved, "the node gave a name that was not asked for")
            self._initiator_identity = Identity(status.name, status.creation)
            self._initiator_leg.send(status.encode())
            self._advance(State.CHALLENGE)
            return []
        if status in ("nok", "not_allowed"):
            self._initiator_leg.send(messages.status(status))
            detail = f"{self.acceptor.noun} answered {status}"
            return self._end(Rejected(self.acceptor.refused, detail, peer_fault=False))
        if self.is_dynamic or status not in ("ok", "ok_simultaneous", "alive"):
            self._fail(self.acceptor, self.acceptor.misbehaved, "unknown status")
        self._initiator_leg.send(messages.status(status))
        self._advance(State.ALIVE if status == "alive" else State.CHALLENGE)
        return []

    def _on_late_status(self, status: str | Named) -> list[HandshakeEvent[E]]:
        """Takes the status for an initiator that has proved its cookie, and was told "ok" before."""
        match status:
            case "ok" | "ok_simultaneous":
                self._advance(State.CHALLENGE)
            case "alive" if self._is_pending():
                self._acceptor_leg.send(messages.status("true"))
                self._advance(State.CHALLENGE)
            case "alive":
                # The initiator has accepted the acceptor's connection since, and is about to hang up this one.
                self._acceptor_leg.send(messages.status("false"))
                self._yields = True
                self._advance(State.PROVED)
            case "nok":
                # The acceptor dials as well, and its own attempt has to win. The initiator hangs up when it has won:
                # if distwall did so before, its callers would be told that there is no connection.
                self._yields = True
                self._advance(State.PROVED)
            case "not_allowed":
                detail = f"{self.acceptor.noun} answered {status}"
                return self._end(Rejected(self.acceptor.refused, detail, peer_fault=False))
            case _:
                self._fail(self.acceptor, self.acceptor.misbehaved, "unknown status")
        return []

    def _on_alive_reply(self, reply: bytes) -> list[HandshakeEvent[E]]:
        if reply not in (b"true", b"false"):
            self._fail(self.initiator, "malformed", "neither true nor false")
        self._acceptor_leg.send(messages.status(reply.decode()))
        if reply == b"false":
            detail = f"{self.initiator.noun} keeps the connection it has"
            return self._end(Rejected(self.initiator.declined, detail, peer_fault=False))
        self._advance(State.CHALLENGE)
        return []

    def _on_challenge(self, given: Challenge) -> list[HandshakeEvent[E]]:
        self._check_acceptor(given.name)
        self.given = given
        self._challenge_from_acceptor = given.challenge
        if not self._proves_first:
            self._challenge_initiator(given)
            return []
        told = self._challenge
        flags = self._masked(given.flags, self._sent_name.flags)
        if (given.name, given.creation, flags) != (told.name, told.creation, told.flags):
            # The initiator was told otherwise. The caller knows better next time.
            self._fail(self.acceptor, "guard_unknown", f"{given.name} has changed")
        self._prove_to_acceptor()
        return []

    def _challenge_initiator(self, given: Challenge) -> None:
        flags = self._masked(given.flags, self._sent_name.flags)
        self._challenge = Challenge(flags, self._new_challenge(), given.creation, given.name)
        self._await(self._proof(self.initiator, self._challenge.challenge))
        self._initiator_leg.send(self._challenge.encode())
        self._advance(State.PROOF)

    def _prove_to_acceptor(self) -> None:
        answer = self._proof_for(self.acceptor, self._challenge_from_acceptor)
        own = self._new_challenge()
        self._await(self._proof(self.acceptor, own))
        self._acceptor_leg.send(messages.challenge_reply(own, answer))
        self._advance(State.ACK)

    def _on_proof(self, challenge: int, proof: bytes) -> list[HandshakeEvent[E]]:
        self._check_proof(self.initiator, proof)
        self._challenge_from_initiator = challenge
        if self._proves_first:
            self._advance(State.PROVED)
        else:
            self._prove_to_acceptor()
        return [Proved()]

    def _on_ack(self, proof: bytes) -> list[HandshakeEvent[E]]:
        self._check_proof(self.acceptor, proof)
        answer = self._proof_for(self.initiator, self._challenge_from_initiator)
        self._initiator_leg.send(messages.challenge_ack(answer))
        self._advance(State.ESTABLISHED)
        flags = self._sent_name.flags & self._challenge.flags & ~DistFlag.NAME_ME
        sides = [
            (self._initiator_identity, self._initiator_leg.rest()),
            (Identity(self._challenge.name, self._challenge.creation), self._acceptor_leg.rest()),
        ]
        (peer, peer_data), (guard, guard_data) = sides if self.initiator is PEER else reversed(sides)
        return [Established(peer, guard, flags, self._entry, peer_data, guard_data)]

    def _proof(self, party: Party, challenge: int) -> bytes:
        """The proof of the cookie that distwall shares with ``party``."""
        cookie = self._entry.cookie if party is PEER else self._guard_cookie
        return messages.proof_of(cookie.reveal(), challenge)

    def _proof_for(self, party: Party, challenge: int) -> bytes:
        """The proof that ``party`` has asked for, unless distwall itself waits for the same proof."""
        proof = self._proof(party, challenge)
        if self._proofs.is_awaited(proof):
            self._fail(party, "reflected", f"{party.noun} asks for a proof that distwall itself has asked for")
        return proof

    def _await(self, proof: bytes) -> None:
        """Notes that a challenge goes out, which ``proof`` answers."""
        self._proofs.expect(proof)
        self._awaited = proof

    def _await_no_more(self) -> None:
        if self._awaited is not None:
            self._proofs.forget(self._awaited)
            self._awaited = None

    def _check_proof(self, party: Party, proof: bytes) -> None:
        if self._awaited is None or not hmac.compare_digest(proof, self._awaited):
            self._fail(party, party.wrong_cookie, party.wrong_cookie_detail)
        self._await_no_more()

    def _found(self, found: E | Denied) -> E:
        """The entry that was looked up; refuses the initiator if there is no entry."""
        if isinstance(found, Denied):
            self._deny(found.reason, found.detail)
        return found

    def _deny(self, reason: str, detail: str) -> NoReturn:
        """Refuses an initiator for its request, and tells it so if it waits for a status."""
        if self.state is State.NAME:
            self._initiator_leg.send(messages.status("not_allowed"))
        self._fail(self.initiator, reason, detail)

    def _fail(self, party: Party, reason: str, detail: str) -> NoReturn:
        """Refuses the handshake for a fault of ``party``."""
        raise _RejectedError(Rejected(reason, detail, peer_fault=party is PEER))

    def _masked(self, flags: int, asked: int) -> int:
        """A side's ``flags`` as the other side may see them: masked alike on both legs, so that both agree.

        ``asked``: the flags of the initiator. A node that is asked for a name repeats the request.
        """
        if flags & DistFlag.MANDATORY_25_DIGEST:
            flags |= MANDATORY_25
        flags &= self._known_flags | asked & DistFlag.NAME_ME
        return flags if self._entry.visible else flags & ~DistFlag.PUBLISHED

    def _advance(self, state: State) -> None:
        if state not in TABLE[self.state].leads_to:
            raise RuntimeError(f"no way from {self.state} to {state}")
        self.state = state

    def _end(self, refused: Rejected) -> list[HandshakeEvent[E]]:
        if self.turn is Turn.NOBODY:
            return []
        self.state = State.CLOSED
        self._await_no_more()
        return [refused]

    def _where(self) -> str:
        return f"in state {self.state.name.lower()}"
