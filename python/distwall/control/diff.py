"""What a change of the policy changes, line by line, for the event stream."""

from collections.abc import Iterator
from difflib import unified_diff

from distwall.policy import Policy, Rule

MAX_LINES = 200


def difference(old: Policy, new: Policy) -> list[str]:
    """Lines with `+` and `-`; cookies never stand in them, only that one has changed. Long ones are cut, and say so."""
    lines = [
        line.rstrip("\n")
        for line in unified_diff(list(_lines(old)), list(_lines(new)), n=0, lineterm="")
        if not line.startswith(("---", "+++", "@@"))
    ]
    for entry in new.entries:
        before = next((e for e in old.entries if (e.node, e.guards) == (entry.node, entry.guards)), None)
        if before is not None and before.cookie != entry.cookie:
            lines.append(f"~ {entry.node}: cookie")
    if len(lines) > MAX_LINES:
        lines[MAX_LINES:] = [f"... {len(lines) - MAX_LINES} more lines"]
    return lines


def _lines(policy: Policy) -> Iterator[str]:
    yield from _rules("defaults", policy.defaults)
    for name, rules in policy.tables.items():
        yield f"table {name}"
        yield from _rules(f"table {name}", rules)
    for entry in policy.entries:
        name = entry.node if entry.guards is None else f"{entry.node} at {', '.join(entry.guards)}"
        yield f"peer {name}"
        for key in ("visible", "tables", "limits", "third_nodes", "funs", "tls", "certificate", "sources"):
            value = getattr(entry, key)
            if value not in (None, (), {}, False):
                shown = ", ".join(str(item) for item in value) if isinstance(value, tuple) else value
                yield f"peer {name}: {key} {shown}"
        yield from _rules(f"peer {name}", entry.attached[0])


def _rules(where: str, rules: tuple[Rule, ...]) -> Iterator[str]:
    return (f"{where}: {rule.text}" for rule in rules)
