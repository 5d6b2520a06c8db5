"""The name ``distwall`` at every guarded node: peers may ask distwall itself, if the policy lets them.

It answers two calls (``gen_server:call({distwall, Node}, Request)``):

* ``{test_filter, Command, Key}`` with ``accept``, ``deny`` or ``drop``, so that a peer can know beforehand;
* ``{authenticate, Token}`` with ``{ok, Table, Seconds}`` or ``{error, Reason}``.

A monitor of the name is accepted and never fires. Any other message gets no answer, as from a process that doesn't know
it. Requests beyond the rates get none, either.
"""

import time
from functools import partial
from typing import Literal, Protocol

from distwall._core import CLERK, Op, print_atom
from distwall.audit.schema import QuestionRefused, TokenRefused
from distwall.control.channel import ChannelHandle
from distwall.control.errors import ControlError
from distwall.control.grants import Grant
from distwall.control.runtime_settings import GivenKey
from distwall.etf import Atom, DecodeError, Improper, Pid, Ref, Term, decode, encode, text_of
from distwall.policy.language.grammar import Verdict
from distwall.rate import Allowance, Rates

MAX_TERMS = 64
"""Parts of a request: a call of ``test_filter`` has about twenty."""

PEER_REQUESTS = Allowance(per_second=20.0, burst=100.0)
"""Requests of one peer that are answered; each may take a millisecond, in the turns of its entry."""

ENTRY_REQUESTS = Allowance(per_second=100.0, burst=200.0)
"""Requests of all peers of an entry that are answered."""


class Answering(Protocol):
    """The part of the runtime API that answers peers."""

    def test_filter(self, node: str, command: str, key: GivenKey = None, *, guard: str | None = None) -> Verdict:
        """Return the verdict on a command of a peer."""

    def redeem(self, node: str, token: str, *, guard: str | None = None) -> Grant:
        """Raise a peer's access, for a token. Raises ControlError."""


class PeerRequests:
    """Answers in distwall's name."""

    def __init__(self, firewall: Answering) -> None:
        self._firewall = firewall
        self._peers = Rates(PEER_REQUESTS)
        self._entries = Rates(ENTRY_REQUESTS)

    def got(self, handle: ChannelHandle, payload: bytes | None) -> None:
        """Answers a message to the name, now or in a later turn of the entry. Monitors and the like need no answer.

        Messages beyond the rates are only counted, and so are messages that were too long for the core (empty here).
        """
        if payload is None:
            return
        now = time.monotonic()
        # Another entry may let in another party by the same name.
        peer = (handle.entry_key, handle.peer)
        if not (self._peers.has_room(peer, now) and self._entries.has_room(handle.entry_key, now)):
            self._refused(handle, "rate")
            return
        self._peers.spend(peer, now)
        self._entries.spend(handle.entry_key, now)
        if not payload:
            self._refused(handle, "size")
            return
        handle.turns.take(partial(self._take, handle, payload))

    def _take(self, handle: ChannelHandle, payload: bytes) -> None:
        if not handle.is_open:
            return
        try:
            message, _ = decode(payload, most=MAX_TERMS)
        except DecodeError:
            return
        match message:
            case (Atom("$gen_call"), (Pid() as caller, tag), request) if caller.node == handle.peer:
                answer = self._answered(handle, request)
                if answer is not None:
                    self._reply(handle, caller, tag, answer)
            case _:
                return

    def _answered(self, handle: ChannelHandle, request: Term) -> Term:
        match request:
            case (Atom("test_filter"), Atom() as command, key):
                try:
                    verdict = self._firewall.test_filter(
                        handle.peer, str(command), _key(command, key), guard=handle.guard
                    )
                except ControlError:
                    return (Atom("error"), Atom("badarg"))
                return Atom(verdict)
            case (Atom("authenticate"), token):
                text = text_of(token)
                if text is None:
                    return (Atom("error"), Atom("badarg"))
                try:
                    grant = self._firewall.redeem(handle.peer, text, guard=handle.guard)
                except ControlError as error:
                    # Why it does not hold is for the audit log; the peer learns no more than that.
                    handle.tell(
                        TokenRefused(
                            peer=handle.peer, guard=handle.guard, source=handle.source, reason=str(error), folded=0
                        )
                    )
                    return (Atom("error"), Atom("not_allowed"))
                return (Atom("ok"), Atom(grant.table), int(grant.seconds))
            case _:
                return None

    def _refused(self, handle: ChannelHandle, reason: Literal["rate", "size"]) -> None:
        handle.tell(
            QuestionRefused(peer=handle.peer, guard=handle.guard, source=handle.source, reason=reason, folded=0)
        )

    def _reply(self, handle: ChannelHandle, caller: Pid, tag: Term, answer: Term) -> None:
        clerk = Pid(Atom(handle.guard), CLERK, CLERK, handle.guard_creation)
        match tag:
            case Improper((Atom("alias"),), Ref() as alias) if alias.node == handle.peer:
                control = encode((Op.ALIAS_SEND, clerk, alias))
            case _:
                control = encode((Op.SEND_SENDER, clerk, caller))
        handle.tell_peer(control, encode((tag, answer)))


def _key(command: str, key: Term) -> GivenKey:
    """A key as the runtime API takes it. Raises ControlError for an invalid key."""
    match key:
        case Atom("_"):
            return None
        case Atom():
            return print_atom(key)
        case (Atom() as module, Atom() as function, (int() | Atom("_")) as arity):
            return str(module), str(function), arity if isinstance(arity, int) else "_"
        case _:
            raise ControlError(f"an invalid key for {command}")
