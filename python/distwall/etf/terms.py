"""Erlang terms as Python values.

========================  =================================================
Erlang                    Python
========================  =================================================
integer, float            ``int``, ``float``
atom                      `Atom` (a ``str``)
binary                    ``bytes``; encoded from a plain ``str`` as UTF-8
tuple                     ``tuple``
proper list, string       ``list``
improper list             `Improper`
map                       `Map`; encoded from a ``dict``, too
all others                the classes below; of use to be sent back only
========================  =================================================
"""

import sys
from dataclasses import dataclass

Term = object
"""Any of the above."""


class Atom(str):
    """An atom: its text."""

    __slots__ = ()


@dataclass(frozen=True, slots=True)
class Pid:
    """A process."""

    node: Atom
    id: int
    serial: int
    creation: int


@dataclass(frozen=True, slots=True)
class Port:
    """A port."""

    node: Atom
    id: int
    creation: int


@dataclass(frozen=True, slots=True)
class Ref:
    """A reference, perhaps an alias."""

    node: Atom
    creation: int
    words: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Improper:
    """A list that doesn't end in ``[]``, as ``[alias|Ref]``."""

    elements: tuple[Term, ...]
    tail: Term


@dataclass(frozen=True, slots=True)
class Map:
    """A map, in the order in which it was sent. Keys can be any terms, so it is not a ``dict``."""

    pairs: tuple[tuple[Term, Term], ...]


@dataclass(frozen=True, slots=True)
class BitString:
    """A bitstring that isn't a binary."""

    data: bytes
    bits: int
    """Used bits of the last byte, 1 to 7."""


@dataclass(frozen=True, slots=True)
class Export:
    """``fun M:F/A``."""

    module: Atom
    function: Atom
    arity: int


@dataclass(frozen=True, slots=True)
class Fun:
    """A fun with code and free variables."""

    arity: int
    uniq: bytes
    index: int
    module: Atom
    old_index: int
    old_uniq: int
    pid: Pid
    free: tuple[Term, ...]


@dataclass(frozen=True, slots=True)
class Record:
    """A native record (OTP 29)."""

    module: Atom
    name: Atom
    exported: bool
    fields: tuple[tuple[Atom, Term], ...]


def text_of(term: Term) -> str | None:
    """The text of a string as Erlang programs write it: a list of characters, or a binary in UTF-8; else None."""
    try:
        match term:
            case bytes():
                return term.decode()
            case list():
                text = _characters(term)
                text.encode()  # a surrogate is not a character
                return text
            case _:
                return None
    except ValueError:
        return None


def _characters(items: list[Term]) -> str:
    """The characters of a list. Raises ValueError if an element is not a character."""
    points = [item for item in items if isinstance(item, int) and 0 <= item <= sys.maxunicode]
    if len(points) != len(items):
        raise ValueError("not a list of characters")
    return "".join(map(chr, points))
