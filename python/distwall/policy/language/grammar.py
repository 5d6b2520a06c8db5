"""The grammar of a rule: ``VERDICT COMMAND [KEY] [to SCOPE [of APP]] [when PATTERN] [mode=audit] [until=TIME]``.

One cursor reads a rule from left to right; the first error raises RuleSyntaxError with the index of its character. If
COMMAND is the name of a service, its argument may follow, and then only the options.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from types import MappingProxyType
from typing import Literal, NoReturn, Protocol

from distwall._core import COMMANDS, print_atom
from distwall.policy.language.cursor import DIGITS, Cursor, RuleSyntaxError, suggest
from distwall.policy.language.names import Part
from distwall.policy.language.patterns import Pattern, read_pattern
from distwall.policy.language.term_patterns import MAX_ARITY, PidPattern, ReferencePattern
from distwall.policy.language.times import parse_time

__all__ = ["RuleSyntaxError"]

Verdict = Literal["accept", "deny", "drop"]
Scope = Literal["exposed", "spawned", "linked", "any"]
Key = tuple[Part, ...]

VERDICTS: dict[str, Verdict] = {"accept": "accept", "deny": "deny", "drop": "drop", "reject": "deny"}
SCOPES: tuple[Scope, ...] = ("exposed", "spawned", "linked", "any")
FUNCTION_COMMANDS = frozenset({"spawn_request", "call"})
NAME_COMMANDS = frozenset({"reg_send", "monitor", "otp_internal"})
AIMED_COMMANDS = frozenset({"send", "alias_send", "link", "monitor", "exit2", "group_leader"})
MESSAGES_TO_PROCESSES = frozenset({"send", "alias_send"})
PAYLOAD_COMMANDS = frozenset({"reg_send", "send", "alias_send", "exit2", "otp_internal", "spawn_request", "call"})
"""Commands with a message, a reason or arguments, which patterns can match."""

_MAX_DIGITS = 9
_ELIXIR_FUNCTION = re.compile(r"[a-z_][A-Za-z0-9_]*[?!]")
_ELIXIR_NAME = re.compile(r"[A-Z][A-Za-z0-9_]*")
_TO = re.compile(r"to\s+(?=\S)")
_OPTION = re.compile(r"([a-z_]+)\s*=\s*(\S*)")
_OF = re.compile(r"of\s+(?=\S)")
_WHEN = re.compile(r"when(?!\S)")


class ServiceArgument(Protocol):
    """A service as the grammar sees it."""

    @property
    def argument(self) -> str | None:
        """The name of its argument; None: it takes no argument."""

    @property
    def default(self) -> str | None:
        """The argument if a rule gives none; None: a rule has to give one."""


@dataclass(frozen=True, slots=True)
class Statement:
    """A rule as written. ``command`` is one of the 14, ``*``, ``otp_internal``, ``call`` or the name of a service."""

    verdict: Verdict
    command: str
    key: Key | None = None
    scope: Scope | None = None
    application: str | None = None
    """With `to exposed`: the application of OTP's or Elixir's whose processes the rule is about."""
    pattern: Pattern | None = None
    argument: str | None = None
    """For a service: the atom that a rule gives it."""
    audit: bool = False
    """True if refused commands pass, and are recorded."""
    until: datetime | None = None
    """The end of the rule, or with ``audit`` the begin of its enforcement; in UTC."""


def parse_rule(
    text: str, services: Mapping[str, ServiceArgument] = MappingProxyType({}), *, run_time: bool = False
) -> Statement:
    """Reads one rule. ``run_time``: its key may be a process or an alias. Raises RuleSyntaxError."""
    return _RuleCursor(text, services, run_time=run_time).rule()


def parse_filter(text: str) -> Statement:
    """Reads a filter of a service: a rule without its verdict and options. Raises RuleSyntaxError."""
    return _RuleCursor(text, {}).filter()


def parse_key(command: str, text: str) -> Key:
    """Reads the key of a rule on ``command``, which takes a key. Raises RuleSyntaxError."""
    cursor = _RuleCursor(text, {})
    key = cursor.key(command)
    cursor.end("the key")
    return key


def takes_key(command: str) -> bool:
    """True if rules on ``command`` can name a target."""
    return command in NAME_COMMANDS or command in FUNCTION_COMMANDS


class _RuleCursor(Cursor):
    def __init__(self, text: str, services: Mapping[str, ServiceArgument], *, run_time: bool = False) -> None:
        super().__init__(text)
        self.services = services
        self.run_time = run_time

    def rule(self) -> Statement:
        verdict = self._verdict()
        command = self._command()
        if command in self.services:
            made = Statement(verdict, command, argument=self._argument(command, self.services[command]))
        else:
            made = self._subject(Statement(verdict, command))
        made = self._options(made)
        self.end("the rule")
        return made

    def filter(self) -> Statement:
        made = self._subject(Statement("accept", self._command()))
        self.end("the rule")
        return made

    def key(self, command: str) -> Key:
        if command not in FUNCTION_COMMANDS:
            return (self._part(),)
        elixir = self.peek().isupper()
        module = self._part()
        if elixir and self.take("."):
            function = self._elixir_function() or self._part()
        else:
            self._separator(":")
            function = self._part()
        self._separator("/")
        return module, function, self._arity()

    def _elixir_function(self) -> Part | None:
        """Reads a function whose name is an atom in Elixir only: ``valid?``, ``fetch!``."""
        match = self.match(_ELIXIR_FUNCTION)
        return Part("exact", match[0]) if match else None

    def end(self, what: str) -> None:
        """Refuses further text."""
        self.skip_space()
        if not self.ended:
            self.refuse_comment()
            self.fail(f"`{self.word()}` after the end of {what}", "write each rule as one string")

    def _subject(self, made: Statement) -> Statement:
        """Reads key, scope and pattern."""
        command = made.command
        self.skip_space()
        key: Key | None = None
        if self.run_time and command in AIMED_COMMANDS and self.peek() in ("<", "#"):
            key = (self._target(),)
        elif takes_key(command) and not self.ended and not self._at_clause(command):
            key = self.key(command)
            self._gap()
        scope = self._scope(command) if key is None and _TO.match(self.text, self.at) else None
        application = self._application() if scope == "exposed" and _OF.match(self.text, self.at) else None
        start = self.at
        pattern = None
        if self.match(_WHEN):
            if command not in PAYLOAD_COMMANDS:
                what = "`*` includes commands without a message" if command == "*" else f"`{command}` has no message"
                self.fail(what, f"there are patterns for {', '.join(sorted(PAYLOAD_COMMANDS))}", self.at - 4)
            pattern = read_pattern(self)
            self._gap()
        elif not self.ended and not self._at_option() and key is None and scope is None:
            self._no_key(command)
        if (
            application is not None
            and pattern is None
            and made.verdict == "accept"
            and command in MESSAGES_TO_PROCESSES
        ):
            self.fail(
                f"`{command} to exposed of {print_atom(application)}` without a pattern",
                "say with `when` which messages these processes may get",
                start,
            )
        return replace(made, key=key, scope=scope, application=application, pattern=pattern)

    def _at_clause(self, command: str) -> bool:
        """True if a clause is next, in the place of a key."""
        to = _TO.match(self.text, self.at)
        scoped = command in AIMED_COMMANDS and to is not None and not self._option_at(to.end())
        return scoped or _WHEN.match(self.text, self.at) is not None or self._at_option()

    def _at_option(self) -> bool:
        return self._option_at(self.at)

    def _option_at(self, index: int) -> bool:
        return _OPTION.match(self.text, index) is not None

    def _gap(self) -> None:
        """Reads the space between a word and a possible clause."""
        if not self.ended and not self.peek().isspace():
            self.refuse_comment()
            self.fail(f"`{self.peek()}` is not possible here", "quote atoms with other characters: 'like-this'")
        self.skip_space()

    def _scope(self, command: str) -> Scope:
        if command not in AIMED_COMMANDS:
            self.fail(
                f"`{command}` has no process as its target",
                f"`to` is possible with {', '.join(sorted(AIMED_COMMANDS))}",
            )
        self.match(_TO)
        word = self.word()
        scope = next((scope for scope in SCOPES if scope == word), None)
        if scope is not None:
            self.take(word)
            self.skip_space()
            return scope
        self.refuse_comment()
        return self.fail(f"unknown target `{word}`", suggest(word, list(SCOPES), f"write to {', '.join(SCOPES)}"))

    def _application(self) -> str:
        """Reads the application behind `to exposed of`."""
        self.match(_OF)
        start = self.at
        part = self._part()
        if part.kind != "exact":
            self.fail("`of` takes one application", "write a rule for each application", start)
        self._gap()
        return part.text

    def _no_key(self, command: str) -> NoReturn:
        self.refuse_comment()
        what = f"`{command}` covers every target" if command == "*" else f"`{command}` takes no key"
        if self.peek() in ("<", "#"):
            self._no_process()
        remedy = f"end the rule after `{command}`"
        if command in AIMED_COMMANDS:
            remedy += ", or write `to exposed`"
        self.fail(what, remedy)

    def _no_process(self) -> NoReturn:
        self.fail("a file can't name processes and references", "name registered processes, or write `to exposed`")

    def _target(self) -> Part:
        """Reads a process or an alias of the guarded node, which rules made at run time can name."""
        start = self.at
        term = read_pattern(self).term
        self._gap()
        match term:
            case PidPattern():
                return Part("pid", str(term))
            case ReferencePattern():
                return Part("ref", str(term))
            case _:
                return self.fail(
                    f"`{term}` is neither a process nor an alias", "write <0.123.0> or #Ref<0.1.2.3>", start
                )

    def _options(self, made: Statement) -> Statement:
        self.skip_space()
        seen: set[str] = set()
        while match := _OPTION.match(self.text, self.at):
            name, value = match.groups()
            if name in seen:
                self.fail(f"the option `{name}=` twice", "keep one of them")
            seen.add(name)
            if name == "mode":
                if value != "audit":
                    self.fail(f"unknown mode `{value}`", "write mode=audit, or leave the option out", match.start(2))
                if made.verdict == "accept":
                    self.fail("mode=audit on a rule that accepts", "leave it out: accepted commands pass anyway")
                made = replace(made, audit=True)
            elif name == "until":
                made = replace(made, until=self._time(value, match.start(2)))
            else:
                self.fail(f"unknown option `{name}=`", "the options are mode=audit and until=TIME")
            self.at = match.end()
            self.skip_space()
        return made

    def _time(self, text: str, index: int) -> datetime:
        if time := parse_time(text):
            return time
        return self.fail(f"`{text}` is not a time", "write it with its zone, as in until=2026-12-31T00:00:00Z", index)

    def _argument(self, command: str, service: ServiceArgument) -> str | None:
        self.skip_space()
        if self.ended or self._at_option():
            if service.argument is not None and service.default is None:
                self.fail(f"`{command}` without {service.argument}", f"write `{command} {service.argument}`")
            return service.default
        if service.argument is None:
            self.refuse_comment()
            self.fail(f"`{command}` takes no argument", f"end the rule after `{command}`")
        start = self.at
        part = self._part()
        if part.kind != "exact":
            self.fail(f"`{command}` takes one {service.argument}", f"write a rule for each {service.argument}", start)
        self._gap()
        return part.text

    def _verdict(self) -> Verdict:
        self.skip_space()
        word = self.word()
        if not word:
            self.fail("an empty rule", "write VERDICT COMMAND [KEY], as in `deny *`")
        if word not in VERDICTS:
            self.refuse_comment()
            self.fail(f"unknown verdict `{word}`", suggest(word, list(VERDICTS), "write accept, deny or drop"))
        self.at += len(word)
        return VERDICTS[word]

    def _command(self) -> str:
        self.skip_space()
        word = self.word()
        known = [*COMMANDS, "*", "otp_internal", "call", *sorted(self.services)]
        if not word:
            self.fail("no command after the verdict", "name one of the 14 commands, `*`, `call`, or a service")
        if word not in known:
            self.refuse_comment()
            self.fail(f"unknown command `{word}`", suggest(word, known, f"the commands are {', '.join(known)}"))
        self.at += len(word)
        return word

    def _part(self) -> Part:
        c = self.peek()
        if c == "_" and not self.peek(1).isalnum() and self.peek(1) not in ("_", "@"):
            self.at += 1
            return Part("any")
        text = "" if c == "*" else self.elixir_module() or self.atom()
        if text is None:
            self._no_atom()
        return Part("prefix", text) if self.take("*") else Part("exact", text)

    def _arity(self) -> Part:
        if self.take("_"):
            return Part("any")
        match = DIGITS.match(self.text, self.at)
        if match is None:
            self.fail("no arity after `/`", "write a number, or `_` for any")
        arity = int(match[0]) if len(match[0]) <= _MAX_DIGITS else MAX_ARITY + 1
        if arity > MAX_ARITY:
            self.fail(f"an arity of {match[0]}", "functions take at most 255 arguments")
        self.at = match.end()
        return Part("exact", str(arity))

    def _separator(self, separator: str) -> None:
        if not self.take(separator):
            self.fail(f"`{separator}` is missing in M:F/A", "name functions as module:function/arity, `_` for any part")

    def _no_atom(self) -> NoReturn:
        word = self.word()
        if not word:
            self.fail("the key ends here", "name the target of the rule")
        self.refuse_comment()
        if word[0] == '"':
            self.fail("a string in the place of an atom", "quote atoms with ', not \"")
        if word[0].isupper() or word[0] == "_":
            remedy = f"quote it if the atom is meant: '{word}'"
            if _ELIXIR_NAME.fullmatch(word):
                remedy += f"; write Elixir.{word} for the module of Elixir's"
            self.fail(f"`{word}` is a variable in Erlang", remedy)
        if word[0] == ":" and len(word) > 1:
            remedy = "write counter for :counter, lists:map/2 for :lists.map/2"
            self.fail(f"`{word}` is not an atom", remedy)
        if word[0] in "<#":
            self._no_process()
        self.fail(f"`{word}` is not an atom", f"quote it if the atom is meant: '{word}'")
