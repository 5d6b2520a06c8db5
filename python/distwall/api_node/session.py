"""What follows a handshake with distwall's own node: frames of a caller in, frames to it out.

Theory of operation. The node has agreed to neither atom cache nor fragments, so each message is one frame. It answers:

* ``net_kernel`` is asked whether it is there (ping): ``yes``.
* A gen call to ``distwall`` is a request; it has to come from the process that is to get the answer. A program that is
  led to forward a message of somebody else's would send it in its own name, and is ignored.
* A monitor of these two lasts as long as the connection; of all others it ends at once (``noproc``). Links are refused.

All else that a node may send is for processes that don't exist here, and goes where such messages go everywhere:
nowhere. What no node sends ends the conversation.
"""

from collections.abc import Callable
from dataclasses import dataclass

from distwall.etf import Atom, DecodeError, Improper, Pid, Ref, Term, decode, encode
from distwall.handshake.events import Identity

MAX_FRAME = 1 << 20
"""Bytes of one frame: a table of some ten thousand rules."""

PROCESS = "distwall"
"""The registered name of the process that answers requests."""

_PASS_THROUGH, _VERSION = 112, 131
_TICK = bytes(4)
_KERNEL = "net_kernel"
_NOTHING_TO_DO = frozenset({2, 3, 7, 8, 12, 13, 18, 20, 21, 33, 34, 36})
"""Operations on what is not there: messages and exits to pids and aliases, and endings."""


@dataclass(frozen=True, slots=True)
class Caller:
    """Who has connected, proved."""

    name: str
    guard: str | None
    """The guarded node that it is, whose channels alone it may touch; None: an operator's node, which may touch all."""


class _FaultError(Exception):
    """The caller has sent what no node sends."""


class CallerSession:
    """One connection. Feed it with `receive`, call `step` while it `is_waiting`, send what `due` returns."""

    def __init__(self, own: Identity, caller: Identity, answer: Callable[[Term], Term]) -> None:
        """``answer`` turns a request into what is sent back; it doesn't raise."""
        self.fault: str | None = None
        """Why the connection has to be closed, once it has to."""
        self._caller = caller.name
        self._answer = answer
        self._process = Pid(Atom(own.name), 1, 0, own.creation)
        self._incoming = bytearray()
        self._outgoing = bytearray()

    def receive(self, data: bytes) -> None:
        """Bytes have come in. Read no more while a frame `is_waiting`, and this stays bounded."""
        if self.fault is None:
            self._incoming += data

    @property
    def is_waiting(self) -> bool:
        """Whether a whole frame is there, or one that is too big."""
        if self.fault is not None or len(self._incoming) < 4:
            return False
        size = self._size()
        return size > MAX_FRAME or len(self._incoming) >= 4 + size

    def step(self) -> int:
        """Deals with the frame that is waiting; returns its size in bytes."""
        size = self._size()
        if size > MAX_FRAME:
            self._end(f"a frame of {size} bytes; the most is {MAX_FRAME}")
            return 0
        body = bytes(self._incoming[4 : 4 + size])
        del self._incoming[: 4 + size]
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
        """What is due to the caller now; forgets it."""
        data, self._outgoing = bytes(self._outgoing), bytearray()
        return data

    def _size(self) -> int:
        return int.from_bytes(self._incoming[:4])

    def _end(self, fault: str) -> None:
        self.fault = fault
        self._incoming = bytearray()

    def _frame(self, body: bytes) -> None:
        if body[:2] != bytes((_PASS_THROUGH, _VERSION)):
            raise _FaultError("a frame of a kind that was not agreed on")
        control, end = decode(body, 2)
        if not isinstance(control, tuple) or not control:
            raise _FaultError("a control message that is none")
        match control:
            case (1, Pid() as source, target):
                self._check(source)
                self._send((3, target, source, Atom("noproc")))
            case (6, Pid() as source, _, Atom() as name) | (16, Pid() as source, _, Atom() as name, _):
                self._check(source)
                if name in (PROCESS, _KERNEL):
                    self._message(source, name, _payload(body, end))
            case (19, Pid() as source, target, Ref() as reference):
                self._check(source)
                if target not in (PROCESS, _KERNEL, self._process):
                    self._send((21, target, source, reference, Atom("noproc")))
            case (35, int() as number, Pid() as source, target):
                self._check(source)
                self._send((36, number, target, source))
            case (int() as operation, *_) if operation in _NOTHING_TO_DO:
                pass
            case _:
                raise _FaultError("a control message that no node sends here")

    def _check(self, source: Pid) -> None:
        if source.node != self._caller:
            raise _FaultError("a message in the name of another node")

    def _message(self, source: Pid, name: Atom, message: Term) -> None:
        match message:
            case ("$gen_call", (Pid() as asking, tag), request) if asking == source:
                if name == PROCESS:
                    self._reply(asking, tag, self._answer(request))
                elif isinstance(request, tuple) and request and request[0] == "is_auth":
                    self._reply(asking, tag, Atom("yes"))
            case _:
                pass

    def _reply(self, asking: Pid, tag: Term, answer: Term) -> None:
        alias = _alias(tag)
        if alias is not None and alias.node == self._caller:
            control: tuple[Term, ...] = (33, self._process, alias)
        else:
            control = (2, Atom(""), asking)
        self._send(control, (tag, answer))

    def _send(self, control: tuple[Term, ...], *payload: Term) -> None:
        terms = b"".join(bytes((_VERSION,)) + encode(term) for term in (control, *payload))
        self._outgoing += (1 + len(terms)).to_bytes(4) + bytes((_PASS_THROUGH,)) + terms


def _payload(body: bytes, start: int) -> Term:
    if body[start : start + 1] != bytes((_VERSION,)):
        raise _FaultError("a message without content")
    term, end = decode(body, start + 1)
    if end != len(body):
        raise _FaultError("bytes behind a message")
    return term


def _alias(tag: Term) -> Ref | None:
    """The alias in the tag of a call: ``[alias|Ref]``, or ``[[alias|Ref]|_]`` of a call to many."""
    if isinstance(tag, Improper) and isinstance(tag.elements[0], Improper):
        tag = tag.elements[0]
    match tag:
        case Improper(("alias",), Ref() as alias):
            return alias
        case _:
            return None
