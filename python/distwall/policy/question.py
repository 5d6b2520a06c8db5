"""Questions about a policy: a command that a peer could send, or is sent, and the facts about it."""

import re
from dataclasses import dataclass

from distwall import _core
from distwall._core import COMMANDS, print_atom
from distwall.policy.language.external_format import CompileError, external
from distwall.policy.language.grammar import (
    AIMED_COMMANDS,
    FUNCTION_COMMANDS,
    PAYLOAD_COMMANDS,
    SCOPES,
    RuleSyntaxError,
    Scope,
    parse_key,
    takes_key,
)
from distwall.policy.language.names import is_glob
from distwall.policy.language.patterns import parse_term
from distwall.policy.language.rules import Rule
from distwall.policy.language.term_patterns import ListPattern
from distwall.policy.model import Policy

_SUBJECTS = (*COMMANDS, "otp_internal", "call")
_FUNCTION = re.compile(r"(.+?):(.+)/([0-9]+)", re.DOTALL)
_PROCESS = re.compile(r"<0\.[0-9]+\.[0-9]+>|#Ref<0(?:\.[0-9]+)+>")


class QuestionError(ValueError):
    """A question that can't be asked: an unknown command, or a key that the command does not take."""


@dataclass(frozen=True, slots=True)
class Question:
    """A command of a peer, and the known facts about it."""

    command: str
    """One of the 14 commands, ``otp_internal`` or ``call``."""
    key: str | None = None
    """The target, as Erlang writes it; of ``call`` and ``spawn_request`` the function, ``M:F/A``."""
    to: str | None = None
    """The way in which the peer came to know its target: ``exposed``, ``spawned`` or ``linked``; None: another way."""
    term: str | None = None
    """The message, the exit reason or the list of arguments, as Erlang writes it; None: not known."""
    out: bool = False
    """True if the guarded node sends the command to the peer."""


class CheckedQuestion:
    """A valid question."""

    def __init__(self, policy: Policy, peer: str, question: Question, guard: str | None) -> None:
        self.policy = policy
        self.peer = peer
        self.question = question
        names = (node for node in policy.guard.nodes if not is_glob(node))
        self.guard = guard or next(names, "guarded@localhost")
        self.key = _asked_key(question.command, question.key)
        self.scope = _asked_scope(question)
        self.term = None if question.term is None else self._external(question.term)

    def put(
        self, core: "_core.PeerRules", *, obeyed: bool = False, audit: bool = False, checked_funs: bool = False
    ) -> "_core.Explanation":
        """Ask the core. ``obeyed``: processes of OTP obey the message."""
        try:
            return core.explain(
                self.question.command,
                self.key,
                peer=self.peer,
                guard=self.guard,
                outbound=self.question.out,
                known_by=self.scope,
                payload=self.term,
                obeyed=obeyed,
                audit=audit,
                checked_funs=checked_funs,
            )
        except ValueError as error:
            raise QuestionError(str(error)) from None

    def aims_at(self, rule: Rule) -> bool:
        """True if a rule is about such a command and its target."""
        commands = FUNCTION_COMMANDS if self.question.command in FUNCTION_COMMANDS else {self.question.command}
        return any(each.aims_at(command, self.key) for each in rule.filters() for command in commands)

    @property
    def shown_key(self) -> str | None:
        """The key as rules write it."""
        return None if self.key is None else _shown(self.key)

    def _external(self, text: str) -> bytes:
        command = self.question.command
        if command not in PAYLOAD_COMMANDS:
            raise QuestionError(f"`{command}` has no message; leave the term out")
        try:
            term = parse_term(text)
            if command in FUNCTION_COMMANDS:
                if not isinstance(term, ListPattern) or term.tail is not None:
                    raise QuestionError(f"`{text}` is not a list; give the arguments as a list")
                if self.key is None:
                    raise QuestionError("arguments without a function; give M:F/A as the key")
                if len(term.elements) != int(self.key[2]):
                    raise QuestionError(f"{len(term.elements)} arguments for {_shown(self.key)}; give {self.key[2]}")
            return external(term, (self.peer, self.guard))
        except RuleSyntaxError as error:
            raise QuestionError(f"character {error.index + 1} of the term: {error}") from None
        except CompileError as error:
            raise QuestionError(str(error)) from None


def _asked_scope(question: Question) -> Scope | None:
    if question.to is None:
        return None
    if question.command not in AIMED_COMMANDS:
        raise QuestionError(f"`{question.command}` has no process as its target; leave `--to` out")
    for scope in SCOPES:
        if scope == question.to:
            return scope
    raise QuestionError(f"unknown target `{question.to}`; write one of {', '.join(SCOPES)}")


def _asked_key(command: str, key: str | None) -> tuple[str, ...] | None:
    if command not in _SUBJECTS:
        raise QuestionError(f"unknown command `{command}`; the commands are {', '.join(_SUBJECTS)}")
    if key is None:
        return None
    if command in AIMED_COMMANDS and _PROCESS.fullmatch(key):
        return (key,)
    if not takes_key(command):
        raise QuestionError(f"`{command}` takes no key; leave it out")
    try:
        parts = parse_key(command, key)
    except RuleSyntaxError as error:
        # The shell has eaten the quotes, most likely: take the text as it is.
        if command not in FUNCTION_COMMANDS:
            return (key,)
        if match := _FUNCTION.fullmatch(key):
            return match[1], match[2], match[3]
        raise QuestionError(f"`{key}` is not M:F/A: {error}") from None
    if any(part.kind != "exact" for part in parts):
        raise QuestionError(f"`{key}` matches several targets; ask about one")
    return tuple(part.text for part in parts)


def _shown(key: tuple[str, ...]) -> str:
    if len(key) == 1:
        return key[0] if _PROCESS.fullmatch(key[0]) else print_atom(key[0])
    module, function, arity = key
    return f"{print_atom(module)}:{print_atom(function)}/{arity}"
