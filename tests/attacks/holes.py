"""Random terms that match a pattern, with hostile values in its holes."""

from __future__ import annotations

import random
from dataclasses import dataclass

from distwall.policy.language.term_patterns import (
    AtomPattern,
    BitsPattern,
    EachPattern,
    IntegerPattern,
    ListPattern,
    MapPattern,
    OneOfPattern,
    PairsPattern,
    RangePattern,
    TermPattern,
    TuplePattern,
    TypePattern,
    VariablePattern,
    WildcardPattern,
)
from tests.support.etf import Atom, Improper, Map, Pid, Port, Term, alias
from tests.support.raw_peer import Connection

ATOMS = [
    *("", "undefined", "true", "ok", "stop", "kill", "infinity", "$end_of_table", "all", "user", "auth", "init"),
    *(
        "net_kernel",
        "code_server",
        "patient_table",
        "ac_tab",
        "erlang",
        "halt",
        "report_cb",
        "domain",
        "latin1",
        "alias",
    ),
]
FORMATS = ["~p~n", "~tp ~ts", "~s", "~w", "~4000c", "~p~p~p", "~.9f", "~36B", "~.0b", "~~", "~", "~W", "~i~p", "~300p"]


@dataclass
class Values:
    """A source of random values, on one connection."""

    dice: random.Random
    connection: Connection
    known: list[Pid]
    """Processes of the guarded node that the peer knows."""

    def matching(self, pattern: TermPattern) -> Term:
        """A term that matches. Guards that it doesn't know are of other types than services have."""
        match pattern:
            case WildcardPattern() | VariablePattern():
                return self.anything()
            case TypePattern(name):
                return self.typed(name)
            case AtomPattern(text):
                return Atom(text)
            case IntegerPattern(value):
                return value
            case BitsPattern(data):
                return data
            case TuplePattern(elements):
                return tuple(map(self.matching, elements))
            case ListPattern(elements, None):
                return list(map(self.matching, elements))
            case EachPattern(element, most):
                count = self.dice.choice([0, 1, 2, 5] if most is None else [0, 1, most])
                return [self.matching(element) for _ in range(count)]
            case OneOfPattern(alternatives):
                return self.matching(self.dice.choice(alternatives))
            case RangePattern(low, high):
                return self.dice.choice([low, high, self.dice.randint(low, high)])
            case PairsPattern(pairs):
                # Entries keep funs out.
                possible = [pair for pair in pairs if pair[1] != TypePattern("function")]
                some = self.dice.sample(possible, self.dice.randint(0, len(possible)))
                named = {str(key): (self.matching(key), self.matching(value)) for key, value in some if key not in _ANY}
                free = [(Atom("patient_key"), self.anything())] if any(key in _ANY for key, _ in some) else []
                return Map((*named.values(), *free))
            case MapPattern(pairs):
                return Map(tuple((self.matching(key), self.matching(value)) for key, value in pairs))
            case _:
                raise AssertionError(pattern)

    def typed(self, name: str) -> Term:
        """A term of a guard's type."""
        dice, connection = self.dice, self.connection
        match name:
            case "integer":
                return dice.choice([0, 1, -1, 255, 2**31, 2**70, -(2**70)])
            case "atom":
                return Atom(dice.choice(ATOMS))
            case "boolean":
                return Atom(dice.choice(["true", "false"]))
            case "pid":
                return dice.choice([*self.known, self.typed("peer_pid")])
            case "peer_pid" | "pg_scope":
                return connection.pid(dice.randint(100, 110))
            case "port":
                return Port(connection.peer, dice.randint(0, 20), connection.peer_creation)
            case "reference":
                return connection.ref()
            case "from":
                return (self.typed("peer_pid"), dice.choice([connection.ref(), alias(connection.ref())]))
            case "node":
                return connection.name
            case "binary":
                return dice.choice([b"", b"text", bytes([255, 254]), b"x" * 2000])
            case "string":
                return dice.choice([[], [97, 98], [0x10FFFF, 0xD800, 0], [ord(c) for c in "~p~n" * 20]])
            case "text":
                return self.typed(dice.choice(["string", "binary"]))
            case "format":
                return [ord(c) for c in dice.choice([text for text in FORMATS if text != "~"])]
            case "list":
                return dice.choice([[], [1, Atom("ok")], Improper((1,), 2), [[self.anything()]], [97, 300, -1]])
            case "tuple":
                return (self.anything(),)
            case "map":
                return Map(((Atom("ok"), self.anything()),))
            case "brief" | "message":
                return self.anything()
            case _:
                raise AssertionError(name)

    def anything(self, depth: int = 3) -> Term:
        """Any term but a fun, which entries keep out."""
        dice = self.dice
        kinds = ["integer", "atom", "pid", "peer_pid", "reference", "from", "binary", "string", "format"]
        if depth == 0 or dice.random() < 0.5:
            return self.typed(dice.choice(kinds))
        parts = [self.anything(depth - 1) for _ in range(dice.randint(1, 4))]
        match dice.randrange(5):
            case 0:
                return tuple(parts)
            case 1:
                return parts
            case 2:
                return Improper(tuple(parts), self.typed(dice.choice(["atom", "integer", "binary"])))
            case 3:
                return Map(tuple((n, part) for n, part in enumerate(parts)))
            case _:
                return 1.5


_ANY = (WildcardPattern(), TypePattern("brief"))
