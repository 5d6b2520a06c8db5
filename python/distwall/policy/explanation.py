"""``explain``: what a policy does with one command of one peer, and why."""

import re
from dataclasses import dataclass, replace
from typing import Any

from distwall._core import COMMANDS
from distwall.policy.grammar import RuleSyntaxError, Verdict, parse_key, takes_key
from distwall.policy.model import Entry, Policy
from distwall.policy.names import atom
from distwall.policy.ranking import Ranking
from distwall.policy.rules import Filter, Rule, Specificity, precision, specificity

# What tracking lets pass without a rule (DESIGN: "Answers and endings need no rule").
ANSWERS_AND_ENDINGS = frozenset({"demonitor", "exit", "monitor_exit", "spawn_reply", "unlink", "unlink_ack"})
DEFAULTS = frozenset({"defaults", "run-time defaults"})
_MESSAGES = frozenset({"reg_send", "send", "alias_send"})
_FUNCTION = re.compile(r"(.+?):(.+)/([0-9]+)", re.DOTALL)
_CLASSES = {
    Specificity.PATTERN: "a key with a pattern",
    Specificity.KEY: "a key",
    Specificity.PREFIX: "a prefix",
    Specificity.COMMAND: "a command",
    Specificity.ALL: "`*`",
}


class QuestionError(ValueError):
    """A question that can't be asked: an unknown command, or a key that the command does not take."""


@dataclass(frozen=True, slots=True)
class Loser:
    """A rule that matches too, and why it does not decide."""

    rule: Rule
    why: str


@dataclass(frozen=True, slots=True)
class Explanation:
    """The answer. ``reason``: ``rule``, ``default`` (nothing speaks) or ``no_entry`` (the peer can't connect)."""

    peer: str
    command: str
    key: str | None
    verdict: Verdict
    reason: str
    entry: Entry | None
    rule: Rule | None
    special: tuple[tuple[Rule, str], ...]
    """Rules that come before ``rule`` and decide for one shape of the payload only: the rule and the shape's name."""
    losers: tuple[Loser, ...]
    notes: tuple[str, ...]

    def to_json(self) -> dict[str, Any]:
        """The explanation as JSON."""
        return {
            "peer": self.peer,
            "command": self.command,
            "key": self.key,
            "verdict": self.verdict,
            "reason": self.reason,
            "entry": None
            if self.entry is None
            else {"node": self.entry.node, "file": str(self.entry.origin.path), "line": self.entry.origin.line},
            "rule": None if self.rule is None else rule_to_json(self.rule),
            "special": [
                {"pattern": shape, **rule_to_json(rule), "verdict": rule.verdict} for rule, shape in self.special
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
    policy: Policy,
    peer: str,
    command: str,
    key: str | None = None,
    guard: str | None = None,
    *,
    ranked: Ranking | None = None,
) -> Explanation:
    """What ``policy`` does with ``command`` on ``key`` (as Erlang writes it) from ``peer``, at ``guard`` (None: any).

    ``ranked``: the filters that concern the peer; None: those of the file. Raises QuestionError.
    """
    asked = _asked_key(command, key)
    shown = None if asked is None else _shown(asked)
    entry = policy.entry_for(peer, guard)
    if entry is None:
        note = "a node that no [[peers]] entry names can't connect: it gets not_allowed in the handshake"
        return Explanation(peer, command, shown, "deny", "no_entry", None, None, (), (), (note,))
    ranked = ranked or policy.ranked(entry)
    if command == "otp_internal" and (carrier := _carrier(ranked, asked)):
        return _carried(explain(policy, peer, carrier, key, guard, ranked=ranked))
    special: list[tuple[Rule, str]] = []
    matching = [f for f in ranked if f.matches(command, asked, f.pattern)]
    winner: Filter | None = None
    losers: list[Loser] = []
    for candidate in matching:
        if winner is not None:
            losers.append(Loser(candidate.rule, _why_lost(winner, candidate)))
        elif candidate.pattern is not None:
            special.append((candidate.rule, candidate.pattern))
        else:
            winner = candidate
    return Explanation(
        peer=peer,
        command=command,
        key=shown,
        verdict=winner.rule.verdict if winner else "deny",
        reason="rule" if winner else "default",
        entry=entry,
        rule=winner.rule if winner else None,
        special=tuple(special),
        losers=tuple(losers),
        notes=tuple(_notes(ranked, command, asked, winner)),
    )


def _carrier(ranked: Ranking, key: tuple[str, ...] | None) -> str | None:
    """The command whose rule decides about a message that makes OTP run code, where no `otp_internal` rule is asked.

    These are asked only about what is accepted otherwise, and not where `accept *` accepts it.
    """
    command = "send" if key is None else "reg_send"
    winner = ranked.decides(command, key)
    asked = winner is not None and winner.rule.verdict == "accept" and winner.command != "*"
    return None if asked else command


def _carried(answer: Explanation) -> Explanation:
    note = f"otp_internal rules are asked only about what a {answer.command} rule other than `accept *` accepts"
    return replace(answer, command="otp_internal", notes=(note,))


def _asked_key(command: str, key: str | None) -> tuple[str, ...] | None:
    if command not in COMMANDS and command != "otp_internal":
        raise QuestionError(f"unknown command `{command}`; the commands are {', '.join(COMMANDS)}")
    if key is None:
        return None
    if not takes_key(command):
        raise QuestionError(f"`{command}` takes no key; leave it out")
    try:
        parts = parse_key(command, key)
    except RuleSyntaxError as error:
        # The shell has eaten the quotes, most likely: take the text as it is.
        if command != "spawn_request":
            return (key,)
        if match := _FUNCTION.fullmatch(key):
            return match[1], match[2], match[3]
        raise QuestionError(f"`{key}` is not M:F/A: {error}") from None
    if any(part.kind != "exact" for part in parts):
        raise QuestionError(f"`{key}` stands for many; ask about one")
    return tuple(part.text for part in parts)


def _shown(key: tuple[str, ...]) -> str:
    if len(key) == 1:
        return atom(key[0])
    module, function, arity = key
    return f"{atom(module)}:{atom(function)}/{arity}"


def _why_lost(winner: Filter, loser: Filter) -> str:
    if winner.rule.where not in DEFAULTS and loser.rule.where in DEFAULTS:
        return "defaults speak only where nothing attached to the peer does"
    ours, theirs = specificity(winner), specificity(loser)
    if ours != theirs:
        return f"{_CLASSES[ours]} is more specific than {_CLASSES[theirs]}"
    if precision(winner) != precision(loser):
        return "its prefix is shorter" if precision(winner)[1] != precision(loser)[1] else "it has more `_`"
    if winner.rule.where != loser.rule.where:
        return f"equally specific, and {winner.rule.where} comes before {loser.rule.where}"
    return "equally specific, and written later"


def _notes(ranked: Ranking, command: str, key: tuple[str, ...] | None, winner: Filter | None) -> list[str]:
    notes = []
    if key is None and takes_key(command) and any(f.key and f.command == command for f in ranked):
        notes.append("rules with a key are left out: give a KEY to ask about one target")
    if command in ANSWERS_AND_ENDINGS and (winner is None or winner.command == "*"):
        notes.append(
            "answers to what the guarded node asked for, and endings of what was accepted, pass without a rule"
        )
    if (
        command in _MESSAGES
        and (winner is None or winner.command == "*")
        and (not winner or winner.rule.verdict != "accept")
    ):
        notes.append("replies to calls of the guarded node pass without a rule")
    if command in _MESSAGES and winner and winner.rule.verdict == "accept" and winner.command != "*":
        name = f" {_shown(key)}" if key else ""
        opened = ranked.decides("otp_internal", key)
        if opened is None or opened.rule.verdict != "accept":
            notes.append(
                "messages that make an OTP process run code are refused all the same;"
                f" `accept otp_internal{name}` would let them pass"
            )
    return notes
