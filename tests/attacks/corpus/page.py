"""docs/attacks.md, from the attacks themselves."""

from collections.abc import Iterable, Iterator, Sequence

from tests.attacks import test_costs, test_crashes, test_detours
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

TAIL = """## Elsewhere

Those that have their own tests beside the corpus, in `tests/attacks`:

* What ends a VM, from a peer that may do anything (`accept *`): distwall closes the channel. {crashes}.
* Ways round one open name: refused as `otp_internal`. {detours}.
* What costs distwall time or memory: bounded. {costs}.
* Strangers, false names and cookies, certificates (`test_strangers.py`, `test_identity.py`); whoever answers where a
  guarded node dials (`test_outgoing.py`); what the machine does (`test_mishaps.py`).
"""

SEES = {
    "ok": "",
    "true": "",
    "false": "",
}
"""What says nothing: it is the same whether the attack worked or not."""


def page() -> str:
    """The whole page."""
    tail = TAIL.format(
        crashes=_listed({**test_crashes.HELD_OFF, **test_crashes.BITES_29}),
        detours=_listed(test_detours.DETOURS),
        costs=_listed(test_costs.STREAMS),
    )
    chapters = (line for title, attacks in CHAPTERS.items() for line in chapter(title, attacks))
    return "\n".join([HEAD, *chapters, tail])


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


def _listed(names: Iterable[str]) -> str:
    return "; ".join(names)


def _code(texts: Sequence[str], settings: str) -> str:
    parts = [f"`{text}`" for text in texts] + [f"`{line}`" for line in settings.splitlines()]
    return ", ".join(parts).replace("|", "\\|")
