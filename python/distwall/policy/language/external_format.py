"""Terms in the external term format, and patterns in the form that the core takes.

Both are canonical: equal meanings have equal bytes. Atoms are UTF-8 and integers as short as possible, lists are never
written as strings, maps are sorted by the bytes of their keys. A compiled pattern is in prefix order:

    0 any; 1 N a variable by its number; 2 G a type guard by its number; 3 N:32 a tuple of N, then its elements;
    4 N:32 a list of N elements, then those, then the tail; 5 N:32 a map with N pairs among others, then these pairs;
    6 LENGTH:32 a ground term in external format, without 131; 7 LENGTH:32 a binary that begins with these bytes;
    8 ID:32 SERIAL:32 a process, and 9 N WORDS:32 a reference, of the guarded node; 10 a list, whose elements match the
    pattern behind it; 11 N:32 one of N patterns; 12 N:32 a map of such pairs alone; 13 LOW:64 HIGH:64 an integer
"""

from struct import pack

from distwall._core import MAX_PATTERN_KEYS, MAX_PATTERN_SIZE, MAX_PATTERN_VARIABLES, TYPE_GUARDS
from distwall.policy.language.term_patterns import (
    AtomPattern,
    BitsPattern,
    EachPattern,
    FloatPattern,
    FunPattern,
    IntegerPattern,
    ListPattern,
    MapPattern,
    OneOfPattern,
    PairsPattern,
    PidPattern,
    PrefixPattern,
    RangePattern,
    ReferencePattern,
    TermPattern,
    TuplePattern,
    TypePattern,
    VariablePattern,
    WildcardPattern,
)

_NIL = b"\x6a"
_BYTE_VALUES = 256
_ANY_CREATION = 1
"""Creation in single terms: the core's results do not depend on it."""

Nodes = tuple[str, str]
"""The full names of the peer and of the guarded node."""


class CompileError(Exception):
    """A term that can't be compiled: what is wrong, and what to do."""

    def __init__(self, what: str, remedy: str) -> None:
        super().__init__(f"{what}; {remedy}")
        self.what = what
        self.remedy = remedy


def external(term: TermPattern, nodes: Nodes) -> bytes:
    """A ground term in external format, without 131. ``nodes`` own the processes and references in it."""
    ground, data = _Encoder(nodes).encode(term)
    if not ground:
        raise CompileError(f"`{term}` is a pattern", "write a term")
    return data


def compile_pattern(term: TermPattern) -> bytes:
    """A pattern in the form that the core takes. Raises CompileError."""
    encoder = _Encoder(None)
    code = encoder.node(term)
    if len(code) > MAX_PATTERN_SIZE:
        raise CompileError("a pattern of more than 64 KiB", "make the pattern less specific")
    return code


class _Encoder:
    def __init__(self, nodes: Nodes | None) -> None:
        self.nodes = nodes
        self.variables: dict[str, int] = {}

    def node(self, term: TermPattern) -> bytes:
        """A term as a node of a compiled pattern."""
        ground, data = self.encode(term)
        return pack(">BI", 6, len(data)) + data if ground else data

    def encode(self, term: TermPattern) -> tuple[bool, bytes]:
        """True and the external format of a ground term; else False and the node of a compiled pattern."""
        match term:
            case WildcardPattern():
                return False, b"\0"
            case VariablePattern(name):
                return False, bytes((1, self._number(name)))
            case TypePattern(name):
                return False, bytes((2, TYPE_GUARDS.index(name)))
            case PrefixPattern(data):
                return False, pack(">BI", 7, len(data)) + data
            case PidPattern():
                return self._pid(term)
            case ReferencePattern():
                return self._reference(term)
            case TuplePattern(elements):
                n = len(elements)
                return self._composite(elements, pack(">BB", 104, n) if n < _BYTE_VALUES else pack(">BI", 105, n), 3)
            case ListPattern((), None):
                return True, _NIL
            case ListPattern(elements, tail):
                return self._composite((*elements, tail or ListPattern(())), pack(">BI", 108, len(elements)), 4, 1)
            case MapPattern():
                return self._map(term)
            case EachPattern(element, most):
                return False, (b"\x0a" if most is None else pack(">BI", 14, most)) + self.node(element)
            case OneOfPattern(alternatives):
                # In the order of their bytes: the order means nothing.
                codes = sorted({self.node(alternative) for alternative in alternatives})
                return False, pack(">BI", 11, len(codes)) + b"".join(codes)
            case PairsPattern(pairs):
                parts = [self.node(part) for pair in pairs for part in pair]
                return False, pack(">BI", 12, len(pairs)) + b"".join(parts)
            case RangePattern(low, high):
                return False, pack(">Bqq", 13, low, high)
            case _:
                return True, _scalar(term)

    def _composite(self, parts: tuple[TermPattern, ...], head: bytes, kind: int, tails: int = 0) -> tuple[bool, bytes]:
        encoded = [self.encode(part) for part in parts]
        if all(ground for ground, _ in encoded):
            return True, head + b"".join(data for _, data in encoded)
        nodes = (pack(">BI", 6, len(data)) + data if ground else data for ground, data in encoded)
        return False, pack(">BI", kind, len(parts) - tails) + b"".join(nodes)

    def _map(self, term: MapPattern) -> tuple[bool, bytes]:
        head = pack(">BI", 116 if term.exact else 5, len(term.pairs))
        if len(term.pairs) > MAX_PATTERN_KEYS and self.nodes is None:
            raise CompileError(f"a map of {len(term.pairs)} keys in a pattern", f"name {MAX_PATTERN_KEYS} at most")
        if not term.exact:
            pairs = sorted((self.node(key), value) for key, value in term.pairs)
            return False, head + b"".join(key + self.node(value) for key, value in pairs)
        encoded = [(self.encode(key), self.encode(value)) for key, value in term.pairs]
        if any(not ground for pair in encoded for ground, _ in pair):
            raise CompileError(
                f"`{term}` contains a part that differs from one run to the next", "use a key that is always equal"
            )
        return True, head + b"".join(key + value for (_, key), (_, value) in sorted(encoded))

    def _number(self, variable: str) -> int:
        number = self.variables.setdefault(variable, len(self.variables))
        if number == MAX_PATTERN_VARIABLES:
            raise CompileError(
                f"more than {MAX_PATTERN_VARIABLES} variables", "write `_` in place of variables that occur once"
            )
        return number

    def _pid(self, term: PidPattern) -> tuple[bool, bytes]:
        if self.nodes is None:
            return False, pack(">BII", 8, term.id, term.serial)
        node = _atom(term.node) if term.node else self._node_name(term.peer)
        return True, b"\x58" + node + pack(">III", term.id, term.serial, _ANY_CREATION)

    def _reference(self, term: ReferencePattern) -> tuple[bool, bytes]:
        n = len(term.words)
        words = pack(f">{n}I", *term.words)
        if self.nodes is None:
            return False, bytes((9, n)) + words
        return True, pack(">BH", 90, n) + self._node_name(term.peer) + pack(">I", _ANY_CREATION) + words

    def _node_name(self, peer: bool) -> bytes:
        return _atom((self.nodes or ("", ""))[0 if peer else 1])


def _scalar(term: TermPattern) -> bytes:
    match term:
        case AtomPattern(text):
            return _atom(text)
        case IntegerPattern(value):
            return _integer(value)
        case FloatPattern():
            return b"\x46" + term.bits
        case BitsPattern(data, 8):
            return pack(">BI", 109, len(data)) + data
        case BitsPattern(data, last):
            return pack(">BIB", 77, len(data), last) + data
        case FunPattern(module, function, arity):
            return b"\x71" + _atom(module) + _atom(function) + _integer(arity)
        case _:
            raise AssertionError(term)


def _atom(text: str) -> bytes:
    data = text.encode()
    return (pack(">BB", 119, len(data)) if len(data) < _BYTE_VALUES else pack(">BH", 118, len(data))) + data


def _integer(value: int) -> bytes:
    if 0 <= value < _BYTE_VALUES:
        return bytes((97, value))
    if -(1 << 31) <= value < 1 << 31:
        return pack(">Bi", 98, value)
    digits = abs(value).to_bytes((abs(value).bit_length() + 7) // 8, "little")
    n, sign = len(digits), value < 0
    return (pack(">BBB", 110, n, sign) if n < _BYTE_VALUES else pack(">BIB", 111, n, sign)) + digits
