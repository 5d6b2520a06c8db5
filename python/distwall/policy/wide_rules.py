"""Warnings about rules that open more than they seem to."""

from collections.abc import Iterator

from distwall.clock import utc
from distwall.policy.language.grammar import AIMED_COMMANDS, takes_key
from distwall.policy.language.ranking import Ranking
from distwall.policy.language.rules import Filter, is_known_service
from distwall.policy.model import Entry, Policy
from distwall.policy.problem import Problem


def wide_rules(policy: Policy, entry: Entry, ranked: Ranking) -> Iterator[Problem]:
    """The warnings about the rules of one entry."""
    if policy.audits(entry, utc()):
        what = f"for {entry.node}, audit mode refuses nothing: what the rules refuse passes, and is recorded"
        yield Problem(entry.origin, what, 'write `mode = "enforce"` once the log shows nothing that you would miss')
    for candidate in ranked:
        if candidate.rule.verdict != "accept" or is_known_service(candidate.rule):
            continue
        yield from _beats_an_exact_refusal(entry, ranked, candidate)
        yield from _reaches_any_process(entry, candidate)
        yield from _has_a_pattern_only(entry, candidate)


def _beats_an_exact_refusal(entry: Entry, ranked: Ranking, candidate: Filter) -> Iterator[Problem]:
    """A pattern beats every key, so a rule for many targets opens a target that another rule refuses by name."""
    if candidate.pattern is None or not _is_wide(candidate):
        return
    for other in ranked.layers[ranked.layer(candidate.rule)]:
        refuses = other.rule.verdict != "accept" and other.command == candidate.command and other.pattern is None
        if refuses and other.key and not _is_wide(other) and _without_pattern_covers(candidate, other):
            what = (
                f"for {entry.node}, `{candidate.rule.text}` beats `{other.rule.text}` (line {other.rule.origin.line}):"
                " a pattern is more specific than a key"
            )
            yield Problem(candidate.rule.origin, what, "name the targets that it is for, or refuse with a pattern, too")
            return


def _reaches_any_process(entry: Entry, candidate: Filter) -> Iterator[Problem]:
    # To monitor a process is to learn of its end, no more.
    aims = candidate.command in AIMED_COMMANDS and candidate.command != "monitor"
    if not aims or candidate.key is not None or candidate.scope not in (None, "any"):
        return
    what = f"for {entry.node}, `{candidate.rule.text}` reaches every process, if the peer knows or guesses its pid"
    yield Problem(candidate.rule.origin, what, "write `to exposed`, `to spawned` or `to linked`")


def _has_a_pattern_only(entry: Entry, candidate: Filter) -> Iterator[Problem]:
    if candidate.pattern is None or candidate.key is not None or not takes_key(candidate.command):
        return
    what = f"for {entry.node}, `{candidate.rule.text}` holds for every target: only the content is asked about"
    yield Problem(candidate.rule.origin, what, f"name the target: `accept {candidate.command} KEY when ...`")


def _is_wide(candidate: Filter) -> bool:
    return candidate.key is None or any(part.kind in ("prefix", "any") for part in candidate.key)


def _without_pattern_covers(candidate: Filter, other: Filter) -> bool:
    if candidate.key is None or other.key is None:
        return candidate.key is None
    return all(a.covers(b) for a, b in zip(candidate.key, other.key, strict=True))
