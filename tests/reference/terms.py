"""What stands in a term: the tags of calls, processes, funs."""

from __future__ import annotations

from tests.support.etf import Atom, Export, Fun, Improper, Map, Pid, Port, Ref, Term


def reference(tag: Term) -> Ref | None:
    """The reference by which a call is known, and which an answer to an alias is sent to."""
    match tag:
        case Ref():
            return tag
        case (Ref() as ref, _):
            return ref
        case Improper((Atom("alias"),), Ref() as ref):
            return ref
        case Improper((Improper() as first,), _):
            return reference(first)
        case _:
            return None


def call_of(payload: Term) -> tuple[Term, Term] | None:
    """Who makes a call, and its tag."""
    match payload:
        case (_, (pid, tag), _):
            return pid, tag
        case (Atom("io_request"), pid, tag, _):
            return pid, tag
        case _:
            return None


def identifiers(term: Term, *, makers: bool = False) -> set[Pid | Port | Ref]:
    """All pids, ports and references in a term; with ``makers`` also the processes that made its funs."""
    match term:
        case Pid() | Port() | Ref():
            return {term}
        case tuple() | list():
            parts = list(term)
        case Improper(elements, tail):
            parts = [*elements, tail]
        case Map(pairs):
            parts = [one for pair in pairs for one in pair]
        case Fun():
            parts = [*term.free, *([term.pid] if makers else [])]  # who made it is no part of what it says
        case _:
            parts = []
    return {found for one in parts for found in identifiers(one, makers=makers)}


def has_fun(term: Term) -> bool:
    match term:
        case Fun() | Export():
            return True
        case tuple() | list():
            return any(has_fun(one) for one in term)
        case Improper(elements, tail):
            return any(has_fun(one) for one in (*elements, tail))
        case Map(pairs):
            return any(has_fun(one) for pair in pairs for one in pair)
        case _:
            return False


def has_label(term: Term, label: str) -> bool:
    return isinstance(term, tuple) and term[:1] == (Atom(label),)


def atoms(term: Term) -> set[Atom]:
    """All atoms in a term."""
    match term:
        case Atom():
            return {term}
        case Pid(node) | Port(node) | Ref(node):
            return {node}
        case tuple() | list():
            parts = list(term)
        case Improper(elements, tail):
            parts = [*elements, tail]
        case Map(pairs):
            parts = [one for pair in pairs for one in pair]
        case Fun():
            parts = [term.module, term.pid, *term.free]
        case Export():
            parts = [term.module, term.function]
        case _:
            parts = []
    return {found for one in parts for found in atoms(one)}
