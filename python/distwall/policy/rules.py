"""Rules, the filters that they stand for, and how specific these are."""

import tomllib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import IntEnum
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING

from distwall.policy.grammar import SERVICES, Key, Verdict, parse_key, parse_rule
from distwall.policy.names import Part
from distwall.policy.problem import Origin

if TYPE_CHECKING:
    from distwall._core import CoreRule, KeyPart


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule. ``where`` is ``entry``, ``table NAME`` or ``defaults``; ``id`` numbers the rules of a policy."""

    id: int
    text: str
    verdict: Verdict
    command: str
    key: Key | None
    origin: Origin
    where: str

    def filters(self) -> tuple["Filter", ...]:
        """What the rule stands for: itself, or the bundle of a service."""
        if self.command in SERVICES:
            return tuple(Filter(self, *candidate) for candidate in service(self.command))
        return (Filter(self, self.command, self.key, None),)

    @property
    def identity(self) -> tuple[str, Key | None]:
        """What may stand only once in a list."""
        return self.command, self.key


def make_rule(rule_id: int, text: str, origin: Origin, where: str) -> Rule:
    """The rule of that text. Raises RuleSyntaxError."""
    statement = parse_rule(text)
    return Rule(rule_id, text.strip(), statement.verdict, statement.command, statement.key, origin, where)


@dataclass(frozen=True, slots=True)
class Filter:
    """One command, optional key and optional payload shape, with the verdict of the rule that it comes from."""

    rule: Rule
    command: str
    key: Key | None
    pattern: str | None

    def matches(self, command: str, key: tuple[str, ...] | None = None, shape: str | None = None) -> bool:
        """Whether the filter speaks of ``command`` on ``key`` with a payload of ``shape`` (None: of no named shape)."""
        return (
            (self.command == command or (self.command == "*" and command != "otp_internal"))
            and (self.key is None or (key is not None and _all_match(self.key, key)))
            and (self.pattern is None or self.pattern == shape)
        )

    def covers(self, other: "Filter") -> bool:
        """Whether the filter speaks of everything that ``other`` speaks of."""
        if self.pattern is not None and self.pattern != other.pattern:
            return False
        if self.command != other.command and (self.command != "*" or other.command == "otp_internal"):
            return False
        if self.key is None:
            return True
        return other.key is not None and all(a.covers(b) for a, b in zip(self.key, other.key, strict=True))


class Specificity(IntEnum):
    """How closely a filter names what it judges, the closest first."""

    PATTERN = 0
    KEY = 1
    PREFIX = 2
    COMMAND = 4
    ALL = 5


def specificity(candidate: Filter) -> Specificity:
    """The class of a filter in the order of precedence."""
    if candidate.pattern is not None:
        return Specificity.PATTERN
    if candidate.key is not None:
        return Specificity.PREFIX if any(part.kind == "prefix" for part in candidate.key) else Specificity.KEY
    return Specificity.ALL if candidate.command == "*" else Specificity.COMMAND


def precision(candidate: Filter) -> tuple[int, ...]:
    """Orders the filters of a policy layer by specificity alone: the smaller decides.

    A longer prefix is the closer one; with the same prefix, as between exact keys, the one with fewer ``_``.
    """
    key = candidate.key or ()
    prefixed = sum(len(part.text) for part in key if part.kind == "prefix")
    return specificity(candidate), -prefixed, sum(part.kind == "any" for part in key)


def to_core(layers: Iterable[Iterable[Filter]]) -> list["CoreRule"]:
    """Ranked filters in the form that the core takes: those of granted tables, what is attached, the defaults."""
    return [
        (
            f.command,
            _core_key(f.key),
            None,
            None if f.pattern is None else f.pattern.encode(),
            f.rule.verdict,
            layer,
            False,
            f.rule.id,
        )
        for layer, filters in enumerate(layers)
        for f in filters
    ]


@cache
def service(name: str) -> tuple[tuple[str, Key | None, str | None], ...]:
    """The filters of a service: command, key and payload shape of each."""
    data = tomllib.loads(files("distwall.policy").joinpath("services.toml").read_text(encoding="utf-8"))
    return tuple(
        (candidate["command"], parse_key(candidate["command"], candidate["key"]), candidate.get("pattern"))
        for candidate in data[name]["filters"]
    )


def _all_match(parts: Sequence[Part], key: Sequence[str]) -> bool:
    return len(parts) == len(key) and all(part.matches(text) for part, text in zip(parts, key, strict=True))


def _core_key(key: Key | None) -> "tuple[KeyPart, ...] | None":
    if key is None:
        return None
    # An empty prefix and `_` stand for the same.
    return tuple(("any", "") if part.kind == "prefix" and not part.text else (part.kind, part.text) for part in key)
