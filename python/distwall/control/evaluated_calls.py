"""Verdicts on the calls that a guarded node evaluates for peers, in restricted shells and checked funs.

Each peer and each entry has a share of the questions that are answered, so that one of them doesn't use up the
guarded node's. What is refused is in the log, as a refused command of the peer.
"""

import time
from collections.abc import Callable
from typing import Literal, Protocol

from distwall._core import print_atom
from distwall.audit.schema import PeerCaused, Refused, RuleRef
from distwall.control.channel import EntryKey, key_of
from distwall.control.runtime_settings import GivenKey
from distwall.policy import Explanation
from distwall.rate import Allowance, Rates

PEER_QUESTIONS = Allowance(per_second=100.0, burst=1000.0)
"""Questions about one peer's calls that are answered; each takes about half a millisecond."""

ENTRY_QUESTIONS = Allowance(per_second=200.0, burst=1500.0)
"""Questions about the calls of all peers of an entry that are answered."""

Extent = Literal["whole", "named", "closed"]
"""``whole``: rules about some arguments refuse all; ``named``: only the rules that name the function decide;
``closed``: the evaluator refuses the call whatever the rules say, and tells of it."""

CallVerdict = Literal["accept", "refused", "arguments", "busy"]
"""``arguments``: the policy refuses the call for some arguments; ``busy``: beyond the share, to be asked again."""


class Explaining(Protocol):
    """The part of the runtime API that explains verdicts."""

    def explain(self, node: str, command: str, key: GivenKey = None, *, guard: str | None = None) -> Explanation:
        """Explain the verdict on a command of a peer. Raises ControlError."""


class EvaluatedCalls:
    """Answers the evaluators of the guarded nodes."""

    def __init__(self, firewall: Explaining, record: Callable[[EntryKey, PeerCaused], None]) -> None:
        """``record`` takes events that the peers of an entry have caused."""
        self._firewall = firewall
        self._record = record
        self._peers = Rates(PEER_QUESTIONS)
        self._entries = Rates(ENTRY_QUESTIONS)

    def judge(self, peer: str, call: tuple[str, str, int], extent: Extent, guard: str) -> CallVerdict:
        """The verdict on a call that ``guard`` evaluates for a peer. Raises ControlError for what can't be asked."""
        now = time.monotonic()
        # A peer without room costs the entry nothing, and no explanation is made for it.
        if not self._peers.has_room((peer, guard), now):
            return "busy"
        told = self._firewall.explain(peer, "call", call, guard=guard)
        if told.entry is None:
            return "refused"
        key = key_of(told.entry)
        if not self._entries.has_room(key, now):
            return "busy"
        self._peers.spend((peer, guard), now)
        self._entries.spend(key, now)
        rule = told.rule
        verdict: CallVerdict = "accept" if told.verdict == "accept" else "refused"
        reason = told.reason
        if extent == "closed":
            verdict, reason, rule = "refused", "evaluator", None
        elif verdict == "accept" and extent == "whole":
            special = next((each.rule for each in told.special if each.rule.verdict != "accept"), None)
            if special is not None:
                verdict, reason, rule = "arguments", "rule", special
        if verdict != "accept":
            module, function, arity = call
            self._record(
                key,
                Refused(
                    peer=peer,
                    guard=guard,
                    direction="inbound",
                    command=None,
                    target=_printed(module, function, arity),
                    verdict="deny",
                    rule=None if rule is None else RuleRef.of(rule),
                    reason=reason,
                    folded=0,
                ),
            )
        return verdict


def _printed(module: str, function: str, arity: int) -> str:
    return f"{print_atom(module)}:{print_atom(function)}/{arity}"
