"""Events for human eyes: one line each."""

from pathlib import Path

from rich.text import Text

from distwall.audit.event import Event
from distwall.audit.plain_words import printable, word, words

_STYLES = {"deny": "bold red", "drop": "bold magenta", "accept": "bold green"}
_KIND_STYLES = {
    "connect": "bold green",
    "disconnect": "yellow",
    "handshake_refused": "bold red",
    "epmd_refused": "bold red",
}
_SHOWN_APART = frozenset({"v", "seq", "time", "event", "peer", "guard", "folded", "flags"})


def describe(event: Event) -> Text:
    """One line about an event. Its fields can be told apart whatever is in them (see `plain_words`)."""
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
    text.append(f"  {word(event.get('peer'))} {arrow} {word(event.get('guard'))}")
    text.append(f"  {word(event['command']) if event.get('command') else '?'}", "bold")
    if event.get("target"):
        text.append(f" {words(event['target'])}")
    rule = event.get("rule")
    if isinstance(rule, dict):
        text.append(f"  {printable(Path(str(rule.get('file'))).name)}:{rule.get('line')} ", "dim")
        text.append(printable(rule.get("text")), "dim italic")
    reason = event.get("reason")
    if reason not in ("rule", None):
        text.append(f"  {_REASONS.get(str(reason)) or word(reason)}", "dim")


def _other(text: Text, event: Event) -> None:
    kind = str(event.get("event"))
    text.append(f"  {printable(kind.replace('_', ' '))}", _KIND_STYLES.get(kind, "cyan"))
    if event.get("peer"):
        text.append(f"  {word(event['peer'])}")
    if event.get("guard"):
        text.append(f"{' → ' if event.get('peer') else '  '}{word(event['guard'])}")
    for key, value in event.items():
        if key not in _SHOWN_APART and value is not None and value is not False and value != "":
            text.append(f"  {word(key)} ", "dim")
            text.append(", ".join(map(word, value)) if isinstance(value, list) else word(value))


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
