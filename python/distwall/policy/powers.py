"""Powers: the sum of what an entry's peers can do, in words for the author of the policy.

Each accepted filter that some rule doesn't always beat is a power. Filters that open the same kind of thing are put
together: "call 3 functions (...)". Refusals that cut a part out of a power are named behind it. A power with which a
peer can run any code comes first, and alone: it includes all others.
"""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass

from distwall.clock import utc
from distwall.policy.language.grammar import FUNCTION_COMMANDS, Key
from distwall.policy.language.names import key_text
from distwall.policy.language.ranking import Ranking
from distwall.policy.language.rules import Filter, is_known_service
from distwall.policy.model import Entry, Policy
from distwall.policy.runners import RUNNERS, SENDERS

_RUN_ANYTHING = frozenset((*RUNNERS, *SENDERS))

_SHOWN = 3
"""Names shown of each kind; the others are counted."""

_AIMED = {
    "send": "message",
    "alias_send": "answer through aliases of",
    "link": "link to",
    "monitor": "monitor",
    "exit2": "end",
    "group_leader": "take over the group leader of",
}
"""Commands that aim at a process: what their sender does with it."""

_PROCESSES = {
    None: "any process",
    "any": "any process",
    "exposed": "processes that it was shown",
    "spawned": "processes that it has spawned",
    "linked": "processes that it is linked with",
}
"""The scopes of rules: which processes they are about."""


@dataclass(frozen=True, slots=True)
class Powers:
    """The powers of an entry's peers."""

    any_code: tuple[str, ...]
    """The rules with which a peer can run any code."""
    others: tuple[str, ...]
    """All other powers, each a part of a sentence that begins "it can"."""
    audited: bool
    """True if the entry is in audit mode: whatever the rules refuse passes."""

    def sentence(self, node: str) -> str:
        """The powers as one sentence."""
        if self.audited:
            return f"{node} can: do everything, until the audit mode ends (refused commands pass, and are recorded)"
        if self.any_code:
            return f"{node} can: run any code, by {listed([f'`{text}`' for text in self.any_code])}"
        return f"{node} can: {'; '.join(self.others) or 'connect, and nothing else'}"


def powers(policy: Policy, entry: Entry) -> Powers:
    """The powers of an entry's peers, by the rules in force now."""
    ranked = policy.ranked(entry)
    opened = [each for each in ranked if each.rule.verdict == "accept" and _decides(ranked, each)]
    any_code = list(dict.fromkeys(each.rule.text for each in opened if runs_any_code(policy, entry, each)))
    others = tuple(_kinds(ranked, opened))
    if entry.funs is True and not any_code:
        others += ("send functions, which the guarded node may call",)
    return Powers(tuple(any_code), others, policy.audits(entry, utc()))


def _decides(ranked: Ranking, candidate: Filter) -> bool:
    """True if a filter decides about something: no other filter covers all of it before."""
    winner = ranked.covering(candidate)
    return winner is None or winner is candidate or winner.rule.verdict == "accept"


def runs_any_code(policy: Policy, entry: Entry, candidate: Filter) -> bool:
    """True if a peer can run any code with what a filter accepts."""
    rule = candidate.rule
    if is_known_service(rule):
        # The lines of a restricted shell are judged, each call by itself; `global` runs functions that come along.
        tame = {"remsh": policy.guard.restricted_shell, "global": entry.funs is not True}
        return policy.services[rule.command].any_code and not tame.get(rule.command, False)
    if candidate.command == "otp_internal" or (candidate.command == "*" and candidate.pattern is None):
        return True
    calls = candidate.command in FUNCTION_COMMANDS and candidate.pattern is None
    return calls and (_names_no_module(candidate.key) or _names_a_runner(candidate.key))


def _names_no_module(key: Key | None) -> bool:
    return key is None or key[0].kind != "exact"


def _names_a_runner(key: Key | None) -> bool:
    return key is not None and tuple(part.text for part in key) in _RUN_ANYTHING


def _kinds(ranked: Ranking, opened: Sequence[Filter]) -> Iterator[str]:
    known = [each.rule.text for each in opened if is_known_service(each.rule)]
    services = dict.fromkeys(text.removeprefix("accept ") for text in known)
    if services:
        yield f"use {_counted(list(services), 'service')}"
    plain = [each for each in opened if not is_known_service(each.rule)]
    functions = [_key(each) for each in plain if each.command in FUNCTION_COMMANDS]
    if functions:
        yield f"call {_counted(functions, 'function', _cut_out(ranked, FUNCTION_COMMANDS))}"
    names = [_key(each) for each in plain if each.command == "reg_send"]
    if names:
        yield f"message {_counted(names, 'registered name', _cut_out(ranked, ('reg_send',)))}"
    for command, does in _AIMED.items():
        aimed = [each for each in plain if each.command == command]
        whom = list(dict.fromkeys(_PROCESSES[each.scope] for each in aimed if each.key is None))
        wide = _PROCESSES[None]
        if whom:
            yield f"{does} {wide if wide in whom else ' and '.join(whom)}"
    rest = dict.fromkeys(each.command for each in plain if each.command not in _TOLD)
    if rest:
        yield f"send {', '.join(rest).replace('*', 'anything with some contents')}"


_TOLD = (*FUNCTION_COMMANDS, "reg_send", *_AIMED)
"""Subjects of rules with words of their own."""


def _key(candidate: Filter) -> str:
    """The key of a filter as its rule writes it; with a pattern, only for some contents."""
    text = "every one" if candidate.key is None else key_text(candidate.key)
    return text if candidate.pattern is None else f"{text} with some contents"


def _cut_out(ranked: Ranking, commands: Collection[str]) -> list[str]:
    """The targets that are refused by a filter with a key: some power over many targets may be without these."""
    refused = (each for each in ranked if each.rule.verdict != "accept" and each.command in commands and each.key)
    return list(dict.fromkeys(_key(each) for each in refused))


def _counted(names: Sequence[str], one: str, but: Sequence[str] = ()) -> str:
    unique = list(dict.fromkeys(names))
    text = f"{len(unique)} {one}{'' if len(unique) == 1 else 's'} ({listed(unique)})"
    return f"{text}, but not {listed(but)}" if but else text


def listed(names: Sequence[str]) -> str:
    """The first of some names, each once, and the number of the others."""
    unique = list(dict.fromkeys(names))
    shown = ", ".join(unique[:_SHOWN])
    return shown if len(unique) <= _SHOWN else f"{shown} and {len(unique) - _SHOWN} more"
