"""The grammar of a rule: ``VERDICT COMMAND [KEY]``.

A rule is read by one cursor from left to right; the first thing that is wrong raises RuleSyntaxError with the index of
the character where it is. What later versions of the language will have is refused by name: to ignore a restriction
would be to fail open.
"""

import re
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Literal, NoReturn

from distwall._core import COMMANDS
from distwall.policy.names import MAX_ATOM_CHARACTERS, RESERVED_WORDS, Part

Verdict = Literal["accept", "deny", "drop"]
Key = tuple[Part, ...]

VERDICTS: dict[str, Verdict] = {"accept": "accept", "deny": "deny", "drop": "drop", "reject": "deny"}
SERVICES = frozenset({"ping"})
LATER_SERVICES = frozenset({"erpc", "global", "gen_server", "logger", "mnesia", "observer", "pg", "remsh", "rpc"})
NAME_COMMANDS = frozenset({"reg_send", "monitor", "otp_internal"})
AIMED_COMMANDS = frozenset({"send", "alias_send", "link", "monitor", "exit2", "group_leader"})

_WORD = re.compile(r"\S+")
_ATOM = re.compile(r"[a-zß-öø-ÿ][A-Za-zÀ-ÖØ-öø-ÿ0-9_@]*")
_DIGITS = re.compile(r"[0-9]+")
_LATER_TARGET = re.compile(r"to\s+\S")
_LATER_OPTION = re.compile(r"(mode|until)\s*=")
_SIMPLE_ESCAPES = {
    "b": "\b", "d": "\x7f", "e": "\x1b", "f": "\f", "n": "\n", "r": "\r", "s": " ", "t": "\t", "v": "\v",
}  # fmt: skip
_ESCAPE = re.compile(r"\\(?:([0-7]{1,3})|x([0-9A-Fa-f]{2})|x\{([0-9A-Fa-f]{1,6})\}|\^([@-_a-z])|([^x^]))")


class RuleSyntaxError(Exception):
    """A rule that can't be read: the index of the character, what is wrong there, and what to do."""

    def __init__(self, index: int, what: str, remedy: str) -> None:
        super().__init__(f"{what}; {remedy}")
        self.index = index
        self.what = what
        self.remedy = remedy


@dataclass(frozen=True, slots=True)
class Statement:
    """A rule as written. ``command`` is one of the 14, ``*``, ``otp_internal`` or the name of a service."""

    verdict: Verdict
    command: str
    key: Key | None


def parse_rule(text: str) -> Statement:
    """Reads one rule. Raises RuleSyntaxError."""
    return _Cursor(text).rule()


def parse_key(command: str, text: str) -> Key:
    """Reads the key of a rule on ``command`` (one that takes a key). Raises RuleSyntaxError."""
    cursor = _Cursor(text)
    key = cursor.key(command)
    cursor.end()
    return key


def takes_key(command: str) -> bool:
    """Whether rules on ``command`` can name a target."""
    return command in NAME_COMMANDS or command == "spawn_request"


class _Cursor:
    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0
        for index, c in enumerate(text):
            if c != "\t" and not c.isprintable():
                self._fail(
                    "a line end or control character in a rule", "write one rule a string, and \\n in quotes", index
                )

    def rule(self) -> Statement:
        verdict = self._verdict()
        command = self._command()
        self._skip_space()
        self._refuse_later(command)
        if self.at == len(self.text):
            return Statement(verdict, command, None)
        if not takes_key(command):
            self._refuse_comment()
            what = f"`{command}` stands for every target" if command == "*" else f"`{command}` takes no key"
            self._fail(what, f"end the rule after `{command}`")
        key = self.key(command)
        self.end()
        return Statement(verdict, command, key)

    def key(self, command: str) -> Key:
        if command != "spawn_request":
            return (self._part(),)
        module = self._part()
        self._separator(":")
        function = self._part()
        self._separator("/")
        return module, function, self._arity()

    def end(self) -> None:
        """Nothing may follow."""
        if self.at < len(self.text) and not self.text[self.at].isspace():
            self._fail(
                f"`{self.text[self.at]}` can't stand here", "quote atoms that hold other characters: 'like-this'"
            )
        self._skip_space()
        self._refuse_later("")
        if self.at < len(self.text):
            self._refuse_comment()
            self._fail(f"`{self._peek_word()}` after the end of the rule", "write one rule a string")

    def _verdict(self) -> Verdict:
        self._skip_space()
        word = self._peek_word()
        if not word:
            self._fail("an empty rule", "write VERDICT COMMAND [KEY], as in `deny *`")
        if word not in VERDICTS:
            self._refuse_comment()
            self._fail(f"unknown verdict `{word}`", _suggest(word, list(VERDICTS), "write accept, deny or drop"))
        self.at += len(word)
        return VERDICTS[word]

    def _command(self) -> str:
        self._skip_space()
        word = self._peek_word()
        if not word:
            self._fail("no command after the verdict", "name one of the 14 commands, `*`, `otp_internal` or `ping`")
        if word == "call":
            self._later("`call` rules")
        if word in LATER_SERVICES:
            self._later(f"the service `{word}`")
        known = [*COMMANDS, "*", "otp_internal", *sorted(SERVICES)]
        if word not in known:
            self._refuse_comment()
            self._fail(f"unknown command `{word}`", _suggest(word, known, f"the commands are {', '.join(known)}"))
        self.at += len(word)
        return word

    def _part(self) -> Part:
        start = self.at
        c = self._peek()
        if c == "'":
            text = self._quoted()
        elif match := _ATOM.match(self.text, self.at):
            text = match[0]
            if text in RESERVED_WORDS:
                self._fail(f"`{text}` is a reserved word of Erlang", f"quote it: '{text}'")
            self.at = match.end()
        elif c == "_" and not self._peek(1).isalnum() and self._peek(1) not in ("_", "@"):
            self.at += 1
            return Part("any")
        elif c == "*":
            text = ""
        else:
            self._no_atom()
        if len(text) > MAX_ATOM_CHARACTERS:
            self._fail(f"an atom of {len(text)} characters", f"atoms have at most {MAX_ATOM_CHARACTERS}", start)
        if self._peek() == "*":
            self.at += 1
            return Part("prefix", text)
        return Part("exact", text)

    def _arity(self) -> Part:
        if self._peek() == "_":
            self.at += 1
            return Part("any")
        match = _DIGITS.match(self.text, self.at)
        if match is None:
            self._fail("no arity after `/`", "write a number, or `_` for any")
        arity = int(match[0]) if len(match[0]) <= 9 else 256
        if arity > 255:
            self._fail(f"an arity of {match[0]}", "functions take at most 255 arguments")
        self.at = match.end()
        return Part("exact", str(arity))

    def _separator(self, separator: str) -> None:
        if self._peek() != separator:
            self._fail(
                f"no `{separator}` where M:F/A needs one", "name functions as module:function/arity, `_` for any part"
            )
        self.at += 1

    def _quoted(self) -> str:
        start = self.at
        self.at += 1
        text = ""
        while (c := self._peek()) != "'":
            if not c:
                self._fail("a quoted atom without its closing quote", "close it with '", start)
            if c != "\\":
                text += c
                self.at += 1
                continue
            match = _ESCAPE.match(self.text, self.at)
            code = _escaped(match) if match else None
            if match is None or code is None:
                self._fail("an escape that Erlang does not know", "write \\\\ for a backslash")
            text += code
            self.at = match.end()
        self.at += 1
        return text

    def _no_atom(self) -> NoReturn:
        word = self._peek_word()
        if not word:
            self._fail("the key ends here", "name what the rule is about")
        self._refuse_comment()
        if word[0] == '"':
            self._fail("a string where an atom must stand", "quote atoms with ', not \"")
        if word[0].isupper() or word[0] == "_":
            self._fail(f"`{word}` is a variable in Erlang", f"quote it if the atom is meant: '{word}'")
        if word[0] in "<#":
            self._fail("processes and references have no place in a file", "name registered processes only")
        self._fail(f"`{word}` is not an atom", f"quote it if the atom is meant: '{word}'")

    def _refuse_later(self, command: str) -> None:
        word = self._peek_word()
        if word == "when":
            self._later("`when` patterns")
        if command in AIMED_COMMANDS and _LATER_TARGET.match(self.text, self.at):
            self._later("`to` targets")
        if match := _LATER_OPTION.match(self.text, self.at):
            self._later(f"the option `{match[1]}=`")

    def _refuse_comment(self) -> None:
        if self._peek() in ("#", "%"):
            self._fail("a comment inside a rule", "write comments outside the quotes, after `#`")

    def _later(self, what: str) -> NoReturn:
        self._fail(f"this version of distwall does not have {what} yet", "leave the rule out")

    def _skip_space(self) -> None:
        while self._peek().isspace():
            self.at += 1

    def _peek(self, ahead: int = 0) -> str:
        return self.text[self.at + ahead : self.at + ahead + 1]

    def _peek_word(self) -> str:
        match = _WORD.match(self.text, self.at)
        return match[0] if match else ""

    def _fail(self, what: str, remedy: str, index: int | None = None) -> NoReturn:
        raise RuleSyntaxError(self.at if index is None else index, what, remedy)


def _escaped(match: re.Match[str]) -> str | None:
    """What an escape sequence of a quoted atom stands for (Erlang Reference Manual, "Escape Sequences")."""
    octal, two_hex, hexadecimal, control, plain = match.groups()
    if octal:
        code = int(octal, 8)
    elif control:
        code = ord(control) & 31
    elif plain:
        return _SIMPLE_ESCAPES.get(plain, plain)
    else:
        code = int(two_hex or hexadecimal, 16)
    return None if code > 0x10FFFF or 0xD800 <= code <= 0xDFFF else chr(code)


def _suggest(word: str, known: list[str], otherwise: str) -> str:
    close = get_close_matches(word, known, n=1)
    return f"did you mean `{close[0]}`?" if close else otherwise
