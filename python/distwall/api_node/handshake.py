"""The handshake of a connection to distwall's own node, which accepts and never dials.

Who calls is known by its name and its cookie. A name that ``[guard] nodes`` matches is a guarded node's, and proves the
cluster's cookie: it has that anyway, and only programs of this host reach distwall's node at all. Any other name is an
operator's, and proves the operators' cookie. A guarded node's name is of no use with that one, nor the other way round.
"""

import enum
import hmac
from collections.abc import Callable
from dataclasses import dataclass
from typing import NoReturn

from distwall.handshake import Proofs, messages
from distwall.handshake.events import Identity, Secret
from distwall.handshake.leg_buffer import LegBuffer
from distwall.handshake.messages import Challenge, MessageError, SendName
from distwall.handshake.relay import random_challenge

V4_NC = 1 << 34
UNLINK_ID = 1 << 25
DIST_MONITOR = 1 << 3
DIST_MONITOR_NAME = 1 << 5
SMALL_ATOM_TAGS = 1 << 14
ALIAS = 1 << 35

FLAGS = messages.MANDATORY_25 | V4_NC | UNLINK_ID | DIST_MONITOR | DIST_MONITOR_NAME | SMALL_ATOM_TAGS | ALIAS
"""What the node can do: no atom cache and no fragments, so that each message is one frame that stands for itself; no
spawning; reasons of exits inside the control message. Aliases, so that an answer that comes too late goes nowhere.
"""

NEEDED = messages.MANDATORY_25
"""What a caller has to be able to do. OTP 26 and newer ask for V4_NC and UNLINK_ID themselves."""


class CallerState(enum.Enum):
    """How far the handshake has come."""

    NAME = enum.auto()
    """The caller has to say who it is."""
    PROOF = enum.auto()
    """It has to prove its cookie."""
    ACCEPTED = enum.auto()
    REFUSED = enum.auto()


@dataclass(frozen=True, slots=True)
class Accepted:
    """The caller has proved its cookie. Send what is due; from then on the connection carries frames."""

    caller: Identity
    flags: int
    data: bytes
    """What it sent behind its proof."""


@dataclass(frozen=True, slots=True)
class CallerRejected:
    """It is over. Send what is due, then close."""

    reason: str
    """In one word."""
    detail: str


class _CallerRejectedError(Exception):
    def __init__(self, refused: CallerRejected) -> None:
        super().__init__()
        self.refused = refused


class CallerHandshake:
    """One handshake. Feed it with `receive`, send what `due` returns."""

    def __init__(
        self,
        own: Identity,
        *,
        cookie_for: Callable[[str], Secret | None],
        proofs: Proofs,
        framing: int = 2,
        challenge: Callable[[], int] = random_challenge,
    ) -> None:
        """``cookie_for`` knows what a caller of some name has to prove; None: nobody may have that name."""
        self.state = CallerState.NAME
        self.name: str | None = None
        """What the caller calls itself, once known. Only claimed, until it has proved its cookie."""
        self._own = own
        self._cookie_for = cookie_for
        self._proofs = proofs
        self._new_challenge = challenge
        self._leg = LegBuffer(framing)
        self._sent_name = SendName(0, 0, "")
        self._cookie: Secret | None = None
        self._awaited: bytes | None = None

    def due(self) -> bytes:
        """What is due to the caller now; forgets it."""
        return self._leg.due()

    def receive(self, data: bytes) -> Accepted | CallerRejected | None:
        """Feeds bytes of the caller; says once how it ends. Never raises for what they contain."""
        if self.state in (CallerState.ACCEPTED, CallerState.REFUSED):
            return None
        self._leg.receive(data)
        try:
            while (message := self._leg.next_message()) is not None:
                if self.state is CallerState.NAME:
                    self._on_name(message)
                else:
                    return self._on_proof(message)
            if self._leg.unread > messages.MAX_MESSAGE:
                self._refuse("malformed", "too much at once")
        except _CallerRejectedError as error:
            return self._end(error.refused)
        except MessageError as error:
            return self._end(CallerRejected("malformed", str(error)))
        return None

    def refuse(self, reason: str, detail: str) -> CallerRejected | None:
        """Ends the handshake from outside; None if it is over."""
        return (
            None
            if self.state in (CallerState.ACCEPTED, CallerState.REFUSED)
            else self._end(CallerRejected(reason, detail))
        )

    def _on_name(self, message: bytes) -> None:
        if message[0] != messages.SEND_NAME:
            self._refuse("malformed", f"message {message[0]} where a name has to be")
        sent = messages.parse_send_name(message)
        if sent.flags & messages.NAME_ME:
            self._deny("no_name", "it asks for a name; operators give themselves one, by -name or -sname")
        self.name = sent.name
        flags = sent.flags
        if flags & messages.MANDATORY_25_DIGEST:
            flags |= messages.MANDATORY_25
        if sent.name == self._own.name:
            self._deny("own_name", "distwall's own name")
        if missing := NEEDED & ~flags:
            self._deny("flags", f"it lacks the capabilities {missing:#x}: OTP 25 or later is needed")
        self._cookie = self._cookie_for(sent.name)
        if self._cookie is None:
            self._deny("not_guarded", "it is no guarded node, and [control] has no cookie for operators")
        self._sent_name = SendName(flags & FLAGS, sent.creation, sent.name)
        challenge = self._new_challenge()
        self._awaited = messages.digest(self._cookie.reveal(), challenge)
        self._proofs.expect(self._awaited)
        self._leg.send(messages.status("ok"))
        self._leg.send(Challenge(FLAGS, challenge, self._own.creation, self._own.name).encode())
        self.state = CallerState.PROOF

    def _on_proof(self, message: bytes) -> Accepted:
        if message[0] != messages.CHALLENGE_REPLY:
            self._refuse("malformed", f"message {message[0]} where a proof has to be")
        theirs, proof = messages.parse_challenge_reply(message)
        if self._cookie is None or self._awaited is None or not hmac.compare_digest(proof, self._awaited):
            self._refuse("bad_cookie", "its cookie is wrong")
        self._await_no_more()
        answer = messages.digest(self._cookie.reveal(), theirs)
        if self._proofs.is_awaited(answer):
            self._refuse("reflected", "it asks for a proof that distwall itself has asked for")
        self._leg.send(messages.challenge_ack(answer))
        self.state = CallerState.ACCEPTED
        caller = Identity(self._sent_name.name, self._sent_name.creation)
        return Accepted(caller, self._sent_name.flags, self._leg.rest())

    def _deny(self, reason: str, detail: str) -> NoReturn:
        """Refuses a caller for what it is, and tells it so."""
        self._leg.send(messages.status("not_allowed"))
        self._refuse(reason, detail)

    def _refuse(self, reason: str, detail: str) -> NoReturn:
        raise _CallerRejectedError(CallerRejected(reason, detail))

    def _end(self, refused: CallerRejected) -> CallerRejected:
        self.state = CallerState.REFUSED
        self._await_no_more()
        return refused

    def _await_no_more(self) -> None:
        if self._awaited is not None:
            self._proofs.forget(self._awaited)
            self._awaited = None
