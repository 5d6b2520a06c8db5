"""Messages that make OTP's own code act (docs/rules.md, "otp_internal"), as far as the sessions send any."""

from __future__ import annotations

from tests.reference.patterns import CALL, CAST, Literal, Pattern, Tuple
from tests.support.etf import Atom, Export, Fun, Pid, Term

OTP_NAMES = frozenset({"code_server", "logger", "user", "init", "global_name_server", "pg", "elixir_config"})
REQUESTS = {"start_child": 2, "terminate_child": 2, "start_task": 4}
"""Requests to supervisors, with the sizes of their tuples."""


def _request(payload: Term) -> Term:
    """What a call asks for."""
    match payload:
        case (label, (_, _), request) if label == CALL:
            return request
        case _:
            return None


def is_ping(payload: Term) -> bool:
    match _request(payload):
        case (Atom("is_auth"), _):
            return True
        case _:
            return False


def astray(payload: Term, sender: Atom) -> bool:
    """True for a call whose answer would go to a process of the receiver, or to a name."""
    match payload:
        case (label, (Pid(node=node), _), _) if label == CALL:
            return node != sender
        case (label, (Atom(), _), _) if label == CALL:
            return True
        case _:
            return False


def by_front(payload: Term) -> bool:
    """True for a request with its label in front."""
    match payload:
        case (Atom("system"), _, _) | (Atom("EXIT"), _, _) | (Atom("DOWN"), _, Atom("process"), _, _):
            return True
        case (Atom("io_request"), _, _, _) | (Atom("file_request"), _, _, _):
            return True
        case _:
            return False


def by_last(payload: Term) -> bool:
    """True for a request in the last element."""
    match payload:
        case (label, _, (Atom("add_handler"), _, _) | (Atom("sync_notify"), _) | Atom("stop" | "which_handlers")) if (
            label != CALL
        ):
            return True
        case (label, (Atom("call"), _, _, _, _)) if label != CAST:
            return True
        case (label, (Atom("cast"), _, _, _, _)) if label == CAST:
            return True
        case (_, (Atom("send" | "sbcast"), _, _)):
            return True
        case _:
            pass
    match _request(payload):
        case (Atom("call" | "block_call" | "spawn" | "spawn_link"), _, _, _, _):
            return True
        case (Atom() as label, *rest) if REQUESTS.get(label) == len(rest) + 1:
            return True
        case (Atom("get"), Fun() | Export()) | (Atom("update"), (Atom(), Atom(), list())):
            return True
        case _:
            return False


def is_internal(payload: Term, name: Atom | None, sender: Atom, pattern: Pattern | None) -> bool:
    """True for a message that the pattern of its rule doesn't open."""
    if astray(payload, sender):
        return True
    own = name in OTP_NAMES or name == "rex" or (name == "net_kernel" and not is_ping(payload))
    if own and not (_front(pattern) or _last(pattern)):
        return True
    return obeyed(payload, pattern)


def obeyed(payload: Term, pattern: Pattern | None) -> bool:
    """True for a request by its shape, which a pattern doesn't name in its place."""
    system = isinstance(payload, tuple) and payload[:1] == (Atom("system"),)
    front = _front(pattern, calls=True) or (system and _last(pattern))
    return (by_front(payload) and not front) or (by_last(payload) and not _last(pattern))


def _front(pattern: Pattern | None, *, calls: bool = False) -> bool:
    """True if a pattern has a label in front, which says more than that it is a call."""
    match pattern:
        case Literal(Atom()):
            return True
        case Tuple((Literal(Atom() as label), *_)):
            return calls or label not in (CALL, CAST)
        case _:
            return False


def _last(pattern: Pattern | None) -> bool:
    """True if the last element of a pattern is a label, or begins with one."""
    match pattern:
        case Tuple((*_, last)):
            return isinstance(last, Literal) or (isinstance(last, Tuple) and _named(last))
        case _:
            return False


def _named(request: Tuple) -> bool:
    return bool(request.items) and isinstance(request.items[0], Literal)
