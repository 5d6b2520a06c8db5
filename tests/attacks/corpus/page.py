"""docs/attacks.md, from the attacks themselves."""

from collections.abc import Iterator, Sequence

from tests.attacks.corpus import CHAPTERS
from tests.attacks.corpus.attack import Attack

HEAD = """# Attacks

What peers have been made to try. Each of these attacks succeeds against a guarded node without distwall and fails
through it, under the widest rules that have to stop it: `tests/attacks/corpus` runs them all both ways, with real
Erlang nodes, on connections that either side opened, and where that makes a difference in fragments and by pid. This
page is made from the attacks themselves (`python -m tests.attacks.corpus`).

*Rules* are those of the peer; what they don't name is refused. *Fails* is why distwall refuses it, as the log has it,
and what the attacker sees: nothing, unless the protocol has an answer. After each of them what the rules allow still
works, on the same channel unless that is closed.
"""

SEES = {
    "ok": "",
    "true": "",
    "false": "",
}
"""What says nothing: it is the same whether the attack worked or not."""


def page() -> str:
    """The whole page."""
    return "\n".join([HEAD, *(line for title, attacks in CHAPTERS.items() for line in chapter(title, attacks))])


def chapter(title: str, attacks: list[Attack]) -> Iterator[str]:
    """One table."""
    yield f"## {title}"
    yield ""
    yield "| attack | what it does | rules | fails |"
    yield "| --- | --- | --- | --- |"
    for attack in attacks:
        yield f"| {attack.name} | {attack.does} | {rules(attack)} | {fails(attack)} |"
    yield ""


def rules(attack: Attack) -> str:
    """The policies that it is tried under."""
    texts = [_code(attack.policy, attack.settings)]
    if attack.by_pid is not None:
        texts.append(f"by pid: {_code(attack.by_pid, attack.settings)}")
    return "; ".join(texts)


def fails(attack: Attack) -> str:
    """How it fails."""
    if attack.closes:
        return f"closed: {attack.reason}"
    sees = SEES.get(attack.sees, f", `{attack.sees}`".replace("|", "\\|"))
    return f"`{attack.reason}`{sees}"


def _code(texts: Sequence[str], settings: str) -> str:
    parts = [f"`{text}`" for text in texts] + ([f"`{settings}`"] if settings else [])
    return ", ".join(parts).replace("|", "\\|")
