"""Writes terms in the external term format, as OTP 25 to 29 take it."""

import struct

from distwall.etf.terms import Atom, BitString, Export, Fun, Improper, Map, Pid, Port, Record, Ref, Term

_MAX_ATOM_CHARACTERS = 255
_SMALL_PORT = 1 << 28
_BYTE_VALUES = 256


def encode(term: Term) -> bytes:
    """The term, without the version (131) in front.

    Raises TypeError for a value that is not a term, and ValueError for an atom of more than 255 characters.
    """
    out = bytearray()
    # What is left to write, the next one last. Bytes that are written already are wrapped.
    left: list[Term] = [term]
    while left:
        item = left.pop()
        if isinstance(item, _Written):
            out += item.data
        else:
            _write(out, item, left)
    return bytes(out)


class _Written:
    """Bytes between terms."""

    __slots__ = ("data",)

    def __init__(self, data: bytes) -> None:
        self.data = data


def _write(out: bytearray, term: Term, left: list[Term]) -> None:
    """Writes a term. Of a compound term it writes the head, and puts the parts on ``left``."""
    match term:
        case bool():
            out += _atom(Atom("true" if term else "false"))
        case int():
            _integer(out, term)
        case float():
            out += struct.pack(">Bd", 70, term)
        case Atom():
            out += _atom(term)
        case str():
            data = term.encode()
            out += struct.pack(">BI", 109, len(data)) + data
        case bytes():
            out += struct.pack(">BI", 109, len(term)) + term
        case tuple():
            out += (
                struct.pack(">BB", 104, len(term)) if len(term) < _BYTE_VALUES else struct.pack(">BI", 105, len(term))
            )
            left.extend(reversed(term))
        case list():
            if term:
                out += struct.pack(">BI", 108, len(term))
                left.append(_Written(b"j"))
                left.extend(reversed(term))
            else:
                out += b"j"
        case dict():
            _pairs(out, tuple(term.items()), left)
        case Map(pairs):
            _pairs(out, pairs, left)
        case Improper(elements, tail):
            out += struct.pack(">BI", 108, len(elements))
            left.append(tail)
            left.extend(reversed(elements))
        case _:
            _write_rare(out, term, left)


def _write_rare(out: bytearray, term: Term, left: list[Term]) -> None:
    match term:
        case Pid(node, number, serial, creation):
            out += b"X" + _atom(node) + struct.pack(">III", number, serial, creation)
        case Ref(node, creation, words):
            out += struct.pack(">BH", 90, len(words)) + _atom(node) + struct.pack(f">I{len(words)}I", creation, *words)
        case Port(node, number, creation):
            small = number < _SMALL_PORT
            out += (b"Y" if small else b"x") + _atom(node) + struct.pack(">II" if small else ">QI", number, creation)
        case BitString(data, bits):
            out += struct.pack(">BIB", 77, len(data), bits) + data
        case Export(module, function, arity):
            out += b"q" + _atom(module) + _atom(function) + bytes((97, arity))
        case Fun():
            # Its head has its size.
            parts = (term.module, term.old_index, term.old_uniq, term.pid, *term.free)
            body = struct.pack(">B16sII", term.arity, term.uniq, term.index, len(term.free))
            body += b"".join(encode(part) for part in parts)
            out += struct.pack(">BI", 112, len(body) + 4) + body
        case Record(module, name, exported, fields):
            out += struct.pack(">BIB", 67, len(fields), exported)
            left.extend(reversed([module, name, *(key for key, _ in fields), *(value for _, value in fields)]))
        case _:
            raise TypeError(f"not a term: {type(term).__name__}")


def _pairs(out: bytearray, pairs: tuple[tuple[Term, Term], ...], left: list[Term]) -> None:
    out += struct.pack(">BI", 116, len(pairs))
    left.extend(part for pair in reversed(pairs) for part in reversed(pair))


def _atom(atom: Atom) -> bytes:
    if len(atom) > _MAX_ATOM_CHARACTERS:
        raise ValueError("an atom of more than 255 characters")
    text = atom.encode()
    return (
        struct.pack(">BB", 119, len(text)) + text
        if len(text) < _BYTE_VALUES
        else struct.pack(">BH", 118, len(text)) + text
    )


def _integer(out: bytearray, value: int) -> None:
    if 0 <= value < _BYTE_VALUES:
        out += bytes((97, value))
    elif -(1 << 31) <= value < 1 << 31:
        out += struct.pack(">Bi", 98, value)
    else:
        digits = abs(value).to_bytes((abs(value).bit_length() + 7) // 8, "little")
        out += (
            struct.pack(">BB", 110, len(digits)) if len(digits) < _BYTE_VALUES else struct.pack(">BI", 111, len(digits))
        )
        out += bytes((value < 0,)) + digits
