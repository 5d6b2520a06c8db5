"""Patterns of rules (docs/rules.md, "when"): how they are written, and which terms they match."""

from __future__ import annotations

from dataclasses import dataclass

from tests.support.etf import Atom, Export, Fun, Improper, Map, Pid, Ref, Term

CALL, CAST = Atom("$gen_call"), Atom("$gen_cast")


@dataclass(frozen=True)
class Literal:
    """An atom, an integer, or the empty list."""

    term: Term

    def __str__(self) -> str:
        return f"'{self.term}'" if isinstance(self.term, Atom) else str(self.term)


@dataclass(frozen=True)
class Hole:
    """``_`` (an empty name) or a variable."""

    name: str = ""

    def __str__(self) -> str:
        return self.name or "_"


@dataclass(frozen=True)
class Kind:
    """A guard such as ``integer()``, or one of ``from()``, ``node()`` and ``peer_pid()``."""

    name: str

    def __str__(self) -> str:
        return f"{self.name}()"


@dataclass(frozen=True)
class Tuple:
    items: tuple[Pattern, ...]

    def __str__(self) -> str:
        return "{" + ", ".join(map(str, self.items)) + "}"


@dataclass(frozen=True)
class List:
    items: tuple[Pattern, ...]

    def __str__(self) -> str:
        return "[" + ", ".join(map(str, self.items)) + "]"


@dataclass(frozen=True)
class MapKeys:
    """``#{K := P}``: a map that has these keys, perhaps others."""

    pairs: tuple[tuple[Literal, Pattern], ...]

    def __str__(self) -> str:
        return "#{" + ", ".join(f"{key} := {value}" for key, value in self.pairs) + "}"


@dataclass(frozen=True)
class Begins:
    """``<<"abc", _/binary>>``: a binary that begins so."""

    data: bytes

    def __str__(self) -> str:
        return f'<<"{self.data.decode()}", _/binary>>'


Pattern = Literal | Hole | Kind | Tuple | List | MapKeys | Begins


def tup(*items: Pattern) -> Tuple:
    return Tuple(items)


def lit(term: Term) -> Literal:
    return Literal(Atom(term) if type(term) is str else term)


def matches(pattern: Pattern, term: Term, sender: Atom | None) -> bool:
    """True if ``term``, which the node ``sender`` sends, matches."""
    return _matches(pattern, term, sender, {})


def _matches(pattern: Pattern, term: Term, sender: Atom | None, bound: dict[str, Term]) -> bool:
    match pattern:
        case Literal(wanted):
            return same(wanted, term)
        case Hole(""):
            return True
        case Hole(name):
            return same(bound.setdefault(name, term), term)
        case Kind(name):
            return _is(name, term, sender)
        case Tuple(items):
            return isinstance(term, tuple) and len(term) == len(items) and _all(items, list(term), sender, bound)
        case List(items):
            return isinstance(term, list) and len(term) == len(items) and _all(items, term, sender, bound)
        case MapKeys(pairs):
            if not isinstance(term, Map):
                return False
            for key, wanted_value in pairs:
                values = [value for at, value in term.pairs if same(key.term, at)]
                if not values or not _matches(wanted_value, values[0], sender, bound):
                    return False
            return True
        case Begins(data):
            return isinstance(term, bytes) and term.startswith(data)


def _all(items: tuple[Pattern, ...], terms: list[Term], sender: Atom | None, bound: dict[str, Term]) -> bool:
    return all(_matches(item, term, sender, bound) for item, term in zip(items, terms, strict=True))


def same(one: Term, other: Term) -> bool:
    """Exact equality, as in Erlang: 1 is not 1.0, and an atom is no binary."""
    if isinstance(one, tuple | list) and type(one) is type(other):
        assert isinstance(other, tuple | list)
        return len(one) == len(other) and all(same(a, b) for a, b in zip(one, other, strict=True))
    return type(one) is type(other) and one == other


def _is(name: str, term: Term, sender: Atom | None) -> bool:
    match name:
        case "integer":
            return type(term) is int
        case "float":
            return type(term) is float
        case "number":
            return type(term) in (int, float)
        case "atom":
            return isinstance(term, Atom)
        case "boolean":
            return term in (Atom("true"), Atom("false")) and isinstance(term, Atom)
        case "pid":
            return isinstance(term, Pid)
        case "reference":
            return isinstance(term, Ref)
        case "binary":
            return isinstance(term, bytes)
        case "list":
            return isinstance(term, list | Improper)
        case "tuple":
            return isinstance(term, tuple)
        case "map":
            return isinstance(term, Map)
        case "function":
            return isinstance(term, Export | Fun)
        case "string":
            return isinstance(term, list) and all(type(item) is int and 0 <= item < 0x110000 for item in term)
        case "text":
            return isinstance(term, bytes) or _is("string", term, sender)
        case "brief":
            # The terms of sessions are small.
            return True
        case "node":
            return isinstance(term, Atom) and term == sender
        case "pg_scope":
            # The sessions have no scopes that know anything.
            return False
        case "peer_pid":
            return isinstance(term, Pid) and term.node == sender
        case "from":
            match term:
                case (Pid(node=node), tag):
                    return node == sender and is_tag(tag)
                case _:
                    return False
        case _:
            raise AssertionError(name)


def is_tag(tag: Term) -> bool:
    """True for the tags that calls have: a reference, its alias, either with something beside it."""
    match tag:
        case Ref():
            return True
        case Improper((first,), Ref()):
            return first == Atom("alias") or is_tag(first)
        case (Ref(), _):
            return True
        case _:
            return False
