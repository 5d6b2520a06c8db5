"""The handshake of a connection to distwall's own node, which accepts and never dials.

A caller proves a cookie for its name. A name that ``[guard] nodes`` matches belongs to a guarded node, which proves the
cluster's cookie: it has that anyway, and only programs of this host can reach distwall's node. Any other name belongs
to an operator's node, which proves the operators' cookie. Neither cookie is any good with a name of the other kind.
"""

import enum
import hmac
from collections.abc import Callable
from dataclasses import dataclass
from typing import NoReturn

from distwall._core import MANDATORY_25, DistFlag
from distwall.handshake import AwaitedProofs, messages
from distwall.handshake.events import Identity, Secret
from distwall.handshake.leg_buffer import LegBuffer
from distwall.handshake.messages import Challenge, MessageError, SendName
from distwall.handshake.relay import random_challenge

FLAGS = (
    MANDATORY_25
    | DistFlag.V4_NC
    | DistFlag.UNLINK_ID
    | DistFlag.DIST_MONITOR
    | DistFlag.DIST_MONITOR_NAME
    | DistFlag.SMALL_ATOM_TAGS
    | DistFlag.ALIAS
)
"""Capabilities of the node. Without atom cache and fragments, each message is one frame that needs no other. The node
does not spawn. Exit reasons are inside the control message. With aliases, an answer that comes too late is dropped."""

NEEDED = MANDATORY_25
"""Capabilities that a caller needs. OTP 26 and newer need V4_NC and UNLINK_ID themselves."""


class CallerState(enum.Enum):
    """Progress of the handshake."""

    NAME = enum.auto()
    """The caller has to say who it is."""
    PROOF = enum.auto()
    """The caller has to prove its cookie."""
    ACCEPTED = enum.auto()
    REFUSED = enum.auto()


@dataclass(frozen=True, slots=True)
class Accepted:
    """The caller has proved its cookie. Send the bytes due; from then on the connection carries frames."""

    caller: Identity
    flags: int
    data: bytes
    """Bytes that the caller sent behind its proof."""


@dataclass(frozen=True, slots=True)
class CallerRejected:
    """The handshake has failed. Send the bytes due, then close."""

    reason: str
    """The reason in one word."""
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
        proofs: AwaitedProofs,
        framing: int = 2,
        challenge: Callable[[], int] = random_challenge,
    ) -> None:
        """``cookie_for`` returns the cookie that a caller of some name has to prove; None: it may not connect."""
        self.state = CallerState.NAME
        self.name: str | None = None
        """The caller's name, once known. It is only a claim until the caller has proved its cookie."""
        self._own = own
        self._cookie_for = cookie_for
        self._proofs = proofs
        self._new_challenge = challenge
        self._leg = LegBuffer(framing)
        self._sent_name = SendName(0, 0, "")
        self._cookie: Secret | None = None
        self._awaited: bytes | None = None

    def due(self) -> bytes:
        """Returns the bytes due to the caller now, and forgets them."""
        return self._leg.due()

    def receive(self, data: bytes) -> Accepted | CallerRejected | None:
        """Takes bytes of the caller; returns once how the handshake ends. Never raises, for any bytes."""
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
        if sent.flags & DistFlag.NAME_ME:
            self._deny("no_name", "it asks for a name; operators give themselves one, by -name or -sname")
        self.name = sent.name
        flags = sent.flags
        if flags & DistFlag.MANDATORY_25_DIGEST:
            flags |= MANDATORY_25
        if sent.name == self._own.name:
            self._deny("own_name", "distwall's own name")
        if missing := NEEDED & ~flags:
            self._deny("flags", f"it lacks the capabilities {missing:#x}: OTP 25 or later is needed")
        self._cookie = self._cookie_for(sent.name)
        if self._cookie is None:
            self._deny("not_guarded", "it is not a guarded node, and [control] has no cookie for operators")
        self._sent_name = SendName(flags & FLAGS, sent.creation, sent.name)
        challenge = self._new_challenge()
        self._awaited = messages.proof_of(self._cookie.reveal(), challenge)
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
        answer = messages.proof_of(self._cookie.reveal(), theirs)
        if self._proofs.is_awaited(answer):
            self._refuse("reflected", "it asks for a proof that distwall itself has asked for")
        self._leg.send(messages.challenge_ack(answer))
        self.state = CallerState.ACCEPTED
        caller = Identity(self._sent_name.name, self._sent_name.creation)
        return Accepted(caller, self._sent_name.flags, self._leg.rest())

    def _deny(self, reason: str, detail: str) -> NoReturn:
        """Refuses a caller, and tells it so."""
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
