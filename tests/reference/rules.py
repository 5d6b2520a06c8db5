"""Rules and the order in which they decide (docs/rules.md, "Which rule decides")."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field

from tests.reference.patterns import Pattern, matches
from tests.support.etf import Atom, Term

GRANTED, ATTACHED, DEFAULTS = 0, 1, 2


@dataclass(frozen=True)
class Part:
    """One part of a key: a literal (``exact``), a prefix, or ``_`` (``any``)."""

    kind: str
    text: str = ""

    def fits(self, text: str) -> bool:
        if self.kind == "any":
            return True
        return text.startswith(self.text) if self.kind == "prefix" else text == self.text

    def __str__(self) -> str:
        return "_" if self.kind == "any" else self.text + ("*" if self.kind == "prefix" else "")


def part(text: str) -> Part:
    if text == "_":
        return Part("any")
    return Part("prefix", text[:-1]) if text.endswith("*") else Part("exact", text)


Key = tuple[str, ...]
"""The name that a command aims at; of a call, module, function and arity."""


@dataclass(frozen=True)
class Rule:
    verdict: str
    command: str
    key: tuple[Part, ...] | None = None
    scope: str | None = None
    pattern: Pattern | None = None
    audit: bool = False
    layer: int = field(default=ATTACHED, compare=False)
    table: bool = field(default=False, compare=False)
    """It stands in a table that the entry attaches."""
    service: str = field(default="", compare=False)
    """The service that it is a part of."""

    @property
    def accepts(self) -> bool:
        return self.verdict == "accept"

    @property
    def text(self) -> str:
        if self.service:
            return f"{self.verdict} {self.service}"
        words = [self.verdict, self.command]
        if self.key is not None:
            words.append(str(self.key[0]) if len(self.key) == 1 else "{}:{}/{}".format(*self.key))
        if self.scope:
            words += ["to", self.scope]
        if self.pattern is not None:
            words += ["when", str(self.pattern)]
        if self.audit:
            words.append("mode=audit")
        return " ".join(words)

    def __repr__(self) -> str:
        where = "table" if self.table else ["granted", "", "defaults"][self.layer]
        return f"<{self.text}{where and f' ({where})'}>"


def closeness(rule: Rule) -> tuple[int, ...]:
    """The place of a rule without its pattern; smaller is closer."""
    if rule.key is not None:
        prefixes = [one for one in rule.key if one.kind == "prefix"]
        holes = sum(one.kind == "any" for one in rule.key)
        if prefixes:
            return (1, -sum(len(one.text) for one in prefixes), holes)
        return (0, holes, 0)
    if rule.scope is not None:
        return (3 if rule.scope == "any" else 2, 0, 0)
    return (5 if rule.command == "*" else 4, 0, 0)


def ranked(rules: Sequence[Rule]) -> list[Rule]:
    """The rules of a peer, strongest first. Those written first come first among equals (the sort is stable)."""
    return sorted(rules, key=lambda rule: (rule.layer, rule.pattern is None, *closeness(rule)))


@dataclass(frozen=True)
class Subject:
    """What a rule is held against: a command with its target and its message."""

    command: str
    key: Key | None = None
    scopes: Collection[str] | None = None
    """How the target became known; None if it is no process."""
    payload: Term = None
    """The message, reason or arguments, for patterns."""
    sender: Atom | None = None
    told: bool = True
    """False where there is no message, or none that can be told: no pattern fits."""


def fits(rule: Rule, asked: Subject, *, star: bool = True) -> bool:
    """True if a rule speaks of a command. Without ``star``, rules on ``*`` speak of nothing."""
    if rule.command == "*":
        return star and asked.command not in ("call", "otp_internal")
    if rule.command != asked.command:
        return False
    if rule.key is not None:
        if asked.key is None or len(asked.key) != len(rule.key):
            return False
        if not all(one.fits(text) for one, text in zip(rule.key, asked.key, strict=True)):
            return False
    if rule.scope is not None and (asked.scopes is None or rule.scope not in {*asked.scopes, "any"}):
        return False
    return rule.pattern is None or (asked.told and matches(rule.pattern, asked.payload, asked.sender))


def decides(rules: Sequence[Rule], asked: Subject, *, star: bool = True) -> Rule | None:
    """The first of ranked rules that speaks of a command."""
    return next((rule for rule in rules if fits(rule, asked, star=star)), None)
