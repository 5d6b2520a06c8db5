"""A policy as JSON, without cookies."""

from typing import Any

from distwall.policy import Entry, Policy


def policy_to_json(policy: Policy) -> dict[str, Any]:
    """The policy, as the API shows it."""
    return {
        "file": str(policy.path),
        "guards": list(policy.guard.nodes),
        "defaults": [rule.text for rule in policy.defaults],
        "tables": {name: [rule.text for rule in rules] for name, rules in policy.tables.items()},
        "peers": [_entry(entry) for entry in policy.entries],
    }


def _entry(entry: Entry) -> dict[str, Any]:
    return {
        "node": entry.node,
        "guards": None if entry.guards is None else list(entry.guards),
        "visible": entry.visible,
        "tls": entry.tls,
        "certificate": list(entry.certificate),
        "from": [str(network) for network in entry.sources],
        "tables": list(entry.tables),
        "rules": [rule.text for rule in (entry.attached[0] if entry.attached else ())],
        "limits": dict(entry.limits),
        "third_nodes": list(entry.third_nodes),
        "funs": entry.funs,
        "line": entry.origin.line,
    }
