"""The grammar of patterns, as in Erlang: terms with ``_``, variables, type guards and ``#{K := V}``.

Some are written like Erlang's types: ``list(P)``, ``map(K => V)``, ``one_of(P, Q)``, ``1..100``.

``parse_term`` reads ground terms, with ``#{K => V}``. Processes are written as the guarded node prints them:
``<0.1.0>`` is its own; in a term, ``<9.1.0>`` or any other first number is the peer's.
"""

import math
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal, NoReturn, TypeVar

from distwall._core import MAX_PATTERN_DEPTH, TYPE_GUARDS
from distwall.policy.language.cursor import DIGITS, Cursor, is_character, suggest
from distwall.policy.language.external_format import CompileError, compile_pattern
from distwall.policy.language.term_patterns import (
    MAX_ARITY,
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
    cons,
)

_Read = TypeVar("_Read")
_Mode = Literal["pattern", "key", "term"]
"""The kind of text: a pattern, the key of a map in a pattern, or a term."""

_MAX_DIGITS = 2048
_BASES = range(2, 37)
_WORD_DIGITS = len(str(1 << 32))
_BYTE_VALUES = 256
_MAX_BITS = 256
"""Largest size of one segment of a binary, in bits."""
_MAX_RANGE = (1 << 63) - 1
_MAX_LENGTH = (1 << 32) - 1
_WITH_ARGUMENTS = ("list", "map", "one_of")
"""Patterns with patterns in parentheses."""
_FUN = re.compile(r"fun\b")
_VARIABLE = re.compile(r"[A-Z_À-ÖØ-Þ][A-Za-zÀ-ÖØ-öø-ÿ0-9_@]*")
_FLOAT = re.compile(r"[0-9](?:_?[0-9])*\.[0-9](?:_?[0-9])*(?:[eE][+-]?[0-9](?:_?[0-9])*)?")
_BASED = re.compile(r"([0-9]{1,2})#([0-9A-Za-z](?:_?[0-9A-Za-z])*)")
_INTEGER = re.compile(r"[0-9](?:_?[0-9])*")
_PID = re.compile(r"<([0-9]+)\.([0-9]+)\.([0-9]+)>")
_PID_NUMBERS = re.compile(r"\.([0-9]+)\.([0-9]+)>")
_REFERENCE = re.compile(r"#Ref<([0-9]+)((?:\.[0-9]+){1,5})>")
_TYPE = re.compile(r"/\s*([a-z][a-z0-9_-]*)")


@dataclass(frozen=True, slots=True)
class Pattern:
    """The required form of a payload. Patterns are equal if they mean the same, however they are written."""

    code: bytes
    """The pattern as the core takes it."""
    term: TermPattern = field(compare=False)
    text: str = field(compare=False)
    """The pattern as written."""

    def __str__(self) -> str:
        return str(self.term)


def parse_pattern(text: str) -> Pattern:
    """Reads a pattern that takes up all of ``text``. Raises RuleSyntaxError."""
    return _whole(text, read_pattern)


def parse_term(text: str) -> TermPattern:
    """Reads a ground term that takes up all of ``text``. Raises RuleSyntaxError."""
    return _whole(text, lambda cursor: _PatternReader(cursor).term("term"))


def read_pattern(cursor: Cursor) -> Pattern:
    """Reads the pattern at the cursor. Raises RuleSyntaxError."""
    cursor.skip_space()
    start = cursor.at
    term = _PatternReader(cursor).term("pattern")
    try:
        return Pattern(compile_pattern(term), term, cursor.text[start : cursor.at])
    except CompileError as error:
        cursor.fail(error.what, error.remedy, start)


def _whole(text: str, read: Callable[[Cursor], _Read]) -> _Read:
    cursor = Cursor(text)
    found = read(cursor)
    cursor.skip_space()
    if not cursor.ended:
        cursor.refuse_comment()
        cursor.fail(f"`{cursor.word()}` after the end of the term", "write one term")
    return found


class _PatternReader:
    def __init__(self, cursor: Cursor) -> None:
        self.cursor = cursor
        self.depth = 0
        self.repeated: str | None = None
        """The innermost pattern around the cursor that is matched several times, in which variables have no value."""

    def term(self, mode: _Mode) -> TermPattern:
        cursor = self.cursor
        cursor.skip_space()
        self.depth += 1
        if self.depth > MAX_PATTERN_DEPTH:
            cursor.fail(f"more than {MAX_PATTERN_DEPTH} levels", "use fewer levels; `_` matches any term")
        term = self._term(mode)
        self.depth -= 1
        return term

    def _term(self, mode: _Mode) -> TermPattern:
        cursor = self.cursor
        match cursor.peek():
            case "{":
                return TuplePattern(tuple(self._sequence("{", "}", mode)))
            case "[":
                return self._list(mode)
            case '"':
                return ListPattern(tuple(IntegerPattern(ord(c)) for c in self._string()))
            case "~":
                return self._sigil()
            case "<" if cursor.starts("<<"):
                return self._binary(mode)
            case "<":
                return self._pid(mode)
            case "#" if cursor.starts("#{"):
                return self._map(mode)
            case "#" if cursor.starts("#Ref<"):
                return self._reference(mode)
            case "$" | "-":
                return self._integer(mode)
            case c if c.isdecimal():
                return self._integer(mode)
            case _:
                return self._word(mode)

    def _word(self, mode: _Mode) -> TermPattern:
        """Reads a term that begins with a letter or a quote."""
        cursor = self.cursor
        if match := cursor.match(_VARIABLE):
            return self._hole(match, mode)
        if cursor.match(_FUN):
            return self._fun()
        start = cursor.at
        text = cursor.atom()
        if text is None:
            self._nothing()
        if cursor.text[start] != "'" and cursor.starts("("):
            return self._guard(text, start, mode)
        return AtomPattern(text)

    def _hole(self, match: re.Match[str], mode: _Mode) -> TermPattern:
        name = match[0]
        if mode == "term":
            self.cursor.fail(f"`{name}` in a term", f"quote it if the atom is meant: '{name}'", match.start())
        if mode == "key":
            self.cursor.fail(f"`{name}` in the key of a map", "name the key itself", match.start())
        if name == "_":
            return WildcardPattern()
        if self.repeated:
            self.cursor.fail(f"the variable `{name}` inside {self.repeated}(...)", "write `_`", match.start())
        return VariablePattern(name)

    def _guard(self, name: str, start: int, mode: _Mode) -> TermPattern:
        cursor = self.cursor
        cursor.take("(")
        cursor.skip_space()
        if not cursor.take(")"):
            if name in _WITH_ARGUMENTS and mode == "pattern":
                return self._with_arguments(name, start)
            cursor.fail(f"no `)` after `{name}(`", "type guards take no argument, as in integer()")
        if name not in TYPE_GUARDS:
            known = ", ".join(f"{guard}()" for guard in TYPE_GUARDS)
            cursor.fail(f"no type guard `{name}()`", suggest(name, list(TYPE_GUARDS), f"there are {known}"), start)
        if mode != "pattern":
            what = "a term" if mode == "term" else "the key of a map"
            cursor.fail(f"`{name}()` in {what}", f"quote it if the atom is meant: '{name}'", start)
        return TypePattern(name)

    def _with_arguments(self, name: str, start: int) -> TermPattern:
        """Reads the arguments of ``list(P)``, ``one_of(P, ...)`` or ``map(K => V, ...)``, with the closing `)`."""
        cursor, before = self.cursor, self.repeated
        self.repeated = name
        keys: list[TermPattern] = []
        found: list[TermPattern] = []
        while True:
            term = self.term("pattern")
            cursor.skip_space()
            if name == "map":
                keys.append(term)
                if not cursor.take("=>"):
                    cursor.fail("no `=>` after a key", "write map(KEY => VALUE)")
                term = self.term("pattern")
                cursor.skip_space()
            found.append(term)
            if cursor.take(")"):
                break
            self._comma(f"{name}(", ")", start)
        self.repeated = before
        if name == "map":
            return PairsPattern(tuple(zip(keys, found, strict=True)))
        if name == "one_of":
            return OneOfPattern(tuple(found))
        return self._each(found, start)

    def _each(self, found: list[TermPattern], start: int) -> TermPattern:
        element, *rest = found
        match rest:
            case []:
                return EachPattern(element)
            case [IntegerPattern(most)] if 0 <= most <= _MAX_LENGTH:
                return EachPattern(element, most)
        hint = "write a pattern, which all elements match, and behind it at most a number: the most elements"
        return self.cursor.fail(f"{len(found)} patterns in `list(...)`", hint, start)

    def _sequence(self, opening: str, closing: str, mode: _Mode) -> list[TermPattern]:
        """Reads terms between commas. The caller reads the text behind the last term."""
        cursor = self.cursor
        start = cursor.at
        cursor.take(opening)
        found: list[TermPattern] = []
        cursor.skip_space()
        if cursor.take(closing):
            return found
        while True:
            found.append(self.term(mode))
            cursor.skip_space()
            if cursor.take(closing) or (closing == "]" and cursor.starts("|")):
                return found
            self._comma(opening, closing, start)

    def _comma(self, opening: str, closing: str, start: int) -> None:
        cursor = self.cursor
        if cursor.take(","):
            return
        if cursor.ended:
            cursor.fail(f"`{opening}` without `{closing}`", f"close it with {closing}", start)
        cursor.refuse_comment()
        cursor.fail(f"`{cursor.peek()}` is not possible here", f"go on with `,` or `{closing}`")

    def _list(self, mode: _Mode) -> TermPattern:
        cursor = self.cursor
        start = cursor.at
        elements = tuple(self._sequence("[", "]", mode))
        if not cursor.take("|"):
            return ListPattern(elements)
        tail = self.term(mode)
        cursor.skip_space()
        if not cursor.take("]"):
            if cursor.ended:
                cursor.fail("`[` without `]`", "close it with ]", start)
            cursor.fail(f"`{cursor.peek()}` is not possible here", "end the list with ] after its tail")
        return cons(elements, tail)

    def _map(self, mode: _Mode) -> TermPattern:
        cursor = self.cursor
        start = cursor.at
        cursor.take("#{")
        arrow, other = (":=", "=>") if mode == "pattern" else ("=>", ":=")
        pairs: list[tuple[TermPattern, TermPattern]] = []
        cursor.skip_space()
        while not cursor.take("}"):
            if pairs:
                self._comma("#{", "}", start)
                cursor.skip_space()
            key_start = cursor.at
            key = self.term("key" if mode == "pattern" else mode)
            if any(key == known for known, _ in pairs):
                cursor.fail(f"the key `{key}` twice", "name it once", key_start)
            cursor.skip_space()
            if cursor.starts(other):
                what = "patterns" if mode == "pattern" else "terms and keys"
                cursor.fail(f"`{other}` in a map", f"{what} have `{arrow}`")
            if not cursor.take(arrow):
                cursor.fail(f"no `{arrow}` after a key", f"write KEY {arrow} VALUE")
            pairs.append((key, self.term(mode)))
            cursor.skip_space()
        return MapPattern(tuple(pairs), exact=mode != "pattern")

    def _string(self) -> str:
        cursor = self.cursor
        if cursor.starts('"""'):
            cursor.fail("a triple-quoted string", 'write it between single " and \\n for line ends')
        text = cursor.quoted()
        while True:
            here = cursor.at
            cursor.skip_space()
            if cursor.peek() != '"':
                cursor.at = here
                return text
            text += cursor.quoted()

    def _sigil(self) -> TermPattern:
        cursor = self.cursor
        cursor.take("~")
        if cursor.peek() != '"':
            cursor.fail("a sigil", 'write binaries as ~"text" or <<"text"/utf8>>', cursor.at - 1)
        return BitsPattern(cursor.quoted().encode())

    def _integer(self, mode: _Mode) -> TermPattern:
        """Reads a number, or a range of integers."""
        cursor, start = self.cursor, self.cursor.at
        low = self._number()
        if mode != "pattern" or not isinstance(low, IntegerPattern) or not cursor.take(".."):
            return low
        high = self._number()
        if not isinstance(high, IntegerPattern) or low.value > high.value:
            cursor.fail("a range without a last number", "write it as in 1..100", start)
        if max(-low.value, high.value) > _MAX_RANGE:
            cursor.fail("a range beyond 64 bits", "use smaller numbers, or integer()", start)
        return RangePattern(low.value, high.value)

    def _number(self) -> TermPattern:
        cursor = self.cursor
        start = cursor.at
        sign = -1 if cursor.take("-") else 1
        if sign < 0:
            cursor.skip_space()
        if cursor.take("$"):
            if cursor.ended:
                cursor.fail("no character after `$`", "write one, as in $a", start)
            if cursor.peek() == "\\":
                return IntegerPattern(sign * ord(cursor.escape()))
            cursor.at += 1
            return IntegerPattern(sign * ord(cursor.text[cursor.at - 1]))
        if match := cursor.match(_FLOAT):
            value = float(match[0].replace("_", ""))
            if not math.isfinite(value):
                cursor.fail(f"the float {match[0]} is too large", "floats end at about 1.8e308", start)
            return FloatPattern(sign * value)
        if match := cursor.match(_BASED):
            base, digits = int(match[1]), match[2].replace("_", "")
            try:
                number = int(digits, base) if base in _BASES and len(digits) <= _MAX_DIGITS else None
            except ValueError:
                number = None
        elif match := cursor.match(_INTEGER):
            digits = match[0].replace("_", "")
            number = int(digits) if len(digits) <= _MAX_DIGITS else None
        else:
            cursor.fail("no number after `-`", "write one, as in -1", start)
        if number is None:
            cursor.fail(f"`{match[0][:20]}` is not a number", "write it as in 16#ff; 2048 digits at most", start)
        return IntegerPattern(sign * number)

    def _pid(self, mode: _Mode) -> TermPattern:
        if mode == "term" and (self.cursor.peek(1) == "'" or self.cursor.peek(1).isalpha()):
            return self._named_pid()
        match = self.cursor.match(_PID)
        if match is None:
            self.cursor.fail("neither a process nor a binary", "write <0.123.0> or <<1,2,3>>")
        first, *numbers = self._numbers(match[1], match[2], match[3], at=match.start())
        self._own(first, match, mode)
        return PidPattern(numbers[0], numbers[1], peer=first != 0)

    def _named_pid(self) -> TermPattern:
        """A process behind the name of its node: `<'foo@host'.1.0>`."""
        cursor, start = self.cursor, self.cursor.at
        cursor.take("<")
        node = cursor.atom()
        match = cursor.match(_PID_NUMBERS)
        if not node or match is None:
            cursor.fail("not a process of a named node", "write it as <'foo@host'.123.0>", start)
        number, serial = self._numbers(match[1], match[2], at=match.start())
        return PidPattern(number, serial, node=node)

    def _reference(self, mode: _Mode) -> TermPattern:
        match = self.cursor.match(_REFERENCE)
        if match is None:
            self.cursor.fail("not a reference", "write it as Erlang prints it: #Ref<0.1.2.3>")
        first, *words = self._numbers(match[1], *match[2][1:].split("."), at=match.start())
        self._own(first, match, mode)
        return ReferencePattern(tuple(reversed(words)), peer=first != 0)

    def _numbers(self, *texts: str, at: int) -> list[int]:
        if any(len(text) > _WORD_DIGITS or int(text) >= 1 << 32 for text in texts):
            self.cursor.fail("a number of more than 32 bits", "write it as Erlang prints it", at)
        return [int(text) for text in texts]

    def _own(self, first: int, match: re.Match[str], mode: _Mode) -> None:
        if first and mode != "term":
            what = f"`{match[0]}` does not belong to the guarded node"
            self.cursor.fail(
                what, "use pid() or peer_pid()" if match[0][0] == "<" else "use reference()", match.start()
            )

    def _fun(self) -> TermPattern:
        cursor = self.cursor
        cursor.skip_space()
        start = cursor.at
        module = cursor.atom()
        function = cursor.atom() if module is not None and cursor.take(":") else None
        arity = cursor.match(DIGITS) if function is not None and cursor.take("/") else None
        if module is None or function is None or arity is None:
            cursor.fail("a fun that is not fun M:F/A", "name an exported function; function() matches any fun", start)
        if len(arity[0]) > len(str(MAX_ARITY)) or int(arity[0]) > MAX_ARITY:
            cursor.fail(f"an arity of {arity[0]}", "functions take at most 255 arguments", arity.start())
        return FunPattern(module, function, int(arity[0]))

    def _binary(self, mode: _Mode) -> TermPattern:
        cursor = self.cursor
        start = cursor.at
        cursor.take("<<")
        bits = _BitString(cursor)
        cursor.skip_space()
        while not cursor.take(">>"):
            if bits.segments:
                self._comma("<<", ">>", start)
                cursor.skip_space()
            if bits.segment(mode):
                cursor.skip_space()
                if not cursor.take(">>"):
                    cursor.fail("text after the rest of a binary", "end the binary after `_/binary`")
                if bits.length % 8:
                    cursor.fail("a rest behind part of a byte", "begin with whole bytes", start)
                return PrefixPattern(bits.data())
            cursor.skip_space()
        return BitsPattern(bits.data(), (bits.length - 1) % 8 + 1 if bits.length else 8)

    def _nothing(self) -> NoReturn:
        cursor = self.cursor
        if cursor.ended:
            cursor.fail("the term ends here", "write a term; `_` matches any term")
        cursor.refuse_comment()
        if cursor.starts("#"):
            cursor.fail("a record", "write it as a tuple: its name, then its fields")
        cursor.fail(f"`{cursor.peek()}` does not begin a term", "write an Erlang term; `_` matches any term")


class _BitString:
    """The segments of one binary."""

    def __init__(self, cursor: Cursor) -> None:
        self.cursor = cursor
        self.segments = 0
        self.length = 0
        """Length in bits."""
        self.value = 0

    def data(self) -> bytes:
        """The bytes read so far, the last byte filled up with zeros."""
        count = (self.length + 7) // 8
        return (self.value << (count * 8 - self.length)).to_bytes(count, "big")

    def segment(self, mode: _Mode) -> bool:
        """Reads one segment; true if it is the rest, of any value."""
        cursor = self.cursor
        self.segments += 1
        start = cursor.at
        if cursor.peek() == '"':
            text = cursor.quoted()
            if self._type("utf8"):
                self._add_bytes(text.encode())
                return False
            if any(ord(c) >= _BYTE_VALUES for c in text):
                cursor.fail("a character of more than a byte", 'write "text"/utf8', start)
            self._add_bytes(text.encode("latin-1"))
            return False
        if mode == "pattern" and (match := cursor.match(_VARIABLE)):
            if match[0] != "_" or not self._type("binary", "bytes"):
                cursor.fail(f"`{match[0]}` in a binary", "end with `_/binary` for any rest", start)
            return True
        if not (cursor.peek().isdecimal() or cursor.peek() in ("$", "-")) or cursor.ended:
            cursor.fail("neither a byte nor a string", 'write <<1,2,"abc">>, in patterns also <<"abc", _/binary>>')
        number = _PatternReader(cursor)._number()  # noqa: SLF001
        if not isinstance(number, IntegerPattern):
            cursor.fail("a float in a binary", "write its bytes", start)
        size = 8
        if cursor.take(":"):
            match = cursor.match(DIGITS)
            size = int(match[0]) if match and len(match[0]) <= len(str(_MAX_BITS)) else 0
            if not 1 <= size <= _MAX_BITS:
                cursor.fail("a size that is not 1 to 256", "write a number of bits")
        elif self._type("utf8"):
            if not is_character(number.value):
                cursor.fail(f"{number.value} is not a character", "write its code point", start)
            self._add_bytes(chr(number.value).encode())
            return False
        if not -(1 << size - 1) <= number.value < 1 << size:
            cursor.fail(f"{number.value} does not fit into {size} bits", "write NUMBER:BITS", start)
        self._add(number.value & (1 << size) - 1, size)
        return False

    def _type(self, *allowed: str) -> bool:
        """Moves past a type; true if there was one."""
        start = self.cursor.at
        match = self.cursor.match(_TYPE)
        if match is not None and match[1] not in allowed:
            self.cursor.fail(f"`/{match[1]}` here in a binary", 'there are "text"/utf8 and `_/binary`', start)
        return match is not None

    def _add_bytes(self, data: bytes) -> None:
        self._add(int.from_bytes(data, "big"), 8 * len(data))

    def _add(self, value: int, length: int) -> None:
        self.value = self.value << length | value
        self.length += length
