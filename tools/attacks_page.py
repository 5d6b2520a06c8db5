"""docs/attacks.md, from the attacks themselves."""

from collections.abc import Iterable, Iterator, Sequence

from tests.attacks.corpus import CHAPTERS
from tests.attacks.corpus.attack import Attack
from tests.attacks.costs import STREAMS
from tests.attacks.crashes import BITES_29, HELD_OFF
from tests.attacks.detours import DETOURS

HEAD = """# Attacks

Hostile peers have made each of these attacks on real nodes.
Without distwall, the attack succeeds. Through distwall it fails, under the widest rules that have to stop it.
`tests/attacks/corpus` runs all of them both ways, on connections that either side opened.
It also sends them in fragments and to the pid of a named process, where that makes a difference.
This page is made from the attacks themselves (`make pages`).

*Rules* are the rules of the peer; commands without a rule are refused.
*Fails* is the reason in the log, and the answer that the attacker gets, if the protocol has one.
After each attack, accepted messages still pass, on the same channel unless that was closed.
"""

TAIL = """## Elsewhere

These attacks have tests of their own in `tests/attacks`.

A peer with `accept *` tries to crash the VM, and distwall closes the channel:

{crashes}

A peer tries to get round one open name, and is refused as `otp_internal`:

{detours}

A peer tries to use up distwall's time or memory, which stays bounded:

{costs}

Other tests:

* strangers, false names, false cookies and false certificates (`test_strangers.py`, `test_identity.py`);
* a hostile program at the address that a guarded node dials (`test_outgoing.py`);
* mishaps of the machine (`test_mishaps.py`).
"""

SEES = {
    "ok": "",
    "true": "",
    "false": "",
}
"""Answers that say nothing: they are the same if the attack works."""


def page() -> str:
    """The whole page."""
    tail = TAIL.format(
        crashes=_listed(HELD_OFF | BITES_29),
        detours=_listed(DETOURS),
        costs=_listed(STREAMS),
    )
    chapters = (line for title, attacks in CHAPTERS.items() for line in chapter(title, attacks))
    return "\n".join([HEAD, *chapters, tail])


def chapter(title: str, attacks: list[Attack]) -> Iterator[str]:
    """One table."""
    yield f"## {title}"
    yield ""
    yield "| attack | action | rules | fails |"
    yield "| --- | --- | --- | --- |"
    for attack in attacks:
        yield f"| {attack.name} | {attack.does} | {rules(attack)} | {fails(attack)} |"
    yield ""


def rules(attack: Attack) -> str:
    """The rules of the peer in this attack."""
    texts = [_code(attack.policy, attack.settings)]
    if attack.by_pid is not None:
        texts.append(f"by pid: {_code(attack.by_pid, attack.settings)}")
    return "; ".join(texts)


def fails(attack: Attack) -> str:
    """The failure of the attack: the reason in the log, and the answer."""
    if attack.closes:
        return f"closed: {attack.reason}"
    sees = SEES.get(attack.sees, f", `{attack.sees}`".replace("|", "\\|"))
    return f"`{attack.reason}`{sees}"


def _listed(names: Iterable[str]) -> str:
    return "\n".join(f"* {name}" for name in names)


def _code(texts: Sequence[str], settings: str) -> str:
    parts = [f"`{text}`" for text in texts] + [f"`{line}`" for line in settings.splitlines()]
    return ", ".join(parts).replace("|", "\\|")
