"""``explain``: the verdict of a policy on one command of one peer, and the reason."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

from distwall import _core
from distwall._core import COMMANDS
from distwall.clock import rfc3339, utc
from distwall.policy.language.external_format import CompileError, external
from distwall.policy.language.grammar import (
    AIMED_COMMANDS,
    FUNCTION_COMMANDS,
    PAYLOAD_COMMANDS,
    SCOPES,
    RuleSyntaxError,
    Verdict,
    parse_key,
    takes_key,
)
from distwall.policy.language.names import atom, is_glob
from distwall.policy.language.patterns import Pattern, parse_term
from distwall.policy.language.ranking import Ranking
from distwall.policy.language.rules import Filter, Rule, Specificity, precision
from distwall.policy.language.term_patterns import ListPattern
from distwall.policy.model import Entry, Policy

# What tracking lets pass without a rule (DESIGN: "Answers and endings need no rule").
ANSWERS_AND_ENDINGS = frozenset({"demonitor", "exit", "monitor_exit", "spawn_reply", "unlink", "unlink_ack"})
_MESSAGES = frozenset({"reg_send", "send", "alias_send"})
_SUBJECTS = (*COMMANDS, "otp_internal", "call")
_FUNCTION = re.compile(r"(.+?):(.+)/([0-9]+)", re.DOTALL)
_PROCESS = re.compile(r"<0\.[0-9]+\.[0-9]+>|#Ref<0(?:\.[0-9]+)+>")
_CLASSES = {
    Specificity.PATTERN: "a pattern",
    Specificity.KEY: "a key",
    Specificity.PREFIX: "a prefix",
    Specificity.SCOPE: "`to`",
    Specificity.COMMAND: "a command",
    Specificity.ALL: "`*`",
}


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


@dataclass(frozen=True, slots=True)
class Loser:
    """A rule that matches too, and the reason why it does not decide."""

    rule: Rule
    why: str


@dataclass(frozen=True, slots=True)
class Special:
    """A rule before the deciding one, which would decide only for some targets or messages."""

    rule: Rule
    to: str | None
    when: str | None

    @property
    def condition(self) -> str:
        """The cases in which it decides, in words."""
        to = f"the target is {self.to}" if self.to else ""
        when = f"the message matches {self.when}" if self.when else ""
        return " and ".join(filter(None, (to, when)))


@dataclass(frozen=True, slots=True)
class Explanation:
    """The answer.

    ``reason``: ``rule``, ``default`` (no rule matches), ``no_entry`` (the peer can't connect) or ``no_rules`` (no rules
    judge commands to the peer).
    """

    peer: str
    command: str
    key: str | None
    verdict: Verdict
    reason: str
    entry: Entry | None
    rule: Rule | None
    special: tuple[Special, ...]
    losers: tuple[Loser, ...]
    notes: tuple[str, ...]
    audited: bool = False
    """True if the command passes all the same, and is recorded."""

    def to_json(self) -> dict[str, Any]:
        """The explanation as JSON."""
        return {
            "peer": self.peer,
            "command": self.command,
            "key": self.key,
            "verdict": self.verdict,
            "audited": self.audited,
            "reason": self.reason,
            "entry": None
            if self.entry is None
            else {"node": self.entry.node, "file": str(self.entry.origin.path), "line": self.entry.origin.line},
            "rule": None if self.rule is None else rule_to_json(self.rule),
            "special": [
                {"to": each.to, "when": each.when, **rule_to_json(each.rule), "verdict": each.rule.verdict}
                for each in self.special
            ],
            "lost": [
                {**rule_to_json(loser.rule), "verdict": loser.rule.verdict, "why": loser.why} for loser in self.losers
            ],
            "notes": list(self.notes),
        }


def rule_to_json(rule: Rule) -> dict[str, Any]:
    """A rule as events and explanations name it."""
    return {
        "text": rule.text,
        "where": rule.where,
        "file": str(rule.origin.path),
        "line": rule.origin.line,
        "column": rule.origin.column,
    }


def explain(
    policy: Policy, peer: str, question: Question, guard: str | None = None, *, ranked: Ranking | None = None
) -> Explanation:
    """The verdict of ``policy`` on a command of ``peer`` at the guarded node ``guard`` (None: any), and the reason.

    ``ranked``: the filters for the peer; None: the filters of the file. Raises QuestionError.
    """
    asked = _Asked(policy, peer, question, guard)
    entry = policy.entry_for(peer, guard)
    if entry is None:
        note = "no [[peers]] entry names this node: it can't connect, and gets not_allowed in the handshake"
        return asked.answer(None, "deny", "no_entry", notes=(note,))
    if ranked is None:
        ranked = policy.ranked_out(entry) if question.out else policy.ranked(entry)
    if ranked is None:
        note = "no `rules_out` apply to the peer, so all commands to it pass"
        return asked.answer(entry, "accept", "no_rules", notes=(note,))
    found = _judged(asked, ranked, entry)
    audits = policy.audits(entry, utc()) or bool(found.rule and found.rule.audits(utc()))
    expired = (rule for rules in (*entry.attached, policy.defaults) for rule in rules if not rule.holds(utc()))
    return replace(
        found,
        audited=found.verdict != "accept" and audits,
        notes=(*found.notes, *_expired(asked, () if question.out else expired)),
    )


def _judged(asked: "_Asked", ranked: Ranking, entry: Entry) -> Explanation:
    command = asked.question.command
    if command == "otp_internal" and (carrier := _carrier(ranked, asked)):
        note = f"otp_internal rules are asked only about messages that a {carrier} rule other than `accept *` accepts"
        return replace(_decided(asked.about(carrier), ranked, entry), command=command, notes=(note,))
    if command not in FUNCTION_COMMANDS:
        return _decided(asked, ranked, entry)
    called, spawned = (
        _decided(asked.about("call"), ranked, entry),
        _decided(asked.about("spawn_request"), ranked, entry),
    )
    if called.rule and (not spawned.rule or ranked.layer(called.rule) <= ranked.layer(spawned.rule)):
        first = "a `call` rule decides before rules about the message or spawn request with the call"
        losers = [spawned.rule] if spawned.rule else []
        lost = [*called.losers, *(Loser(rule, first) for rule in losers), *spawned.losers]
        return replace(called, command=command, losers=tuple(lost), special=called.special)
    special = (*called.special, *spawned.special)
    notes = spawned.notes
    if command == "call":
        notes = (
            *notes,
            "no `call` rule decides: spawn_request rules see the function; messages to rex are sends to rex",
        )
    return replace(spawned, command=command, special=special, notes=notes)


def _decided(asked: "_Asked", ranked: Ranking, entry: Entry) -> Explanation:
    special: list[Special] = []
    losers: list[Loser] = []
    winner: Filter | None = None
    for candidate in ranked:
        sure = asked.matched_by(candidate)
        if sure is False:
            continue
        if winner is not None:
            losers.append(Loser(candidate.rule, _why_lost(ranked, winner, candidate)))
        elif sure is None:
            when = None if candidate.pattern is None else str(candidate.pattern)
            special.append(Special(candidate.rule, candidate.scope, when))
        else:
            winner = candidate
    return asked.answer(
        entry,
        winner.rule.verdict if winner else "deny",
        "rule" if winner else "default",
        rule=winner.rule if winner else None,
        special=tuple(special),
        losers=tuple(losers),
        notes=() if asked.question.out else tuple(_notes(ranked, asked, winner)),
    )


class _Asked:
    """A valid question."""

    def __init__(self, policy: Policy, peer: str, question: Question, guard: str | None) -> None:
        self.policy = policy
        self.peer = peer
        self.question = question
        self.guard = guard
        self.key = _asked_key(question.command, question.key)
        scope = _asked_scope(question)
        self.scopes = frozenset(() if scope in (None, "any") else (scope,))
        self.term = None if question.term is None else self._external(question.term)

    def about(self, command: str) -> "_Asked":
        """The same question about another command that takes the same key."""
        return _Asked(self.policy, self.peer, replace(self.question, command=command), self.guard)

    def matched_by(self, candidate: Filter) -> bool | None:
        """True if a filter matches; None: that depends on unknown facts."""
        if not candidate.aims_at(self.question.command, self.key):
            return False
        known = candidate.scope in (None, "any") or candidate.scope in self.scopes
        if not known and self.question.to is not None:
            return False
        if candidate.pattern is None:
            return known or None
        if self.term is None:
            return None
        return self.fits(candidate.pattern) and (known or None)

    def fits(self, pattern: Pattern) -> bool:
        """True if the term matches a pattern."""
        if self.term is None:
            return False
        peer, guard = self._nodes()
        return _core.Pattern(pattern.code).matches(self.term, peer=peer, guard=guard, outbound=self.question.out)

    def answer(
        self,
        entry: Entry | None,
        verdict: Verdict,
        reason: str,
        *,
        rule: Rule | None = None,
        special: tuple[Special, ...] = (),
        losers: tuple[Loser, ...] = (),
        notes: tuple[str, ...] = (),
    ) -> Explanation:
        """An answer to the question."""
        shown = None if self.key is None else _shown(self.key)
        command = self.question.command
        return Explanation(self.peer, command, shown, verdict, reason, entry, rule, special, losers, notes)

    def _nodes(self) -> tuple[str, str]:
        names = (node for node in self.policy.guard.nodes if not is_glob(node))
        return self.peer, self.guard or next(names, "guarded@localhost")

    def _external(self, text: str) -> bytes:
        command = self.question.command
        if command not in PAYLOAD_COMMANDS:
            raise QuestionError(f"`{command}` has no message; leave the term out")
        try:
            term = parse_term(text)
            if command in FUNCTION_COMMANDS:
                if not isinstance(term, ListPattern) or term.tail is not None:
                    raise QuestionError(f"`{text}` is not a list; give the arguments as a list")
                if self.key is not None and len(term.elements) != int(self.key[2]):
                    raise QuestionError(f"{len(term.elements)} arguments for {_shown(self.key)}; give {self.key[2]}")
            return external(term, self._nodes())
        except RuleSyntaxError as error:
            raise QuestionError(f"character {error.index + 1} of the term: {error}") from None
        except CompileError as error:
            raise QuestionError(str(error)) from None


def _carrier(ranked: Ranking, asked: _Asked) -> str | None:
    """The command whose rule decides about a message that makes OTP run code, if no `otp_internal` rule is asked.

    Such rules are asked only about accepted commands, and not if `accept *` or a pattern accepts them.
    """
    command = "send" if asked.key is None else "reg_send"
    winner = ranked.decides(command, asked.key, scopes=asked.scopes, fits=asked.fits)
    accepted = winner is not None and winner.rule.verdict == "accept"
    return None if accepted and winner and winner.command != "*" and winner.pattern is None else command


def _asked_scope(question: Question) -> str | None:
    if question.to is not None and question.to not in SCOPES:
        raise QuestionError(f"unknown target `{question.to}`; write one of {', '.join(SCOPES)}")
    if question.to is not None and question.command not in AIMED_COMMANDS:
        raise QuestionError(f"`{question.command}` has no process as its target; leave `--to` out")
    return question.to


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
        return key[0] if _PROCESS.fullmatch(key[0]) else atom(key[0])
    module, function, arity = key
    return f"{atom(module)}:{atom(function)}/{arity}"


def _why_lost(ranked: Ranking, winner: Filter, loser: Filter) -> str:
    layer = ranked.layer(winner.rule)
    if layer < ranked.layer(loser.rule):
        if layer == 0:
            return "a granted table decides before all other rules"
        return "defaults decide only if no rule of the peer matches"
    ours, theirs = precision(winner), precision(loser)
    for place in (0, 1):
        if ours[place] != theirs[place]:
            return f"{_CLASSES[Specificity(ours[place])]} is more specific than {_CLASSES[Specificity(theirs[place])]}"
    if ours != theirs:
        if ours[2] != theirs[2]:
            return "its prefix is shorter"
        return "it has more `_`" if loser.scope is None else "`to any` is wider"
    if winner.rule.where != loser.rule.where:
        return f"equally specific, and {winner.rule.where} comes before {loser.rule.where}"
    return "equally specific, and written later"


def _expired(asked: _Asked, rules: Iterator[Rule] | tuple[()]) -> Iterator[str]:
    for rule in rules:
        until = rule.statement.until
        if until and any(asked.matched_by(each) is not False for each in rule.filters()):
            yield f"`{rule.text}` in line {rule.origin.line} has ended at {rfc3339(until)}"


def _notes(ranked: Ranking, asked: _Asked, winner: Filter | None) -> list[str]:
    command, key = asked.question.command, asked.key
    notes = []
    if key is None and takes_key(command) and any(f.key and f.command == command for f in ranked):
        notes.append("rules with a key are left out: give a KEY to ask about one target")
    if command in ANSWERS_AND_ENDINGS and (winner is None or winner.command == "*"):
        notes.append("answers to the guarded node, and the ends of accepted links and monitors, pass without a rule")
    if (
        command in _MESSAGES
        and (winner is None or winner.command == "*")
        and (not winner or winner.rule.verdict != "accept")
    ):
        notes.append("replies to calls of the guarded node pass without a rule")
    if (
        command in _MESSAGES
        and winner
        and winner.rule.verdict == "accept"
        and winner.command != "*"
        and winner.pattern is None
    ):
        name = f" {_shown(key)}" if key else ""
        opened = ranked.decides("otp_internal", key, fits=asked.fits)
        if opened is None or opened.rule.verdict != "accept":
            notes.append(
                "messages that make an OTP process run code are still refused;"
                f" `accept otp_internal{name}` would let them pass"
            )
    return notes
