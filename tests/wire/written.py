"""Messages written as in Erlang, for tables of them: ``{'$gen_call', From, {delete, "x"}}``."""

from __future__ import annotations

import re

from tests.support.core_channel import CoreChannel
from tests.support.etf import Atom, Export, Fun, Map, Term, alias

P, G = CoreChannel.peer, CoreChannel.guard

VARIABLES: dict[str, Term] = {
    "From": (P.pid(), alias(P.alias())),
    "Pid": P.pid(),
    "Ref": P.ref(),
    "Own": G.pid(),
    "OwnRef": G.ref(),
    "Port": G.port(),
    "PeerPort": P.port(),
    "Node": P.name,
    "Fun": Fun(Atom("m"), 1, bytes(16), 1, 1, 1, P.pid()),
    "Export": Export(Atom("m"), Atom("f"), 1),
    "Map": Map(),
    "MFA": (Atom("m"), Atom("f"), [1]),
}
"""Capitals in what is written; a peer's, where nothing else is said."""

_TOKEN = re.compile(
    r"""\s*(?: ('[^']*') | ("[^"]*") | <<"([^"]*)">> | (-?\d+) | ([A-Z]\w*) | ([a-z]\w*) | ([][{},]) )""", re.VERBOSE
)


def written(text: str) -> Term:
    """The term."""
    term, rest = _term(text)
    assert not rest.strip(), rest
    return term


def _token(text: str) -> tuple[re.Match[str], str]:
    found = _TOKEN.match(text)
    assert found, text
    return found, text[found.end() :]


def _term(text: str) -> tuple[Term, str]:
    found, rest = _token(text)
    quoted, string, binary, number, variable, atom, sign = found.groups()
    if quoted:
        return Atom(quoted[1:-1]), rest
    if atom:
        return Atom(atom), rest
    if string is not None:
        return [ord(character) for character in string[1:-1]], rest
    if binary is not None:
        return binary.encode(), rest
    if number:
        return int(number), rest
    if variable:
        return VARIABLES[variable], rest
    end = {"{": "}", "[": "]"}[sign]
    elements: list[Term] = []
    while True:
        after, left = _token(rest)
        if after[0].strip() == end:
            return (tuple(elements) if end == "}" else elements), left
        if after[0].strip() != ",":
            element, left = _term(rest)
            elements.append(element)
        rest = left
