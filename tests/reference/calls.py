"""Calls of functions, however they travel (docs/rules.md: `call`, and what carries one)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from tests.reference.patterns import CALL, CAST
from tests.reference.rules import Key
from tests.support.etf import Atom, Export, Fun, Term

MAX_NESTING = 8
SERVED = {"rex": frozenset({"call", "block_call", "cast"}), "net_kernel": frozenset({"spawn", "spawn_link"})}
"""Requests by which servers call functions."""


@dataclass(frozen=True)
class Call:
    module: str
    function: str
    """Empty for the call of a fun, which can be any function of its module."""
    arguments: Term

    @property
    def key(self) -> Key:
        count = len(self.arguments) if isinstance(self.arguments, list) else 0
        return (self.module, self.function, str(count))


def unwrapped(call: Call) -> Call | None:
    """The call that is really made; None if it can't be told."""
    for _ in range(MAX_NESTING + 1):
        match (call.module, call.function, call.arguments):
            case ("erpc", "execute_call", [_, Atom() as module, Atom() as function, arguments]):
                call = Call(str(module), str(function), arguments)
            case ("erpc", "execute_cast", [Atom() as module, Atom() as function, arguments]):
                call = Call(str(module), str(function), arguments)
            case ("erlang", "apply", [Atom() as module, Atom() as function, arguments]):
                call = Call(str(module), str(function), arguments)
            case ("erlang", "apply", [Export(Atom() as module, Atom() as function), arguments]):
                call = Call(str(module), str(function), arguments)
            case ("erlang", "apply", [Fun() as fun, arguments]):
                return Call(str(fun.module), "", arguments)
            case _:
                return call if isinstance(call.arguments, list) else None
    return None


def message_call(names: Sequence[Atom], payload: Term) -> Call | None:
    """The call that a message asks for, by what it is sent to; a process without a name could be either server."""
    match payload:
        case (label, (_, _), request) if label == CALL:
            kinds = frozenset({"call", "block_call", "spawn", "spawn_link"})
        case (label, request) if label == CAST:
            kinds = frozenset({"cast"})
        case (_, request):
            kinds = frozenset({"call", "block_call"})
        case _:
            return None
    if names:
        kinds &= {kind for name in names for kind in SERVED.get(str(name), ())}
    match request:
        case (Atom() as kind, Atom() as module, Atom() as function, arguments, _) if str(kind) in kinds:
            return Call(str(module), str(function), arguments)
        case _:
            return None


def asker(payload: Term) -> Term:
    """Who gets the answer of a call that came as a message; None if nobody does."""
    match payload:
        case (label, _) if label == CAST:
            return None
        case (pid, _) | (_, (pid, _), _):
            return pid
        case _:
            return None
