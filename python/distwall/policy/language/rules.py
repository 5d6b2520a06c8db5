"""Rules, the filters that they stand for, and how specific these are."""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import IntEnum
from typing import TYPE_CHECKING

from distwall.clock import utc
from distwall.policy.language.grammar import Key, Scope, Statement, Verdict, parse_rule
from distwall.policy.language.names import Part
from distwall.policy.language.patterns import Pattern
from distwall.policy.language.services import Service, built_in, service
from distwall.policy.language.term_patterns import WildcardPattern
from distwall.policy.problem import Origin

if TYPE_CHECKING:
    from distwall._core import CoreRule, KeyPart

__all__ = ["service"]


@dataclass(frozen=True, slots=True, eq=False)
class Rule:
    """One rule. ``where`` is ``entry``, ``table NAME`` or ``defaults``; ``id`` numbers the rules of a policy.

    Each rule is equal to itself only.
    """

    id: int
    text: str
    statement: Statement
    origin: Origin
    where: str
    parts: tuple[Statement, ...]
    """What it stands for: itself, or the filters of a service."""

    @property
    def verdict(self) -> Verdict:
        """What it does."""
        return self.statement.verdict

    @property
    def command(self) -> str:
        """What it is about: a command, ``*``, ``otp_internal``, ``call``, or a service."""
        return self.statement.command

    @property
    def key(self) -> Key | None:
        """Whom it is about."""
        return self.statement.key

    def filters(self) -> tuple["Filter", ...]:
        """What the rule stands for."""
        return tuple(Filter(self, part.command, part.key, part.scope, part.pattern) for part in self.parts)

    def holds(self, now: datetime) -> bool:
        """Whether it decides. A rule that was on trial until then does so from then on."""
        said = self.statement
        return said.audit or said.until is None or now < said.until

    def audits(self, now: datetime) -> bool:
        """Whether what it refuses passes, and is recorded."""
        said = self.statement
        return said.audit and (said.until is None or now < said.until)

    @property
    def identity(self) -> tuple[object, ...]:
        """What may stand only once in a list."""
        said = self.statement
        return said.command, said.argument, said.key, said.scope, said.pattern


def make_rule(
    rule_id: int,
    text: str,
    origin: Origin,
    where: str,
    services: Mapping[str, Service] | None = None,
    *,
    run_time: bool = False,
) -> Rule:
    """The rule of that text. Raises RuleSyntaxError.

    ``services`` are those that it may name (None: those that come with distwall). ``run_time``: it is made while
    distwall runs, and may name a process.
    """
    services = built_in() if services is None else services
    said = parse_rule(text, services, run_time=run_time)
    parts = services[said.command].parts(said.argument) if said.command in services else (said,)
    return Rule(rule_id, text.strip(), said, origin, where, parts)


def is_service(rule: Rule) -> bool:
    """Whether a rule names a service."""
    return rule.parts != (rule.statement,)


def next_expiry(rules: Iterable[Rule], now: datetime) -> datetime | None:
    """When the next of ``rules`` ends to hold, or to be on trial; None: none ever will."""
    return min((r.statement.until for r in rules if r.statement.until and r.statement.until > now), default=None)


def _never(_: Pattern) -> bool:
    return False


@dataclass(frozen=True, slots=True)
class Filter:
    """One command with what narrows it, and the verdict of the rule that it comes from."""

    rule: Rule
    command: str
    key: Key | None
    scope: Scope | None
    pattern: Pattern | None

    def matches(
        self,
        command: str,
        key: tuple[str, ...] | None = None,
        *,
        scopes: Collection[str] = (),
        fits: Callable[[Pattern], bool] = _never,
    ) -> bool:
        """Whether the filter speaks of ``command`` on ``key``.

        ``scopes``: how the sender came to know its target. ``fits``: whether the payload matches a pattern.
        """
        return (
            self.aims_at(command, key)
            and (self.scope in (None, "any") or self.scope in scopes)
            and (self.pattern is None or fits(self.pattern))
        )

    def aims_at(self, command: str, key: tuple[str, ...] | None) -> bool:
        """Whether it speaks of ``command`` on ``key``, apart from its scope and its pattern."""
        return (self.command == command or (self.command == "*" and command not in ("otp_internal", "call"))) and (
            self.key is None or (key is not None and _all_match(self.key, key))
        )

    def covers(self, other: "Filter") -> bool:
        """Whether the filter speaks of everything that ``other`` speaks of."""
        anything = self.pattern is None or (
            other.pattern is not None and isinstance(self.pattern.term, WildcardPattern)
        )
        if not anything and self.pattern != other.pattern:
            return False
        if self.scope not in (None, "any", other.scope):
            return False
        if self.command != other.command and (self.command != "*" or other.command in ("otp_internal", "call")):
            return False
        if self.key is None:
            return True
        return other.key is not None and all(a.covers(b) for a, b in zip(self.key, other.key, strict=True))


class Specificity(IntEnum):
    """How closely a filter names what it judges, the closest first."""

    PATTERN = 0
    KEY = 1
    PREFIX = 2
    SCOPE = 3
    COMMAND = 4
    ALL = 5


def specificity(candidate: Filter) -> Specificity:
    """The class of a filter in the order of precedence."""
    return Specificity.PATTERN if candidate.pattern is not None else _without_pattern(candidate)


def precision(candidate: Filter) -> tuple[int, ...]:
    """Orders the filters of a policy layer by specificity alone: the smaller decides.

    A longer prefix is the closer one; with the same prefix, as between exact keys, the one with fewer ``_``. Among
    patterns, the one whose key or scope is the closer one. ``to any`` is wider than the other scopes.
    """
    key = candidate.key or ()
    prefixed = sum(len(part.text) for part in key if part.kind == "prefix")
    wild = sum(part.kind == "any" for part in key) + (candidate.scope == "any")
    return specificity(candidate), _without_pattern(candidate), -prefixed, wild


def _without_pattern(candidate: Filter) -> Specificity:
    if candidate.key is not None:
        return Specificity.PREFIX if any(part.kind == "prefix" for part in candidate.key) else Specificity.KEY
    if candidate.scope is not None:
        return Specificity.SCOPE
    return Specificity.ALL if candidate.command == "*" else Specificity.COMMAND


def to_core(layers: Iterable[Iterable[Filter]], now: datetime | None = None) -> list["CoreRule"]:
    """Ranked filters in the form that the core takes: those of granted tables, what is attached, the defaults."""
    now = now or utc()
    return [
        (
            f.command,
            _core_key(f.key),
            f.scope,
            None if f.pattern is None else f.pattern.code,
            f.rule.verdict,
            layer,
            f.rule.audits(now),
            f.rule.id,
        )
        for layer, filters in enumerate(layers)
        for f in filters
    ]


def _all_match(parts: Sequence[Part], key: Sequence[str]) -> bool:
    return len(parts) == len(key) and all(part.matches(text) for part, text in zip(parts, key, strict=True))


def _core_key(key: Key | None) -> "tuple[KeyPart, ...] | None":
    if key is None:
        return None
    # An empty prefix and `_` stand for the same.
    return tuple(("any", "") if part.kind == "prefix" and not part.text else (part.kind, part.text) for part in key)
