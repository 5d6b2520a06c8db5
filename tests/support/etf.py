"""The external term format, as a reference model for tests: short, slow, and independent of the core.

Terms are plain Python values: ``int``, ``float``, ``bytes`` (binary), ``tuple``, ``list`` (proper), and the classes
below. :class:`Raw` and :class:`As` stand for encodings that no node would choose; only the encoder knows them.

The decoder accepts what a VM's dist decoder accepts (of OTP 25, or of the ``release`` given), also where a firewall
must not. What a VM closes the connection for raises :class:`Undecodable`; what it dies of raises :class:`VmCrash`.
"""

from __future__ import annotations

import math
import struct
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass

Term = object
AtomEncoder = Callable[["Atom"], bytes]

MAX_ATOM = 255
MAX_BIG_BYTES = 4 * 1024 * 1024
MAX_REF_WORDS = 5
SAFE_RECURSION = 10_000
"""Nested EXPORT arities and fun indices that a VM survives; about 20,000 overflow its C stack."""


class Undecodable(Exception):
    """A VM closes the connection for this term."""


class VmCrash(Exception):
    """A VM dies of this."""


class Atom(str):
    __slots__ = ()

    def __repr__(self) -> str:
        return f"'{self}'"


@dataclass(frozen=True, slots=True)
class Pid:
    node: Atom
    id: int
    serial: int
    creation: int


@dataclass(frozen=True, slots=True)
class Port:
    node: Atom
    id: int
    creation: int


@dataclass(frozen=True, slots=True)
class Ref:
    node: Atom
    creation: int
    words: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class BitBinary:
    data: bytes
    bits: int
    """Used bits of the last byte, 1 to 8."""


@dataclass(frozen=True, slots=True)
class Improper:
    """``[Elements | Tail]``; an alias tag is ``Improper((Atom("alias"),), ref)``."""

    elements: tuple[Term, ...]
    tail: Term


@dataclass(frozen=True, slots=True)
class Map:
    pairs: tuple[tuple[Term, Term], ...] = ()


@dataclass(frozen=True, slots=True)
class Fun:
    module: Atom
    arity: int
    uniq: bytes
    index: int
    old_index: Term
    old_uniq: Term
    pid: Term
    free: tuple[Term, ...] = ()


@dataclass(frozen=True, slots=True)
class Export:
    module: Term
    function: Term
    arity: Term


@dataclass(frozen=True, slots=True)
class Record:
    """A native record (OTP 29)."""

    module: Atom
    name: Atom
    exported: bool
    fields: tuple[tuple[Atom, Term], ...]


@dataclass(frozen=True, slots=True)
class InternalAtom:
    """Tags 73 and 75: an atom by its index in the receiver's own table. Never sent, always believed."""

    index: int


@dataclass(frozen=True, slots=True)
class Raw:
    """Bytes put into the encoding as they are."""

    data: bytes


@dataclass(frozen=True, slots=True)
class As:
    """A term encoded with a tag that the encoder would not choose, e.g. ``As(105, (1, 2))``."""

    tag: int
    term: Term


def alias(ref: Ref) -> Improper:
    """``[alias|Ref]``: the tag of a gen call since OTP 24."""
    return Improper((Atom("alias"),), ref)


# === encoding ===


def inline(atom: Atom) -> bytes:
    text = atom.encode()
    return struct.pack(">BB", 119, len(text)) + text if len(text) < 256 else struct.pack(">BH", 118, len(text)) + text


def encode(term: Term, atom: AtomEncoder = inline) -> bytes:
    """Encodes without the leading 131; ``atom`` chooses how each atom is written."""
    out = bytearray()
    _put(out, term, atom)
    return bytes(out)


def _put(out: bytearray, term: Term, atom: AtomEncoder) -> None:
    match term:
        case Raw(data):
            out += data
        case As(tag, inner):
            _put_as(out, tag, inner, atom)
        case Atom():
            out += atom(term)
        case bool():
            raise TypeError("booleans are atoms: write Atom('true')")
        case int():
            _put_integer(out, term)
        case float():
            out += struct.pack(">Bd", 70, term)
        case bytes():
            out += struct.pack(">BI", 109, len(term)) + term
        case tuple():
            out += struct.pack(">BB", 104, len(term)) if len(term) < 256 else struct.pack(">BI", 105, len(term))
            for item in term:
                _put(out, item, atom)
        case []:
            out.append(106)
        case list():
            if len(term) < 65536 and all(type(item) is int and 0 <= item < 256 for item in term):
                out += struct.pack(">BH", 107, len(term)) + bytes(term)
            else:
                _put_list(out, term, [], atom)
        case Improper(elements, tail):
            _put_list(out, elements, tail, atom)
        case Map(pairs):
            out += struct.pack(">BI", 116, len(pairs))
            for key, value in pairs:
                _put(out, key, atom)
                _put(out, value, atom)
        case Pid(node, number, serial, creation):
            out += b"X" + atom(node) + struct.pack(">III", number, serial, creation)
        case Port(node, number, creation):
            small = number < 1 << 28
            out += (b"Y" if small else b"x") + atom(node)
            out += struct.pack(">II" if small else ">QI", number, creation)
        case Ref(node, creation, words):
            out += struct.pack(">BH", 90, len(words)) + atom(node)
            out += struct.pack(f">I{len(words)}I", creation, *words)
        case BitBinary(data, bits):
            out += struct.pack(">BIB", 77, len(data), bits) + data
        case Fun():
            body = bytearray(struct.pack(">B16sII", term.arity, term.uniq, term.index, len(term.free)))
            for item in (term.module, term.old_index, term.old_uniq, term.pid, *term.free):
                _put(body, item, atom)
            out += struct.pack(">BI", 112, len(body) + 4) + body
        case Export(module, function, arity):
            out.append(113)
            for item in (module, function, arity):
                _put(out, item, atom)
        case Record(module, name, exported, fields):
            out += struct.pack(">BIB", 67, len(fields), exported)
            for item in (module, name, *(field for field, _ in fields), *(value for _, value in fields)):
                _put(out, item, atom)
        case InternalAtom(index):
            out += struct.pack(">BH", 73, index) if index < 65536 else b"K" + index.to_bytes(3, "big")
        case _:
            raise TypeError(f"not a term: {term!r}")


def _put_integer(out: bytearray, value: int) -> None:
    if 0 <= value < 256:
        out += struct.pack(">BB", 97, value)
    elif -(1 << 31) <= value < 1 << 31:
        out += struct.pack(">Bi", 98, value)
    else:
        _put_big(out, value)


def _put_big(out: bytearray, value: int) -> None:
    digits = abs(value).to_bytes(max(1, (abs(value).bit_length() + 7) // 8), "little")
    out += struct.pack(">BB", 110, len(digits)) if len(digits) < 256 else struct.pack(">BI", 111, len(digits))
    out += bytes([value < 0]) + digits


def _put_list(out: bytearray, elements: Sequence[Term], tail: Term, atom: AtomEncoder) -> None:
    out += struct.pack(">BI", 108, len(elements))
    for item in elements:
        _put(out, item, atom)
    _put(out, tail, atom)


def _put_as(out: bytearray, tag: int, term: Term, atom: AtomEncoder) -> None:
    match tag, term:
        case 97, int():
            out += struct.pack(">BB", 97, term)
        case 98, int():
            out += struct.pack(">Bi", 98, term)
        case 110, int():
            _put_big(out, term)
        case 111, int():
            digits = abs(term).to_bytes(max(1, (abs(term).bit_length() + 7) // 8), "little")
            out += struct.pack(">BIB", 111, len(digits), term < 0) + digits
        case 99, float():
            out += b"c" + f"{term:.20e}".encode().ljust(31, b"\0")
        case 100, Atom():
            out += struct.pack(">BH", 100, len(term)) + term.encode("latin-1")
        case 115, Atom():
            out += struct.pack(">BB", 115, len(term)) + term.encode("latin-1")
        case 118, Atom():
            out += struct.pack(">BH", 118, len(term.encode())) + term.encode()
        case 119, Atom():
            out += inline(term)
        case 105, tuple():
            out += struct.pack(">BI", 105, len(term))
            for item in term:
                _put(out, item, atom)
        case 108, list():
            _put_list(out, term, [], atom)
        case 103, Pid():
            out += b"g" + atom(term.node) + struct.pack(">IIB", term.id, term.serial, term.creation)
        case 101, Ref():
            out += b"e" + atom(term.node) + struct.pack(">IB", term.words[0], term.creation)
        case 114, Ref():
            out += struct.pack(">BH", 114, len(term.words)) + atom(term.node)
            out += struct.pack(f">B{len(term.words)}I", term.creation, *term.words)
        case 102, Port():
            out += b"f" + atom(term.node) + struct.pack(">IB", term.id, term.creation)
        case 120, Port():
            out += b"x" + atom(term.node) + struct.pack(">QI", term.id, term.creation)
        case _:
            raise TypeError(f"no such encoding: {tag}, {term!r}")


# === decoding ===

sys.setrecursionlimit(max(sys.getrecursionlimit(), 300_000))  # terms may nest; frames of Python are on the heap


class Reader:
    """Decodes terms one after the other from ``data``.

    ``table`` holds the atoms of the message's header (None: no header; tag 82 is an error). ``seen`` collects
    the atoms that decoding creates in the VM: those written out in full; ``used`` the positions of ``table`` in use.
    """

    def __init__(
        self, data: bytes, table: Sequence[Atom] | None = None, *, release: int = 25, position: int = 0
    ) -> None:
        self.data = data
        self.position = position
        self.table = table
        self.release = release
        self.seen: set[Atom] = set()
        self.used: set[int] = set()
        self.recursion = 0

    def at_end(self) -> bool:
        return self.position == len(self.data)

    def take(self, count: int) -> bytes:
        if count > len(self.data) - self.position:
            raise Undecodable("truncated")
        self.position += count
        return self.data[self.position - count : self.position]

    def unpack(self, layout: str) -> tuple[int, ...]:
        return struct.unpack(">" + layout, self.take(struct.calcsize(">" + layout)))

    def number(self, layout: str) -> int:
        return self.unpack(layout)[0]

    def atom(self) -> Atom:
        term = self.term()
        if isinstance(term, InternalAtom):
            raise Undecodable("an atom that only the receiver knows")
        if not isinstance(term, Atom):
            raise Undecodable("not an atom")
        return term

    def nested(self) -> Term:
        """A subterm that the VM decodes by a recursive C call."""
        self.recursion += 1
        if self.recursion > SAFE_RECURSION:
            raise VmCrash("the C stack overflows")
        term = self.term()
        self.recursion -= 1
        return term

    def text(self, length: int, encoding: str = "utf-8") -> Atom:
        try:
            text = self.take(length).decode(encoding)
        except UnicodeDecodeError:
            raise Undecodable("an atom that is not UTF-8") from None
        if len(text) > MAX_ATOM:
            raise Undecodable("a long atom")
        self.seen.add(Atom(text))
        return Atom(text)

    def terms(self, count: int) -> list[Term]:
        if count > len(self.data) - self.position:
            raise Undecodable("more elements than bytes")
        return [self.term() for _ in range(count)]

    def term(self) -> Term:
        (tag,) = self.take(1)
        match tag:
            case 67 if self.release >= 29:
                return self._record()
            case 70:
                (value,) = struct.unpack(">d", self.take(8))
                if not math.isfinite(value):
                    raise Undecodable("not a number")
                return float(value)
            case 73:
                return InternalAtom(self.number("H"))
            case 75:
                return InternalAtom(int.from_bytes(self.take(3), "big"))
            case 77:
                length, bits = self.unpack("IB")
                if not 1 <= bits <= 8 or length == 0:
                    raise Undecodable("bits of a bitstring")
                data = self.take(length)
                return BitBinary(data, bits) if bits < 8 else data
            case 82:
                (index,) = self.take(1)
                if self.table is None or index >= len(self.table):
                    raise Undecodable("no such atom in the header")
                self.used.add(index)
                return self.table[index]
            case 88:
                return Pid(self.atom(), *self.unpack("III"))
            case 103:
                return Pid(self.atom(), *self.unpack("IIB"))
            case 89:
                return Port(self.atom(), *self.unpack("II"))
            case 102:
                return Port(self.atom(), *self.unpack("IB"))
            case 120:
                return Port(self.atom(), *self.unpack("QI"))
            case 90 | 114:
                return self._reference("I" if tag == 90 else "B")
            case 101:
                node = self.atom()
                word, creation = self.unpack("IB")
                return Ref(node, creation, (word,))
            case 97:
                return self.take(1)[0]
            case 98:
                return self.number("i")
            case 99:
                try:
                    return float(self.take(31).rstrip(b"\0"))
                except ValueError:
                    raise Undecodable("an old float") from None
            case 110 | 111:
                length, sign = self.unpack("BB" if tag == 110 else "IB")
                if length > MAX_BIG_BYTES:
                    raise Undecodable("a big integer too big")
                value = int.from_bytes(self.take(length), "little")
                return -value if sign else value
            case 100 | 115:
                return self.text(self.number("H" if tag == 100 else "B"), "latin-1")
            case 118 | 119:
                return self.text(self.number("H" if tag == 118 else "B"))
            case 104 | 105:
                return tuple(self.terms(self.number("B" if tag == 104 else "I")))
            case 106:
                return []
            case 107:
                return list(self.take(self.number("H")))
            case 108:
                elements = self.terms(self.number("I"))
                tail = self.term()
                if isinstance(tail, list):
                    return elements + tail
                return Improper(tuple(elements), tail) if elements else tail
            case 109:
                return self.take(self.number("I"))
            case 112:
                return self._fun()
            case 113:
                module, function, arity = self.term(), self.term(), self.nested()
                if not isinstance(module, Atom) or not isinstance(function, Atom):
                    raise Undecodable("an export of something else")
                if not isinstance(arity, int) or not 0 <= arity < 1 << 59:
                    raise Undecodable("the arity of an export")
                if arity > 255 and self.release == 27:
                    raise VmCrash("the arity of an export")
                return Export(module, function, arity)
            case 116:
                return self._map()
            case _:
                raise Undecodable(f"tag {tag}")

    def _record(self) -> Record:
        count, flags = self.unpack("IB")
        if count > len(self.data) - self.position or flags > 1:
            raise Undecodable("a record")
        module, name = self.atom(), self.atom()
        names = [self.atom() for _ in range(count)]
        if len(set(names)) < count:
            raise Undecodable("a record's field twice")
        return Record(module, name, bool(flags), tuple(zip(names, self.terms(count), strict=True)))

    def _reference(self, creation_layout: str) -> Ref:
        count = self.number("H")
        if count > MAX_REF_WORDS:
            raise Undecodable("a long reference")
        node = self.atom()
        creation, *words = self.unpack(f"{creation_layout}{count}I")
        return Ref(node, creation, tuple(words))

    def _fun(self) -> Fun:
        _, arity = self.unpack("IB")
        uniq = self.take(16)
        index, count = self.unpack("II")
        if count > 255:
            raise Undecodable("free variables of a fun")
        module = self.atom()
        old_index, old_uniq, pid = self.nested(), self.nested(), self.nested()
        if not isinstance(old_index, int) or not isinstance(old_uniq, int):
            raise Undecodable("parts of a fun")
        if not isinstance(pid, Pid) and self.release > 25:
            raise Undecodable("parts of a fun")
        return Fun(module, arity, uniq, index, old_index, old_uniq, pid, tuple(self.terms(count)))

    def _map(self) -> Map:
        count = self.number("I")
        if 2 * count > len(self.data) - self.position:
            raise Undecodable("more pairs than bytes")
        pairs = tuple([(self.term(), self.term()) for _ in range(count)])  # a generator would recurse in C
        keys = {repr(key) for key, _ in pairs}
        if len(keys) < count:
            raise Undecodable("a key twice")
        return Map(pairs)


def decode(data: bytes, table: Sequence[Atom] | None = None, *, release: int = 25) -> Term:
    """Decodes one whole term, without a leading 131."""
    reader = Reader(data, table, release=release)
    term = reader.term()
    if not reader.at_end():
        raise Undecodable("trailing bytes")
    return term


def node_names(term: Term) -> set[Atom]:
    """The nodes whose pids, ports and references ``term`` holds."""
    match term:
        case Pid(node) | Port(node) | Ref(node):
            return {node}
        case tuple() | list():
            parts: Sequence[Term] = term
        case Improper(elements, tail):
            parts = (*elements, tail)
        case Map(pairs):
            parts = [part for pair in pairs for part in pair]
        case Fun():
            parts = (term.pid, *term.free)
        case Record():
            parts = [value for _, value in term.fields]
        case _:
            return set()
    return {name for part in parts for name in node_names(part)}
