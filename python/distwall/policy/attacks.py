"""Attacks on a policy, tried offline: commands of a hostile peer that the core judges as if they had arrived.

``attacks.toml`` holds them. An attack at a registered name is tried at each name that the entry opens.
"""

import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

from distwall._core import print_atom
from distwall.policy.explanation import explain
from distwall.policy.language.names import Part
from distwall.policy.language.rules import Rule
from distwall.policy.model import Entry, Policy
from distwall.policy.question import Question

_NAME = "NAME"
_UNTAKEN = "distwall_attack"
"""Stands for the rest of a name where a rule leaves it open."""


@dataclass(frozen=True, slots=True)
class OfflineAttack:
    """One command of a hostile peer."""

    name: str
    kind: str
    """The sort of hole that it goes through: ``calls``, ``wrappers``, ``behaviours``, ``servers`` or ``pids``."""
    effect: str
    """The gain, as the rest of a sentence that begins "the peer"."""
    question: Question

    def at(self, name: str) -> "OfflineAttack":
        """The same attack at a registered name."""
        asked = self.question
        question = Question(asked.command, print_atom(name), asked.to, asked.term)
        return OfflineAttack(self.name, self.kind, self.effect, question)


@dataclass(frozen=True, slots=True)
class Success:
    """An attack that takes effect."""

    attack: OfflineAttack
    rule: Rule | None
    """The rule that lets it pass; None: audit mode does."""


@cache
def offline_attacks() -> tuple[OfflineAttack, ...]:
    """All attacks, in the order of the file."""
    text = files("distwall.policy").joinpath("attacks.toml").read_text(encoding="utf-8")
    return tuple(
        OfflineAttack(
            each["name"],
            each["kind"],
            each["effect"],
            Question(each["command"], each.get("key"), None, each.get("term")),
        )
        for each in tomllib.loads(text)["attack"]
    )


def successes(policy: Policy, entry: Entry) -> Iterator[Success]:
    """The attacks that an entry's peers could make, each with the rule that lets it pass."""
    peer = entry.node.replace("*", "attacker").replace("?", "x")
    names = _opened_names(policy, entry)
    for attack in offline_attacks():
        targets = [attack.at(name) for name in names] if attack.question.key == _NAME else [attack]
        for target in targets:
            found = explain(policy, peer, target.question, rule_set=policy.rule_set(entry))
            if found.verdict == "accept" or found.audited:
                yield Success(target, None if found.audited else found.rule)


def _opened_names(policy: Policy, entry: Entry) -> list[str]:
    """The registered names that rules about messages open; of many names that one rule opens, an example."""
    accepting = [each for each in policy.ranked(entry) if each.rule.verdict == "accept"]
    keys = [each.key[0] if each.key else Part("any") for each in accepting if each.command in ("reg_send", "*")]
    return list(dict.fromkeys(part.text if part.kind == "exact" else f"{part.text}{_UNTAKEN}" for part in keys))
