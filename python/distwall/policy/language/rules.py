"""Rules, their filters, and the specificity of filters."""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import IntEnum
from typing import TYPE_CHECKING

from distwall._core import CoreRule
from distwall.clock import utc
from distwall.policy.language.grammar import Key, Scope, Statement, Verdict, parse_rule
from distwall.policy.language.names import Part
from distwall.policy.language.patterns import Pattern
from distwall.policy.language.services import Service, built_in, service
from distwall.policy.language.term_patterns import WildcardPattern
from distwall.policy.problem import Origin

if TYPE_CHECKING:
    from distwall._core import KeyPart

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
    """The rule itself, or the filters of a service."""

    @property
    def verdict(self) -> Verdict:
        """The verdict of the rule."""
        return self.statement.verdict

    @property
    def command(self) -> str:
        """The subject of the rule: a command, ``*``, ``otp_internal``, ``call``, or a service."""
        return self.statement.command

    @property
    def key(self) -> Key | None:
        """The target of the rule."""
        return self.statement.key

    def filters(self) -> tuple["Filter", ...]:
        """The filters of the rule."""
        return tuple(
            Filter(self, part.command, part.key, part.scope, part.pattern, part.application) for part in self.parts
        )

    def holds(self, now: datetime) -> bool:
        """True if the rule is in force. A rule in audit mode is enforced afterwards."""
        said = self.statement
        return said.audit or said.until is None or now < said.until

    def audits(self, now: datetime) -> bool:
        """True if commands that it refuses pass, and are recorded."""
        said = self.statement
        return said.audit and (said.until is None or now < said.until)

    @property
    def identity(self) -> tuple[object, ...]:
        """The part of a rule that must be unique in a list."""
        said = self.statement
        return said.command, said.argument, said.key, said.scope, said.application, said.pattern


def make_rule(
    rule_id: int,
    text: str,
    origin: Origin,
    where: str,
    services: Mapping[str, Service] | None = None,
    *,
    run_time: bool = False,
) -> Rule:
    """The rule with that text. Raises RuleSyntaxError.

    ``services`` are the services that it may name (None: the built-in ones). ``run_time``: it is made while distwall
    runs, and may name a process.
    """
    services = built_in() if services is None else services
    said = parse_rule(text, services, run_time=run_time)
    parts = services[said.command].parts(said.argument) if said.command in services else (said,)
    return Rule(rule_id, text.strip(), said, origin, where, parts)


def is_service(rule: Rule) -> bool:
    """True if a rule names a service."""
    return rule.parts != (rule.statement,)


def is_known_service(rule: Rule) -> bool:
    """True if a rule names a service of distwall's own, whose page says what it opens.

    What the services of a policy open, nobody says: their rules are looked at like all others.
    """
    return is_service(rule) and rule.command in built_in()


def next_expiry(rules: Iterable[Rule], now: datetime) -> datetime | None:
    """The next end of one of ``rules``, or of its audit mode; None: never."""
    return min((r.statement.until for r in rules if r.statement.until and r.statement.until > now), default=None)


def _never(_: Pattern) -> bool:
    return False


@dataclass(frozen=True, slots=True)
class Filter:
    """One command with its conditions, and the verdict of its rule."""

    rule: Rule
    command: str
    key: Key | None
    scope: Scope | None
    pattern: Pattern | None
    application: str | None = None

    def matches(
        self,
        command: str,
        key: tuple[str, ...] | None = None,
        *,
        scopes: Collection[str] = (),
        fits: Callable[[Pattern], bool] = _never,
    ) -> bool:
        """True if the filter matches ``command`` on ``key``.

        ``scopes``: ways in which the sender came to know its target. ``fits``: true if the payload matches a pattern.
        """
        return (
            self.aims_at(command, key)
            and (self.scope in (None, "any") or self.scope in scopes)
            and self.application is None
            and (self.pattern is None or fits(self.pattern))
        )

    def aims_at(self, command: str, key: tuple[str, ...] | None) -> bool:
        """True if the filter matches ``command`` on ``key``, apart from its scope and its pattern."""
        return (self.command == command or (self.command == "*" and command not in ("otp_internal", "call"))) and (
            self.key is None or (key is not None and _all_match(self.key, key))
        )

    def covers(self, other: "Filter") -> bool:
        """True if the filter matches every command that ``other`` matches."""
        anything = self.pattern is None or (
            other.pattern is not None and isinstance(self.pattern.term, WildcardPattern)
        )
        if not anything and self.pattern != other.pattern:
            return False
        if self.application not in (None, other.application):
            return False
        if self.scope not in (None, "any", other.scope):
            return False
        if self.command != other.command and (self.command != "*" or other.command in ("otp_internal", "call")):
            return False
        if self.key is None:
            return True
        return other.key is not None and all(a.covers(b) for a, b in zip(self.key, other.key, strict=True))


class Specificity(IntEnum):
    """Classes of filters, the most specific first."""

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

    A longer prefix is more specific; between equal prefixes, as between exact keys, fewer ``_`` are. Among patterns,
    the key or scope decides. ``to any`` is wider than the other scopes.
    """
    key = candidate.key or ()
    prefixed = sum(len(part.text) for part in key if part.kind == "prefix")
    wild = sum(part.kind == "any" for part in key) + (candidate.scope == "any")
    return specificity(candidate), _without_pattern(candidate), -prefixed, wild, candidate.application is None


def _without_pattern(candidate: Filter) -> Specificity:
    if candidate.key is not None:
        return Specificity.PREFIX if any(part.kind == "prefix" for part in candidate.key) else Specificity.KEY
    if candidate.scope is not None:
        return Specificity.SCOPE
    return Specificity.ALL if candidate.command == "*" else Specificity.COMMAND


def to_core(layers: Iterable[Iterable[Filter]], now: datetime | None = None) -> list[CoreRule]:
    """Ranked filters in the form that the core takes: of granted tables, of attached lists, of the defaults."""
    now = now or utc()
    return [
        CoreRule(
            f.command,
            _core_key(f.key),
            f.scope if f.application is None else f"{f.scope} of {f.application}",
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
