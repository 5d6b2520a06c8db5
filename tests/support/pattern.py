"""Patterns of rules, as a reference model for tests: their matches, and their form for the core.

A pattern is a tuple of patterns or one of the classes below. A term is first brought into a normal form, in which equal
values are equal Python values in any spelling. The matcher works on that and shares nothing with the core.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Sequence
from dataclasses import dataclass

from tests.support.etf import As, Atom, BitBinary, Export, Fun, Improper, Map, Pid, Port, Record, Ref, Term, encode

Pattern = object
Normal = tuple[object, ...]

GUARDS = (
    *("integer", "float", "number", "atom", "boolean", "pid", "reference", "port", "binary", "bitstring", "list"),
    *("tuple", "map", "function", "string", "from", "node", "peer_pid", "record", "format"),
    *("brief", "message", "text", "pg_scope"),
)


@dataclass(frozen=True)
class Any:
    """``_``"""


@dataclass(frozen=True)
class Var:
    number: int


@dataclass(frozen=True)
class Is:
    guard: str


@dataclass(frozen=True)
class Seq:
    """``[Elements | Tail]``"""

    elements: tuple[Pattern, ...]
    tail: Pattern


@dataclass(frozen=True)
class Keys:
    """``#{Key := Value}``"""

    pairs: tuple[tuple[Pattern, Pattern], ...]


@dataclass(frozen=True)
class Lit:
    term: Term


@dataclass(frozen=True)
class Starts:
    """``<<"abc", _/binary>>``"""

    prefix: bytes


@dataclass(frozen=True)
class GuardPid:
    id: int
    serial: int


@dataclass(frozen=True)
class GuardRef:
    words: tuple[int, ...]


@dataclass(frozen=True)
class Each:
    """``list(P)``, ``list(P, N)``"""

    element: Pattern
    most: int | None = None


@dataclass(frozen=True)
class OneOf:
    """``one_of(P, ...)``"""

    alternatives: tuple[Pattern, ...]


@dataclass(frozen=True)
class Pairs:
    """``map(K => V, ...)``"""

    pairs: tuple[tuple[Pattern, Pattern], ...]


@dataclass(frozen=True)
class Range:
    """``1..100``"""

    low: int
    high: int


# === as the core reads it ===


def canonical(term: Term) -> Term:
    match term:
        case Atom():
            return term
        case tuple():
            return tuple(canonical(item) for item in term)
        case []:
            return term
        case list():
            return As(108, [canonical(item) for item in term])
        case Improper(elements, tail):
            return Improper(tuple(canonical(item) for item in elements), canonical(tail))
        case Map(pairs):
            written = [(canonical(key), canonical(value)) for key, value in pairs]
            return Map(tuple(sorted(written, key=lambda pair: encode(pair[0]))))
        case _:
            return term


def compiled(pattern: Pattern) -> bytes:
    match pattern:
        case Any():
            return b"\0"
        case Var(number):
            return bytes([1, number])
        case Is(guard):
            return bytes([2, GUARDS.index(guard)])
        case tuple():
            return struct.pack(">BI", 3, len(pattern)) + b"".join(map(compiled, pattern))
        case Seq(elements, tail):
            return struct.pack(">BI", 4, len(elements)) + b"".join(map(compiled, (*elements, tail)))
        case Keys(pairs):
            return struct.pack(">BI", 5, len(pairs)) + b"".join(compiled(part) for pair in pairs for part in pair)
        case Lit(term):
            data = encode(canonical(term))
            return struct.pack(">BI", 6, len(data)) + data
        case Starts(prefix):
            return struct.pack(">BI", 7, len(prefix)) + prefix
        case GuardPid(number, serial):
            return struct.pack(">BII", 8, number, serial)
        case Each(element, None):
            return b"\x0a" + compiled(element)
        case Each(element, most):
            return struct.pack(">BI", 14, most) + compiled(element)
        case OneOf(alternatives):
            return struct.pack(">BI", 11, len(alternatives)) + b"".join(map(compiled, alternatives))
        case Pairs(pairs):
            return struct.pack(">BI", 12, len(pairs)) + b"".join(compiled(part) for pair in pairs for part in pair)
        case Range(low, high):
            return struct.pack(">Bqq", 13, low, high)
        case GuardRef(words):
            return struct.pack(f">BB{len(words)}I", 9, len(words), *words)
        case _:
            raise TypeError(f"not a pattern: {pattern!r}")


# === what it matches ===


def normal(term: Term) -> Normal:
    match term:
        case Atom():
            return ("atom", str(term))
        case int():
            return ("integer", term)
        case float():
            return ("float", struct.pack(">d", term))
        case bytes():
            return ("bits", term, 8)
        case BitBinary(data, bits):
            return ("bits", data[:-1] + bytes([data[-1] & (0xFF00 >> bits) & 0xFF]), bits)
        case tuple():
            return ("tuple", *map(normal, term))
        case list():
            return ("list", tuple(map(normal, term)), None)
        case Improper(elements, tail):
            kind, *rest = behind = normal(tail)
            front = tuple(map(normal, elements))
            return ("list", front + rest[0], rest[1]) if kind == "list" else ("list", front, behind)  # type: ignore[operator]
        case Map(pairs):
            return ("map", frozenset((normal(key), normal(value)) for key, value in pairs))
        case Pid(node, number, serial, creation):
            return ("pid", str(node), number, serial, creation)
        case Port(node, number, creation):
            return ("port", str(node), number, creation)
        case Ref(node, creation, words):
            return ("reference", str(node), creation, words + (0,) * (5 - len(words)))
        case Export(module, function, arity):
            return ("export", module, function, arity)
        case Fun():
            free = tuple(map(normal, term.free))
            return ("fun", term.module, term.arity, term.uniq, term.index, term.old_index, term.old_uniq, free)
        case Record(module, name, exported, fields):
            return ("record", module, name, exported, tuple((field, normal(value)) for field, value in fields))
        case _:
            raise TypeError(f"not a term: {term!r}")


@dataclass
class PatternMatch:
    sender: str
    guard: str

    def __post_init__(self) -> None:
        self.bound: dict[int, Normal] = {}

    def matches(self, pattern: Pattern, value: Normal) -> bool:
        match pattern, value:
            case Any(), _:
                return True
            case Var(number), _:
                return self.bound.setdefault(number, value) == value
            case Is(guard), _:
                return self.holds(guard, value)
            case Lit(term), _:
                return normal(term) == value
            case tuple(), ("tuple", *items):
                return len(items) == len(pattern) and all(map(self.matches, pattern, items))  # type: ignore[arg-type]
            case Seq(elements, tail), ("list", tuple(items), end):
                count = len(elements)
                if len(items) < count or not all(map(self.matches, elements, items)):
                    return False
                rest = end if len(items) == count and end is not None else ("list", items[count:], end)
                return self.matches(tail, rest)  # type: ignore[arg-type]
            case Seq((), tail), _:
                return self.matches(tail, value)
            case Keys(pairs), ("map", entries):
                return all(self.has(key, wanted, entries) for key, wanted in pairs)  # type: ignore[arg-type]
            case Each(element, most), ("list", tuple(items), None):
                return (most is None or len(items) <= most) and all(self.matches(element, item) for item in items)
            case OneOf(alternatives), _:
                return any(self.matches(each, value) for each in alternatives)
            case Pairs(pairs), ("map", entries):
                return all(self.is_paired(pairs, key, found) for key, found in entries)  # type: ignore[attr-defined]
            case Range(low, high), ("integer", int(number)):
                return low <= number <= high
            case Starts(prefix), ("bits", bytes(data), 8):
                return data.startswith(prefix)
            case GuardPid(number, serial), ("pid", self.guard, *numbers):
                return numbers[:2] == [number, serial]
            case GuardRef(words), ("reference", self.guard, _, tuple(found)):
                return tuple(found) == words + (0,) * (5 - len(words))
            case _:
                return False

    def has(self, key: Pattern, wanted: Pattern, entries: frozenset[tuple[Normal, Normal]]) -> bool:
        found = [value for known, value in entries if PatternMatch(self.sender, self.guard).matches(key, known)]
        return bool(found) and self.matches(wanted, found[0])

    def is_paired(self, pairs: tuple[tuple[Pattern, Pattern], ...], key: Normal, found: Normal) -> bool:
        wanted = [value for known, value in pairs if self.matches(known, key)]
        return bool(wanted) and self.matches(wanted[0], found)

    def holds(self, guard: str, value: Normal) -> bool:
        kind = value[0]
        match guard:
            case "number":
                return kind in ("integer", "float")
            case "boolean":
                return value in (("atom", "true"), ("atom", "false"))
            case "binary":
                return kind == "bits" and value[2] == 8
            case "bitstring":
                return kind == "bits"
            case "function":
                return kind in ("fun", "export")
            case "string":
                return kind == "list" and value[2] is None and all(map(character, value[1]))  # type: ignore[call-overload]
            case "text":
                return self.holds("binary", value) or self.holds("string", value)
            case "format":
                return is_format(value)
            case "brief":
                # The terms of tests are smaller than it may be.
                return levels(value) <= 32
            case "node":
                return value == ("atom", self.sender)
            case "peer_pid":
                return kind == "pid" and value[1] == self.sender
            case "from":
                return kind == "tuple" and len(value) == 3 and self.asks(*value[1:])  # type: ignore[arg-type]
            case _:
                return kind == guard

    def asks(self, pid: Normal, tag: Normal) -> bool:
        def alias(value: object) -> bool:
            match value:
                case ("list", (("atom", "alias"),), ("reference", self.sender, *_)):
                    return True
                case _:
                    return False

        match tag:
            case ("reference", self.sender, *_) | ("tuple", ("reference", self.sender, *_), ("atom", _)):
                fine = True
            case ("list", (inner,), ("reference", self.sender, *_)):
                fine = alias(tag) or alias(inner)
            case _:
                fine = False
        return fine and pid[:2] == ("pid", self.sender)


def character(value: Normal) -> bool:
    return value[0] == "integer" and 0 <= value[1] <= 0x10FFFF  # type: ignore[operator]


SEQUENCE = re.compile(r"~(-?[0-9]*)(?:\.([0-9]*)(?:\.[ -)+-~])?)?[tlk]*[~cfegswpWPBbXx+#ni]")


def levels(value: object) -> int:
    """Number of terms with parts that stand in each other."""
    match value:
        case ("tuple", *parts) if parts:
            return 1 + max(map(levels, parts))
        case ("list", tuple(items), tail) if items:
            return 1 + max(map(levels, (*items, tail)))
        case ("map", entries) if entries:
            return 1 + max(levels(part) for entry in entries for part in entry)  # type: ignore[attr-defined]
        case ("fun", *_, tuple(free)) if free:
            return 1 + max(map(levels, free))
        case ("record", *_, tuple(fields)) if fields:
            return 1 + max(levels(field) for _, field in fields)
        case _:
            return 0


def is_format(value: Normal) -> bool:
    match value:
        case ("bits", bytes(data), 8):
            text = data.decode("latin-1")
        case ("list", tuple(items), None) if all(map(character, items)):
            text = "".join(chr(item[1]) for item in items)
        case _:
            return False
    widths = [int(number) for found in SEQUENCE.findall(text) for number in found if number.strip("-")]
    return "~" not in SEQUENCE.sub("", text) and sum(map(abs, widths)) <= 4096


def matches(pattern: Pattern, term: Term, sender: str, guard: str) -> bool:
    return PatternMatch(sender, guard).matches(pattern, normal(term))


# === as Erlang reads it ===


class ErlangClause:
    """One pattern as the head of a clause: guards become variables in the clause's guard."""

    def __init__(self, pattern: Pattern) -> None:
        self.guards: list[str] = []
        self.head = self.write(pattern)

    @property
    def clause(self) -> str:
        return self.head + (" when " + ", ".join(self.guards) if self.guards else "")

    def held(self, guard: str) -> str:
        name = f"G{len(self.guards)}"
        self.guards.append(guard.replace("$", name))
        return name

    def write(self, pattern: Pattern) -> str:
        match pattern:
            case Any():
                return "_"
            case Var(number):
                return f"V{number}"
            case Is(guard):
                return self.held(f"is_{guard}($)")
            case tuple():
                return "{" + ", ".join(map(self.write, pattern)) + "}"
            case Seq((), tail):
                return self.write(tail)
            case Seq(elements, tail):
                return "[" + ", ".join(map(self.write, elements)) + " | " + self.write(tail) + "]"
            case Keys(pairs):
                return "#{" + ", ".join(f"{expression(key.term)} := {self.write(value)}" for key, value in pairs) + "}"  # type: ignore[attr-defined]
            case Starts(prefix):
                return "<<" + ", ".join([*map(str, prefix), "_/binary"]) + ">>"
            case Lit(term):
                return self.held(f"$ =:= {expression(term)}")
            case _:
                raise TypeError(f"not one that Erlang has: {pattern!r}")


def expression(term: Term) -> str:
    match term:
        case Atom():
            return "'" + term.replace("\\", "\\\\").replace("'", "\\'") + "'"
        case int():
            return str(term)
        case float():
            return f"{term:.20e}"
        case bytes():
            return "<<" + ", ".join(map(str, term)) + ">>"
        case BitBinary(data, bits):
            return "<<" + ", ".join([*map(str, data[:-1]), f"{data[-1] >> (8 - bits)}:{bits}"]) + ">>"
        case tuple():
            return "{" + ", ".join(map(expression, term)) + "}"
        case list():
            return "[" + ", ".join(map(expression, term)) + "]"
        case Improper(elements, tail):
            return "[" + ", ".join(map(expression, elements)) + " | " + expression(tail) + "]"
        case Map(pairs):
            return "#{" + ", ".join(f"{expression(key)} => {expression(value)}" for key, value in pairs) + "}"
        case _:
            raise TypeError(f"not one that can be written: {term!r}")


def nested(patterns: Sequence[Pattern]) -> Pattern:
    """Tuples in tuples, the first of the patterns outermost."""
    *outer, inner = patterns
    for pattern in reversed(outer):
        inner = (pattern, inner)
    return inner
