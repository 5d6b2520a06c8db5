"""The way from the reference's rules to the core: a policy file, read by the loader."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from distwall import _core
from distwall.policy import loads
from tests.reference.judge import Rules
from tests.reference.rules import ATTACHED, DEFAULTS, Rule
from tests.support.core_channel import GUARD, PEER

SECRETS = {"CLUSTER": "cluster-secret", "FOO": "foo-secret"}


@dataclass
class Loaded:
    policy: _core.Policy
    policy_out: _core.Policy | None
    audit: bool
    text: Callable[[int], str]
    """The text of a rule by the id that an event has."""


def load(rules: Rules) -> Loaded:
    """Compiles rules as an operator would: those of the entry, and those of ``[defaults]``."""
    out = rules.outbound
    text = f'[guard]\nnodes = ["{GUARD}"]\ncookie_env = "CLUSTER"\n'
    text += f"[defaults]\nrules = {_listed(rules.inbound, DEFAULTS)}\n"
    if out is not None:
        text += f"rules_out = {_listed(out, DEFAULTS)}\n"
    text += f'[[peers]]\nnode = "{PEER}"\ncookie_env = "FOO"\nrules = {_listed(rules.inbound, ATTACHED)}\n'
    if out is not None:
        text += f"rules_out = {_listed(out, ATTACHED)}\n"
    if rules.audit:
        text += 'mode = "audit"\n'
    if rules.funs is not None:
        text += f"funs = {str(rules.funs).lower()}\n"
    text += f"third_nodes = {_quoted(rules.third_nodes)}\n"
    policy = loads(text, Path("distwall.toml"), SECRETS)
    entry = policy.entries[0]
    return Loaded(policy.compile(entry), policy.compile_out(entry), rules.audit, lambda one: policy.rule(one).text)


def _listed(rules: Sequence[Rule], layer: int) -> str:
    return _quoted([one.text for one in rules if one.layer == layer])


def _quoted(texts: Sequence[str]) -> str:
    return "[" + ", ".join('"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"' for text in texts) + "]"
