"""Events for human eyes: one line each."""

from pathlib import Path
from typing import Any

from rich.text import Text

from distwall.audit.event import Event

_STYLES = {"deny": "bold red", "drop": "bold magenta", "accept": "bold green"}
_KIND_STYLES = {
    "connect": "bold green",
    "disconnect": "yellow",
    "handshake_refused": "bold red",
    "epmd_refused": "bold red",
}
_SHOWN_APART = frozenset({"v", "seq", "time", "event", "peer", "guard", "folded", "flags"})


def describe(event: Event) -> Text:
    """One line about an event. Names from peers can't move the cursor or colour the screen."""
    text = Text(no_wrap=True, overflow="ellipsis")
    text.append(str(event.get("time", ""))[11:19], "dim")
    if event.get("event") == "refused":
        _refused(text, event)
    else:
        _other(text, event)
    if folded := event.get("folded"):
        text.append(f"  and {folded} more", "yellow")
    return text


def _refused(text: Text, event: Event) -> None:
    verdict = str(event.get("verdict"))
    text.append(f"  {verdict.upper():<5}", _STYLES.get(verdict, ""))
    arrow = "→" if event.get("direction") == "inbound" else "←"
    text.append(f"  {_safe(event.get('peer'))} {arrow} {_safe(event.get('guard'))}")
    text.append(f"  {_safe(event.get('command') or '?')}", "bold")
    if event.get("target"):
        text.append(f" {_safe(event['target'])}")
    rule = event.get("rule")
    if isinstance(rule, dict):
        text.append(f"  {Path(_safe(rule.get('file'))).name}:{rule.get('line')} ", "dim")
        text.append(_safe(rule.get("text")), "dim italic")
    reason = event.get("reason")
    if reason not in ("rule", None):
        text.append(f"  {_REASONS.get(str(reason), _safe(reason))}", "dim")


def _other(text: Text, event: Event) -> None:
    kind = str(event.get("event"))
    text.append(f"  {_safe(kind.replace('_', ' '))}", _KIND_STYLES.get(kind, "cyan"))
    if event.get("peer"):
        text.append(f"  {_safe(event['peer'])}")
    if event.get("guard"):
        text.append(f" → {_safe(event['guard'])}" if event.get("peer") else f"  {_safe(event['guard'])}")
    for key, value in event.items():
        if key not in _SHOWN_APART and value is not None and value is not False and value != "":
            text.append(f"  {_safe(key)} ", "dim")
            text.append(_safe(", ".join(map(str, value)) if isinstance(value, list) else value))


_REASONS = {
    "default": "no rule matches it",
    "options": "a call with options or a group leader that no rule opens",
    "otp_internal": "would make an OTP process run code",
    "third_node": "names a process of another node",
    "funs": "carries a fun",
    "spoofed": "not from a process of the peer",
    "evaluator": "a call that distwall's evaluator does not follow",
    "stale_target": "for an earlier incarnation of the guarded node",
}


def _safe(value: Any) -> str:
    return "".join(c if c.isprintable() else f"\\x{{{ord(c):X}}}" for c in str(value))
