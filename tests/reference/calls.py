"""Calls of functions, and what carries one (docs/rules.md: `call`)."""

from __future__ import annotations

from dataclasses import dataclass

from tests.reference.patterns import CALL, CAST, is_tag
from tests.reference.rules import Key
from tests.reference.terms import identifiers
from tests.support.etf import Atom, Export, Fun, Pid, Ref, Term


@dataclass(frozen=True)
class Call:
    module: str
    function: str
    """Empty for the call of a fun, which can be any function of its module."""
    arguments: list[Term]
    leader: Pid | None = None
    """The group leader that a request to `rex` names."""

    @property
    def key(self) -> Key:
        return (self.module, self.function, str(len(self.arguments)))


CARRIERS = {
    *(("proc_lib", "init_p", 5), ("proc_lib", "init_p", 3)),
    *(("erpc", "execute_call", 4), ("erpc", "execute_cast", 3), ("erlang", "apply", 2)),
}


def spawned(module: str, function: str, arguments: list[Term], sender: Atom) -> Call | None:
    """The call of a spawn request; None if it can't be told."""
    if (module, function, len(arguments)) not in CARRIERS:
        return Call(module, function, arguments)
    match (function, arguments):
        case ("init_p", [parent, list() as ancestors, *rest]):
            honest = isinstance(parent, Atom) or (isinstance(parent, Pid) and parent.node == sender)
            if not honest or not all(isinstance(one, Pid | Atom) for one in ancestors):
                return None
            return _fun(rest[0]) if len(rest) == 1 else named(*rest)
        case ("execute_call", [Ref(node=node), *rest]) if node == sender:
            return named(*rest)
        case ("execute_cast", rest):
            return named(*rest)
        case ("apply", [fun, []]):
            return _fun(fun)
        case _:
            return None


def named(module: Term, function: Term, arguments: Term) -> Call | None:
    """The call of `M, F, Args` in a carrier."""
    if not isinstance(module, Atom) or not isinstance(function, Atom) or not isinstance(arguments, list):
        return None
    match (str(module), str(function), arguments):
        case ("erlang", "apply", [fun, []]):
            return _fun(fun)
        case (m, f, _) if (m, f, len(arguments)) in CARRIERS:
            return None
        case (m, f, _):
            return Call(m, f, arguments)


def _fun(fun: Term) -> Call | None:
    match fun:
        case Export(Atom() as module, Atom() as function, 0):
            return Call(str(module), str(function), [])
        case Fun(arity=0):
            return Call(str(fun.module), "", [])
        case _:
            return None


class NoCall:
    """A message that calls nothing."""


def message_call(name: Term, payload: Term, by: object) -> Call | type[NoCall] | None:
    """The call of a message to a registered name; None if it can't be told."""
    if not isinstance(by, Pid):
        return NoCall
    match payload:
        case (label, asker, request) if label == CALL:
            labels = {"call", "block_call"}
            own = isinstance(asker, tuple) and len(asker) == 2 and asker[0] == by and is_tag(asker[1])
            own = own and all(one.node == by.node for one in identifiers(asker))
        case (label, request) if label == CAST:
            labels, own = {"cast"}, True
        case (asker, request):
            labels, own = {"call", "block_call", "send", "sbcast"}, asker == by
        case _:
            return NoCall
    if not isinstance(request, tuple) or not request or not isinstance(request[0], Atom):
        return NoCall
    kind = str(request[0])
    if name == "net_kernel":
        return None if kind in ("spawn", "spawn_link", "spawn_opt") else NoCall
    if name != "rex" or kind not in labels:
        return NoCall
    match request:
        case (_, Atom() as to, _) if kind in ("send", "sbcast") and own and to != "rex":
            return NoCall
        case (_, module, function, arguments, leader) if own:
            plain = kind == "call" and len(payload) == 2
            fits = isinstance(leader, Pid) or leader == "user" or (leader == "send_stdout_to_caller" and plain)
            call = named(module, function, arguments) if fits and kind not in ("send", "sbcast") else None
            if call is None:
                return None
            return Call(call.module, call.function, call.arguments, leader if isinstance(leader, Pid) else None)
        case _:
            return None


def passed_on(name: Term, payload: Term, by: object) -> tuple[Atom, Term] | None:
    """The name that `rex` passes a message on to, and the message."""
    match payload:
        case (pid, (Atom("send" | "sbcast") as kind, Atom() as to, message)) if name == "rex" and pid == by:
            return None if to == "rex" else (to, (pid, message) if kind == "send" else message)
        case _:
            return None
