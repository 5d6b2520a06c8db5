"""The traffic after a handshake with distwall's own node: frames of a caller in, frames to it out.

Theory of operation. The node has agreed to neither atom cache nor fragments, so each message is one frame. It answers
three kinds of messages:

* A ping to ``net_kernel`` gets ``yes``.
* A gen call to ``distwall`` is a request. Its sender has to be the process that gets the answer: a program tricked into
  forwarding another's message sends it in its own name, and is ignored.
* A monitor of these two names lasts as long as the connection; any other monitor ends at once (``noproc``). Links are
  refused.

Any other message of a node is for a process that doesn't exist here, and is dropped, as everywhere. A frame that no
node would send ends the conversation.

Programs of the caller choose the terms in requests and in exit reasons. The decoder refuses some: very big integers,
very deep or long terms. Such a request is answered with an error, and other messages with such terms are dropped.
"""

from collections.abc import Callable
from dataclasses import dataclass

from distwall._core import Op
from distwall.etf import Atom, DecodeError, Improper, Pid, Ref, Term, decode, encode
from distwall.handshake.events import Identity

MAX_FRAME = 1 << 20
"""Bytes of one frame: a table of some ten thousand rules."""

PROCESS = "distwall"
"""The registered name of the process that answers requests."""

_PASS_THROUGH, _VERSION = 112, 131
_SMALL_TUPLE, _SMALL_INTEGER = 104, 97
_LENGTH = 4
"""Bytes of the length in front of a frame."""
_TICK = bytes(_LENGTH)
_KERNEL = "net_kernel"
_NOTHING_TO_DO = frozenset(
    {
        Op.SEND,
        Op.EXIT,
        Op.GROUP_LEADER,
        Op.EXIT2,
        Op.SEND_TT,
        Op.EXIT_TT,
        Op.EXIT2_TT,
        Op.DEMONITOR_P,
        Op.MONITOR_P_EXIT,
        Op.ALIAS_SEND,
        Op.ALIAS_SEND_TT,
        Op.UNLINK_ID_ACK,
    }
)
"""Operations without a target here: messages and exits to pids and aliases, and endings."""


@dataclass(frozen=True, slots=True)
class Caller:
    """A connected node that has proved its cookie."""

    name: str
    guard: str | None
    """The caller's name if it is a guarded node, which may touch its own channels only; None: an operator's node, which
    may touch all."""


class _FaultError(Exception):
    """The caller has sent a frame that no node would send."""


class CallerSession:
    """One connection. Feed it with `receive`, call `step` while it `is_waiting`, send what `due` returns."""

    def __init__(self, own: Identity, caller: Identity, answer: Callable[[Term | DecodeError], Term]) -> None:
        """``answer`` turns a request, or the reason why it can't be read, into its answer; it never raises."""
        self.fault: str | None = None
        """The reason why the connection has to be closed; None: it may stay open."""
        self._caller = caller.name
        self._answer = answer
        self._process = Pid(Atom(own.name), 1, 0, own.creation)
        self._incoming = bytearray()
        self._outgoing = bytearray()

    def receive(self, data: bytes) -> None:
        """Takes bytes. Read no more while a frame `is_waiting`; then the buffer stays bounded."""
        if self.fault is None:
            self._incoming += data

    @property
    def is_waiting(self) -> bool:
        """True if a whole frame, or a frame that is too big, is waiting."""
        if self.fault is not None or len(self._incoming) < _LENGTH:
            return False
        size = self._size()
        return size > MAX_FRAME or len(self._incoming) >= _LENGTH + size

    def step(self) -> int:
        """Deals with the waiting frame; returns its size in bytes."""
        size = self._size()
        if size > MAX_FRAME:
            self._end(f"a frame of {size} bytes; the most is {MAX_FRAME}")
            return 0
        body = bytes(self._incoming[_LENGTH : _LENGTH + size])
        del self._incoming[: _LENGTH + size]
        if not size:
            # A node that hears nothing would hang up.
            self._outgoing += _TICK
            return 0
        try:
            self._frame(body)
        except DecodeError as error:
            self._end(f"a frame with {error}")
        except _FaultError as error:
            self._end(str(error))
        return size

    def due(self) -> bytes:
        """Returns the bytes due to the caller now, and forgets them."""
        data, self._outgoing = bytes(self._outgoing), bytearray()
        return data

    def _size(self) -> int:
        return int.from_bytes(self._incoming[:_LENGTH])

    def _end(self, fault: str) -> None:
        self.fault = fault
        self._incoming = bytearray()

    def _frame(self, body: bytes) -> None:
        if body[:2] != bytes((_PASS_THROUGH, _VERSION)):
            raise _FaultError("a frame of a kind that was not agreed on")
        try:
            control, end = decode(body, 2)
        except DecodeError:
            if _operation(body) in _NOTHING_TO_DO:
                return
            raise
        if not isinstance(control, tuple) or not control:
            raise _FaultError("a malformed control message")
        match control:
            case (Op.LINK, Pid() as source, target):
                self._check(source)
                self._send((Op.EXIT, target, source, Atom("noproc")))
            case (Op.REG_SEND, Pid() as source, _, Atom() as name) | (
                Op.REG_SEND_TT,
                Pid() as source,
                _,
                Atom() as name,
                _,
            ):
                self._check(source)
                if name in (PROCESS, _KERNEL):
                    self._message(source, name, body, end)
            case (Op.MONITOR_P, Pid() as source, target, Ref() as reference):
                self._check(source)
                if target not in (PROCESS, _KERNEL, self._process):
                    self._send((Op.MONITOR_P_EXIT, target, source, reference, Atom("noproc")))
            case (Op.UNLINK_ID, int() as number, Pid() as source, target):
                self._check(source)
                self._send((Op.UNLINK_ID_ACK, number, target, source))
            case (int() as operation, *_) if operation in _NOTHING_TO_DO:
                pass
            case _:
                raise _FaultError("a control message that no node sends here")

    def _check(self, source: Pid) -> None:
        if source.node != self._caller:
            raise _FaultError("a message in the name of another node")

    def _message(self, source: Pid, name: Atom, body: bytes, start: int) -> None:
        match _question(body, start):
            case (Pid() as asking, tag), request if asking == source:
                if name == PROCESS:
                    self._reply(asking, tag, self._answer(request))
                elif isinstance(request, tuple) and request and request[0] == "is_auth":
                    self._reply(asking, tag, Atom("yes"))
            case _:
                pass

    def _reply(self, asking: Pid, tag: Term, answer: Term) -> None:
        alias = _alias(tag)
        if alias is not None and alias.node == self._caller:
            control: tuple[Term, ...] = (Op.ALIAS_SEND, self._process, alias)
        else:
            control = (Op.SEND, Atom(""), asking)
        self._send(control, (tag, answer))

    def _send(self, control: tuple[Term, ...], *payload: Term) -> None:
        terms = b"".join(bytes((_VERSION,)) + encode(term) for term in (control, *payload))
        self._outgoing += (1 + len(terms)).to_bytes(4) + bytes((_PASS_THROUGH,)) + terms


def _operation(body: bytes) -> int | None:
    """The operation of a control message that can't be read as a whole; None: nor can the operation."""
    match list(body[2:6]):
        case [tag, _, first, operation] if (tag, first) == (_SMALL_TUPLE, _SMALL_INTEGER):
            return operation
        case _:
            return None


def _question(body: bytes, start: int) -> tuple[Term, Term | DecodeError] | None:
    """The sender of a gen call with its tag, and the request, or the reason why it can't be read.

    None: the message is not a gen call.
    """
    if body[start : start + 1] != bytes((_VERSION,)):
        raise _FaultError("a message without content")
    if body[start + 1 : start + 3] != bytes((_SMALL_TUPLE, 3)):
        return None
    try:
        label, position = decode(body, start + 3)
        asking, position = decode(body, position)
    except DecodeError:
        return None
    if label != "$gen_call":
        return None
    try:
        request, end = decode(body, position)
    except DecodeError as error:
        return asking, error
    if end != len(body):
        raise _FaultError("bytes behind a message")
    return asking, request


def _alias(tag: Term) -> Ref | None:
    """The alias in the tag of a call: ``[alias|Ref]``, or ``[[alias|Ref]|_]`` of a call to many."""
    if isinstance(tag, Improper) and isinstance(tag.elements[0], Improper):
        tag = tag.elements[0]
    match tag:
        case Improper(("alias",), Ref() as alias):
            return alias
        case _:
            return None
