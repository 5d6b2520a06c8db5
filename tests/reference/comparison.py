"""A channel of the core beside the reference judge, and what they disagree about."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from tests.reference.judge import Judge, Outcome, Rules
from tests.reference.loading import load
from tests.reference.rules import Rule
from tests.reference.sessions import ENDS, Send, SetRules, Step
from tests.reference.tracking import GUARD, PEER, Undecided, other
from tests.support.core_channel import CoreChannel, Output
from tests.support.dist import Message, Op


class Comparison:
    """Both are shown the same commands, one after the other."""

    def __init__(self, rules: Rules) -> None:
        self.channel = CoreChannel()
        peer, guard = ((ENDS[side].name, ENDS[side].creation) for side in (PEER, GUARD))
        self.judge = Judge(peer, guard, rules)
        self.closed = False
        self.set(rules)

    def set(self, rules: Rules) -> None:
        self.loaded = load(rules)
        self.channel.core.set_policy(self.loaded.policy, policy_out=self.loaded.policy_out, audit=self.loaded.audit)
        self.judge.set_rules(rules)

    def play(self, step: Step) -> str | None:
        """Plays a step. Returns what the two disagree about."""
        if self.closed:
            return None
        if isinstance(step, SetRules):
            self.set(step.rules)
            return None
        sent = self._possible(step.side, step.message)
        try:
            expected = self.judge.judge(step.side, sent)
        except Undecided:
            self.closed = True
            return None
        send = self.channel.inbound if step.side == PEER else self.channel.outbound
        got = send(sent, style=step.style, fragment=step.fragment or 65536)
        seen = self._seen(got)
        self.closed = seen.closed
        if seen == expected:
            return None
        return f"the core says      {described(seen)}\n  the reference says {described(expected)}"

    def _possible(self, side: str, sent: Message) -> Message:
        """A spawn reply with no link or monitor that wasn't asked for (a channel ends at one)."""
        if sent.op is not Op.SPAWN_REPLY:
            return sent
        assert isinstance(sent.control, tuple)
        ref, to, flags, result = sent.control[1:]
        _, asked = self.judge.tracking.sides[other(side)].spawns.get(ref, (None, set[str]()))
        return Message((31, ref, to, flags & (("link" in asked) | ("monitor" in asked) << 1), result))

    def _seen(self, got: Output) -> Outcome:
        events: list[tuple[str, str | None, str]] = [
            (verdict, None if rule is None else self.loaded.text(rule), reason)
            for _, _, _, verdict, rule, reason, _ in got.events
        ]
        return Outcome([one for one in got.forward if not is_noise(one)], got.back, events, got.closed is not None)


def is_noise(passed: Message) -> bool:
    """True for a message to the name ``undefined``, which no process can have: it brings a header, and no more."""
    return passed.op is Op.REG_SEND and passed.args["to"] == "undefined" and passed.payload == []


def described(outcome: Outcome) -> str:
    parts = [f"pass {outcome.forward}" if outcome.forward else "stop"]
    parts += [f"back {outcome.back}"] if outcome.back else []
    parts += ["{} by {} ({})".format(*event) for event in outcome.events]
    parts += ["close"] if outcome.closed else []
    return ", ".join(parts)


def difference(rules: Rules, session: Sequence[Step]) -> str | None:
    """The first thing that the core and the reference disagree about."""
    comparison = Comparison(rules)
    return next((found for found in map(comparison.play, session) if found), None)


def reduced(rules: Rules, session: list[Step]) -> tuple[Rules, list[Step]]:
    """The same disagreement with as few steps and rules as removing them one by one leaves."""
    again = True
    while again:
        again = False
        for fewer_rules, fewer_steps in _smaller(rules, session):
            if difference(fewer_rules, fewer_steps):
                rules, session, again = fewer_rules, fewer_steps, True
                break
    return rules, session


def _smaller(rules: Rules, session: list[Step]) -> list[tuple[Rules, list[Step]]]:
    out: list[tuple[Rules, list[Step]]] = []
    for size in (8, 4, 2, 1):
        out += [(rules, session[:at] + session[at + size :]) for at in range(0, len(session), size)]
    out += [(fewer, session) for fewer in _fewer(rules)]
    for at, step in enumerate(session):
        if isinstance(step, SetRules):
            out += [(rules, [*session[:at], SetRules(fewer), *session[at + 1 :]]) for fewer in _fewer(step.rules)]
        elif step.style != "otp" or step.fragment:
            plain: Step = Send(step.side, step.message)
            out.append((rules, [*session[:at], plain, *session[at + 1 :]]))
    return out


def _fewer(rules: Rules) -> list[Rules]:
    def without(listed: list[Rule], at: int) -> list[Rule]:
        return listed[:at] + listed[at + 1 :]

    out = [replace(rules, inbound=without(rules.inbound, at)) for at in range(len(rules.inbound))]
    if rules.outbound is not None:
        out.append(replace(rules, outbound=None))
        out += [replace(rules, outbound=without(rules.outbound, at)) for at in range(len(rules.outbound))]
    out += [replace(rules, audit=False)] if rules.audit else []
    out += [replace(rules, third_nodes=())] if rules.third_nodes else []
    out += [replace(rules, funs=None)] if rules.funs is not None else []
    return out


def story(rules: Rules, session: Sequence[Step]) -> str:
    """A disagreement, to be read: the policy, the session, and what each of the two says at its end."""
    found = difference(rules, session)
    return "\n".join([f"policy: {rules}", *map(str, session), f"  {found}"])
