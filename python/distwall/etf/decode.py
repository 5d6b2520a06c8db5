"""Reads terms in the external term format, from anybody.

Theory of operation. A term is read without recursion. An open term (a tuple, a list, ...) waits on a stack until its
parts are complete; then it becomes a part of the open term below it. Counts are compared with the bytes left before
memory is used for them. So the cost of a term is bounded by its size, and by the number of its parts.
"""

import math
import struct
from collections.abc import Callable, Sequence

from distwall.etf.terms import Atom, BitString, Export, Fun, Improper, Map, Pid, Port, Record, Ref, Term

MAX_DEPTH = 256
"""Most tuples, lists and the like inside each other."""

MAX_TERMS = 20_000
"""Most parts of one term, the characters of its strings not counted: some hundredths of a second."""

_MAX_ATOM_CHARACTERS = 255
_MAX_BIG_BYTES = 256
_MAX_REF_WORDS = 5
_MAX_FREE = 255
_MAX_ARITY = 255
_BYTE_BITS = 8


class DecodeError(ValueError):
    """The bytes are not a term, or exceed the limits. The text says why, and quotes nothing of it."""


class _Open:
    """A term whose parts are not complete."""

    __slots__ = ("build", "left", "parts")

    def __init__(self, left: int, build: Callable[[list[Term]], Term]) -> None:
        self.left = left
        self.parts: list[Term] = []
        self.build = build


def decode(data: bytes, position: int = 0, *, atoms: Sequence[Atom] = (), most: int = MAX_TERMS) -> tuple[Term, int]:
    """The term that begins at ``position`` (behind the version, 131, if there is one), and the position of its end.

    ``atoms`` are the atoms of the frame's header; ``most`` parts may be in the term. Raises DecodeError.
    """
    reader = _TermReader(data, position, atoms, most)
    return reader.read(), reader.position


class _TermReader:
    def __init__(self, data: bytes, position: int, atoms: Sequence[Atom], most: int) -> None:
        self.most = most
        self.data = data
        self.position = position
        self.atoms = atoms
        self.stack: list[_Open] = []

    def read(self) -> Term:
        stack = self.stack
        count = 0
        while True:
            count += 1
            if count > self.most:
                raise DecodeError("too many terms")
            term = self.begin()
            if isinstance(term, _Open):
                if len(stack) == MAX_DEPTH:
                    raise DecodeError("too deep")
                stack.append(term)
                if term.left:
                    continue
                term = stack.pop().build([])
            while stack:
                top = stack[-1]
                top.parts.append(term)
                top.left -= 1
                if top.left:
                    break
                term = stack.pop().build(top.parts)
            else:
                return term

    def begin(self) -> Term:
        """The next term, or an open term if it has parts."""
        tag = self.byte()
        match tag:
            case 97:
                return self.byte()
            case 98:
                return self.number("i")
            case 82 | 100 | 115 | 118 | 119:
                return self.atom(tag)
            case 104:
                return self.open(self.byte(), tuple)
            case 105:
                return self.open(self.number("I"), tuple)
            case 106:
                return []
            case 107:
                return list(self.take(self.number("H")))
            case 108:
                return self.open(self.number("I") + 1, _list)
            case 109:
                return self.take(self.number("I"))
            case 116:
                return self.open(2 * self.number("I"), _map)
            case 70:
                return self.float()
            case 110:
                return self.big(self.byte())
            case 111:
                return self.big(self.number("I"))
            case _:
                return self.rare(tag)

    def rare(self, tag: int) -> Term:
        match tag:
            case 88:
                return Pid(self.node(), *self.unpack("III"))
            case 90:
                words = self.number("H")
                if not 1 <= words <= _MAX_REF_WORDS:
                    raise DecodeError("a reference of a wrong length")
                node = self.node()
                creation, *rest = self.unpack(f"I{words}I")
                return Ref(node, creation, tuple(rest))
            case 89:
                return Port(self.node(), *self.unpack("II"))
            case 120:
                return Port(self.node(), *self.unpack("QI"))
            case 77:
                length, bits = self.unpack("IB")
                if not 1 <= bits <= _BYTE_BITS or not length:
                    raise DecodeError("a bitstring of a wrong length")
                data = self.take(length)
                return data if bits == _BYTE_BITS else BitString(data, bits)
            case 113:
                return self.open(3, _export)
            case 112:
                _, arity, uniq, index, free = struct.unpack(">IB16sII", self.take(29))
                if free > _MAX_FREE:
                    raise DecodeError("a fun with too many variables")
                return self.open(4 + free, lambda parts: _fun(arity, uniq, index, parts))
            case 67:
                fields, flags = self.unpack("IB")
                return self.open(2 + 2 * fields, lambda parts: _record(exported=bool(flags), parts=parts))
            case _:
                raise DecodeError("an unknown tag")

    def open(self, count: int, build: Callable[[list[Term]], Term]) -> _Open:
        if count > len(self.data) - self.position:
            raise DecodeError("more parts than bytes")
        return _Open(count, build)

    def byte(self) -> int:
        if self.position >= len(self.data):
            raise DecodeError("cut off")
        self.position += 1
        return self.data[self.position - 1]

    def take(self, count: int) -> bytes:
        if count > len(self.data) - self.position:
            raise DecodeError("cut off")
        self.position += count
        return self.data[self.position - count : self.position]

    def unpack(self, layout: str) -> tuple[int, ...]:
        return struct.unpack(">" + layout, self.take(struct.calcsize(">" + layout)))

    def number(self, layout: str) -> int:
        return self.unpack(layout)[0]

    def node(self) -> Atom:
        return self.atom(self.byte())

    def atom(self, tag: int) -> Atom:
        match tag:
            case 82:
                index = self.byte()
                if index >= len(self.atoms):
                    raise DecodeError("an atom that the header doesn't have")
                return self.atoms[index]
            case 119:
                text = self.text(self.byte(), "utf-8")
            case 118:
                text = self.text(self.number("H"), "utf-8")
            case 115:
                text = self.text(self.byte(), "latin-1")
            case 100:
                text = self.text(self.number("H"), "latin-1")
            case _:
                raise DecodeError("another term in the place of an atom")
        if len(text) > _MAX_ATOM_CHARACTERS:
            raise DecodeError("an atom that is too long")
        return Atom(text)

    def text(self, length: int, encoding: str) -> str:
        try:
            return self.take(length).decode(encoding)
        except UnicodeDecodeError:
            raise DecodeError("an atom that is not UTF-8") from None

    def float(self) -> float:
        (value,) = struct.unpack(">d", self.take(8))
        if not math.isfinite(value):
            raise DecodeError("a float that is not a number")
        return float(value)

    def big(self, length: int) -> int:
        if length > _MAX_BIG_BYTES:
            raise DecodeError("an integer that is too big")
        negative = self.byte()
        value = int.from_bytes(self.take(length), "little")
        return -value if negative else value


def _list(parts: list[Term]) -> Term:
    tail = parts.pop()
    if isinstance(tail, list):
        parts += tail
        return parts
    return Improper(tuple(parts), tail) if parts else tail


def _map(parts: list[Term]) -> Map:
    return Map(tuple(zip(parts[::2], parts[1::2], strict=True)))


def _export(parts: list[Term]) -> Export:
    match parts:
        case [Atom() as module, Atom() as function, int() as arity] if 0 <= arity <= _MAX_ARITY:
            return Export(module, function, arity)
        case _:
            raise DecodeError("no export")


def _fun(arity: int, uniq: bytes, index: int, parts: list[Term]) -> Fun:
    match parts:
        case [Atom() as module, int() as old_index, int() as old_uniq, Pid() as pid, *free]:
            return Fun(arity, uniq, index, module, old_index, old_uniq, pid, tuple(free))
        case _:
            raise DecodeError("no fun")


def _record(*, exported: bool, parts: list[Term]) -> Record:
    module, name, *fields = parts
    keys = [key for key in fields[: len(fields) // 2] if isinstance(key, Atom)]
    values = fields[len(fields) // 2 :]
    if not isinstance(module, Atom) or not isinstance(name, Atom) or len(keys) != len(values):
        raise DecodeError("no record")
    return Record(module, name, exported, tuple(zip(keys, values, strict=True)))
