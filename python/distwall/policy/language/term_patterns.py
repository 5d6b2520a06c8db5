"""Erlang terms with holes, as in patterns, and their text.

A term without wildcards, variables, guards, ranges and the like is ground: it has exactly one value.
"""

import struct
from dataclasses import dataclass
from typing import TypeAlias

from distwall._core import print_atom

MAX_ARITY = 255
"""Most arguments of a function."""

_BYTE_BITS = 8
_PRINTABLE = range(0x20, 0x7F)


@dataclass(frozen=True, slots=True)
class WildcardPattern:
    """Any term: ``_``."""

    def __str__(self) -> str:
        return "_"


@dataclass(frozen=True, slots=True)
class VariablePattern:
    """Any term, but the same term wherever the name recurs."""

    name: str

    def __str__(self) -> str:
        return self.name


@dataclass(frozen=True, slots=True)
class TypePattern:
    """Any term of a type, as in ``integer()``."""

    name: str

    def __str__(self) -> str:
        return f"{self.name}()"


@dataclass(frozen=True, slots=True)
class AtomPattern:
    """An atom."""

    text: str

    def __str__(self) -> str:
        return print_atom(self.text)


@dataclass(frozen=True, slots=True)
class IntegerPattern:
    """A whole number of any size."""

    value: int

    def __str__(self) -> str:
        return str(self.value)


@dataclass(frozen=True, slots=True, eq=False)
class FloatPattern:
    """A float. Only the same bits are equal, so 0.0 and -0.0 are not."""

    value: float

    @property
    def bits(self) -> bytes:
        """The bits of IEEE 754, the sign first."""
        return struct.pack(">d", self.value)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, FloatPattern) and other.bits == self.bits

    def __hash__(self) -> int:
        return hash((FloatPattern, self.bits))

    def __str__(self) -> str:
        mantissa, exponent, digits = repr(self.value).partition("e")
        return (mantissa if "." in mantissa else f"{mantissa}.0") + exponent + digits.removeprefix("+")


@dataclass(frozen=True, slots=True)
class BitsPattern:
    """A binary, or a bitstring: the first ``last`` bits of its last byte count."""

    data: bytes
    last: int = _BYTE_BITS

    def __str__(self) -> str:
        if self.last == _BYTE_BITS:
            return f"<<{_segments(self.data)}>>"
        segments = [*map(str, self.data[:-1]), f"{self.data[-1] >> (_BYTE_BITS - self.last)}:{self.last}"]
        return f"<<{','.join(segments)}>>"


@dataclass(frozen=True, slots=True)
class PrefixPattern:
    """Any binary that begins with ``data``."""

    data: bytes

    def __str__(self) -> str:
        return f"<<{_segments(self.data)}, _/binary>>" if self.data else "<<_/binary>>"


@dataclass(frozen=True, slots=True)
class PidPattern:
    """A process of the guarded node, or (``peer``) of the peer, whose first number is not 0.

    In a term it can be of another ``node``.
    """

    id: int
    serial: int
    peer: bool = False
    node: str = ""

    def __str__(self) -> str:
        node = print_atom(self.node) if self.node else int(self.peer)
        return f"<{node}.{self.id}.{self.serial}>"


@dataclass(frozen=True, slots=True)
class ReferencePattern:
    """A reference of the guarded node, or of the peer; its words in the order of the wire."""

    words: tuple[int, ...]
    peer: bool = False

    def __str__(self) -> str:
        return f"#Ref<{int(self.peer)}.{'.'.join(map(str, reversed(self.words)))}>"


@dataclass(frozen=True, slots=True)
class FunPattern:
    """An exported function, as in ``fun m:f/1``."""

    module: str
    function: str
    arity: int

    def __str__(self) -> str:
        return f"fun {print_atom(self.module)}:{print_atom(self.function)}/{self.arity}"


@dataclass(frozen=True, slots=True)
class TuplePattern:
    """A tuple."""

    elements: tuple["TermPattern", ...]

    def __str__(self) -> str:
        return f"{{{', '.join(map(str, self.elements))}}}"


@dataclass(frozen=True, slots=True)
class ListPattern:
    """A list, proper if it has no ``tail``. The tail is not a list itself, and needs elements before it."""

    elements: tuple["TermPattern", ...]
    tail: "TermPattern | None" = None

    def __str__(self) -> str:
        codes = [element.value for element in self.elements if isinstance(element, IntegerPattern)]
        if (
            codes
            and len(codes) == len(self.elements)
            and self.tail is None
            and all(code in _PRINTABLE for code in codes)
        ):
            return _quoted("".join(map(chr, codes)))
        tail = "" if self.tail is None else f" | {self.tail}"
        return f"[{', '.join(map(str, self.elements))}{tail}]"


@dataclass(frozen=True, slots=True)
class MapPattern:
    """A map: with exactly these pairs (``exact``, ``=>``), or with at least these (``:=``)."""

    pairs: tuple[tuple["TermPattern", "TermPattern"], ...]
    exact: bool

    def __str__(self) -> str:
        arrow = "=>" if self.exact else ":="
        return f"#{{{', '.join(f'{key} {arrow} {value}' for key, value in self.pairs)}}}"


@dataclass(frozen=True, slots=True)
class EachPattern:
    """A proper list whose elements all match: ``list(P)``; of at most ``most`` elements: ``list(P, 8)``."""

    element: "TermPattern"
    most: int | None = None

    def __str__(self) -> str:
        return f"list({self.element})" if self.most is None else f"list({self.element}, {self.most})"


@dataclass(frozen=True, slots=True)
class OneOfPattern:
    """A term that matches one of several patterns: ``one_of(P, ...)``."""

    alternatives: tuple["TermPattern", ...]

    def __str__(self) -> str:
        return f"one_of({', '.join(map(str, self.alternatives))})"


@dataclass(frozen=True, slots=True)
class PairsPattern:
    """A map of which each association matches: ``map(K => V, ...)``. The first key that matches decides."""

    pairs: tuple[tuple["TermPattern", "TermPattern"], ...]

    def __str__(self) -> str:
        return f"map({', '.join(f'{key} => {value}' for key, value in self.pairs)})"


@dataclass(frozen=True, slots=True)
class RangePattern:
    """An integer between two, which are included: ``1..100``."""

    low: int
    high: int

    def __str__(self) -> str:
        return f"{self.low}..{self.high}"


TermPattern: TypeAlias = (
    WildcardPattern
    | VariablePattern
    | TypePattern
    | AtomPattern
    | IntegerPattern
    | FloatPattern
    | BitsPattern
    | PrefixPattern
    | PidPattern
    | ReferencePattern
    | FunPattern
    | TuplePattern
    | ListPattern
    | MapPattern
    | EachPattern
    | OneOfPattern
    | PairsPattern
    | RangePattern
)


def cons(elements: tuple[TermPattern, ...], tail: TermPattern | None) -> TermPattern:
    """The list of ``elements`` and ``tail`` in canonical form: a tail that is a list is joined to the elements."""
    if isinstance(tail, ListPattern):
        elements, tail = (*elements, *tail.elements), tail.tail
    return ListPattern(elements, tail) if elements or tail is None else tail


def _segments(data: bytes) -> str:
    if not data:
        return ""
    if all(byte in _PRINTABLE for byte in data):
        return _quoted(data.decode("ascii"))
    return ",".join(map(str, data))


def _quoted(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'
