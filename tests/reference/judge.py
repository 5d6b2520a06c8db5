"""The reference judge: what docs/rules.md says of one command after the other, slowly and plainly.

Written from that page and those that it leads to. Where a page leaves something open, it says ``Undecided``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from tests.reference.calls import Call, message_call, passed_on, spawned
from tests.reference.internal import is_internal, obeyed
from tests.reference.refusals import made_up
from tests.reference.rules import Rule, Subject, decides, ranked
from tests.reference.terms import has_fun, has_label, identifiers
from tests.reference.tracking import GUARD, PEER, Tracking, Who
from tests.support.dist import EMPTY, NOTHING, Message, Op, message
from tests.support.etf import Atom, Pid, Ref

AIMED = ("send", "alias_send", "link", "monitor", "exit2", "group_leader")
"""Commands that aim at a process."""
SENDS = ("reg_send", "send", "alias_send")
ONLY_ANSWERS = ("exit", "monitor_exit", "spawn_reply", "unlink_ack")
"""Commands that can be nothing but an answer or an ending."""
CHECKED_BY_NODES = ("link", "unlink", "unlink_ack", "monitor", "demonitor", "exit", "exit2")
"""Commands for which a node closes the connection if their sender is not of the other node's name."""
BY_NAME = dict.fromkeys(("send", "alias_send", "exit2", "link", "group_leader"), "reg_send")
"""What something is judged as that goes to a process with a name."""


@dataclass(frozen=True)
class Ruling:
    verdict: str
    rule: Rule | None
    reason: str

    @property
    def accepts(self) -> bool:
        return self.verdict == "accept"

    @property
    def in_audit(self) -> bool:
        """True if the rule that refuses has ``mode=audit``, so that it passes."""
        return not self.accepts and self.rule is not None and self.rule.audit


@dataclass
class Outcome:
    """What becomes of one command."""

    forward: list[Message] = field(default_factory=list)
    back: list[Message] = field(default_factory=list)
    events: list[tuple[str, str | None, str]] = field(default_factory=list)
    """Verdict, the text of the rule, and the reason."""
    closed: bool = False


@dataclass(frozen=True)
class Rules:
    """The rules in force; ``outbound`` is None where no list speaks of what goes out."""

    inbound: list[Rule]
    outbound: list[Rule] | None = None
    audit: bool = False
    third_nodes: tuple[str, ...] = ()
    funs: bool | None = None

    def __repr__(self) -> str:
        more = " (audit)" if self.audit else ""
        more += f" third_nodes={self.third_nodes}" if self.third_nodes else ""
        more += f" funs={self.funs}" if self.funs is not None else ""
        return f"{self.inbound}{more}" + ("" if self.outbound is None else f" out {self.outbound}")


class Judge:
    def __init__(
        self,
        peer: tuple[Atom, int],
        guard: tuple[Atom, int],
        rules: Rules,
        people: Mapping[int, Who] | None = None,
    ) -> None:
        self.nodes = {PEER: peer, GUARD: guard}
        self.tracking = Tracking(self.nodes, people or {})
        self.set_rules(rules)

    def set_rules(self, rules: Rules) -> None:
        self.policy = rules
        out = None if rules.outbound is None else ranked(rules.outbound)
        self.rules: dict[str, list[Rule] | None] = {PEER: ranked(rules.inbound), GUARD: out}

    def judge(self, side: str, sent: Message) -> Outcome:
        """Judges a command that ``side`` sends, and takes note of what it means for later ones."""
        if side == PEER and self._ends_channel(sent):
            return Outcome(closed=True)
        answer = self.tracking.answered(side, sent)
        ruling = self._judged(side, sent, answer)
        if ruling.accepts:
            self.tracking.passed(side, sent, answer)
            return Outcome(forward=[sent])
        text = None if ruling.rule is None else ruling.rule.text
        if ruling.in_audit or (self.policy.audit and ruling.reason not in ("spoofed", "stale_target")):
            self.tracking.passed(side, sent, answer)
            return Outcome([sent], [], [(ruling.verdict, text, "audit:" + ruling.reason)])
        forward, back = made_up(self.tracking, side, sent, answer, ruling)
        return Outcome(forward, back, [(ruling.verdict, text, ruling.reason)])

    def _judged(self, side: str, sent: Message, answer: object | None) -> Ruling:
        rules = self.rules[side]
        if rules is None:
            return ACCEPTED
        if side == PEER and not self._honest(sent):
            return Ruling("deny", None, "spoofed")
        if side == PEER and self._stale(sent):
            return Ruling("deny", None, "stale_target")
        ruling = self._ruled(side, rules, sent, answer)
        if side == PEER and ruling.accepts:
            widest = ruling.rule if answer is None else decides(rules, self._asked(side, sent))
            return self._carried(sent, widest) or ruling
        return ruling

    # === whatever the rules say ===

    def _honest(self, sent: Message) -> bool:
        """True if the sender is the peer's own process."""
        args = sent.args
        if sent.command == "group_leader":
            return True  # it doesn't say who sends it
        if sent.command == "spawn_reply":
            return not isinstance(args["result"], Pid) or self.tracking.own(PEER, args["result"])
        return isinstance(args["from"], Atom) or self.tracking.own(PEER, args["from"])

    def _stale(self, sent: Message) -> bool:
        """True if the target is not the guarded node's own in its present incarnation."""
        target = sent.args.get("to")
        return isinstance(target, Pid | Ref) and not self.tracking.own(GUARD, target)

    def _ends_channel(self, sent: Message) -> bool:
        """True for what a node would close the connection for."""
        args: dict[str, Any] = sent.args
        sender = args.get("from")
        if sent.command in CHECKED_BY_NODES and isinstance(sender, Pid) and sender.node != self.nodes[PEER][0]:
            return True
        if sent.command in ("exit", "unlink", "unlink_ack") and self._stale(sent):
            return self._honest(sent)
        return self._honest(sent) and not self._stale(sent) and self.tracking.impossible(PEER, sent)

    def _carried(self, sent: Message, rule: Rule | None) -> Ruling | None:
        """What is said of third nodes' processes and of funs, which only some rules let through."""
        payload = None if sent.payload is NOTHING else sent.payload
        leader = sent.args["from"] if sent.command == "group_leader" else sent.args.get("group_leader")
        known = {self.nodes[PEER][0], self.nodes[GUARD][0], *map(Atom, self.policy.third_nodes)}
        if {one.node for one in identifiers((payload, leader))} - known:
            return Ruling("deny", None, "third_node")
        allowed = is_star(rule) if self.policy.funs is None else self.policy.funs
        return Ruling("deny", None, "funs") if has_fun(payload) and not allowed else None

    # === rules ===

    def _ruled(self, side: str, rules: Sequence[Rule], sent: Message, answer: object | None) -> Ruling:
        asked = self._asked(side, sent)
        rule = decides(rules, asked)
        if answer is not None:
            named = decides(rules, asked, star=False)
            if named is not None and not named.accepts:
                return said(named)
            odd = has_label(sent.payload, "io_reply") and not is_star(rule)
            odd = odd and obeyed(sent.payload, named.pattern if named else None)
            return (self._opened(rules, None) if odd else None) or Ruling("accept", named, "")
        if sent.command in ONLY_ANSWERS and side == PEER:
            return said(decides(rules, asked, star=False) if is_star(rule) else rule)
        if sent.command == "spawn_request":
            return self._spawned(side, rules, sent)
        if sent.command == "reg_send":
            name, payload = sent.args["to"], sent.payload
            if relayed := passed_on(name, payload, sent.args["from"]):
                to, payload = relayed
                passed = message(Op.REG_SEND, sent.args["from"], EMPTY, to, payload=payload)
                return self._ruled(side, rules, passed, None)
            call = message_call(name, payload, sent.args["from"])
            if not isinstance(call, type):
                return self._called_by_message(side, rules, sent, call)
        if sent.command == "monitor" and (opened := self._server_monitored(rules, sent, rule)):
            return opened
        ruling = said(rule)
        leader = sent.args["from"] if sent.command == "group_leader" else None
        if isinstance(leader, Pid) and leader.node == self.nodes[GUARD][0]:
            ruling = self._with_options(side, rule, True, leader)
        if ruling.accepts or (ruling.in_audit and not self.policy.audit):
            by_name = self._by_name(side, rules, sent, rule)
            ruling = by_name if by_name and not (by_name.in_audit and ruling.in_audit) else ruling
        in_audit = ruling.in_audit and not self.policy.audit
        if rule is None or not rule.accepts or not (ruling.accepts or in_audit):
            return ruling
        inner = self._internal(side, rules, sent, rule) or ruling
        return (
            self._carried(sent, rule) if side == PEER and inner.in_audit and not self.policy.audit else None
        ) or inner

    def _names(self, side: str, sent: Message) -> list[Atom]:
        """The name that a command aims at, or the name of the process that it aims at."""
        target = sent.args.get("to")
        if isinstance(target, Atom):
            return [target]
        if side == GUARD:
            is_first = isinstance(target, Pid) and (target.id, target.serial) == (0, 0)
            return [Atom("init")] if is_first and self.tracking.own(PEER, target) else []
        name = self.tracking.person(target).name if isinstance(target, Pid) else None
        return [] if name is None else [Atom(name)]

    def _asked(self, side: str, sent: Message) -> Subject:
        target = sent.args.get("to")
        key = (str(target),) if isinstance(target, Atom) else None
        aimed = sent.command in AIMED and not isinstance(target, Atom)
        scopes = self.tracking.scopes(side, target) if aimed else None
        return self._about(side, sent, sent.command, key, scopes)

    def _about(
        self, side: str, sent: Message, command: str, key: tuple[str, ...] | None, scopes: set[str] | None
    ) -> Subject:
        return Subject(command, key, scopes, sent.payload, self.nodes[side][0], sent.payload is not NOTHING)

    def _by_name(self, side: str, rules: Sequence[Rule], sent: Message, rule: Rule | None) -> Ruling | None:
        """What is said of who the process is that is aimed at, if that refuses."""
        target = sent.args.get("to")
        if side == GUARD or isinstance(target, Atom) or sent.command not in AIMED:
            return None
        if is_star(rule) and not (isinstance(target, Pid) and (target.id, target.serial) == (0, 0)):
            return None
        beside = True
        if isinstance(target, Ref):
            owner = self.tracking.sides[GUARD].owners.get(target)
            if owner is None:
                return Ruling("deny", None, "unknown")
            target, beside = owner
        person = self.tracking.person(target)
        if person.otp and not beside:
            return Ruling("deny", None, "unknown")
        named = None
        if person.name is not None:
            command = BY_NAME.get(sent.command, sent.command)
            asked = self._about(side, sent, command, (person.name,), None)
            named = decides(rules, asked if sent.command in SENDS else replace(asked, told=False))
        if named is not None and named.key is not None:
            return None if named.accepts else said(named)
        return Ruling("deny", None, "default") if person.otp and not is_star(rule) else None

    def _internal(self, side: str, rules: Sequence[Rule], sent: Message, rule: Rule | None) -> Ruling | None:
        """What is said of a message that makes OTP's own code act, if that refuses."""
        sender = self.nodes[side][0]
        if sent.command not in SENDS or rule is None or rule.command == "*":
            return None
        nameless: list[Atom | None] = [None]
        for name in self._names(side, sent) or nameless:
            if is_internal(sent.payload, name, sender, rule.pattern) and (refused := self._opened(rules, name)):
                return refused
        return None

    def _opened(self, rules: Sequence[Rule], name: Atom | None) -> Ruling | None:
        """What the rules on ``otp_internal`` say, if they refuse."""
        opens = decides(rules, Subject("otp_internal", None if name is None else (str(name),)))
        if opens is not None and opens.accepts:
            return None
        return Ruling(opens.verdict if opens else "deny", opens, "otp_internal")

    # === calls ===

    def _asked_call(self, command: str, side: str, call: Call | None) -> Subject:
        if call is None:
            return Subject(command, sender=self.nodes[side][0], told=False)
        return Subject(command, call.key, None, call.arguments, self.nodes[side][0])

    def _speaking(self, rules: Sequence[Rule], call: Call | None) -> Sequence[Rule]:
        """The rules that speak of a call: of one that can't be told, only `accept *` accepts."""
        if call is not None:
            return rules
        return [one for one in rules if not one.accepts or one.command == "*"]

    def _spawned(self, side: str, rules: Sequence[Rule], sent: Message) -> Ruling:
        args: dict[str, Any] = sent.args
        module, function, _ = args["mfa"]
        call = spawned(str(module), str(function), sent.payload, self.nodes[side][0])  # type: ignore[arg-type]
        speaking = self._speaking(rules, call)
        rule = decides(speaking, self._asked_call("call", side, call))
        carrier = decides(speaking, self._asked_call("spawn_request", side, call))
        if rule is None or (carrier is not None and rule.layer > carrier.layer):
            rule = carrier
        plain = all(option in (Atom("link"), Atom("monitor")) for option in args["options"])
        return self._with_options(side, rule, plain, args["group_leader"])

    def _called_by_message(self, side: str, rules: Sequence[Rule], sent: Message, call: Call | None) -> Ruling:
        carrier = decides(rules, self._asked(side, sent))
        speaking = self._speaking(rules, call)
        rule = decides(speaking, self._asked_call("call", side, call))
        if rule is None or (carrier is not None and rule.layer > carrier.layer):
            rule = decides(speaking, self._asked_call("spawn_request", side, call))
            refusing = carrier is not None and not carrier.accepts and carrier.command != "*"
            if carrier is not None and refusing and (rule is None or carrier.layer <= rule.layer):
                rule = carrier
        return self._with_options(side, rule, True, None if call is None else call.leader)

    def _with_options(self, side: str, rule: Rule | None, plain: bool, leader: object) -> Ruling:
        """What is said of a call that comes with options and a group leader."""
        ruling = said(rule)
        if side == PEER and ruling.accepts and not is_star(rule):
            leads = leader is None or self.tracking.own(PEER, leader) or leader in self.tracking.sides[GUARD].led
            if not plain or not leads:
                return Ruling("deny", None, "options")
        return ruling

    def _server_monitored(self, rules: Sequence[Rule], sent: Message, rule: Rule | None) -> Ruling | None:
        """The monitor of a server that calls functions, which rules on calls open."""
        named = rule is not None and (rule.key is not None or rule.accepts)
        calls = [one for one in rules if one.command == "call" and one.accepts]
        if sent.args["to"] != "rex" or named or not calls:
            return None
        return said(calls[0]) if rule is None or calls[0].layer <= rule.layer else None


ACCEPTED = Ruling("accept", None, "")


def said(rule: Rule | None) -> Ruling:
    if rule is None:
        return Ruling("deny", None, "default")
    return Ruling(rule.verdict, rule, "" if rule.accepts else "rule")


def is_star(rule: Rule | None) -> bool:
    """True for ``accept *``."""
    return rule is not None and rule.command == "*" and rule.accepts
