"""The way from the reference's rules to the core."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from distwall import _core
from distwall.policy import loads
from distwall.policy.language.patterns import parse_pattern
from tests.reference.judge import Rules
from tests.reference.rules import ATTACHED, DEFAULTS, GRANTED, Rule, ranked
from tests.support.core_channel import GUARD, PEER

SECRETS = {"CLUSTER": "cluster-secret", "FOO": "foo-secret"}


@dataclass
class Loaded:
    policy: _core.PeerRules
    policy_out: _core.PeerRules | None
    text: Callable[[str, int], str]
    """The text of a rule by the direction and the id that an event has."""


def load(rules: Rules) -> Loaded:
    return _by_hand(rules) if any(one.layer == GRANTED for one in rules.inbound) else _by_file(rules)


def _by_file(rules: Rules) -> Loaded:
    """Compiles rules as an operator would: an entry with its own, a table, and those of ``[defaults]``."""
    out = rules.outbound
    text = f'[guard]\nnodes = ["{GUARD}"]\ncookie_env = "CLUSTER"\n'
    text += f"[defaults]\nrules = {_listed(one for one in rules.inbound if one.layer == DEFAULTS)}\n"
    if out is not None:
        text += f"rules_out = {_listed(one for one in out if one.layer == DEFAULTS)}\n"
    text += f"[tables.shared]\nrules = {_listed(one for one in rules.inbound if one.table)}\n"
    own = [one for one in rules.inbound if one.layer == ATTACHED and not one.table]
    text += f'[[peers]]\nnode = "{PEER}"\ncookie_env = "FOO"\ntables = ["shared"]\nrules = {_listed(own)}\n'
    if out is not None:
        text += f"rules_out = {_listed(one for one in out if one.layer == ATTACHED)}\n"
    if rules.funs is not None:
        text += f"funs = {str(rules.funs).lower()}\n"
    text += f"third_nodes = {_quoted(rules.third_nodes)}\n"
    policy = loads(text, Path("distwall.toml"), SECRETS)
    entry = policy.entries[0]
    return Loaded(policy.compile(entry), policy.compile_out(entry), lambda _, one: policy.rule(one).text)


def _by_hand(rules: Rules) -> Loaded:
    """Compiles rules in the reference's own order: no file has tables that are granted for a while."""
    lists = {"inbound": ranked(rules.inbound), "outbound": ranked(rules.outbound or [])}
    core = _core.PeerRules(_core_rules(lists["inbound"]), third_nodes=rules.third_nodes, funs=rules.funs)
    out = None if rules.outbound is None else _core.PeerRules(_core_rules(lists["outbound"]))
    return Loaded(core, out, lambda direction, one: lists[direction][one].text)


def _core_rules(rules: list[Rule]) -> list[_core.CoreRule]:
    made: list[_core.CoreRule] = []
    for number, one in enumerate(rules):
        key = None if one.key is None else tuple((part.kind, part.text) for part in one.key)
        code = None if one.pattern is None else parse_pattern(str(one.pattern)).code
        made.append(_core.CoreRule(one.command, key, one.scope, code, one.verdict, one.layer, one.audit, number))  # type: ignore[arg-type]
    return made


def _listed(rules: Iterable[Rule]) -> str:
    """The texts of rules; those of a service have one together."""
    return _quoted(dict.fromkeys(one.text for one in rules))


def _quoted(texts: Iterable[str]) -> str:
    return "[" + ", ".join('"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"' for text in texts) + "]"
