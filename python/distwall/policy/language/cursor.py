"""Reads text from left to right, for the grammars of rules and of patterns."""

import re
import sys
import unicodedata
from difflib import get_close_matches
from typing import NoReturn

from distwall._core import RESERVED_WORDS
from distwall.policy.language.names import MAX_ATOM_CHARACTERS

DIGITS = re.compile(r"[0-9]+")
_WORD = re.compile(r"\S+")
_ATOM = re.compile(r"[a-zß-öø-ÿ][A-Za-zÀ-ÖØ-öø-ÿ0-9_@]*")
_ALIAS = re.compile(
    r"(?:Elixir\.(?=[A-Z])([A-Z][A-Za-z0-9_]*(?:\.[A-Z][A-Za-z0-9_]*)*)"
    r"|([A-Z][A-Za-z0-9_]*(?:(?:\.[A-Z][A-Za-z0-9_]*)+|(?=\.[a-z_*']))))"
)
"""A module as Elixir writes it. A word without a dot may be a variable of Erlang's, or a forgotten placeholder."""
_SURROGATES = range(0xD800, 0xE000)
_SIMPLE_ESCAPES = {
    "b": "\b", "d": "\x7f", "e": "\x1b", "f": "\f", "n": "\n", "r": "\r", "s": " ", "t": "\t", "v": "\v",
}  # fmt: skip
_ESCAPE = re.compile(r"\\(?:([0-7]{1,3})|x([0-9A-Fa-f]{2})|x\{([0-9A-Fa-f]{1,6})\}|\^([@-_a-z])|([^x^]))")


class RuleSyntaxError(Exception):
    """A rule that can't be read: the index of the character, the error there, and the remedy."""

    def __init__(self, index: int, what: str, remedy: str) -> None:
        super().__init__(f"{what}; {remedy}")
        self.index = index
        self.what = what
        self.remedy = remedy


class Cursor:
    """A place in a text. Its methods raise RuleSyntaxError with the index of the error."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0
        for index, c in enumerate(text):
            # Characters that this Python doesn't know yet may be letters of a newer Unicode.
            if c != "\t" and not c.isprintable() and unicodedata.category(c) != "Cn":
                self.fail(
                    "a line end or control character in a rule",
                    "write each rule as one string, and \\n in quotes",
                    index,
                )

    @property
    def ended(self) -> bool:
        """True if the text is at its end."""
        return self.at == len(self.text)

    def fail(self, what: str, remedy: str, index: int | None = None) -> NoReturn:
        """Raises RuleSyntaxError for the text at ``index`` (None: here)."""
        raise RuleSyntaxError(self.at if index is None else index, what, remedy)

    def skip_space(self) -> None:
        """Moves to the next character that is not white space."""
        while self.peek().isspace():
            self.at += 1

    def peek(self, ahead: int = 0) -> str:
        """The character here, or some places ahead; empty at the end."""
        return self.text[self.at + ahead : self.at + ahead + 1]

    def word(self) -> str:
        """The word here, up to the next white space; the cursor stays."""
        match = _WORD.match(self.text, self.at)
        return match[0] if match else ""

    def starts(self, text: str) -> bool:
        """True if ``text`` is next."""
        return self.text.startswith(text, self.at)

    def take(self, text: str) -> bool:
        """Moves past ``text``, and returns true, if it is next."""
        found = self.starts(text)
        self.at += len(text) if found else 0
        return found

    def match(self, pattern: re.Pattern[str]) -> re.Match[str] | None:
        """Moves past the text here that ``pattern`` matches."""
        match = pattern.match(self.text, self.at)
        if match:
            self.at = match.end()
        return match

    def atom(self) -> str | None:
        """Moves past an atom, quoted or not, and returns it; None if the next text is not an atom."""
        start = self.at
        if self.peek() == "'":
            text = self.quoted()
        else:
            match = _ATOM.match(self.text, self.at)
            if match is None:
                return None
            text = match[0]
            if text in RESERVED_WORDS:
                self.fail(f"`{text}` is a reserved word of Erlang", f"quote it: '{text}'")
            self.at = match.end()
        if len(text) > MAX_ATOM_CHARACTERS:
            self.fail(f"an atom of {len(text)} characters", f"atoms have at most {MAX_ATOM_CHARACTERS}", start)
        return text

    def elixir_module(self) -> str | None:
        """Moves past a module as Elixir writes it, ``Orders.Desk``; returns its atom, ``Elixir.Orders.Desk``.

        None: the next text is not such a module.
        """
        start = self.at
        match = self.match(_ALIAS)
        if match is None:
            return None
        text = f"Elixir.{match[1] or match[2]}"
        if len(text) > MAX_ATOM_CHARACTERS:
            self.fail(f"an atom of {len(text)} characters", f"atoms have at most {MAX_ATOM_CHARACTERS}", start)
        return text

    def quoted(self) -> str:
        """Moves past a quoted text, in the kind of quotes found here."""
        start, quote = self.at, self.peek()
        self.at += 1
        text = ""
        while (c := self.peek()) != quote:
            if not c:
                what = "a quoted atom" if quote == "'" else "a string"
                self.fail(f"{what} without its closing quote", f"close it with {quote}", start)
            if c == "\\":
                text += self.escape()
            else:
                text += c
                self.at += 1
        self.at += 1
        return text

    def escape(self) -> str:
        """Moves past an escape sequence; returns its character (Erlang Reference Manual, "Escape Sequences")."""
        match = _ESCAPE.match(self.text, self.at)
        code = _escaped(match) if match else None
        if match is None or code is None:
            self.fail("an escape that Erlang does not know", "write \\\\ for a backslash")
        self.at = match.end()
        return code

    def refuse_comment(self) -> None:
        """Refuses a comment, which can't be in a rule."""
        if self.peek() == "%" or (self.peek() == "#" and not self.starts("#{") and not self.starts("#Ref<")):
            self.fail("a comment inside a rule", "write comments outside the quotes, after `#`")


def _escaped(match: re.Match[str]) -> str | None:
    octal, two_hex, hexadecimal, control, plain = match.groups()
    if octal:
        code = int(octal, 8)
    elif control:
        code = ord(control) & 31
    elif plain:
        return _SIMPLE_ESCAPES.get(plain, plain)
    else:
        code = int(two_hex or hexadecimal, 16)
    return chr(code) if is_character(code) else None


def suggest(word: str, known: list[str], otherwise: str) -> str:
    """Advice about a word that is not ``known``."""
    close = get_close_matches(word, known, n=1)
    return f"did you mean `{close[0]}`?" if close else otherwise


def is_character(code: int) -> bool:
    """True if a number is the code point of a character, and no surrogate."""
    return 0 <= code <= sys.maxunicode and code not in _SURROGATES
