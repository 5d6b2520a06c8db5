"""Policy texts for tests: a minimal one, and what can be put into it."""

from pathlib import Path

from distwall.policy import Policy, loads

PATH = Path("distwall.toml")
ENV = {"CLUSTER": "cluster-secret", "FOO": "foo-secret", "OPERATORS": "operators-secret"}
GUARD = '[guard]\nnodes = ["bar@127.0.0.2"]\ncookie_env = "CLUSTER"\n'


def peer(node: str = "foo@*", rules: str = "[]", more: str = "") -> str:
    """A [[peers]] entry with a cookie."""
    return f'[[peers]]\nnode = "{node}"\ncookie_env = "FOO"\nrules = {rules}\n{more}\n'


def policy(text: str, *, guard: str = GUARD) -> Policy:
    """A policy of the guard's table and ``text``."""
    return loads(guard + text, PATH, ENV)


def with_rules(entry: list[str], defaults: list[str] | None = None, tables: list[list[str]] | None = None) -> Policy:
    """A policy of one entry for foo@* with these lists of rules."""
    tables = tables or []
    text = f"[defaults]\nrules = {_toml(defaults or [])}\n"
    for index, rules in enumerate(tables):
        text += f"[tables.t{index}]\nrules = {_toml(rules)}\n"
    return policy(text + peer(rules=_toml(entry), more=f"tables = {_toml([f't{i}' for i in range(len(tables))])}"))


def _toml(strings: list[str]) -> str:
    return "[" + ", ".join('"' + s.replace("\\", "\\\\").replace('"', '\\"') + '"' for s in strings) + "]"
