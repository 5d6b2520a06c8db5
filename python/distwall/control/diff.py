"""Changes between two policies, line by line, for the event stream."""

from collections.abc import Iterator
from difflib import unified_diff

from distwall.clock import rfc3339
from distwall.policy import Policy, Rule
from distwall.policy.file.toml_source import Source
from distwall.policy.model import Mode

MAX_LINES = 200


def difference(old: Policy, new: Policy) -> list[str]:
    """Lines with `+` and `-`. A changed cookie is mentioned, never shown; long lines are cut, with a mark."""
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


def needs_restart(old: Policy, new: Policy, section: str) -> str:
    """The refusal of a change of a section that only a restart applies, with the place of the first changed key."""
    before, after = (Source(policy.text.reveal(), policy.path) for policy in (old, new))
    was, now = (source.values.get(section, {}) for source in (before, after))
    changed = [key for key in {**now, **was} if was.get(key) != now.get(key)]
    place = after.key((section, *changed[:1]))
    what = ", ".join(f"`{key}`" for key in changed) or "a cookie or another file that it names"
    return f"{place}: [{section}] has changed; restart distwall to apply the change of {what}"


def _lines(policy: Policy) -> Iterator[str]:
    if policy.mode.audit:
        yield f"mode {_mode(policy.mode)}"
    for name, service in policy.services.items():
        yield from (f"service {name}: {text}" for text in service.filters)
    yield from _rules("defaults", policy.defaults)
    yield from _rules("defaults, out", policy.defaults_out)
    for name, rules in policy.tables.items():
        yield f"table {name}"
        yield from _rules(f"table {name}", rules)
        yield from _rules(f"table {name}, out", policy.tables_out.get(name))
    for entry in policy.entries:
        name = entry.node if entry.guards is None else f"{entry.node} at {', '.join(entry.guards)}"
        yield f"peer {name}"
        for key in ("visible", "tables", "limits", "third_nodes", "funs", "tls", "certificate", "sources"):
            value = getattr(entry, key)
            if value not in (None, (), {}, False):
                shown = ", ".join(str(item) for item in value) if isinstance(value, tuple) else value
                yield f"peer {name}: {key} {shown}"
        if entry.mode is not None:
            yield f"peer {name}: mode {_mode(entry.mode)}"
        if entry.on_limit != "refuse":
            yield f"peer {name}: on_limit {entry.on_limit}"
        yield from _rules(f"peer {name}", entry.attached[0])
        yield from _rules(f"peer {name}, out", entry.rules_out)


def _mode(mode: Mode) -> str:
    until = "" if mode.until is None else f" until {rfc3339(mode.until)}"
    return f"{'audit' if mode.audit else 'enforce'}{until}"


def _rules(where: str, rules: tuple[Rule, ...] | None) -> Iterator[str]:
    if rules is None:
        return
    if not rules:
        yield f"{where}: no rules"
    yield from (f"{where}: {rule.text}" for rule in rules)
