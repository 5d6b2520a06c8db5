"""Warnings about accepted services that open nothing, because the entry lacks a setting or another rule."""

from collections.abc import Iterator

from distwall._core import OWN_NAME
from distwall.policy.language.ranking import Ranking
from distwall.policy.language.rules import is_known_service, is_service
from distwall.policy.model import Entry, Policy
from distwall.policy.problem import Problem


def idle_services(policy: Policy, entry: Entry, ranked: Ranking) -> Iterator[Problem]:
    """The warnings about the services of one entry."""
    for rule in dict.fromkeys(candidate.rule for candidate in ranked):
        if rule.verdict != "accept" or not is_service(rule):
            continue
        if rule.command == "remsh" and is_known_service(rule) and not _lets_shells_answer(policy, entry):
            what = f"for {entry.node}, `{rule.text}` is not enough for a shell: the entry lets no funs pass"
            yield Problem(rule.origin, what, "add funs = true, or set restricted_shell = true in [guard]")
        if rule.statement.argument == OWN_NAME:
            what = f"`{rule.text}` opens no questions to distwall: they need rules without patterns"
            yield Problem(rule.origin, what, f"write `accept reg_send {OWN_NAME}` and `accept monitor {OWN_NAME}`")


def _lets_shells_answer(policy: Policy, entry: Entry) -> bool:
    """True if a terminal can tell a shell its options, which have a function that completes names."""
    return entry.funs is True or policy.guard.restricted_shell
