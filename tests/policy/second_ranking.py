"""A second ranking: which rule decides, found as naively as docs/rules.md tells it ("Which rule decides").

No order is computed here: of two filters that both speak, ``_beats`` says which one wins, and the winner is whoever
beats all others. Keys are texts as users write them and are matched as such.
"""

from dataclasses import dataclass

Question = tuple[str, str | None, str | None, str | None]
"""A command, the target as text, how the sender knows it, and the pattern that its message matches, if any does."""

PING = "{'$gen_call', from(), {is_auth, node()}}"


@dataclass(frozen=True)
class Written:
    """One rule as written, and where: 0 the entry, 1 the first table, ...; None the defaults."""

    verdict: str
    command: str
    key: str | None
    list_number: int | None
    position: int
    scope: str | None = None
    pattern: str | None = None

    @property
    def text(self) -> str:
        to = f"to {self.scope}" if self.scope else None
        when = f"when {self.pattern}" if self.pattern else None
        return " ".join(part for part in (self.verdict, self.command, self.key, to, when) if part)


@dataclass(frozen=True)
class _Filter:
    rule: Written
    command: str
    key: str | None
    pattern: str | None
    scope: str | None = None


def deciding(rules: list[Written], question: Question) -> tuple[str, Written | None]:
    """The verdict about one command of a peer, and the rule that decides."""
    filters = [filter_ for rule in rules for filter_ in _filters(rule)]
    for defaults in (False, True):
        speaking = [f for f in filters if (f.rule.list_number is None) == defaults and _speaks(f, question)]
        for candidate in speaking:
            if all(candidate is other or _beats(candidate, other) for other in speaking):
                return candidate.rule.verdict, candidate.rule
        assert not speaking, "two filters that beat each other"
    return "deny", None


def _filters(rule: Written) -> list[_Filter]:
    if rule.command == "ping":
        return [
            _Filter(rule, "monitor", "net_kernel", None),
            _Filter(rule, "reg_send", "net_kernel", PING),
        ]
    return [_Filter(rule, rule.command, rule.key, rule.pattern, rule.scope)]


def _speaks(f: _Filter, question: Question) -> bool:
    command, target, scope, pattern = question
    if f.command not in ("*", command) or (f.command == "*" and command in ("otp_internal", "call")):
        return False
    if f.pattern is not None and f.pattern != pattern:
        return False
    if f.scope not in (None, "any", scope):
        return False
    if f.key is None:
        return True
    if target is None:
        return False
    return all(_part_matches(part, text) for part, text in zip(_parts(f.key), _parts(target), strict=True))


def _part_matches(part: str, text: str) -> bool:
    if part == "_":
        return True
    return text.startswith(part[:-1]) if part.endswith("*") else text == part


def _parts(key: str) -> list[str]:
    return key.replace("/", ":").split(":")


def _beats(a: _Filter, b: _Filter) -> bool:
    """Both speak, both are of the same layer."""
    if (a.pattern is None) != (b.pattern is None):
        return a.pattern is not None
    if _kind(a) != _kind(b):
        return _kind(a) < _kind(b)
    if _prefix_length(a) != _prefix_length(b):
        return _prefix_length(a) > _prefix_length(b)
    if _wildcards(a) != _wildcards(b):
        return _wildcards(a) < _wildcards(b)
    if a.rule.list_number != b.rule.list_number:
        assert a.rule.list_number is not None
        assert b.rule.list_number is not None
        return a.rule.list_number < b.rule.list_number
    return a.rule.position < b.rule.position


def _kind(f: _Filter) -> int:
    if f.key is not None:
        return 2 if "*" in f.key else 1
    if f.scope is not None:
        return 3
    return 4 if f.command != "*" else 5


def _prefix_length(f: _Filter) -> int:
    return sum(len(part) - 1 for part in _parts(f.key or "") if part.endswith("*"))


def _wildcards(f: _Filter) -> int:
    return sum(part == "_" for part in _parts(f.key or "")) + (f.scope == "any")
